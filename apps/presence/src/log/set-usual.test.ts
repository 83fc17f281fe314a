import fc from 'fast-check';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginDecide } from '#tracing';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { Instance, NO_RELAY } from '../../test/support.js';
import type { AgentState } from '../decision/presence-decision.js';
import type { AgentWrite } from './agent-write.js';
import { readStates } from './presence.repository.js';
import { setAny } from './set-any.repository.js';
import { isUsual, setUsual, type UsualWrite } from './set-usual.repository.js';

const AGENTS = [1, 2, 3, 4];
const ALL_SHARDS = NO_RELAY.ownShards();
/** Of two clients whose agents do the same: one is written by either statement. */
const BY_USUAL = 12;
const BY_ANY = 13;

const KNOWN: AgentState = {
  agentType: 'local',
  name: 'a',
  agentStatus: 'logged_out',
  sequence: 3,
  changedAt: 1000,
  removed: false,
};

/** Whatever is traced further on. */
const CALLER = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

function writeOf(clientId: number, agentId: number, before: AgentState, occurredAt?: number): UsualWrite {
  const agentStatus = before.agentStatus === 'available' ? 'logged_out' : 'available';
  const after = { ...before, agentStatus, sequence: before.sequence + 1 } as const;
  const id = uuidv7();
  const change = {
    id,
    name: after.name,
    agentStatus,
    eventSource: 'phone',
    sequence: after.sequence,
    occurredAt,
    hop: beginDecide({ id, clientId, agentId, sequence: after.sequence }, CALLER),
  } as const;
  return { clientId, agentId, before, after, changes: [change] };
}

describe('what is usual', () => {
  const usual = writeOf(12, 1, KNOWN);
  it.each<[string, AgentWrite, boolean]>([
    ['a change of a known agent', usual, true],
    ['an agent that was never seen', { ...usual, before: undefined }, false],
    ['an agent that was removed', { ...usual, before: { ...KNOWN, removed: true } }, false],
    ['an agent of another name', { ...usual, after: { ...usual.after, name: 'b' } }, false],
    ['an agent of another type', { ...usual, after: { ...usual.after, agentType: 'remote' } }, false],
    ['a name alone', { ...usual, changes: [] }, false],
    ['two changes', { ...usual, changes: [usual.changes[0], usual.changes[0]] }, false],
  ])('%s', (_what, write, expected) => expect(isUsual(write)).toBe(expected));
});

