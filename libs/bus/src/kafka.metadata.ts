import type { Kafka } from 'kafkajs';
import { ask, readArray, withCluster, type Decoder } from './kafka.protocol.js';

/** In the first version with topic ids (KIP-516, Kafka 2.8); kafkajs 2.2.4 ends at 6. */
const METADATA = { apiKey: 3, apiVersion: 12, apiName: 'Metadata' };
const UUID_BYTES = 16;

/** What the brokers say of one topic. */
export interface TopicMetadata {
  readonly name: string;
  /** 0: none; else as Kafka's protocol counts them. */
  readonly errorCode: number;
  readonly id: string;
  /** What we may do with it: a bit for each operation; of no meaning with an error. */
  readonly operations: number;
}

/**
 * Asks the brokers for topics by name, and makes none.
 *
 * @returns undefined where the brokers are too old to have ids
 * @throws where no broker can be reached
 */
export function readTopicMetadata(kafka: Kafka, topics: readonly string[]): Promise<TopicMetadata[] | undefined> {
  return withCluster(kafka, async (cluster) =>
    ask(
      await cluster.findControllerBroker(),
      METADATA,
      (encoder) => {
        encoder.writeUVarInt(topics.length + 1);
        for (const topic of topics) {
          encoder.writeBufferInternal(Buffer.alloc(UUID_BYTES)); // by its name
          encoder.writeUVarIntString(topic).writeInt8(0);
        }
        encoder.writeInt8(0).writeInt8(1).writeInt8(0); // make nothing, tell our rights, no tagged fields
      },
      readAnswer,
    ),
  );
}

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

function readAnswer(decoder: Decoder): TopicMetadata[] {
  decoder.readInt32(); // throttled for
  readArray(decoder, () => {
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readTaggedFields();
  });
  decoder.readUVarIntString(); // of the cluster
  decoder.readInt32(); // the controller
  return readArray(decoder, () => readTopic(decoder));
}

function readTopic(decoder: Decoder): TopicMetadata {
  const errorCode = decoder.readInt16();
  const name = decoder.readUVarIntString() ?? '';
  const hex = decoder.readBytes(UUID_BYTES).toString('hex');
  decoder.readInt8(); // internal
  readArray(decoder, () => {
    decoder.readInt16();
    for (let field = 0; field < 3; field++) decoder.readInt32();
    for (let field = 0; field < 3; field++) readArray(decoder, () => decoder.readInt32()); // copies
    decoder.readTaggedFields();
  });
  const operations = decoder.readInt32();
  decoder.readTaggedFields();
  return { name, errorCode, operations, id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') };
}
