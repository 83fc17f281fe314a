import type { Kafka } from 'kafkajs';
import {
  BusUnavailableError,
  DEFAULT_MAX_BATCH_RECORDS,
  DEFAULT_MAX_HELD_RECORDS,
  type Bus,
  type BusConsumerOptions,
  type BusProducer,
  type BusStrategy,
} from './bus.js';
import { createClient, type KafkaBusOptions } from './kafka.client.js';
import { KafkaConsumer } from './kafka.consumer.js';
import { KafkaProducer } from './kafka.producer.js';
import { KafkaTopics } from './kafka.topics.js';

/** Makes a bus on Kafka; it connects when it is first needed, and again whenever the broker has been away. */
export function createKafkaBus(options: KafkaBusOptions): Bus {
  return new KafkaBus(options);
}

class KafkaBus implements Bus {
  private readonly kafka: Kafka;
  private readonly prefix: string;
  private readonly topics: KafkaTopics;
  private readonly producers: KafkaProducer[] = [];
  private readonly consumers: KafkaConsumer[] = [];

  constructor(private readonly options: KafkaBusOptions) {
    this.kafka = createClient(options, {});
    this.prefix = options.prefix ?? '';
    this.topics = new KafkaTopics(this.kafka, options);
  }

  producer(): BusProducer {
    const producer = new KafkaProducer(this.kafka, this.prefix, this.options.logger, () => this.topics.lookSoon());
    this.producers.push(producer);
    return producer;
  }

  strategy(options: BusConsumerOptions): BusStrategy {
    const consumer = new KafkaConsumer({
      kafka: this.kafka,
      prefix: this.prefix,
      groupId: `${this.prefix}${options.groupId}`,
      maxBatchRecords: options.maxBatchRecords ?? DEFAULT_MAX_BATCH_RECORDS,
      maxHeldRecords: options.maxHeldRecords ?? DEFAULT_MAX_HELD_RECORDS,
      assignment: options.assignment ?? {},
      logger: this.options.logger,
      metrics: options.metrics,
      onTopicMissing: () => this.topics.lookSoon(),
    });
    this.consumers.push(consumer);
    return consumer;
  }

  ensureTopics(topics: readonly string[]): Promise<void> {
    return this.topics.ensure(topics.map((topic) => `${this.prefix}${topic}`));
  }

  partitionCount(topic: string): Promise<number> {
    return this.topics.partitionCount(`${this.prefix}${topic}`);
  }

  async check(): Promise<void> {
    await this.topics.check();
    for (const { trouble } of this.consumers) if (trouble !== undefined) throw new BusUnavailableError(trouble);
  }

  async close(): Promise<void> {
    this.topics.stop();
    await Promise.all(this.producers.map((producer) => producer.disconnect()));
    await this.topics.close();
  }
}
