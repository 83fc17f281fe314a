import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Coalescer } from './coalescer.js';

interface Item {
  readonly turn: string;
  readonly weight: number;
}

interface Batch {
  readonly items: readonly Item[];
  /** What waited when it was taken, without its own. */
  readonly left: readonly Item[];
  readonly end: () => void;
  readonly fail: () => void;
}

const MAX_ITEMS = 5;
const MAX_WEIGHT = 10;

const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('add' as const), turn: fc.constantFrom('a', 'b', 'c'), weight: fc.nat(12) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('linger' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(2), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
);

/** A coalescer whose batches end, and whose lingering is over, when the test says so. */
function controlled(concurrency: number) {
  const added: Item[] = [];
  const taken: Item[] = [];
  const running: Batch[] = [];
  const batches: Batch[] = [];
  const lingerings: (() => void)[] = [];
  const outcomes = new Map<Item, string>();
  const coalescer = new Coalescer<Item, string>({
    run: (items) =>
      new Promise((resolve, reject) => {
        taken.push(...items);
        const left = added.filter((item) => !taken.includes(item));
        const name = String(batches.length);
        const over = (settle: () => void) => () => {
          running.splice(running.indexOf(batch), 1);
          settle();
        };
        const batch = { items, left, end: over(() => resolve(name)), fail: over(() => reject(new Error(name))) };
        batches.push(batch);
        running.push(batch);
        expect(running.length).toBeLessThanOrEqual(concurrency);
      }),
    maxItems: MAX_ITEMS,
    maxWeight: MAX_WEIGHT,
    weightOf: ({ weight }) => weight,
    turnOf: ({ turn }) => turn,
    concurrency,
    linger: (begin) => lingerings.push(begin),
  });
  const add = (item: Item): void => {
    added.push(item);
    coalescer.add(item).then(
      (name) => outcomes.set(item, name),
      (error: Error) => outcomes.set(item, `failed ${error.message}`),
    );
  };
  return { coalescer, add, added, taken, running, batches, lingerings, outcomes };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Each turn's items of a batch are at most one more than those of a turn that had some left. */
function assertFair({ items, left }: Batch): void {
  const countOf = (turn: string): number => items.filter((item) => item.turn === turn).length;
  for (const turn of new Set(left.map((item) => item.turn))) {
    for (const other of new Set(items.map((item) => item.turn))) {
      expect(countOf(other)).toBeLessThanOrEqual(countOf(turn) + 1);
    }
  }
}

describe('a coalescer', () => {
  it('has each item in one batch, in order by turn, within its limits and in fair turns, and tells each what became of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (actions, concurrency) => {
        const { coalescer, add, added, taken, running, batches, lingerings, outcomes } = controlled(concurrency);
        const expected = new Map<Item, string>();
        const end = async (which: number, fails: boolean): Promise<void> => {
          const batch = running[which % running.length];
          if (!batch) return;
          const name = String(batches.indexOf(batch));
          for (const item of batch.items) expected.set(item, fails ? `failed ${name}` : name);
          if (fails) batch.fail();
          else batch.end();
          await settled();
        };
        for (const doing of actions) {
          if (doing.kind === 'add') add({ turn: doing.turn, weight: doing.weight });
          else if (doing.kind === 'linger') for (const begin of lingerings.splice(0)) begin();
          else if (doing.kind === 'flush') coalescer.flush();
          else await end(doing.which, doing.fails);
          await settled();
          const waiting = added.length - taken.length;
          if (doing.kind !== 'add' && waiting > 0 && running.length < concurrency) expect(lingerings.length).toBeGreaterThan(0);
          if (waiting >= MAX_ITEMS) expect(running).toHaveLength(concurrency);
        }
        let isIdle = false;
        void coalescer.idle().then(() => (isIdle = true));
        await settled();
        expect(isIdle).toBe(taken.length === added.length && running.length === 0);
        coalescer.flush();
        while (running.length > 0) await end(0, false);
        expect(isIdle).toBe(true);

        expect(taken).toHaveLength(added.length);
        for (const turn of ['a', 'b', 'c']) {
          const ofTurn = (items: readonly Item[]): readonly Item[] => items.filter((item) => item.turn === turn);
          expect(ofTurn(taken)).toEqual(ofTurn(added));
        }
        expect(outcomes).toEqual(expected);
        for (const batch of batches) {
          const weight = batch.items.reduce((sum, item) => sum + item.weight, 0);
          expect(batch.items.length).toBeGreaterThan(0);
          expect(batch.items.length).toBeLessThanOrEqual(MAX_ITEMS);
          if (batch.items.length > 1) expect(weight).toBeLessThanOrEqual(MAX_WEIGHT);
          if (batch.items.length < MAX_ITEMS && weight < MAX_WEIGHT - 12) expect(batch.left).toEqual([]);
          assertFair(batch);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('lingers anew for what comes after a batch that was begun early', async () => {
    const { coalescer, add, batches, lingerings } = controlled(2);
    add({ turn: 'a', weight: 1 });
    coalescer.flush();
    add({ turn: 'a', weight: 1 });
    expect(lingerings).toHaveLength(2);
    lingerings[0]!();
    expect(batches).toHaveLength(1);
    lingerings[1]!();
    expect(batches).toHaveLength(2);
    for (const { end } of batches) end();
    await coalescer.idle();
  });

  it('rejects the items of a batch whose work throws at once', async () => {
    const coalescer = new Coalescer<number, void>({
      run: () => {
        throw new Error('no work');
      },
      maxItems: 1,
      concurrency: 1,
      linger: queueMicrotask,
    });
    await expect(coalescer.add(1)).rejects.toThrow('no work');
    await coalescer.idle();
  });
});
