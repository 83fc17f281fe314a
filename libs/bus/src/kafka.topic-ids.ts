import { createRequire } from 'node:module';
import type { Kafka } from 'kafkajs';

/** Metadata, in the first version with topic ids (KIP-516, Kafka 2.8); kafkajs 2.2.4 ends at 6 and knows none. */
const METADATA = { apiKey: 3, apiVersion: 12, apiName: 'Metadata' };
const UUID_BYTES = 16;

/** The parts of kafkajs that are not in its types: they are pinned with it. */
interface Encoder {
  readonly writeInt8: (value: number) => Encoder;
  readonly writeUVarInt: (value: number) => Encoder;
  readonly writeUVarIntString: (value: string) => Encoder;
  readonly writeBufferInternal: (bytes: Buffer) => void;
}
interface Decoder {
  readonly readInt16: () => number;
  readonly readInt32: () => number;
  readonly readUVarInt: () => number;
  readonly readUVarIntString: () => string | null;
  readonly readTaggedFields: () => unknown;
  readonly readBytes: (length: number) => Buffer;
}
interface Protocol<T> {
  readonly request: typeof METADATA & { readonly encode: () => Promise<Encoder> };
  readonly response: { readonly decode: (payload: Buffer) => Promise<T>; readonly parse: (decoded: T) => Promise<T> };
}
interface Broker {
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>>;
  readonly connectionPool: { readonly send: <T>(protocol: Protocol<T>) => Promise<T> };
}
interface Cluster {
  readonly connect: () => Promise<void>;
  readonly disconnect: () => Promise<void>;
  readonly refreshMetadata: () => Promise<void>;
  readonly findControllerBroker: () => Promise<Broker>;
}

const requireInternal = createRequire(import.meta.url);
const NewEncoder = requireInternal('kafkajs/src/protocol/encoder') as new () => Encoder;
const NewDecoder = requireInternal('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Decoder;

/**
 * Asks the broker for a topic's id: what tells a topic from another of the same name that was made after it was deleted, whose
 * offsets begin anew.
 *
 * @returns a UUID; undefined where the brokers are too old to have any
 * @throws where the broker cannot be reached, or has no such topic
 */
export async function readTopicId(kafka: Kafka, topic: string): Promise<string | undefined> {
  const cluster = clusterOf(kafka);
  try {
    await cluster.connect();
    await cluster.refreshMetadata();
    const broker = await cluster.findControllerBroker();
    if ((broker.versions[METADATA.apiKey]?.maxVersion ?? 0) < METADATA.apiVersion) return undefined;
    return await broker.connectionPool.send(metadataOf(topic));
  } finally {
    await cluster.disconnect();
  }
}

function clusterOf(kafka: Kafka): Cluster {
  const make = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === 'private:Kafka:createCluster')!;
  const makers = kafka as unknown as Record<symbol, (options: { allowAutoTopicCreation: boolean }) => Cluster>;
  return makers[make]!({ allowAutoTopicCreation: false });
}

function metadataOf(topic: string): Protocol<string> {
  return {
    request: {
      ...METADATA,
      encode: () => {
        const encoder = new NewEncoder().writeInt8(0); // the end of a flexible request's header: no tagged fields
        encoder.writeUVarInt(2).writeBufferInternal(Buffer.alloc(UUID_BYTES)); // one topic, by its name
        encoder.writeUVarIntString(topic).writeInt8(0);
        return Promise.resolve(encoder.writeInt8(0).writeInt8(0).writeInt8(0)); // make nothing, tell no rights, no tagged fields
      },
    },
    response: {
      decode: (payload) => Promise.resolve(topicIdIn(new NewDecoder(payload), topic)),
      parse: (decoded) => Promise.resolve(decoded),
    },
  };
}

/** Reads the answer up to the id of its only topic; what follows is not needed. */
function topicIdIn(decoder: Decoder, topic: string): string {
  decoder.readTaggedFields();
  decoder.readInt32(); // throttled for
  for (let brokers = decoder.readUVarInt() - 1; brokers > 0; brokers--) {
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readTaggedFields();
  }
  decoder.readUVarIntString(); // of the cluster
  decoder.readInt32(); // the controller
  decoder.readUVarInt(); // topics
  const errorCode = decoder.readInt16();
  if (errorCode !== 0) throw new Error(`the broker does not tell the id of topic ${topic}: error code ${errorCode}`);
  decoder.readUVarIntString(); // its name
  const hex = decoder.readBytes(UUID_BYTES).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
