import type { CustomTransportStrategy, Server } from '@nestjs/microservices';
import { unlessAborted, within, type Logger } from '#runtime';
import type { BusMetrics } from './bus-metrics.js';

/** Longest that a start waits for the broker, in milliseconds. */
const BUS_START_MS = 10_000;

/** One header of a record; any of them may stand several times. */
export interface BusHeader {
  readonly name: string | Buffer;
  readonly value: string | Buffer | null;
}

/** A record as a consumer sees it. */
export interface BusRecord {
  readonly topic: string;
  readonly partition: number;
  /** Position in the partition, a decimal number. */
  readonly offset: string;
  readonly key: string | null;
  /** The key's bytes where they may differ from `key`, which is read as UTF-8; a dead letter keeps them. */
  readonly keyBytes?: Buffer | null;
  readonly value: Buffer | null;
  /** Read as UTF-8; of a header that stands several times, the last one, and none where that is null. */
  readonly headers: Readonly<Record<string, string>>;
  /** All headers, in order and to the byte, where they may differ from `headers`; a dead letter keeps them. */
  readonly headerList?: readonly BusHeader[];
  /**
   * Says that nothing could be read here: a damaged record or batch, one whose compression is unknown, or one that expands
   * beyond all bounds. It stands for all offsets from `firstOffset` to its own. Key and value are null, headers empty.
   */
  readonly unreadable?: { readonly reason: string; readonly firstOffset: string };
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/** A record to be written. Records of one topic with the same key keep their order; without a key there is no order. */
export interface BusMessage {
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of `headers`, where a name stands several times, a value is null, or bytes are no text. */
  readonly headerList?: readonly BusHeader[];
}

/**
 * A batch for a handler: consecutive records of one partition. Resolving says that all of it is durable, and it is never
 * seen again. Throwing has the same records delivered again after a backoff, for ever, with no later record of the
 * partition before them; other partitions go on. There is no giving up by throwing: a handler that gives a record up writes
 * it to a dead-letter topic itself, and resolves.
 */
export interface BusBatch {
  readonly records: readonly BusRecord[];
  /** Aborted when the partition has been taken away, or when stopping has no more patience: what is done then is not kept. */
  readonly signal: AbortSignal;
  /**
   * Says that the handler has put the batch in its place and may be given the partition's next one while it goes on with this.
   * Its resolving still says that all of it is durable. Batches may resolve in any order: what is kept of a partition is what
   * comes before the first that has not; the rest comes again after a crash, a stop or another assignment. Throwing afterwards
   * has this batch delivered again, beside those that were given out since, and holds back further ones until it is taken
   * once more. No more than {@link BusConsumerOptions.maxHeldRecords} are out at once.
   */
  readonly taken: () => void;
  /**
   * The id of the topic, a UUID: what is another topic of the same name, made after the one before was deleted, has another,
   * and its offsets begin anew. Brokers too old for ids (before Kafka 2.8) give a new one with each assignment.
   *
   * @throws where the broker does not tell it now
   */
  readonly topicId: () => Promise<string>;
}

export interface BusProducer {
  /** Connects ahead of the first `send`; a broker that is away is no error here, since `send` connects by itself. */
  connect(): Promise<void>;
  /**
   * Writes records in the order given. After a rejection any part of them may have been written: send all of them again.
   *
   * @param options.onAccepted called once the order of the records is settled, at the latest when they are durable: what is
   *   sent from then on stands behind them. In-process: every consumer group has taken them. Not called before a rejection, but
   *   one may follow it.
   * @returns when the records are durable. Kafka: acknowledged by all in-sync replicas; in-process: every consumer group
   *   has processed them
   * @throws BusUnavailableError when that could not be had within about 15 s, or the bus is closed
   */
  send(topic: string, messages: readonly BusMessage[], options?: SendOptions): Promise<void>;
  /** Waits for what is being sent, then lets go of the broker. Safe to call twice. */
  disconnect(): Promise<void>;
}

export interface SendOptions {
  readonly onAccepted?: () => void;
}

export interface BusConsumerOptions {
  readonly groupId: string;
  /** Most records that a handler is given at once; 500 unless said. */
  readonly maxBatchRecords?: number;
  /**
   * Of one partition no further batch is given out, and nothing is fetched, while so many records are held: fetched, and not yet
   * done with; 2,000 unless said. A bound of bytes, 4 MiB, stands beside it.
   */
  readonly maxHeldRecords?: number;
  /** Takes part in who consumes which partitions. */
  readonly assignment?: BusAssignmentOptions;
  /** Counts what an operator should know of. */
  readonly metrics?: BusMetrics;
}

/** Partitions that a member was given or loses, by topic. */
export type BusPartitions = ReadonlyMap<string, readonly number[]>;

/**
 * Callbacks for a consumer's partitions. Each `onAssigned` is followed by one `onRevoked` of the same partitions, which ends
 * before the next one begins.
 */
export interface BusAssignmentOptions {
  /** Called before the first batch of these partitions is given out; not waited for. */
  readonly onAssigned?: (partitions: BusPartitions) => void;
  /**
   * Called when the partitions are to be given up, because of a stop or because members come or go: no further batch is given out
   * from then on. What the handlers are at is gone on with until this and they have ended, for `drainMs` at most; what is done
   * then is kept, and the next owner begins. A throw is logged.
   */
  readonly onRevoked?: (partitions: BusPartitions) => Promise<void> | void;
  /** Longest that members who come or go wait for this one, in milliseconds; 2,000 unless said, at most 20,000. A stop waits 8,000. */
  readonly drainMs?: number;
  /**
   * How many shards a topic has: partitions whose numbers are equal modulo this go to one member. Asked at each assignment, of one
   * of the members. Undefined, as well as none: each partition is a shard.
   */
  readonly shards?: (topic: string) => number | undefined;
}

/** The strategy for `app.connectMicroservice({ strategy })`. */
export type BusStrategy = Server & CustomTransportStrategy;

/** The way between the services: one per process and service. Made by `createKafkaBus` or `InProcessBroker`. */
export interface Bus {
  producer(): BusProducer;
  /**
   * Consumes, as a member of a group, every topic that an `@EventPattern` handler names; the handlers take a
   * {@link BusBatch}. A new group begins at the start of its topics. Listening refuses to start without handlers, or with two
   * for one topic. A broker that is away does not keep it from starting: it is waited for in the background.
   */
  strategy(options: BusConsumerOptions): BusStrategy;
  /**
   * Makes the topics that are missing, now and whenever one is deleted. Waits for the broker as long as it takes; rejects once
   * the bus is closed.
   */
  ensureTopics(topics: readonly string[]): Promise<void>;
  /**
   * How many partitions a topic has now. A record with a key is in the one that `partitionOf` says.
   *
   * @throws BusUnavailableError when the broker does not tell
   */
  partitionCount(topic: string): Promise<number>;
  /**
   * For readiness.
   *
   * @throws with the reason when the broker cannot be reached now, a topic that was there is missing, or a consumer has lost its
   *   place in the group again and again for the same reason
   */
  check(): Promise<void>;
  /** Gives back what the bus itself holds, its producers included; strategies are closed by their application, before. */
  close(): Promise<void>;
}

/** The records could not be handed over now; trying again later can help. */
export class BusUnavailableError extends Error {
  override readonly name: string = 'BusUnavailableError';
}

/** A record is larger than its topic or the broker takes: sending it again does not help. */
export class RecordTooLargeError extends BusUnavailableError {
  override readonly name = 'RecordTooLargeError';
}

export const DEFAULT_MAX_BATCH_RECORDS = 500;
export const DEFAULT_MAX_HELD_RECORDS = 2000;

/**
 * Waits for what a start does on the bus, but not for long: after that the service runs without, and its readiness says so.
 *
 * @param starting goes on, however long it takes; that it fails, once the bus is closed, is logged
 * @param stopping aborted when the start is to be given up
 * @throws the reason of `stopping`
 */
export async function startOnBus(starting: Promise<void>, logger: Logger, stopping: AbortSignal | undefined): Promise<void> {
  starting.catch((error: unknown) => logger.warn({ err: error }, 'bus.start_failed'));
  await unlessAborted(
    within(BUS_START_MS, starting, () => undefined),
    stopping,
  );
}
