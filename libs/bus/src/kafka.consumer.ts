import { randomUUID } from 'node:crypto';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { StartError, waitBackoff, type Backoff, type Logger } from '#runtime';
import type { BusMetrics } from './bus-metrics.js';
import type { BusRecord } from './bus.js';
import { ABORT_GRACE_MS, BusServer, deferred, settledWithin, STOP_GRACE_MS } from './bus-server.js';
import { headerTexts } from './headers.js';
import { explainKafkaError } from './kafka-error.js';
import { protocolErrorOf } from './kafka.client.js';
import { readTopicId } from './kafka.topic-ids.js';
import type { FetchedRecord } from './record-batches.js';

/** Between attempts to be a member of the group. */
const REJOIN_BACKOFF: Backoff = { firstMs: 200, maxMs: 5000 };
/**
 * Offsets are committed this long after the handler resolved, in milliseconds, all partitions' in one request: a commit costs
 * the broker as much as a record does, and kafkajs would not fetch while it waits for one. A crash repeats that much more.
 */
const COMMIT_DELAY_MS = 100;
const DISCONNECT_TIMEOUT_MS = 4000;

/** Until a commit that failed is tried again, in milliseconds. */
const RECOMMIT_MS = 500;

/** A killed member's partitions go to the others after this, in milliseconds. */
const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 1000;
const REBALANCE_TIMEOUT_MS = 30_000;
/** Longest that a fetch stays open when there is nothing; records end it at once. Stopping and heartbeats wait for it. */
const MAX_FETCH_WAIT_MS = 100;
/** A fetch is decoded whole before the handlers see it, to many times its size: a backlog must not fill the memory. */
const MAX_PARTITION_BYTES = 256 * 1024;
const MAX_FETCH_BYTES = 2 * 1024 * 1024;
const PARTITIONS_AT_ONCE = 64;

/** A handler is given no more than this at once, in bytes of keys and values; a larger record is given alone. */
const MAX_BATCH_BYTES = 1024 * 1024;

/** A membership that has lasted this long, in milliseconds, is no longer said to be in trouble. */
const SOUND_AFTER_MS = 5000;

/**
 * kafkajs fetches again only when every batch of the last fetch is done. A batch that fails or takes longer than this, in
 * milliseconds, is taken out of its hands: the partition is paused while the handler goes on, and the others with it.
 * Meanwhile kafkajs goes on fetching, so it also goes on heartbeating, however long the handler takes.
 */
const PATIENCE_MS = 500;

/**
 * A member of a consumer group, under `@EventPattern` handlers of batches. Offsets are committed soon after the handler resolved, and
 * only while the assignment stands under which the records were fetched. Whatever ends the membership, another begins.
 */
export class KafkaConsumer extends BusServer {
  /** Partitions whose handler is at work; ends with the handler, not with the assignment, so none ever runs twice at a time. */
  private readonly busy = new Map<string, Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly leaving = deferred();
  /** Aborted with the partitions' assignment: at a rebalance all of them are taken away and given out again. */
  private assignment = new AbortController();
  /** By topic; asked for again under the next assignment, and when a partition's offsets went back. */
  private readonly topicIds = new Map<string, Promise<string>>();
  /** The next offset of each partition under this assignment. */
  private readonly expected = new Map<string, bigint>();
  /** The next offset of each partition that is not committed yet. */
  private readonly uncommitted = new Map<string, Uncommitted>();
  private committing: Promise<void> | undefined;
  private commitTimer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private closed: Promise<void> | undefined;
  /** Why the last membership was lost, while it may be that none has lasted since. */
  private lastLoss: string | undefined;
  private lossesAlike = 0;

  constructor(private readonly options: KafkaConsumerOptions) {
    super(options.groupId, options.logger);
  }

  /** What keeps it from consuming: the reason for which its membership was lost at least twice in a row. For readiness. */
  get trouble(): string | undefined {
    if (this.lossesAlike < 2) return undefined;
    return `consumer group ${this.groupId} lost its place ${this.lossesAlike} times in a row: ${this.lastLoss}`;
  }

  listen(callback: (error?: unknown) => void): void {
    try {
      const topics = this.topics().map((topic) => `${this.options.prefix}${topic}`);
      if (this.running) throw new StartError(`consumer group ${this.groupId} is already running`);
      this.running = this.stayMember(topics);
    } catch (error) {
      callback(error);
      return;
    }
    callback();
  }

  /** Finishes the handlers' current batches (bounded), commits them and leaves the group. */
  close(): Promise<void> {
    this.closed ??= this.finish();
    return this.closed;
  }

  private async finish(): Promise<void> {
    this.stopping.abort();
    if (!(await settledWithin([...this.busy.values()], STOP_GRACE_MS))) {
      this.options.logger.warn({ group_id: this.groupId, partitions: [...this.busy.keys()] }, 'bus.stop_aborts_handlers');
    }
    await settledWithin([this.commit()], ABORT_GRACE_MS); // a broker that is away must not hold up the stop
    this.assignment.abort();
    await settledWithin([...this.busy.values()], ABORT_GRACE_MS);
    this.leaving.resolve();
    await this.running;
  }

