import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import type { Lab } from './lab.js';
import { until } from './target.js';

/** So many at once. */
const SENDERS = 64;

/**
 * Starts a Kafka that costs about what one costs that has run for long. Its machine code is made while it works: in its first
 * minute it takes two to four times the processor for a request. Ends with the lab.
 *
 * @param requests that it is warmed up with
 */
export async function startBroker(lab: Lab, requests: number): Promise<LocalKafka> {
  const kafka = await LocalKafka.start({ say: (line) => process.stderr.write(`${line}\n`) });
  lab.onStop(() => kafka.stop());
  await warmUp(kafka.brokers, requests);
  return kafka;
}

/** Makes a topic of twelve partitions, as ours have. @returns its name */
export async function createTopic(brokers: string[]): Promise<string> {
  const topic = `bench-${process.hrtime.bigint()}`;
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 12 }] });
  await admin.disconnect();
  return topic;
}

/** Has a broker take records one a request, hand them out, and keep offsets. */
async function warmUp(brokers: string[], requests: number): Promise<void> {
  const topic = await createTopic(brokers);
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  let taken = 0;
  await consumer.run({
    partitionsConsumedConcurrently: 12,
    autoCommitInterval: 100,
    eachBatch: ({ batch }) => {
      taken += batch.messages.length;
      return Promise.resolve();
    },
  });
  let sent = 0;
  const sender = async (): Promise<void> => {
    while (sent < requests) {
      await producer.send({ topic, acks: -1, messages: [{ key: String(sent++), value: 'x'.repeat(300) }] });
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
  await until(
    () => taken >= requests,
    () => `${taken} of ${requests} records came out of a broker that was warmed up`,
  );
  await consumer.disconnect();
  await producer.disconnect();
}
