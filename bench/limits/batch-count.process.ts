import { Kafka, logLevel } from 'kafkajs';
import { serve } from '../lab/child.js';

/** The limit of telemetry over Kafka: a bare eachBatch that parses each record's JSON and counts. */
export type BatchCount = { readonly do: 'start'; readonly brokers: string[]; readonly topic: string } | { readonly do: 'count' };

let counted = 0;

async function start(brokers: string[], topic: string): Promise<void> {
  const kafka = new Kafka({ brokers, clientId: 'bench-limit', logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `bench-count-${process.pid}`, maxWaitTimeInMs: 100, maxBytes: 8 * 1024 * 1024 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const joined = new Promise<void>((resolve) => consumer.on('consumer.group_join', () => resolve()));
  await consumer.run({
    partitionsConsumedConcurrently: 12,
    eachBatch: ({ batch }) => {
      for (const { value } of batch.messages) {
        const item = JSON.parse(value!.toString()) as { agent_id?: number };
        if (item.agent_id !== undefined) counted += 1;
      }
      return Promise.resolve();
    },
  });
  await joined;
}

serve<BatchCount>(async (question) => {
  if (question.do === 'start') await start(question.brokers, question.topic);
  return counted;
});