  private async stayMember(topics: readonly string[]): Promise<void> {
    for (let attempt = 1; !this.stopping.signal.aborted; attempt++) {
      const startedAt = Date.now();
      try {
        await this.beMember(topics);
      } catch (error) {
        this.noteLoss(error);
        this.options.logger.warn({ err: error, group_id: this.groupId, topics, attempt }, 'bus.membership_lost');
      }
      if (Date.now() - startedAt > SESSION_TIMEOUT_MS) attempt = 1;
      await waitBackoff(attempt, REJOIN_BACKOFF, this.stopping.signal);
    }
  }

  private noteLoss(error: unknown): void {
    const reason = explainKafkaError(error);
    this.lossesAlike = reason === this.lastLoss ? this.lossesAlike + 1 : 1;
    this.lastLoss = reason;
    this.options.metrics?.countLoss(this.groupId);
    if (protocolErrorOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') this.options.onTopicMissing();
  }

  /** @returns once {@link finish} has everything done @throws what ended the membership */
  private async beMember(topics: readonly string[]): Promise<void> {
    const consumer = this.options.kafka.consumer({
      groupId: this.groupId,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      maxWaitTimeInMs: MAX_FETCH_WAIT_MS,
      minBytes: 1,
      maxBytesPerPartition: MAX_PARTITION_BYTES,
      maxBytes: MAX_FETCH_BYTES,
      allowAutoTopicCreation: false,
      metadataMaxAge: 60_000,
    });
    let over = false;
    let sound: NodeJS.Timeout | undefined;
    const crashed = new Promise<never>((_, reject) => consumer.on('consumer.crash', ({ payload }) => reject(payload.error)));
    consumer.on('consumer.rebalancing', () => {
      void this.commitPending(); // while the broker still takes it from us
      this.revoke();
    });
    consumer.on('consumer.group_join', ({ payload }) => {
      // A start that was under way while we left: kafkajs knows no way to call it off, and would stay a member.
      if (over) return void disconnect(consumer);
      this.revoke();
      sound ??= setTimeout(() => this.noteSoundness(), SOUND_AFTER_MS);
      this.options.logger.info({ group_id: this.groupId, assignment: payload.memberAssignment }, 'bus.joined');
    });
    try {
      const lost = Promise.race([crashed, this.consume(consumer, topics)]);
      await Promise.race([lost, this.leaving.promise]);
    } finally {
      over = true;
      clearTimeout(sound);
      this.revoke();
      await disconnect(consumer);
    }
  }

  private noteSoundness(): void {
    this.lossesAlike = 0;
    this.lastLoss = undefined;
  }

  private async consume(consumer: Consumer, topics: readonly string[]): Promise<never> {
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachBatch: (payload) => this.takeBatch(payload),
    });
    return new Promise(() => undefined); // runs until it crashes
  }

  /** Everything fetched so far is another's now, or will be fetched again. */
  private revoke(): void {
    this.assignment.abort();
    this.assignment = new AbortController();
    this.topicIds.clear();
    this.expected.clear();
    if (this.stopping.signal.aborted) this.assignment.abort();
  }

  private async takeBatch(payload: EachBatchPayload): Promise<void> {
    const id = `${payload.batch.topic}[${payload.batch.partition}]`;
    const before = this.busy.get(id);
    if (before || this.stopping.signal.aborted) {
      // The handler of an assignment before this one is still at work, or none is to begin: fetched again later.
      const resume = payload.pause();
      void before?.then(resume);
      return;
    }
    const trouble = deferred();
    const done = this.work(payload, this.assignment.signal, trouble.resolve).finally(() => this.busy.delete(id));
    this.busy.set(id, done);
    const patience = setTimeout(trouble.resolve, PATIENCE_MS);
    const finished = await Promise.race([done.then(() => true), trouble.promise.then(() => false)]);
    clearTimeout(patience);
    if (!finished) void done.then(payload.pause());
  }

  /** Delivers a batch part by part, and has each committed soon; ends early, never throws, when the assignment does. */
  private async work(payload: EachBatchPayload, signal: AbortSignal, onTrouble: () => void): Promise<void> {
    const { topic, partition } = payload.batch;
    const name = topic.slice(this.options.prefix.length); // as handlers know it
    const messages = payload.batch.messages as unknown as readonly FetchedRecord[]; // decoded by us: kafka.records.ts
    this.watchOffsets(payload);
    const topicId = (): Promise<string> => this.topicIdOf(topic);
    for (const part of partsOf(messages, this.options.maxBatchRecords)) {
      const records = part.map((message) => toRecord(name, partition, message));
      for (const record of records) if (record.unreadable) this.tellUnreadable(record, record.unreadable);
      if (!(await this.deliver(name, { records, signal, topicId }, this.stopping.signal, onTrouble))) return;
      const last = part.at(-1)!.offset;
      payload.resolveOffset(last);
      // With the last record of a batch kafkajs resolves what is behind it and not shown, such as transactions' markers.
      const end = last === messages.at(-1)!.offset ? payload.batch.lastOffset() : last;
      this.uncommitted.set(`${topic}[${partition}]`, { topic, partition, offset: String(BigInt(end) + 1n), payload, signal });
      this.commitTimer ??= setTimeout(() => void this.commit(), COMMIT_DELAY_MS);
      if (this.stopping.signal.aborted) return;
    }
  }

  /** Offsets that go back may be those of another topic of the same name. */
  private watchOffsets({ batch }: EachBatchPayload): void {
    const id = `${batch.topic}[${batch.partition}]`;
    if (BigInt(batch.firstOffset() ?? 0) < (this.expected.get(id) ?? 0n)) this.topicIds.delete(batch.topic);
    this.expected.set(id, BigInt(batch.lastOffset()) + 1n);
  }

  private topicIdOf(topic: string): Promise<string> {
    let id = this.topicIds.get(topic);
    if (!id) {
      id = readTopicId(this.options.kafka, topic).then((known) => known ?? randomUUID());
      this.topicIds.set(topic, id);
      id.catch(() => this.topicIds.get(topic) === id && this.topicIds.delete(topic));
    }
    return id;
  }

  private tellUnreadable({ topic, partition, offset }: BusRecord, { reason, firstOffset }: Unreadable): void {
    this.options.metrics?.countUnreadable(topic);
    this.options.logger.error(
      { topic, partition, first_offset: firstOffset, last_offset: offset, reason, group_id: this.groupId },
      'bus.unreadable',
    );
  }

  /** Commits what is not committed yet, and what comes meanwhile; what fails is tried again with the next. Never throws. */
  private async commit(): Promise<void> {
    await this.committing;
    clearTimeout(this.commitTimer);
    this.commitTimer = undefined;
    this.committing = this.commitPending();
    await this.committing;
    this.committing = undefined;
  }

  private async commitPending(): Promise<void> {
    // What was fetched under an assignment that has ended is another's to commit.
    const pending = [...this.uncommitted].filter(([, { signal }]) => !signal.aborted);
    this.uncommitted.clear();
    const [first] = pending;
    if (!first) return;
    const topics = pending.map(([, { topic, partition, offset }]) => ({ topic, partitions: [{ partition, offset }] }));
    try {
      await first[1].payload.commitOffsetsIfNecessary({ topics });
    } catch (error) {
      // A rebalance that has begun, or has passed us by, is found by the next heartbeat, which revokes the assignment.
      this.options.logger.info({ err: error, group_id: this.groupId, topics }, 'bus.commit_failed');
      if (protocolErrorOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') {
        // Offsets of a topic that was deleted must not be taken for those of the one that is made in its place.
        this.revoke();
        this.options.onTopicMissing();
        return;
      }
      for (const [id, offset] of pending) if (!this.uncommitted.has(id)) this.uncommitted.set(id, offset);
      if (!this.stopping.signal.aborted) this.commitTimer ??= setTimeout(() => void this.commit(), RECOMMIT_MS);
    }
  }
}

