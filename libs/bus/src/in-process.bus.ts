import { randomUUID } from 'node:crypto';
import type { Logger } from '#runtime';
import {
  BusUnavailableError,
  DEFAULT_MAX_BATCH_RECORDS,
  type Bus,
  type BusConsumerOptions,
  type BusMessage,
  type BusProducer,
  type BusStrategy,
} from './bus.js';
import { settledWithin } from './bus-server.js';
import { headerListOf } from './headers.js';
import { InProcessConsumer, type Delivery, type Lane } from './in-process.consumer.js';

/** Partitions of every topic: keys in different ones are handled at the same time. */
const PARTITIONS = 8;
/** How long letting go of a producer waits for its sends, in milliseconds. */
const DISCONNECT_GRACE_MS = 2000;

export interface InProcessBrokerOptions {
  /**
   * Topics that have a consumer somewhere in the process: what is sent before it listens waits for it. Records of other
   * topics that nobody consumes, such as a dead-letter topic, are accepted and forgotten.
   */
  readonly consumed?: readonly string[];
}

/** A consumer group's members, and what it has still to process. */
interface Group {
  readonly members: InProcessConsumer[];
  /** By topic and partition; in the order sent. */
  readonly lanes: Map<string, Lane>;
}

interface Topic {
  readonly id: string;
  readonly nextOffsets: number[];
  readonly groups: Map<string, Group>;
  /** Sent to a consumed topic before its first group was there. */
  readonly early: (() => void)[];
}

/**
 * The bus within one process. It keeps Kafka's promises and no more: order per key, copies instead of shared objects,
 * redelivery after a throw. It holds nothing durably, so `send` resolves only when every group has processed the
 * records: until then the sender keeps them, as it would if a broker did not acknowledge.
 */
export class InProcessBroker {
  private readonly topics = new Map<string, Topic>();
  private readonly consumed: ReadonlySet<string>;
  private readonly closing = new AbortController();

  constructor({ consumed = [] }: InProcessBrokerOptions = {}) {
    this.consumed = new Set(consumed);
  }

  /**
   * A service's connection to this broker.
   *
   * @param logger takes a line for each failure of a handler; without one they go to Nest's logger
   */
  bus(logger?: Logger): Bus {
    return new InProcessBus(this, this.closing.signal, logger);
  }

  /** Rejects what is still being sent. */
  close(): void {
    this.closing.abort();
  }

  /** @internal Resolves when every group of the topic has processed the messages. */
  publish(topicName: string, messages: readonly BusMessage[]): Promise<void> {
    const topic = this.topic(topicName);
    if (topic.groups.size === 0 && !this.consumed.has(topicName)) return Promise.resolve();
    return new Promise((resolve) => {
      const enqueue = (): void => this.enqueue(topicName, topic, messages, resolve);
      if (topic.groups.size === 0) topic.early.push(enqueue);
      else enqueue();
    });
  }

  /** @internal */
  join(groupId: string, topics: readonly string[], member: InProcessConsumer): void {
    for (const name of topics) {
      const topic = this.topic(name);
      const group = topic.groups.get(groupId) ?? { members: [], lanes: new Map<string, Lane>() };
      topic.groups.set(groupId, group);
      group.members.push(member);
      for (const enqueue of topic.early.splice(0)) enqueue();
      for (const lane of group.lanes.values()) pump(group, lane);
    }
  }

  /** @internal What a member has not processed goes to the others, or waits for the next one to join. */
  leave(groupId: string, member: InProcessConsumer): void {
    for (const { groups } of this.topics.values()) {
      const members = groups.get(groupId)?.members ?? [];
      const index = members.indexOf(member);
      if (index >= 0) members.splice(index, 1);
    }
  }

  private topic(name: string): Topic {
    let topic = this.topics.get(name);
    if (!topic) {
      topic = { id: randomUUID(), nextOffsets: new Array<number>(PARTITIONS).fill(0), groups: new Map(), early: [] };
      this.topics.set(name, topic);
    }
    return topic;
  }

