import type { CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { BusMetrics } from './bus-metrics.js';

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
 * What a handler is given: consecutive records of one partition. Resolving says that all of it is durable, and it is never
 * seen again. Throwing has the same records delivered again after a backoff, for ever, with no later record of the
 * partition before them; other partitions go on. There is no giving up by throwing: a handler that gives a record up writes
 * it to a dead-letter topic itself, and resolves.
 */
export interface BusBatch {
  readonly records: readonly BusRecord[];
  /** Aborted when the partition has been taken away, or when stopping has no more patience: what is done then is not kept. */
  readonly signal: AbortSignal;
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
   * @returns when the records are durable. Kafka: acknowledged by all in-sync replicas; in-process: every consumer group
   *   has processed them
   * @throws BusUnavailableError when that could not be had within about 15 s, or the bus is closed
   */
  send(topic: string, messages: readonly BusMessage[]): Promise<void>;
  /** Waits for what is being sent, then lets go of the broker. Safe to call twice. */
  disconnect(): Promise<void>;
}

export interface BusConsumerOptions {
  readonly groupId: string;
  /** Most records that a handler is given at once; 500 unless said. */
  readonly maxBatchRecords?: number;
  /** Counts what an operator should know of. */
  readonly metrics?: BusMetrics;
}

/** What `app.connectMicroservice({ strategy })` takes. */
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
