import type { Kafka } from 'kafkajs';
import { readTopicMetadata } from './kafka.metadata.js';

/**
 * Asks the broker for a topic's id: what tells a topic from another of the same name that was made after it was deleted, whose
 * offsets begin anew.
 *
 * @returns a UUID; undefined where the brokers are too old to have any
 * @throws where the broker cannot be reached, or has no such topic
 */
export async function readTopicId(kafka: Kafka, topic: string): Promise<string | undefined> {
  const found = (await readTopicMetadata(kafka, [topic]))?.[0];
  if (found && found.errorCode !== 0)
    throw new Error(`the broker does not tell the id of topic ${topic}: error code ${found.errorCode}`);
  return found?.id;
}
