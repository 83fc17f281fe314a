import { randomBytes } from 'node:crypto';
import {
  Kafka,
  logLevel,
  Partitioners,
  type Admin,
  type Consumer,
  type IHeaders,
  type KafkaMessage,
  type Producer,
} from 'kafkajs';
import type { BusHeader } from '#bus';

/** The bus decodes for every kafkajs of the process, and keeps the list of headers that kafkajs has no room for. */
type DecodedMessage = KafkaMessage & { readonly headerList: readonly BusHeader[] };

/** One record as another service would read it. */
export interface TappedRecord {
  readonly partition: number;
  readonly key: string | undefined;
  readonly value: string | undefined;
  /** Key and value to the byte. */
  readonly bytes: { readonly key: Buffer | null; readonly value: Buffer | null };
  /** Of several, the last. */
  readonly headers: Readonly<Record<string, string>>;
  /** All of them, in order, as text. */
  readonly headerList: readonly (readonly [name: string, value: string | null])[];
}

/** A plain Kafka client beside the product: writes what internal services write, and reads what other services read. */
export class KafkaTap {
  private readonly kafka: Kafka;
  private readonly consumers: Consumer[] = [];
  private producer: Promise<Producer> | undefined;

  constructor(brokers: readonly string[]) {
    this.kafka = new Kafka({ clientId: 'test-tap', brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
  }

  async send(
    topic: string,
    messages: readonly { key: Buffer | string | null; value: string | Buffer | null; headers?: IHeaders }[],
  ): Promise<void> {
    const producer = await (this.producer ??= this.connect());
    await producer.send({ topic, acks: -1, messages: [...messages] });
  }

  private async connect(): Promise<Producer> {
    const producer = this.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    return producer;
  }

  /** Reads all records of a topic, from its beginning; the array goes on growing. */
  async read(topic: string): Promise<readonly TappedRecord[]> {
    const records: TappedRecord[] = [];
    const consumer = this.kafka.consumer({ groupId: `tap-${randomBytes(6).toString('hex')}` });
    this.consumers.push(consumer);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ partition, message }) => {
        records.push({
          partition,
          key: message.key?.toString(),
          value: message.value?.toString(),
          bytes: { key: message.key, value: message.value },
          headers: Object.fromEntries(
            Object.entries(message.headers ?? {}).map(([name, value]) => [name, String([value].flat().at(-1))]),
          ),
          headerList: (message as DecodedMessage).headerList.map(
            ({ name, value }) => [String(name), value === null ? null : String(value)] as const,
          ),
        });
        return Promise.resolve();
      },
    });
    return records;
  }

  /** Returns how many records were ever written to a topic, over all partitions. */
  async endOffset(topic: string): Promise<number> {
    return this.withAdmin(async (admin) =>
      (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0),
    );
  }

  /** Returns how many records of a topic a group has not committed yet. */
  async lag(groupId: string, topic: string): Promise<number> {
    return this.withAdmin(async (admin) => {
      const [group] = await admin.fetchOffsets({ groupId, topics: [topic] });
      const committed = new Map(group!.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]));
      const ends = await admin.fetchTopicOffsets(topic);
      return ends.reduce((sum, { partition, high }) => sum + Number(high) - (committed.get(partition) ?? 0), 0);
    });
  }

  /** Gives a topic more partitions. @returns how many it has now */
  async addPartitions(topic: string, more: number): Promise<number> {
    return this.withAdmin(async (admin) => {
      const count = (await admin.fetchTopicOffsets(topic)).length + more;
      await admin.createPartitions({ topicPartitions: [{ topic, count }] });
      return count;
    });
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.withAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
  }

  /** Has a group that has no members pass over what it has not read. */
  async skipToEnd(groupId: string, topic: string): Promise<void> {
    await this.withAdmin(async (admin) => {
      const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({ partition, offset: high }));
      await admin.setOffsets({ groupId, topic, partitions });
    });
  }

  private async withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  async close(): Promise<void> {
    await Promise.all([(await this.producer)?.disconnect(), ...this.consumers.map((consumer) => consumer.disconnect())]);
  }
}
