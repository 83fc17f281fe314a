import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { partitionKey } from '#contracts';
import { agentHash } from './agent-hash.js';

const id = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('agentHash', () => {
  it('is the partition that the producer chooses, for any number of partitions', () => {
    const partitionOf = Partitioners.DefaultPartitioner();
    fc.assert(
      fc.property(id, id, fc.integer({ min: 1, max: 200 }), (clientId, agentId, partitions) => {
        const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({ partitionId, leader: 0 }));
        const key = partitionKey({ clientId, agentId });
        const chosen = partitionOf({ topic: 'x', partitionMetadata: partitionMetadata as never, message: { key, value: '' } });
        return agentHash({ clientId, agentId }) % partitions === chosen;
      }),
    );
  });

  it('is known', () => {
    expect(agentHash({ clientId: 12, agentId: 136 })).toBe(agentHash({ clientId: 12, agentId: 136 }));
  });
});
