import { randomUUID } from 'node:crypto';
import type { Batch, EachBatchPayload, Kafka } from 'kafkajs';
import { settledWithin, type Logger } from '#runtime';
import type { BusMetrics } from './bus-metrics.js';
import type { BusAssignmentOptions, BusBatch, BusPartitions, BusRecord } from './bus.js';
import { ABORT_GRACE_MS, MAX_BATCH_BYTES, MAX_HELD_BYTES } from './bus-server.js';
import { headerTexts } from './headers.js';
import { protocolErrorOf } from './kafka.client.js';
import { Offsets, type CommitOffsets } from './kafka.offsets.js';
import { readTopicId } from './kafka.metadata.js';
import { PartitionQueue, type QueuedBatch } from './partition-queue.js';
import type { FetchedRecord } from './record-batches.js';

export interface AssignmentOptions {
  readonly kafka: Kafka;
  /** Prefix of topic names on the broker; handlers do not see it. */
  readonly prefix: string;
  /** With the prefix. */
  readonly groupId: string;
  readonly maxBatchRecords: number;
  readonly maxHeldRecords: number;
  readonly logger: Logger;
  readonly metrics: BusMetrics | undefined;
  readonly hooks: BusAssignmentOptions;
  /** `BusServer.deliver` */
  readonly deliver: (topic: string, batch: BusBatch, stopping: AbortSignal, onFailure: () => void) => Promise<boolean>;
  /** Handlers of earlier assignments that are still running, by partition: no other begins beside them. */
  readonly unsettled: Map<string, Promise<void>>;
  /** Called when the broker does not know a topic whose offset was to be committed. */
  readonly onTopicMissing: (error: unknown) => void;
}

/** One partition of the assignment. */
interface AssignedPartition {
  readonly records: PartitionQueue<FetchedRecord>;
  /** First offset of the next fetch. */
  next: bigint;
  /** By the last record of a fetch: the last offset that comes with it and is not shown, such as that of a transaction's marker. */
  readonly ends: Map<string, string>;
  /** Ends a pause of the partition. */
  resume: () => void;
  commit: CommitOffsets;
}

/** The partitions that a member has between one rebalance and the next. */
export class Assignment {
  private readonly byId = new Map<string, AssignedPartition>();
  /** By topic; asked for again when a partition's offsets went back. */
  private readonly topicIds = new Map<string, Promise<string>>();
  private readonly offsets: Offsets;
  /** Aborted first: no further batch is begun. */
  private readonly closing = new AbortController();
  /** Aborted second: handlers that still run are given up. */
  private readonly aborting = new AbortController();
  private ended: Promise<void> | undefined;
  private readonly resumes: (() => void)[] = [];

  constructor(
    private readonly partitions: BusPartitions,
    private readonly options: AssignmentOptions,
  ) {
    const { groupId, logger, hooks } = options;
    this.offsets = new Offsets({ group_id: groupId }, logger, (error) => this.isCommittedLater(error));
    hooks.onAssigned?.(partitions);
  }

  /** Queues a fetch that was made under this assignment; its handler is called when its turn comes. */
  take(payload: EachBatchPayload): void {
    const { batch } = payload;
    if (this.closing.signal.aborted) return void this.resumes.push(payload.pause()); // fetched again by who comes next
    const assigned = this.partitionFor(payload);
    const messages = batch.messages as unknown as readonly FetchedRecord[]; // decoded by us: kafka.records.ts
    const last = messages.at(-1)!;
    assigned.commit = (topics) => payload.commitOffsetsIfNecessary({ topics });
    assigned.next = BigInt(batch.lastOffset()) + 1n;
    if (batch.lastOffset() !== last.offset) assigned.ends.set(last.offset, batch.lastOffset());
    payload.resolveOffset(last.offset);
    for (const message of messages) this.tellUnreadable(payload, message);
    if (!assigned.records.push(messages)) assigned.resume = payload.pause();
  }

  /**
   * Ends the assignment: begins nothing more, lets handlers finish, commits what they did, and aborts the rest.
   *
   * @param graceMs longest wait for the handlers, in milliseconds
   */
  end(graceMs: number): Promise<void> {
    this.ended ??= this.finish(graceMs);
    return this.ended;
  }

