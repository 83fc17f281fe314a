import zlib, { gzipSync, zstdCompressSync } from 'node:zlib';
import { crc32c, lz4Compress, snappyCompress } from '@platformatic/wasm-utils';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBatches, DecodeBudget, type AbortedTransaction, type FetchedRecord } from './record-batches.js';

interface BatchSpec {
  readonly base: number;
  /** Offset deltas, each with a value that names it. */
  readonly deltas?: readonly number[];
  readonly lastDelta?: number;
  readonly attributes?: number;
  readonly producerId?: number;
  readonly key?: Buffer;
  /** Instead of the records. */
  readonly payload?: Buffer;
  readonly count?: number;
  readonly compress?: (bytes: Buffer) => Buffer;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

const sized = (bytes: Buffer): Buffer => Buffer.concat([varint(bytes.length), bytes]);

function record(delta: number, value: string, key?: Buffer): Buffer {
  const parts = [Buffer.of(0), varint(0), varint(delta), key ? sized(key) : varint(-1), sized(Buffer.from(value)), varint(0)];
  return sized(Buffer.concat(parts));
}

function batch(spec: BatchSpec): Buffer {
  const { base, deltas = [0], attributes = 0, producerId = -1, key, compress = (bytes: Buffer) => bytes } = spec;
  const plain = spec.payload ?? Buffer.concat(deltas.map((delta) => record(delta, String(base + delta), key)));
  const payload = compress(plain);
  const bytes = Buffer.alloc(61 + payload.length);
  bytes.writeBigInt64BE(BigInt(base), 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(attributes, 21);
  bytes.writeInt32BE(spec.lastDelta ?? deltas.at(-1) ?? 0, 23);
  bytes.writeBigInt64BE(BigInt(producerId), 43);
  bytes.writeInt32BE(spec.count ?? deltas.length, 57);
  payload.copy(bytes, 61);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

function decode(
  bytes: Buffer,
  {
    from = 0,
    aborted = [],
    budget = new DecodeBudget(1e9, 1e9),
  }: { from?: number; aborted?: AbortedTransaction[]; budget?: DecodeBudget } = {},
): Promise<FetchedRecord[]> {
  return decodeBatches({ bytes, from: BigInt(from), highWatermark: 1000n, aborted }, budget);
}

/** What a handler sees, and how far kafkajs goes on. */
const shown = (records: readonly FetchedRecord[]): string[] =>
  records.map(({ offset, value, isControlRecord, unreadable }) => {
    if (unreadable) return `${unreadable.firstOffset}-${offset}: ${unreadable.reason}`;
    return isControlRecord ? `to ${offset}` : String(value);
  });

const TRANSACTIONAL = 0x10;
const CONTROL = 0x30;
const marker = (base: number, type: number, producerId: number): Buffer =>
  batch({ base, attributes: CONTROL, producerId, key: Buffer.from([0, 0, 0, type]) });

describe('record batches', () => {
  it.each([
    ['a flipped bit', (bytes: Buffer) => (bytes[70]! ^= 1), '3-4: its checksum is wrong'],
    ['a wrong end', (bytes: Buffer) => bytes.writeInt32BE(0x7fffffff, 23), '3-4: its checksum is wrong'],
    ['an end before its beginning', (bytes: Buffer) => bytes.writeInt32BE(-5, 23), '3-3: its checksum is wrong'],
    [
      'an old format',
      (bytes: Buffer) => (bytes[16] = 1),
      '3-4: it has the message format 1, which is not that of Kafka 0.11 and later',
    ],
  ])('that are damaged by %s are passed over, and the next is read', async (_, damage, told) => {
    const damaged = batch({ base: 3, deltas: [0, 1] });
    damage(damaged);
    const bytes = Buffer.concat([batch({ base: 0, deltas: [0, 1, 2] }), damaged, batch({ base: 5 })]);
    expect(shown(await decode(bytes)).filter((one) => !one.startsWith('to'))).toEqual(['0', '1', '2', told, '5']);
  });

  it('never ask for the same again when a length is senseless', async () => {
    const senseless = batch({ base: 0 });
    senseless.writeInt32BE(-1, 8);
    expect(shown(await decode(senseless, { from: 7 }))).toEqual(['7-7: it is shorter than any batch']);
  });

  it.each([
    ['an unknown codec', { attributes: 5 }, /unknown number 5/],
    ['no gzip', { attributes: 1 }, /not readable as gzip/],
    ['no snappy', { attributes: 2 }, /not readable as snappy/],
    ['no lz4', { attributes: 3 }, /not readable as lz4/],
    ['no zstd', { attributes: 4 }, /not readable as zstd/],
    ['a record that is cut off', { payload: record(0, 'cut').subarray(0, 5) }, /announced/],
    ['fewer records than announced', { count: 9 }, /in the middle of a number/],
    ['a header without a name', { payload: sized(Buffer.from([0, 0, 0, 1, 1, 2, 1, 1])) }, /no name/],
    [
      'more headers than bytes',
      { payload: sized(Buffer.concat([Buffer.from([0, 0, 0, 1, 1]), varint(2 ** 29)])) },
      /in the middle/,
    ],
    ['an offset beyond its end', { deltas: [1], lastDelta: 0 }, /out of order/],
    ['a number without an end', { payload: Buffer.alloc(20, 0xff) }, /longer than 32 bits/],
  ])('with %s are passed over, and the next is read', async (_, spec, reason) => {
    const bytes = Buffer.concat([batch({ base: 0, ...spec }), batch({ base: 20 })]);
    const records = await decode(bytes);
    const unreadable = records.find((one) => one.unreadable);
    expect(unreadable?.unreadable?.reason).toMatch(reason);
    expect(shown(records).at(-1)).toBe('20');
  });

  it('in zstd are no fault of the bytes where Node.js has no zstd, and not passed over', async () => {
    const bytes = batch({ base: 0, attributes: 4, compress: zstdCompressSync });
    const { zstdDecompress } = zlib;
    Object.assign(zlib, { zstdDecompress: undefined });
    try {
      await expect(decode(bytes)).rejects.toThrow(/zstd needs Node\.js 22\.19 or later/);
    } finally {
      Object.assign(zlib, { zstdDecompress });
    }
    expect(shown(await decode(bytes))).toEqual(['0']);
  });

  it('hand over what comes before a record that cannot be read', async () => {
    const payload = Buffer.concat([record(0, 'good'), record(1, 'cut').subarray(0, 4)]);
    expect(shown(await decode(batch({ base: 8, payload, count: 2, lastDelta: 1 })))).toEqual([
      'good',
      expect.stringMatching(/^9-9: /),
    ]);
  });

  it('lead on over what compaction has left out', async () => {
    const empty = batch({ base: 10, deltas: [], lastDelta: 4 });
    const holes = batch({ base: 15, deltas: [1, 3], lastDelta: 6 });
    expect(shown(await decode(Buffer.concat([empty, holes])))).toEqual(['to 14', '16', '18', 'to 21']);
    expect(shown(await decode(holes, { from: 20 }))).toEqual(['to 21']);
  });

  it('leave out what transactions gave up, whatever keys its records have', async () => {
    const key = Buffer.alloc(4); // as an abort marker has it
    const bytes = Buffer.concat([
      batch({ base: 0, attributes: TRANSACTIONAL, producerId: 1, key }),
      batch({ base: 1, attributes: TRANSACTIONAL, producerId: 2, key }),
      batch({ base: 2, producerId: 1 }), // not of the transaction
      batch({ base: 3, attributes: TRANSACTIONAL, producerId: 3 }),
      marker(4, 0, 1),
      batch({ base: 5, attributes: TRANSACTIONAL, producerId: 1 }),
      batch({ base: 6, attributes: TRANSACTIONAL, producerId: 2 }),
      marker(7, 0, 2),
      marker(8, 1, 3),
    ]);
    const aborted = [
      { producerId: '2', firstOffset: '1' },
      { producerId: '1', firstOffset: '0' },
    ];
    const values = (records: readonly FetchedRecord[]) => shown(records).filter((one) => !one.startsWith('to'));
    expect(values(await decode(bytes, { aborted }))).toEqual(['2', '3', '5']);
    // Both were begun before what is asked for now.
    expect(values(await decode(bytes.subarray(bytes.indexOf(marker(4, 0, 1))), { from: 4, aborted }))).toEqual(['5']);
  });

  it('are decoded piece by piece, and nothing is left out between the pieces', async () => {
    const deltas = Array.from({ length: 25 }, (_, index) => index);
    const bytes = Buffer.concat([batch({ base: 0, deltas, attributes: 4, compress: zstdCompressSync }), batch({ base: 25 })]);
    const all: string[] = [];
    for (let from = 0, rounds = 0; from < 26 && rounds < 10; rounds++) {
      const records = await decode(bytes, { from, budget: new DecodeBudget(1e9, 10) });
      expect(records.length).toBeLessThanOrEqual(10);
      all.push(...shown(records));
      from = Number(records.at(-1)!.offset) + 1;
    }
    expect(all).toEqual([...deltas, 25].map(String));
  });

  it('are left for the next fetch once what they expand to is enough', async () => {
    const compress = { attributes: 1, compress: gzipSync };
    const bytes = Buffer.concat([0, 1, 2].map((base) => batch({ base, payload: record(0, 'x'.repeat(50_000)), ...compress })));
    expect(await decode(bytes, { budget: new DecodeBudget(60_000, 1e9) })).toHaveLength(2);
  });

  it('of any bytes come to an end', async () => {
    const compressions = [
      [0, (bytes: Buffer) => bytes],
      [1, gzipSync],
      [2, snappyCompress],
      [3, lz4Compress],
      [4, zstdCompressSync],
    ] as const;
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...compressions), flips, fc.boolean(), async ([attributes, compress], changes, signed) => {
        const bytes = batch({ base: 0, deltas: [0, 1, 2, 3], attributes, compress });
        for (const [at, mask] of changes) bytes[(at % (bytes.length - 21)) + 21]! ^= mask;
        if (signed) bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
        const records = await decode(Buffer.concat([bytes, batch({ base: 4 })]));
        if (!signed) expect(shown(records).at(-1)).toBe('4');
      }),
      { numRuns: 300 },
    );
  });
});
