import type { Admin, Kafka } from 'kafkajs';
import { createClient, type KafkaBusOptions } from './kafka.client.js';
import { readTopicId } from './kafka.metadata.js';

/** What is kept of a partition: records from `low` on, the next one gets `high`. */
export interface PartitionBounds {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

/** Where a group goes on in a partition. */
export interface PartitionOffset {
  readonly partition: number;
  readonly offset: number;
}

/** A topic as an operator finds it. */
export interface OperatedTopic {
  /** Tells it from another of the same name; undefined where the brokers are too old to tell. */
  readonly id: string | undefined;
  readonly partitions: readonly PartitionBounds[];
}

/** What an operator does at the brokers while no service runs. Names are those of the contract: KAFKA_PREFIX is put before them. */
export class KafkaOperator {
  private constructor(
    private readonly kafka: Kafka,
    private readonly admin: Admin,
    private readonly prefix: string,
  ) {}

  /** Connects for some work. @throws the broker's error, or what the work throws */
  static async run<Result>(options: KafkaBusOptions, work: (operator: KafkaOperator) => Promise<Result>): Promise<Result> {
    const kafka = createClient(options, {});
    const admin = kafka.admin();
    await admin.connect();
    try {
      return await work(new KafkaOperator(kafka, admin, options.prefix ?? ''));
    } finally {
      await admin.disconnect();
    }
  }

  /** Returns how many members a group has now. */
  async countMembers(group: string): Promise<number> {
    const { groups } = await this.admin.describeGroups([this.named(group)]);
    return groups[0]?.members.length ?? 0;
  }

  /** @returns undefined where there is no such topic */
  async findTopic(topic: string): Promise<OperatedTopic | undefined> {
    const name = this.named(topic);
    if (!(await this.admin.listTopics()).includes(name)) return undefined;
    const offsets = await this.admin.fetchTopicOffsets(name);
    const partitions = offsets.map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }));
    return { id: await readTopicId(this.kafka, name), partitions: partitions.sort((a, b) => a.partition - b.partition) };
  }

  /** Sets where a group goes on. @throws where it has members */
  async setOffsets(group: string, topic: string, offsets: readonly PartitionOffset[]): Promise<void> {
    const partitions = offsets.map(({ partition, offset }) => ({ partition, offset: String(offset) }));
    await this.admin.setOffsets({ groupId: this.named(group), topic: this.named(topic), partitions });
  }

  /** Deletes the records of a topic before some offsets; the topic, and where its offsets stand, stay. */
  async deleteRecords(topic: string, before: readonly PartitionOffset[]): Promise<void> {
    const partitions = before.map(({ partition, offset }) => ({ partition, offset: String(offset) }));
    await this.admin.deleteTopicRecords({ topic: this.named(topic), partitions });
  }

  private named(name: string): string {
    return `${this.prefix}${name}`;
  }
}