  private async finish(graceMs: number): Promise<void> {
    const { groupId, logger } = this.options;
    this.closing.abort();
    for (const { records } of this.byId.values()) records.close();
    const works = [...this.byId].map(([id, { records }]) => ({ id, settled: records.settled() }));
    if (!(await settledWithin(graceMs, [this.tellRevoked(), ...works.map(({ settled }) => settled)]))) {
      logger.warn({ group_id: groupId, grace_ms: graceMs }, 'bus.handlers_aborted');
    }
    await settledWithin(ABORT_GRACE_MS, [this.offsets.commit()]); // a broker that is away must not hold this up
    this.offsets.stop();
    this.aborting.abort();
    for (const { id, settled } of works) this.noteUnsettled(id, settled);
    for (const { resume } of this.byId.values()) resume();
    for (const resume of this.resumes) resume();
  }

  private async tellRevoked(): Promise<void> {
    const { groupId, logger, hooks } = this.options;
    try {
      await hooks.onRevoked?.(this.partitions);
    } catch (error) {
      logger.error({ err: error, group_id: groupId }, 'bus.revocation_failed');
    }
  }

  private partitionFor({ batch }: EachBatchPayload): AssignedPartition {
    const id = `${batch.topic}[${batch.partition}]`;
    const known = this.byId.get(id);
    if (known && BigInt(batch.firstOffset() ?? 0) >= known.next) return known;
    if (known) {
      // Offsets that went back may be those of another topic of the same name: what was before is not gone on with.
      this.topicIds.delete(batch.topic);
      known.records.close();
      this.noteUnsettled(id, known.records.settled());
    }
    const assigned = this.newPartition(id, batch);
    this.byId.set(id, assigned);
    return assigned;
  }

  private newPartition(id: string, { topic, partition }: Batch): AssignedPartition {
    const { maxBatchRecords, maxHeldRecords, unsettled } = this.options;
    const records = new PartitionQueue<FetchedRecord>(
      {
        ...{ maxBatchRecords, maxBatchBytes: MAX_BATCH_BYTES, maxHeldRecords, maxHeldBytes: MAX_HELD_BYTES },
        sizeOf: ({ key, value }) => (key?.length ?? 0) + (value?.length ?? 0),
        deliver: (batch) => this.deliver(topic, partition, batch),
        onDone: (_, upTo) => {
          if (upTo && this.byId.get(id) === assigned) this.commitSoon(topic, partition, assigned, upTo);
        },
        onRoom: () => assigned.resume(),
      },
      unsettled.get(id),
    );
    const assigned: AssignedPartition = {
      records,
      next: 0n,
      ends: new Map(),
      resume: () => undefined,
      commit: () => Promise.resolve(),
    };
    return assigned;
  }

  private deliver(topic: string, partition: number, { records, taken, failed }: QueuedBatch<FetchedRecord>): Promise<boolean> {
    const name = topic.slice(this.options.prefix.length);
    const batch = {
      records: records.map((record) => toRecord(name, partition, record)),
      signal: this.aborting.signal,
      topicId: () => this.topicIdOf(topic),
      taken,
    };
    return this.options.deliver(name, batch, this.closing.signal, failed);
  }

  private commitSoon(topic: string, partition: number, { ends, commit }: AssignedPartition, upTo: FetchedRecord): void {
    const end = ends.get(upTo.offset) ?? upTo.offset;
    for (const offset of ends.keys()) if (BigInt(offset) <= BigInt(upTo.offset)) ends.delete(offset);
    this.offsets.add({ topic, partition, offset: String(BigInt(end) + 1n), commit });
  }

  /** @returns whether a commit that failed is to be tried again */
  private isCommittedLater(error: unknown): boolean {
    if (protocolErrorOf(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') return true;
    // Offsets of a topic that was deleted must not be taken for those of the one that is made in its place.
    this.options.onTopicMissing(error);
    return false;
  }

  private noteUnsettled(id: string, settled: Promise<void>): void {
    const { unsettled } = this.options;
    const all: Promise<void> = Promise.all([unsettled.get(id), settled]).then(() => {
      if (unsettled.get(id) === all) unsettled.delete(id);
    });
    unsettled.set(id, all);
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

  private tellUnreadable({ batch: { topic, partition } }: EachBatchPayload, { offset, unreadable }: FetchedRecord): void {
    if (!unreadable) return;
    const { groupId, logger, metrics } = this.options;
    const { firstOffset, reason } = unreadable;
    metrics?.countUnreadable(topic);
    const fields = { topic, partition, first_offset: firstOffset, last_offset: offset, reason, group_id: groupId };
    logger.error(fields, 'bus.unreadable');
  }
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
