import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgentMap } from './agent-map.js';

const LATEST = 5;
const agent = fc.record({ clientId: fc.nat(2), agentId: fc.nat(9) });
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ set: agent }) },
  { weight: 5, arbitrary: fc.record({ get: agent }) },
  { weight: 1, arbitrary: fc.record({ delete: agent }) },
  { weight: 1, arbitrary: fc.constant({ clear: true }) },
);

describe('a map by agent', () => {
  it('knows the latest used, never what was deleted, and twice as many at most', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const map = new AgentMap<number>(LATEST);
        /** All that was set, those used last at the end. */
        const model = new Map<string, number>();
        const use = (key: string, value: number): void => {
          model.delete(key);
          model.set(key, value);
        };
        steps.forEach((one, nth) => {
          if ('set' in one) {
            map.set(one.set, nth);
            use(JSON.stringify(one.set), nth);
          } else if ('get' in one) {
            const key = JSON.stringify(one.get);
            const isLatest = [...model.keys()].slice(-LATEST).includes(key);
            const value = map.get(one.get);
            if (isLatest || value !== undefined) expect(value).toBe(model.get(key));
            if (value !== undefined) use(key, value);
            else model.delete(key);
          } else if ('delete' in one) {
            map.delete(one.delete);
            model.delete(JSON.stringify(one.delete));
          } else {
            map.clear();
            model.clear();
          }
        });
        const known = Array.from({ length: 30 }, (_, nth) => ({ clientId: nth % 3, agentId: Math.floor(nth / 3) }));
        expect(known.filter((key) => map.get(key) !== undefined).length).toBeLessThan(2 * LATEST);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps nothing of a client whose agents were deleted', () => {
    const map = new AgentMap<number>(LATEST);
    for (let clientId = 1; clientId <= 100; clientId++) {
      map.set({ clientId, agentId: 1 }, 1);
      map.delete({ clientId, agentId: 1 });
    }
    expect(map).toEqual(new AgentMap<number>(LATEST));
  });
});