describe('the statement for usual writes', () => {
  let database: TestDatabase;
  let instance: Instance;

  beforeAll(async () => {
    database = await createTestDatabase();
    instance = await Instance.connect(database.url);
  });

  afterAll(async () => {
    await instance.close();
    await database.drop();
  });

  const read = async (clientId: number): Promise<AgentState[]> =>
    (
      await readStates(
        instance.pool,
        AGENTS.map((agentId) => ({ clientId, agentId })),
      )
    ).map((state) => state!);

  const rowsOf = async (clientId: number): Promise<unknown[]> => {
    const { rows } = await instance.pool.query<Record<string, unknown>>(
      `select s.agent_id, s.agent_type, s.name, s.traceparent, s.agent_status, s.event_source, s.sequence, s.occurred_at < now() - interval '1 day' as is_dated,
              s.occurred_at <= s.changed_at as is_past, o.shard = presence.shard_of(s.client_id, s.agent_id) as is_queued
       from presence.status_change s left join presence.outbox o on o.position = s.position and o.change_id = s.id
       where s.client_id = $1 order by s.agent_id, s.sequence`,
      [clientId],
    );
    return rows;
  };

  /** What others do to agents between the read and the write. */
  const MEDDLING = {
    rename: `select presence.put_agent($1, a.agent_type, $2, a.name || 'x') from presence.agent a where client_id = $1 and agent_id = $2 and deleted_at is null`,
    remove: `select presence.remove_agent($1, a.agent_type, $2, $3::uuid) from presence.agent a where client_id = $1 and agent_id = $2`,
    'bring back': `select presence.put_agent($1, 'remote', $2, 'back'), $3::uuid`,
    change: `update presence.agent set sequence = sequence + 1 where client_id = $1 and agent_id = $2`,
  };

  it('does what the statement for any writes does, whatever came between', async () => {
    const step = fc.record({
      changes: fc.uniqueArray(
        fc.record({ agentId: fc.constantFrom(...AGENTS), occurredAt: fc.option(fc.nat(5000), { nil: undefined }) }),
        {
          selector: ({ agentId }) => agentId,
          minLength: 1,
        },
      ),
      meddling: fc.array(
        fc.tuple(fc.constantFrom(...AGENTS), fc.constantFrom(...(Object.keys(MEDDLING) as (keyof typeof MEDDLING)[]))),
        { maxLength: 2 },
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        await instance.pool.query('delete from presence.outbox; delete from presence.status_change; delete from presence.agent');
        await instance.pool.query(
          `insert into presence.agent (client_id, agent_id, agent_type, name)
           select client_id, agent_id, 'local', 'a' from unnest($1::bigint[]) client_id, unnest($2::bigint[]) agent_id`,
          [[BY_USUAL, BY_ANY], AGENTS],
        );
        for (const { changes, meddling } of steps) {
          const outcomes: unknown[] = [];
          for (const [clientId, set] of [
            [BY_USUAL, setUsual],
            [BY_ANY, setAny],
          ] as const) {
            const states = await read(clientId);
            const writes = changes
              .map(({ agentId, occurredAt }) => writeOf(clientId, agentId, states[agentId - 1]!, occurredAt))
              .filter(isUsual);
            for (const [agentId, what] of meddling) {
              const values = [clientId, agentId, uuidv7()];
              await instance.pool.query(MEDDLING[what], MEDDLING[what].includes('$3') ? values : values.slice(0, 2));
            }
            if (writes.length === 0) continue;
            const { written, lost, committed } = await set(instance.pool, writes, ALL_SHARDS, []);
            const after = await read(clientId);
            for (const [index, state] of written) expect(after[writes[index]!.agentId - 1]).toEqual(state);
            outcomes.push({
              written: [...written.keys()].sort(),
              lost: [...lost.keys()].sort(),
              committed: committed
                .map(({ shard, agentId, sequence, name }) => [shard !== undefined, agentId, sequence, name])
                .sort(),
            });
          }
          expect(outcomes[0]).toEqual(outcomes[1]);
        }
        expect(await rowsOf(BY_USUAL)).toEqual(await rowsOf(BY_ANY));
        const timeless = async (clientId: number) =>
          (await read(clientId)).map((state) => ({ ...state, changedAt: state.changedAt !== null }));
        expect(await timeless(BY_USUAL)).toEqual(await timeless(BY_ANY));
      }),
      { numRuns: 8 },
    );
  });

  it('answers each change as it stands in the log, of the shards that are asked for', async () => {
    await instance.pool.query('delete from presence.outbox; delete from presence.status_change; delete from presence.agent');
    const agents = Array.from({ length: 64 }, (_, nth) => 1000 - nth); // not by key
    await instance.pool.query(
      `insert into presence.agent (client_id, agent_id, agent_type, name) select 12, unnest($1::bigint[]), 'local', 'a'`,
      [agents],
    );
    const before = { ...KNOWN, sequence: 0, changedAt: null };
    const writes = agents.map((agentId, nth) => writeOf(12, agentId, before, nth % 2 ? 1_000_000_000_000 + nth : undefined));
    const own = ALL_SHARDS.slice(0, 8);
    const { written, lost, committed } = await setUsual(instance.pool, writes, own, []);
    expect([written.size, lost.size]).toEqual([64, 0]);
    const { rows } = await instance.pool.query<{ occurredAt: Date; changedAt: Date }>(
      `select s.position, o.shard, s.id, s.client_id as "clientId", s.agent_id as "agentId", s.agent_type as "agentType", s.name,
              s.agent_status as "agentStatus", s.event_source as "eventSource", s.sequence, s.occurred_at as "occurredAt", s.changed_at as "changedAt", s.traceparent
       from presence.outbox o join presence.status_change s on s.id = o.change_id where o.shard = any ($1) order by s.position`,
      [own],
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(committed.toSorted((a, b) => a.position - b.position)).toEqual(
      rows.map((row) => ({ ...row, occurredAt: row.occurredAt.getTime(), changedAt: row.changedAt.getTime() })),
    );
  });

  it('never goes back in time, nor waits for another that writes the same agents in another order', async () => {
    const other = await Instance.connect(database.url);
    await instance.pool.query('delete from presence.outbox; delete from presence.status_change; delete from presence.agent');
    const agents = Array.from({ length: 200 }, (_, nth) => nth);
    await instance.pool.query(
      `insert into presence.agent (client_id, agent_id, agent_type, name) select 12, unnest($1::bigint[]), 'local', 'a'`,
      [agents],
    );
    try {
      let wins = 0;
      for (let round = 0; round < 4; round++) {
        const states = await readStates(
          instance.pool,
          agents.map((agentId) => ({ clientId: 12, agentId })),
        );
        const writes = agents.map((agentId) => writeOf(12, agentId, states[agentId]!));
        const again = agents.map((agentId) => writeOf(12, agentId, states[agentId]!)).reverse();
        const outcomes = await Promise.all([
          setUsual(instance.pool, writes, ALL_SHARDS, []),
          setUsual(other.pool, again, ALL_SHARDS, []),
          setAny(other.pool, agents.map((agentId) => writeOf(12, agentId, states[agentId]!)).reverse(), ALL_SHARDS, []),
        ]);
        wins += outcomes.reduce((sum, { written }) => sum + written.size, 0);
      }
      expect(wins).toBe(4 * agents.length); // each round one of them has each agent
      const { rows } = await instance.pool.query(
        `select from (select sequence, changed_at, lag(sequence) over w as before, lag(changed_at) over w as at_before
                      from presence.status_change window w as (partition by agent_id order by position)) s
         where sequence <> coalesce(before, 0) + 1 or changed_at < at_before`,
      );
      expect(rows).toEqual([]);
    } finally {
      await other.close();
    }
  });
});
