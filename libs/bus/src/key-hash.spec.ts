import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { keyHash, partitionOf } from './key-hash.js';

const partitioner = Partitioners.DefaultPartitioner();
const ofKafkajs = (key: string | Buffer, partitions: number): number =>
  partitioner({
    topic: 't',
    partitionMetadata: Array.from({ length: partitions }, (_, partitionId) => ({
      ...{ partitionId, leader: 1, partitionErrorCode: 0, replicas: [], isr: [] },
    })),
    message: { key, value: null },
  });

describe('the hash of a key', () => {
  it('gives each key the partition that other clients give it', () => {
    const keys = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.nat(), fc.nat()).map(([client, agent]) => `${client}:${agent}`),
    );
    fc.assert(
      fc.property(keys, fc.integer({ min: 1, max: 200 }), (key, partitions) => {
        expect(partitionOf(key, partitions)).toBe(ofKafkajs(key, partitions));
      }),
      { numRuns: 1000 },
    );
  });

  it('is what the Java client computes', () => {
    // From the tests of Kafka itself (UtilsTest.testMurmur2), without the sign.
    const known: Readonly<Record<string, number>> = {
      '21': -973932308,
      foobar: -790332482,
      'a-little-bit-long-string': -985981536,
      'a-little-bit-longer-string': -1486304829,
      lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
      abc: 479470107,
    };
    for (const [key, hash] of Object.entries(known)) expect(keyHash(key)).toBe(hash & 0x7fffffff);
  });

  it('keeps an agent in its shard when the partitions are raised to a multiple', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 8 }), (key, base, factor) => {
        expect(partitionOf(key, base * factor) % base).toBe(partitionOf(key, base));
      }),
    );
  });

  it('takes a time that grows with the length alone', () => {
    expect(keyHash('k'.repeat(4_000_000))).toBe(keyHash(Buffer.alloc(4_000_000, 'k'))); // by kafkajs: hours
  });
});
