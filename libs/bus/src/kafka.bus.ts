import type { Admin, ITopicConfig, Kafka } from 'kafkajs';
import { waitBackoff, type Backoff } from '#runtime';
import {
  BusUnavailableError,
  DEFAULT_MAX_BATCH_RECORDS,
  type Bus,
  type BusConsumerOptions,
  type BusProducer,
  type BusStrategy,
} from './bus.js';
import { settledWithin } from './bus-server.js';
import { createClient, type KafkaBusOptions } from './kafka.client.js';
import { KafkaConsumer } from './kafka.consumer.js';
import { KafkaProducer } from './kafka.producer.js';

const ENSURE_BACKOFF: Backoff = { firstMs: 200, maxMs: 5000 };
const DISCONNECT_TIMEOUT_MS = 2000;
/** Answers of the broker to readiness are good for this long, in milliseconds. */
const CHECK_TTL_MS = 1000;

/** Records are taken as they come by a dead-letter topic, to which headers are added: its limit is above the others'. */
const DEAD_LETTER_TOPIC = /\.dlq$/;
const DEAD_LETTER_MAX_BYTES = 8 * 1024 * 1024;

/** A bus on Kafka; connects when it is first needed, and again whenever the broker has been away. */
export function createKafkaBus(options: KafkaBusOptions): Bus {
  return new KafkaBus(options);
}

class KafkaBus implements Bus {
  private readonly kafka: Kafka;
  /** Answers soon, or not at all: for readiness. */
  private readonly probe: Kafka;
  private readonly producers: KafkaProducer[] = [];
  private readonly closing = new AbortController();
  private prober: Promise<Admin> | undefined;
  private checked: { at: number; result: Promise<void> } | undefined;

  constructor(private readonly options: KafkaBusOptions) {
    this.kafka = createClient(options, {});
    this.probe = createClient(options, { connectionTimeout: 1500, requestTimeout: 1500, retry: { retries: 0 } });
  }

  producer(): BusProducer {
    const producer = new KafkaProducer(this.kafka, this.options.logger);
    this.producers.push(producer);
    return producer;
  }

  strategy({ groupId, maxBatchRecords = DEFAULT_MAX_BATCH_RECORDS }: BusConsumerOptions): BusStrategy {
    return new KafkaConsumer(this.kafka, groupId, maxBatchRecords, this.options.logger);
  }

  async ensureTopics(topics: readonly string[]): Promise<void> {
    for (let attempt = 1; !this.closing.signal.aborted; attempt++) {
      const admin = this.kafka.admin();
      try {
        await admin.connect();
        const existing = new Set(await admin.listTopics());
        const missing = topics.filter((topic) => !existing.has(topic));
        if (missing.length === 0) return;
        // False when another service was faster; then, as after an error, what is there is looked up again.
        if (await admin.createTopics({ topics: missing.map((topic) => this.topicConfig(topic)) })) {
          this.options.logger.info({ topics: missing }, 'bus.topics_created');
          return;
        }
      } catch (error) {
        this.options.logger.warn({ err: error, topics, attempt }, 'bus.ensure_topics_failed');
      } finally {
        await settledWithin([admin.disconnect()], DISCONNECT_TIMEOUT_MS);
      }
      await waitBackoff(attempt, ENSURE_BACKOFF, this.closing.signal);
    }
    throw new BusUnavailableError('the bus was closed before its topics could be made');
  }

  check(): Promise<void> {
    const now = Date.now();
    if (!this.checked || now - this.checked.at > CHECK_TTL_MS) this.checked = { at: now, result: this.probeBroker() };
    return this.checked.result;
  }

  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all(this.producers.map((producer) => producer.disconnect()));
    await this.dropProber();
  }

  private async probeBroker(): Promise<void> {
    if (this.closing.signal.aborted) throw new BusUnavailableError('the bus is closed');
    this.prober ??= connectedAdmin(this.probe);
    try {
      await (await this.prober).describeCluster();
    } catch (error) {
      await this.dropProber();
      throw new BusUnavailableError(`Kafka cannot be reached: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }

  private async dropProber(): Promise<void> {
    const prober = this.prober;
    this.prober = undefined;
    if (prober) await settledWithin([prober.then((admin) => admin.disconnect())], DISCONNECT_TIMEOUT_MS);
  }

  private topicConfig(topic: string): ITopicConfig {
    return {
      topic,
      numPartitions: this.options.partitions,
      replicationFactor: -1,
      configEntries: [
        // kafkajs reads gzip only: the broker unpacks what other services write with snappy, lz4 or zstd.
        { name: 'compression.type', value: 'uncompressed' },
        ...(DEAD_LETTER_TOPIC.test(topic) ? [{ name: 'max.message.bytes', value: String(DEAD_LETTER_MAX_BYTES) }] : []),
      ],
    };
  }
}

async function connectedAdmin(kafka: Kafka): Promise<Admin> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return admin;
  } catch (error) {
    await settledWithin([admin.disconnect()], DISCONNECT_TIMEOUT_MS);
    throw error;
  }
}
