import { Kafka, logLevel } from 'kafkajs';
import { serve } from '../lab/child.js';

/** The limit of telemetry over Kafka: a bare eachBatch that parses each record's JSON and counts. */
export interface BatchCount {
  readonly brokers: string[];
  readonly topic: string;
  /** Where to begin, by partition. */
  readonly offsets: readonly { readonly partition: number; readonly offset: string }[];
  readonly records: number;
}

serve<BatchCount>(async ({ brokers, topic, offsets, records }) => {
  const kafka = new Kafka({ brokers, clientId: 'bench-limit', logLevel: logLevel.NOTHING });
  const groupId = `bench-${process.hrtime.bigint()}`;
  const admin = kafka.admin();
  await admin.connect();
  await admin.setOffsets({ groupId, topic, partitions: [...offsets] });
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, maxBytes: 8 * 1024 * 1024 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic] });
  let counted = 0;
  let startedAt = 0;
  const seconds = await new Promise<number>((resolve) => {
    void consumer.run({
      partitionsConsumedConcurrently: 12,
      eachBatch: ({ batch }) => {
        if (startedAt === 0) startedAt = performance.now();
        for (const { value } of batch.messages) {
          const item = JSON.parse(value!.toString()) as { agent_id?: number };
          if (item.agent_id !== undefined) counted += 1;
        }
        if (counted >= records) resolve((performance.now() - startedAt) / 1000);
        return Promise.resolve();
      },
    });
  });
  await consumer.disconnect();
  await admin.deleteGroups([groupId]);
  await admin.disconnect();
  return counted / seconds;
});
