import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, MalformedError } from './byte-reader.js';

/** As Kafka writes it: zigzag, seven bits a byte, the lowest first. */
function varintBytes(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

describe('a reader of primitive types', () => {
  it('reads every varint that it is given, and no byte more', () => {
    const read = (bytes: Buffer, take: (reader: ByteReader) => unknown): unknown[] => {
      const reader = new ByteReader(Buffer.concat([bytes, Buffer.of(0x80)]));
      return [take(reader), reader.remaining];
    };
    const powers = fc.tuple(fc.constantFrom(1n, -1n), fc.integer({ min: 0, max: 62 }), fc.constantFrom(-1n, 0n, 1n));
    const edges = powers.map(([sign, bits, off]) => sign * 2n ** BigInt(bits) + off);
    fc.assert(
      fc.property(fc.oneof(edges, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), (value) => {
        expect(read(varintBytes(value), (reader) => reader.varlong())).toEqual([value, 1]);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (value) => {
        expect(read(varintBytes(BigInt(value)), (reader) => reader.varint())).toEqual([value, 1]);
      }),
    );
  });

  it.each([
    ['ends in the middle', Buffer.of(0x80, 0x80), /middle of a number/],
    ['never ends', Buffer.alloc(11, 0x80), /longer than 64 bits/],
    ['is not there', Buffer.alloc(0), /middle of a number/],
  ])('refuses a number that %s', (_, bytes, message) => {
    expect(() => new ByteReader(bytes).varlong()).toThrow(MalformedError);
    expect(() => new ByteReader(bytes).varlong()).toThrow(message);
  });
});
