import { randomUUID } from 'node:crypto';
import { settledWithin, type Logger } from '#runtime';
import {
  BusUnavailableError,
  DEFAULT_MAX_BATCH_RECORDS,
  DEFAULT_MAX_HELD_RECORDS,
  type Bus,
  type BusConsumerOptions,
  type BusMessage,
  type BusProducer,
  type BusStrategy,
  type SendOptions,
} from './bus.js';
import { headerListOf } from './headers.js';
import { InProcessConsumer, type PendingRecord, type Partition, type Placed } from './in-process.consumer.js';
import { partitionOf } from './key-hash.js';
import type { PartitionQueue } from './partition-queue.js';

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

/** Records of one partition that one group has still to process. */
interface GroupQueue extends Partition {
  /** Of the member that consumes. */
  current: PartitionQueue<PendingRecord> | undefined;
  /** In the order sent, while nobody consumes. */
  waiting: PendingRecord[];
  /** Resolves when nothing of the member before is under way. */
  isFree: Promise<void>;
}

/** A consumer group: its first member consumes everything, the others stand by. */
interface Group {
  readonly topics: readonly string[];
  readonly members: InProcessConsumer[];
  readonly queues: GroupQueue[];
}

interface Topic {
  readonly id: string;
  readonly nextOffsets: number[];
  /** By their ids. */
  readonly groups: Map<string, readonly GroupQueue[]>;
  /** Sent to a consumed topic before its first group was there. */
  readonly early: (() => void)[];
}

/**
 * The bus within one process. It keeps Kafka's promises and no more: order per key, copies instead of shared objects,
 * redelivery after a throw. It holds nothing durably, so `send` resolves only when every group has processed the
 * records: until then the sender keeps them, as it would if a broker did not acknowledge. One member of a group consumes all
 * partitions; the others stand by.
 */
export class InProcessBroker {
  private readonly topics = new Map<string, Topic>();
  private readonly groups = new Map<string, Group>();
  private readonly consumed: ReadonlySet<string>;
  private readonly closing = new AbortController();

  constructor({ consumed = [] }: InProcessBrokerOptions = {}) {
    this.consumed = new Set(consumed);
  }

  /**
   * Makes a service's connection to this broker.
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
  publish(topicName: string, messages: readonly BusMessage[], onAccepted: () => void): Promise<void> {
    const topic = this.topic(topicName);
    if (topic.groups.size === 0 && !this.consumed.has(topicName)) {
      onAccepted();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const enqueue = (): void => enqueueAll(topicName, topic, messages, { onAccepted, onProcessed: resolve });
      if (topic.groups.size === 0) topic.early.push(enqueue);
      else enqueue();
    });
  }

  /** @internal */
  join(groupId: string, topics: readonly string[], member: InProcessConsumer): void {
    let group = this.groups.get(groupId);
    if (!group) {
      group = { topics, members: [], queues: topics.flatMap((name) => newQueues(name, this.topic(name).id)) };
      this.groups.set(groupId, group);
      for (const name of topics) {
        const topic = this.topic(name);
        topic.groups.set(
          groupId,
          group.queues.filter((queue) => queue.topic === name),
        );
        for (const enqueue of topic.early.splice(0)) enqueue();
      }
    }
    group.members.push(member);
    if (group.members[0] === member) activate(group, member);
  }

  /** @internal What is not processed when the member has come to its end waits for the next one. */
  retire(groupId: string, member: InProcessConsumer): void {
    const group = this.groups.get(groupId);
    if (group?.members[0] !== member) return;
    for (const { current } of group.queues) current?.close();
  }

  /** @internal */
  leave(groupId: string, member: InProcessConsumer): void {
    const group = this.groups.get(groupId);
    const index = group?.members.indexOf(member) ?? -1;
    if (!group || index < 0) return;
    group.members.splice(index, 1);
    if (index > 0) return;
    group.queues.forEach(takeBack);
    const [next] = group.members;
    if (next) activate(group, next);
  }

