import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createLogger } from '#runtime';
import type { Attempts } from '../attempt/attempts.js';
import { BatchedCache } from '../attempt/batched-cache.js';
import type { DueDelivery, Endpoint } from '../attempt/delivery.js';
import type { BehindRow } from '../backlog/behind.repository.js';
import { DispatcherMetrics } from '../metrics.js';
import { snapshotOf } from '../record/snapshot.js';
import type { Change, EntryWork } from './agent-work.js';
import { Deliveries } from './deliveries.js';
import type { ShardLeases } from './shard-leases.js';

const ENDPOINT = {
  url: 'https://receiver.example/',
  method: 'POST' as const,
  suspended: false,
  unwell: false,
  isForAll: false,
} satisfies Endpoint;
const CHANGE: Change = { id: 'change', sequence: 1, pairs: '', occurredAt: 0, expiresAt: Infinity };
const ROW: BehindRow = {
  ...{ agentEventId: 7, clientId: 12, agentId: 136, hash: 0, next: 1, version: 0, attempts: 0 },
  ...{ isDue: true, endpoint: ENDPOINT, head: CHANGE, cursor: 1, isAhead: false },
};

describe('a delivery that falls behind', () => {
  it('is in one pair of hands while it is recorded, also where its row is read before that is answered', () => {
    const sent: DueDelivery[] = [];
    const lease = { shard: 0, epoch: 1, until: Infinity, ending: false };
    const endpoints = new BatchedCache<Endpoint | undefined>(() => Promise.resolve(new Map()), undefined, 60_000);
    const deliveries = new Deliveries({
      attempts: {
        attempt: (delivery) => {
          sent.push(delivery);
          return new Promise(() => undefined);
        },
      } satisfies Pick<Attempts, 'attempt'> as unknown as Attempts,
      endpoints,
      ...{ schedule: [], windowMs: 60_000, timeoutMs: 10_000 },
      leases: () => ({ leaseOf: () => lease, isCurrent: () => true, startBy: () => Infinity }) as unknown as ShardLeases,
      ...{ onDirty: () => undefined, onRefused: () => undefined, onAnswered: () => undefined },
      metrics: new DispatcherMetrics(new Registry()),
      logger: createLogger('test', 'silent'),
    });
    endpoints.offer(ROW.agentEventId, ENDPOINT, performance.now());
    const agent = deliveries.pin({ clientId: 12, agentId: 136 }, 0)!;
    agent.cursor = 0;
    // As one that its origin had no room for.
    const entry: EntryWork = { sequence: 1, agentEventId: ROW.agentEventId, change: CHANGE, state: 'behind' };
    deliveries.take(agent, [entry], 1);

    const snapshot = snapshotOf(agent, () => ENDPOINT);
    expect(snapshot?.newRows).toHaveLength(1);
    deliveries.takeRows(agent, [ROW], performance.now());
    expect(sent).toEqual([]);

    agent.moveCursor(1); // as the recorder does with the answer
    deliveries.takeRows(agent, [ROW], performance.now());
    expect(sent).toHaveLength(1);
  });
});
