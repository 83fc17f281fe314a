import { settledWithin, StartError, type Logger } from '#runtime';
import type { BusAssignmentOptions, BusMessage, BusPartitions, BusRecord } from './bus.js';
import { ABORT_GRACE_MS, BusServer, MAX_BATCH_BYTES, MAX_HELD_BYTES, STOP_GRACE_MS } from './bus-server.js';
import { headerListOf, headerTexts } from './headers.js';
import { PartitionQueue, type QueuedBatch } from './partition-queue.js';

/** A message with the partition and offset that it was given. */
export interface Placed extends BusMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
}

/** A record that one group has not processed yet. */
export interface PendingRecord {
  readonly record: Placed;
  /** Called once the group has taken it, at the latest when it has processed it. */
  readonly accepted: () => void;
  /** Called once the group has processed it. */
  readonly processed: () => void;
}

/** A partition of a topic. */
export interface Partition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/** The broker as a member sees it. */
interface Membership {
  join(groupId: string, topics: readonly string[], member: InProcessConsumer): void;
  /** Hands nothing more to the member. */
  retire(groupId: string, member: InProcessConsumer): void;
  leave(groupId: string, member: InProcessConsumer): void;
}

export interface InProcessConsumerOptions {
  readonly groupId: string;
  readonly maxBatchRecords: number;
  readonly maxHeldRecords: number;
  readonly assignment: BusAssignmentOptions;
  readonly logger: Logger | undefined;
}

/** A member of a group of the in-process broker, under `@EventPattern` handlers of batches. */
export class InProcessConsumer extends BusServer {
  private readonly queues: PartitionQueue<PendingRecord>[] = [];
  private readonly stopping = new AbortController();
  private readonly patience = new AbortController();
  private listening = false;
  /** Set while it is the one member of its group that consumes. */
  private partitions: BusPartitions | undefined;

  constructor(
    private readonly broker: Membership,
    private readonly options: InProcessConsumerOptions,
  ) {
    super(options.groupId, options.logger);
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
    this.broker.retire(this.groupId, this);
    await settledWithin(STOP_GRACE_MS, [this.tellRevoked(), ...this.queues.map((queue) => queue.settled())]);
    this.patience.abort();
    await settledWithin(
      ABORT_GRACE_MS,
      this.queues.map((queue) => queue.settled()),
    );
    this.broker.leave(this.groupId, this);
  }

  /** Gives this member every partition: it is its turn to consume. */
  assign(partitions: BusPartitions): void {
    this.partitions = partitions;
    this.options.assignment.onAssigned?.(partitions);
  }

  /** Makes a queue to this member's handlers. */
  queueOf(partition: Partition): PartitionQueue<PendingRecord> {
    const { maxBatchRecords, maxHeldRecords } = this.options;
    const queue = new PartitionQueue<PendingRecord>({
      ...{ maxBatchRecords, maxBatchBytes: MAX_BATCH_BYTES, maxHeldRecords, maxHeldBytes: MAX_HELD_BYTES },
      sizeOf: ({ record: { key, value } }) => (key?.length ?? 0) + (value?.length ?? 0),
      deliver: (batch) => this.deliverAll(partition, batch),
      onAccepted: (pending) => pending.forEach(({ accepted }) => accepted()),
      onDone: (pending) => pending.forEach(({ processed }) => processed()),
    });
    this.queues.push(queue);
    return queue;
  }

  private deliverAll({ topic, topicId }: Partition, { records, taken, failed }: QueuedBatch<PendingRecord>): Promise<boolean> {
    const batch = {
      records: records.map(({ record }) => toRecord(record)),
      signal: this.patience.signal,
      topicId: () => Promise.resolve(topicId),
      taken,
    };
    return this.deliver(topic, batch, this.stopping.signal, failed);
  }

  private async tellRevoked(): Promise<void> {
    if (!this.partitions) return;
    try {
      await this.options.assignment.onRevoked?.(this.partitions);
    } catch (error) {
      if (this.log) this.log.error({ err: error, group_id: this.groupId }, 'bus.revocation_failed');
      else this.logger.error(`bus.revocation_failed: ${String(error)}`);
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