  private topic(name: string): Topic {
    let topic = this.topics.get(name);
    if (!topic) {
      topic = { id: randomUUID(), nextOffsets: new Array<number>(PARTITIONS).fill(0), groups: new Map(), early: [] };
      this.topics.set(name, topic);
    }
    return topic;
  }
}

/** Callbacks of a sender. */
interface Moments {
  readonly onAccepted: () => void;
  readonly onProcessed: () => void;
}

function enqueueAll(name: string, topic: Topic, messages: readonly BusMessage[], { onAccepted, onProcessed }: Moments): void {
  const [accepted, processed] = [onAccepted, onProcessed].map((done) => countdown(messages.length * topic.groups.size, done));
  const byPartition = new Map<number, Placed[]>();
  for (const message of messages) {
    const { key, value } = message;
    const partition = partitionOf(key ?? value ?? '', PARTITIONS); // without a key the value spreads them as well as anything
    const offset = topic.nextOffsets[partition]!++;
    const placed = { ...message, topic: name, partition, offset, timestamp: Date.now() };
    const others = byPartition.get(partition);
    if (others) others.push(placed);
    else byPartition.set(partition, [placed]);
  }
  for (const [partition, records] of byPartition) {
    for (const queues of topic.groups.values()) {
      const pending = records.map((record) => ({ record, accepted: once(accepted!), processed: processed! }));
      const queue = queues[partition]!;
      if (queue.current) queue.current.push(pending);
      else queue.waiting.push(...pending);
    }
  }
}

function newQueues(topic: string, topicId: string): GroupQueue[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => ({
    ...{ topic, topicId, partition },
    ...{ current: undefined, waiting: [], isFree: Promise.resolve() },
  }));
}

/** Makes a member the consumer of all partitions; it continues where the member before it, if any, has ended. */
function activate(group: Group, member: InProcessConsumer): void {
  const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  member.assign(new Map(group.topics.map((topic) => [topic, all])));
  for (const queue of group.queues) {
    void queue.isFree.then(() => {
      if (group.members[0] !== member || queue.current) return;
      queue.current = member.queueOf(queue);
      queue.current.push(queue.waiting.splice(0));
    });
  }
}

/** Takes a queue back from a member that goes, with what it has not done when its handlers have come to their end. */
function takeBack(queue: GroupQueue): void {
  const { current } = queue;
  queue.current = undefined;
  if (current) queue.isFree = current.settled().then(() => void queue.waiting.unshift(...current.leftOver()));
}

/** @returns calls `done` when it has been called that many times */
function countdown(count: number, done: () => void): () => void {
  let left = count;
  return () => {
    if (--left === 0) done();
  };
}

function once(call: () => void): () => void {
  let isCalled = false;
  return () => {
    if (!isCalled) call();
    isCalled = true;
  };
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

  strategy(options: BusConsumerOptions): BusStrategy {
    return new InProcessConsumer(this.broker, {
      groupId: options.groupId,
      maxBatchRecords: options.maxBatchRecords ?? DEFAULT_MAX_BATCH_RECORDS,
      maxHeldRecords: options.maxHeldRecords ?? DEFAULT_MAX_HELD_RECORDS,
      assignment: options.assignment ?? {},
      logger: this.logger,
    });
  }

  ensureTopics(): Promise<void> {
    return this.check();
  }

  partitionCount(): Promise<number> {
    return Promise.resolve(PARTITIONS);
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

  send(topic: string, messages: readonly BusMessage[], { onAccepted }: SendOptions = {}): Promise<void> {
    if (this.closed) return Promise.reject(new BusUnavailableError('the producer is closed'));
    const accept = (): void => {
      if (!this.closed) onAccepted?.();
    };
    if (messages.length === 0) return Promise.resolve(accept());
    let reject: (error: Error) => void = () => undefined;
    const sent = new Promise<void>((resolve, rejectSent) => {
      reject = rejectSent;
      void this.broker.publish(topic, messages.map(copyOf), accept).then(resolve);
    }).finally(() => this.sending.delete(sent));
    this.sending.set(sent, reject);
    return sent;
  }

  async disconnect(): Promise<void> {
    this.closed = true;
    await settledWithin(DISCONNECT_GRACE_MS, [...this.sending.keys()]);
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
