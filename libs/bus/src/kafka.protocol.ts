import { createRequire } from 'node:module';
import type { Kafka } from 'kafkajs';

/** Requests to Kafka that kafkajs 2.2.4 has no method for, by parts of it that are not in its types: they are pinned with it. */

export interface Encoder {
  readonly writeInt8: (value: number) => Encoder;
  readonly writeUVarInt: (value: number) => Encoder;
  readonly writeUVarIntString: (value: string) => Encoder;
  readonly writeBufferInternal: (bytes: Buffer) => void;
}
export interface Decoder {
  readonly readInt8: () => number;
  readonly readInt16: () => number;
  readonly readInt32: () => number;
  readonly readUVarInt: () => number;
  readonly readUVarIntString: () => string | null;
  readonly readTaggedFields: () => unknown;
  readonly readBytes: (length: number) => Buffer;
}
/** A request by its number in Kafka's protocol, in one version of it. */
export interface RequestKind {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
}
interface Protocol<T> {
  readonly request: RequestKind & { readonly encode: () => Promise<Encoder> };
  readonly response: { readonly decode: (payload: Buffer) => Promise<T>; readonly parse: (decoded: T) => Promise<T> };
}
export interface Broker {
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>>;
  readonly connectionPool: { readonly send: <T>(protocol: Protocol<T>) => Promise<T> };
}
export interface Cluster {
  readonly connect: () => Promise<void>;
  readonly disconnect: () => Promise<void>;
  readonly refreshMetadata: () => Promise<void>;
  readonly findControllerBroker: () => Promise<Broker>;
  readonly findGroupCoordinator: (of: { readonly groupId: string }) => Promise<Broker>;
}

const requireInternal = createRequire(import.meta.url);
const NewEncoder = requireInternal('kafkajs/src/protocol/encoder') as new () => Encoder;
const NewDecoder = requireInternal('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Decoder;

/** Connects for a few requests, and lets go. @throws the broker's error, or what `work` throws */
export async function withCluster<Result>(kafka: Kafka, work: (cluster: Cluster) => Promise<Result>): Promise<Result> {
  const make = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === 'private:Kafka:createCluster')!;
  const makers = kafka as unknown as Record<symbol, (options: { allowAutoTopicCreation: boolean }) => Cluster>;
  const cluster = makers[make]!({ allowAutoTopicCreation: false });
  try {
    await cluster.connect();
    await cluster.refreshMetadata();
    return await work(cluster);
  } finally {
    await cluster.disconnect();
  }
}

/**
 * Sends a request of a flexible version (KIP-482), with no tagged fields in its header.
 *
 * @param encode writes what follows the header
 * @param decode reads what follows the header of the answer; what comes after may be left unread
 * @returns undefined where the broker is too old to know this version
 * @throws the broker's error
 */
export async function ask<Answer>(
  broker: Broker,
  kind: RequestKind,
  encode: (encoder: Encoder) => void,
  decode: (decoder: Decoder) => Answer,
): Promise<Answer | undefined> {
  if ((broker.versions[kind.apiKey]?.maxVersion ?? 0) < kind.apiVersion) return undefined;
  return broker.connectionPool.send<Answer>({
    request: {
      ...kind,
      encode: () => {
        const encoder = new NewEncoder().writeInt8(0);
        encode(encoder);
        return Promise.resolve(encoder);
      },
    },
    response: {
      decode: (payload) => {
        const decoder = new NewDecoder(payload);
        decoder.readTaggedFields();
        return Promise.resolve(decode(decoder));
      },
      parse: (decoded) => Promise.resolve(decoded),
    },
  });
}

/** Reads a compact array, each element by `element`. */
export function readArray<T>(decoder: Decoder, element: () => T): T[] {
  return Array.from({ length: Math.max(0, decoder.readUVarInt() - 1) }, element);
}