type Unreadable = NonNullable<BusRecord['unreadable']>;

export interface KafkaConsumerOptions {
  readonly kafka: Kafka;
  /** What the names of topics begin with on the broker. */
  readonly prefix: string;
  /** With the prefix. */
  readonly groupId: string;
  readonly maxBatchRecords: number;
  readonly logger: Logger;
  readonly metrics: BusMetrics | undefined;
  /** Called when the broker does not know a topic that is to be consumed. */
  readonly onTopicMissing: () => void;
}

/** An offset, with what to commit it by while its assignment stands. */
interface Uncommitted {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly payload: EachBatchPayload;
  readonly signal: AbortSignal;
}

async function disconnect(consumer: Consumer): Promise<void> {
  await settledWithin([consumer.disconnect()], DISCONNECT_TIMEOUT_MS);
}

function toRecord(topic: string, partition: number, fetched: FetchedRecord): BusRecord {
  const { offset, key, value, headerList, timestamp, unreadable } = fetched;
  return {
    topic,
    partition,
    offset,
    key: key === null ? null : key.toString('utf8'),
    keyBytes: key,
    value,
    headers: headerTexts(headerList),
    headerList,
    timestamp: Number(timestamp),
    ...(unreadable && { unreadable }),
  };
}

/** Consecutive parts of at most so many records and {@link MAX_BATCH_BYTES}: what a batch expands to must not be parsed at once. */
function* partsOf(records: readonly FetchedRecord[], maxRecords: number): Generator<FetchedRecord[]> {
  let part: FetchedRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = (record.key?.length ?? 0) + (record.value?.length ?? 0);
    if (part.length === maxRecords || (part.length > 0 && bytes + size > MAX_BATCH_BYTES)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(record);
    bytes += size;
  }
  if (part.length > 0) yield part;
}
