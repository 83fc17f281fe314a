import { createRequire } from 'node:module';
import kafkajs, { Kafka, logLevel, type ISocketFactory, type KafkaConfig, type LogEntry } from 'kafkajs';
import type { Logger } from '#runtime';
import type { KafkaSecurity } from './kafka.security.js';
import './kafka.records.js';

export interface KafkaBusOptions {
  /** host:port */
  readonly brokers: string[];
  readonly clientId: string;
  /** Partitions of the topics that {@link ensureTopics} makes. */
  readonly partitions: number;
  /** Put before the name of every topic and consumer group, on the broker alone: handlers and senders know nothing of it. */
  readonly prefix?: string;
  /** TLS and SASL; neither unless given. */
  readonly security?: KafkaSecurity;
  readonly logger: Logger;
}

/** Node finds the names of what kafkajs exports by reading it, and so not those that it spreads into its exports. */
const { KafkaJSProtocolError } = kafkajs;

const requireInternal = createRequire(import.meta.url);
const createPlainSocket = (requireInternal('kafkajs/src/network/socketFactory') as () => ISocketFactory)();

/**
 * kafkajs leaves Nagle's algorithm on: while an answer is out, as a fetch's is nearly all the time, the next request on the
 * connection would wait for the broker's delayed acknowledgement, up to 40 ms.
 */
const createSocket: ISocketFactory = (options) => createPlainSocket(options).setNoDelay(true);

type LevelName = 'info' | 'debug' | 'trace';

/** Its errors are those of one attempt, many of them usual at start; what they come to is logged by us, at its own level. */
const LEVELS: Readonly<Record<number, LevelName>> = {
  [logLevel.ERROR]: 'info',
  [logLevel.WARN]: 'info',
  [logLevel.INFO]: 'debug',
  [logLevel.DEBUG]: 'trace',
};

/** Said of every producer that ends its retries; ours starts anew with another producer id then (kafka.producer.ts). */
const EXPECTED = /Limiting retries for the idempotent producer/;

/** What our own lines carry, or leave out. */
const SAID_ALREADY = { timestamp: undefined, logger: undefined, stack: undefined };

/** Makes a kafkajs client; its messages go to the service's log. */
export function createClient({ brokers, clientId, security, logger }: KafkaBusOptions, config: Partial<KafkaConfig>): Kafka {
  return new Kafka({
    brokers,
    clientId,
    connectionTimeout: 3000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 4, restartOnFailure: () => Promise.resolve(false) },
    logLevel: logger.isLevelEnabled('trace') ? logLevel.DEBUG : logLevel.INFO,
    logCreator: () => (entry) => write(logger, entry),
    socketFactory: createSocket,
    ...security,
    ...config,
  });
}

/** Finds the broker's error code behind an error of kafkajs, such as `UNKNOWN_TOPIC_OR_PARTITION`, which retries may have wrapped. */
export function protocolErrorOf(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof KafkaJSProtocolError) return cause.type;
  }
  return undefined;
}

function write(logger: Logger, { level, namespace, log }: LogEntry): void {
  const { message, ...fields } = log;
  const name = EXPECTED.test(message) ? 'debug' : (LEVELS[level] ?? 'debug');
  logger[name]({ kafka: namespace, ...fields, ...SAID_ALREADY, reason: message }, 'kafka.client');
}

interface RequestQueue {
  readonly throttledUntil: number;
  readonly pending: readonly unknown[];
}

/**
 * After each answer kafkajs 2.2.4 arms a timer of "throttled until" minus now, which is negative unless the broker throttles
 * us; Node 24 warns of it (TimeoutNegativeWarning). With nothing pending there is nothing to wake up for: no timer.
 */
function armNoNegativeTimers(): void {
  const { prototype } = requireInternal('kafkajs/src/network/requestQueue') as {
    prototype: RequestQueue & { scheduleCheckPendingRequests: (this: RequestQueue) => void };
  };
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}

armNoNegativeTimers();