  private enqueue(name: string, topic: Topic, messages: readonly BusMessage[], resolve: () => void): void {
    let unprocessed = messages.length * topic.groups.size;
    const processed = (): void => {
      if (--unprocessed === 0) resolve();
    };
    const touched = new Map<Lane, Group>();
    for (const message of messages) {
      const partition = partitionOf(message);
      const offset = topic.nextOffsets[partition]!++;
      const delivery: Delivery = { record: { ...message, topic: name, partition, offset, timestamp: Date.now() }, processed };
      for (const group of topic.groups.values()) {
        const lane = laneOf(group, name, topic.id, partition);
        lane.waiting.push(delivery);
        touched.set(lane, group);
      }
    }
    for (const [lane, group] of touched) pump(group, lane);
  }
}

function laneOf(group: Group, topic: string, topicId: string, partition: number): Lane {
  const id = `${topic}[${partition}]`;
  let lane = group.lanes.get(id);
  if (!lane) {
    lane = { topic, topicId, partition, waiting: [], busy: false };
    group.lanes.set(id, lane);
  }
  return lane;
}

/** Keeps a lane moving: what arrives while a batch is being handled is the next batch. */
function pump(group: Group, lane: Lane): void {
  if (lane.busy || lane.waiting.length === 0) return;
  const member = group.members[lane.partition % group.members.length];
  if (!member) return;
  const batch = lane.waiting.slice(0, member.maxBatchRecords);
  lane.busy = true;
  void member.take(lane, batch).then((done) => {
    lane.busy = false;
    if (done) {
      lane.waiting.splice(0, batch.length);
      for (const { processed } of batch) processed();
    }
    pump(group, lane);
  });
}

/** FNV-1a over the key; without a key the value spreads the records as well as anything. */
function partitionOf({ key, value }: BusMessage): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(key ?? value ?? '')) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % PARTITIONS;
}

class InProcessBus implements Bus {
  private readonly producers: InProcessProducer[] = [];

  constructor(
    private readonly broker: InProcessBroker,
    private readonly closing: AbortSignal,
    private readonly logger: Logger | undefined,
  ) {}

  producer(): BusProducer {
    const producer = new InProcessProducer(this.broker, this.closing);
    this.producers.push(producer);
    return producer;
  }

  strategy({ groupId, maxBatchRecords = DEFAULT_MAX_BATCH_RECORDS }: BusConsumerOptions): BusStrategy {
    return new InProcessConsumer(this.broker, groupId, maxBatchRecords, this.logger);
  }

  ensureTopics(): Promise<void> {
    return this.check();
  }

  check(): Promise<void> {
    return this.closing.aborted ? Promise.reject(new BusUnavailableError('the bus is closed')) : Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.all(this.producers.map((producer) => producer.disconnect()));
  }
}

class InProcessProducer implements BusProducer {
  private readonly sending = new Map<Promise<void>, (error: Error) => void>();
  private closed = false;

  constructor(
    private readonly broker: InProcessBroker,
    closing: AbortSignal,
  ) {
    closing.addEventListener('abort', () => this.rejectAll());
    this.closed = closing.aborted;
  }

  connect(): Promise<void> {
    return Promise.resolve();
  }

  send(topic: string, messages: readonly BusMessage[]): Promise<void> {
    if (this.closed) return Promise.reject(new BusUnavailableError('the producer is closed'));
    if (messages.length === 0) return Promise.resolve();
    let reject: (error: Error) => void = () => undefined;
    const sent = new Promise<void>((resolve, rejectSent) => {
      reject = rejectSent;
      void this.broker.publish(topic, messages.map(copyOf)).then(resolve);
    }).finally(() => this.sending.delete(sent));
    this.sending.set(sent, reject);
    return sent;
  }

  async disconnect(): Promise<void> {
    this.closed = true;
    await settledWithin([...this.sending.keys()], DISCONNECT_GRACE_MS);
    this.rejectAll();
  }

  private rejectAll(): void {
    this.closed = true;
    for (const reject of this.sending.values()) reject(new BusUnavailableError('the bus was closed before all was processed'));
  }
}

/** The sender may go on using what it sent. */
function copyOf(message: BusMessage): BusMessage {
  const { key, value } = message;
  return {
    key: typeof key === 'string' || key === null ? key : Buffer.from(key),
    value: typeof value === 'string' || value === null ? value : Buffer.from(value),
    headerList: headerListOf(message).map((header) => ({ ...header })),
  };
}
