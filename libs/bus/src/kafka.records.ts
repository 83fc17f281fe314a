import { createRequire } from 'node:module';
import type { IHeaders } from 'kafkajs';
import type { BusHeader } from './bus.js';
import { DecodeBudget, decodeBatches, type AbortedTransaction, type FetchedRecord } from './record-batches.js';
import { encodeRecord } from './record-encoder.js';

/**
 * kafkajs 2.2.4 fetches, and we decode: what it cannot decode in one record fails the whole fetch, for ever, and nothing of any
 * partition is consumed (docs/adr/0017-records-are-decoded-by-us.md). Its other parts are as they are. These are its two seams:
 * `decodeMessages`, which every version of the fetch response goes through, is made to leave the bytes as they are; and
 * `Broker.fetch`, where it is known which offsets were asked for, decodes them. Records are encoded by us as well: kafkajs
 * keeps headers in an object, which has no room for nulls, for the order of repeated ones, or for bytes that are no text; and it
 * allocates 512 zeroed bytes for each header and twice for each record, which is most of what sending costs.
 */

/** Of one fetch, before it is left to the next one; a batch that was begun is ended, which is at most 64 MiB more. */
const MAX_DECODED_BYTES = 16 * 2 ** 20;
const MAX_DECODED_RECORDS = 20_000;

interface Decoder {
  readInt32(): number;
  canReadBytes(length: number): boolean;
  readBytes(length: number): Buffer;
}

interface FetchRequest {
  readonly topics: readonly { topic: string; partitions: readonly { partition: number; fetchOffset: string }[] }[];
}

interface FetchedPartition {
  readonly partition: number;
  readonly highWatermark: string;
  abortedTransactions?: AbortedTransaction[] | null;
  messages: Buffer | KafkaMessageRecord[];
}

interface FetchResponse {
  readonly responses: readonly { topicName: string; partitions: readonly FetchedPartition[] }[];
}

type Fetch = (this: unknown, request: FetchRequest) => Promise<FetchResponse>;

/** What the `messages` of a batch of kafkajs are. */
interface KafkaMessageRecord extends FetchedRecord {
  /** As kafkajs shows them, for other clients of it in the process. */
  readonly headers: IHeaders;
}

const requireInternal = createRequire(import.meta.url);

replaceModule('kafkajs/src/protocol/requests/fetch/v4/decodeMessages', readUndecoded);
replaceModule('kafkajs/src/protocol/recordBatch/record/v0', encode);

const { prototype: broker } = requireInternal('kafkajs/src/broker') as { prototype: { fetch: Fetch } };
const fetchUndecoded = broker.fetch;
broker.fetch = async function (request) {
  const response = await fetchUndecoded.call(this, request);
  await decodeResponse(request, response);
  return response;
};

/** What has been loaded keeps the original: kafkajs loads its requests and responses when they are first needed. */
function replaceModule(path: string, exports: unknown): void {
  requireInternal(path);
  requireInternal.cache[requireInternal.resolve(path)]!.exports = exports;
}

function readUndecoded(decoder: Decoder): Promise<Buffer> {
  const length = decoder.readInt32();
  const isThere = length > 0 && decoder.canReadBytes(length);
  return Promise.resolve(isThere ? decoder.readBytes(length) : Buffer.alloc(0));
}

async function decodeResponse({ topics }: FetchRequest, { responses }: FetchResponse): Promise<void> {
  const budget = new DecodeBudget(MAX_DECODED_BYTES, MAX_DECODED_RECORDS);
  for (const { topicName, partitions } of responses) {
    const asked = topics.find(({ topic }) => topic === topicName)?.partitions ?? [];
    for (const fetched of partitions) {
      if (!Buffer.isBuffer(fetched.messages)) continue;
      const from = asked.find(({ partition }) => partition === fetched.partition)?.fetchOffset ?? '0';
      const bytes = {
        bytes: fetched.messages,
        from: BigInt(from),
        highWatermark: BigInt(fetched.highWatermark),
        aborted: fetched.abortedTransactions ?? [],
      };
      fetched.messages = (await decodeBatches(bytes, budget)).map((record) => new Message(record));
      fetched.abortedTransactions = []; // they are left out already
    }
  }
}

class Message implements KafkaMessageRecord {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headerList: readonly BusHeader[];
  readonly isControlRecord: boolean;
  readonly unreadable?: FetchedRecord['unreadable'];

  constructor(record: FetchedRecord) {
    this.offset = record.offset;
    this.timestamp = record.timestamp;
    this.key = record.key;
    this.value = record.value;
    this.headerList = record.headerList;
    this.isControlRecord = record.isControlRecord;
    this.unreadable = record.unreadable;
  }

  get headers(): IHeaders {
    const values = new Map<string, Buffer[]>();
    for (const { name, value } of this.headerList) {
      const key = name.toString();
      const before = values.get(key);
      if (before) before.push(value as Buffer);
      else values.set(key, [value as Buffer]);
    }
    return Object.fromEntries([...values].map(([name, all]) => [name, all.length === 1 ? all[0] : all]));
  }
}

/** A record to be written; kafkajs takes headers by name, and we a list of them too. */
interface RecordToWrite {
  readonly offsetDelta?: number;
  readonly timestampDelta?: number;
  readonly key?: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: IHeaders | readonly BusHeader[];
}

/** What kafkajs asks of an encoder whose bytes it puts into a batch. */
interface Encoded {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

function encode({ offsetDelta = 0, timestampDelta = 0, key = null, value, headers }: RecordToWrite): Encoded {
  const bytes = encodeRecord({ offsetDelta, timestampDelta, key, value, headers: headersToWrite(headers) });
  return { buf: bytes, buffer: bytes };
}

function headersToWrite(headers: RecordToWrite['headers'] = {}): readonly BusHeader[] {
  if (Array.isArray(headers)) return headers as readonly BusHeader[];
  return Object.entries(headers as IHeaders).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => ({ name, value: one ?? null })),
  );
}
