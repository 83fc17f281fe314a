import { createRequire } from 'node:module';
import { crc32c } from '@platformatic/wasm-utils';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeBudget, decodeBatches } from './record-batches.js';
import { encodeRecord, type RecordToEncode } from './record-encoder.js';

type EncodeOfKafkajs = (record: object) => { readonly buffer: Buffer };
const encodeByKafkajs = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/record/v0') as EncodeOfKafkajs;

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const text = fc.string({ unit: 'binary', maxLength: 300 });
const nullable = fc.oneof(fc.constant(null), text, bytes);
const records = fc.record<RecordToEncode>({
  timestampDelta: fc.oneof(fc.constant(0), fc.integer(), fc.maxSafeInteger().map((number) => Math.trunc(number / 2))), // prettier-ignore
  offsetDelta: fc.nat(),
  key: nullable,
  value: nullable,
  headers: fc.array(fc.record({ name: fc.oneof(text, bytes), value: nullable }), { maxLength: 80 }),
});

/** A batch as a broker hands it out. */
function batchOf(encoded: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(encoded);
  const batch = Buffer.alloc(61 + payload.length);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt8(2, 16);
  batch.writeInt32BE(encoded.length - 1, 23);
  batch.writeInt32BE(encoded.length, 57);
  payload.copy(batch, 61);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

const bytesOf = (value: string | Buffer | null): Buffer | null => (value === null ? null : Buffer.from(value));

describe('the encoder of records', () => {
  it('writes what is read back, to the byte', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(records, { minLength: 1, maxLength: 20 }), async (given) => {
        const sent = given.map((record, offsetDelta) => ({ ...record, offsetDelta }));
        const fetched = { bytes: batchOf(sent.map(encodeRecord)), from: 0n, highWatermark: 1000n, aborted: [] };
        const read = await decodeBatches(fetched, new DecodeBudget(1e9, 1e9));
        expect(read.map(({ key, value, headerList, timestamp }) => ({ key, value, headerList, timestamp }))).toEqual(
          sent.map(({ key, value, headers, timestampDelta }) => ({
            key: bytesOf(key),
            value: bytesOf(value),
            headerList: headers.map((header) => ({ name: bytesOf(header.name), value: bytesOf(header.value) })),
            timestamp: String(timestampDelta),
          })),
        );
      }),
    );
  });

  it('writes the same bytes as kafkajs, where that can write the record', () => {
    const names = fc.uniqueArray(text.filter((name) => !/^\d+$/.test(name) && name !== '__proto__'), { maxLength: 10 }); // prettier-ignore
    const values = fc.array(fc.oneof(text, bytes), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(records, names, values, (record, keys, contents) => {
        const list = keys.map((name, index) => ({ name, value: contents[index]! }));
        const headers = Object.fromEntries(list.map(({ name, value }) => [name, value]));
        expect(encodeRecord({ ...record, headers: list })).toEqual(encodeByKafkajs({ ...record, headers }).buffer);
      }),
    );
  });

  it.each([0, 63, 64, 127, 128, 8191, 8192, 1_048_576])('writes a value of %i bytes', (length) => {
    const record = { timestampDelta: 0, offsetDelta: length, key: null, value: Buffer.alloc(length, 'x'), headers: [] };
    expect(encodeRecord(record)).toEqual(encodeByKafkajs({ ...record, headers: {} }).buffer);
  });
});
