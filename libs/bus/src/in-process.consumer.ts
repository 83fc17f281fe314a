import { StartError, type Logger } from '#runtime';
import type { BusMessage, BusRecord } from './bus.js';
import { ABORT_GRACE_MS, BusServer, settledWithin, STOP_GRACE_MS } from './bus-server.js';
import { headerListOf, headerTexts } from './headers.js';

/** A message in the place that it has been given. */
interface Placed extends BusMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
}

/** A message on its way to one group. */
export interface Delivery {
  readonly record: Placed;
  /** Called once the group has processed it. */
  readonly processed: () => void;
}

/** What one group has still to process of one partition, in order. */
export interface Lane {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly waiting: Delivery[];
  /** A handler is at work on the first of the waiting. */
  busy: boolean;
}

/** What a member needs of the broker. */
interface Membership {
  join(groupId: string, topics: readonly string[], member: InProcessConsumer): void;
  leave(groupId: string, member: InProcessConsumer): void;
}

/** A member of a group of the in-process broker, under `@EventPattern` handlers of batches. */
export class InProcessConsumer extends BusServer {
  private readonly busy = new Set<Promise<unknown>>();
  private readonly stopping = new AbortController();
  private readonly patience = new AbortController();
  private listening = false;

  constructor(
    private readonly broker: Membership,
    groupId: string,
    readonly maxBatchRecords: number,
    log: Logger | undefined,
  ) {
    super(groupId, log);
  }

  listen(callback: (error?: unknown) => void): void {
    try {
      const topics = this.topics();
      if (this.listening) throw new StartError(`consumer group ${this.groupId} is already running`);
      this.listening = true;
      this.broker.join(this.groupId, topics, this);
    } catch (error) {
      callback(error);
      return;
    }
    callback();
  }

  /** Finishes the handlers' current batches (bounded) and leaves the group. */
  async close(): Promise<void> {
    this.stopping.abort();
    this.broker.leave(this.groupId, this);
    await settledWithin([...this.busy], STOP_GRACE_MS);
    this.patience.abort();
    await settledWithin([...this.busy], ABORT_GRACE_MS);
  }

  /** @returns whether the batch has been processed; never rejects */
  async take(lane: Lane, batch: readonly Delivery[]): Promise<boolean> {
    const records = batch.map(({ record }) => toRecord(record));
    const topicId = (): Promise<string> => Promise.resolve(lane.topicId);
    const whole = { records, signal: this.patience.signal, topicId };
    const done = this.deliver(lane.topic, whole, this.stopping.signal, () => undefined);
    this.busy.add(done);
    try {
      return await done;
    } finally {
      this.busy.delete(done);
    }
  }
}

/** A copy of its own for each group. */
function toRecord(placed: Placed): BusRecord {
  const { key, value, topic, partition, offset, timestamp } = placed;
  const keyBytes = key === null ? null : Buffer.from(key);
  const list = headerListOf(placed);
  return {
    topic,
    partition,
    offset: String(offset),
    key: keyBytes === null ? null : keyBytes.toString('utf8'),
    keyBytes,
    value: value === null ? null : Buffer.from(value),
    headers: headerTexts(list),
    headerList: list,
    timestamp,
  };
}
