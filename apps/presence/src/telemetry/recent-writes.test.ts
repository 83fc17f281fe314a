import fc from 'fast-check';
import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGENT_STATUSES, parseTelemetry, type AgentStatus } from '#contracts';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { Instance, NO_RELAY, report } from '../../test/support.js';
import { decideTelemetry, type AgentState } from '../decision/presence-decision.js';
import { dropOldWrites, readRecentWrites } from '../log/recent-write.repository.js';

/** How the version before moved the horizon; it may run beside this one. */
const OLD_DROP = `
  with moved as (
    insert into presence.recent_write_horizon as h (kept_from, next_kept_from, moved_at)
    select xmin, xmin, now() from pg_snapshot_xmin(pg_current_snapshot()) as xmin
    on conflict (only_one) do update
      set kept_from = h.next_kept_from, next_kept_from = excluded.next_kept_from, moved_at = excluded.moved_at
    returning kept_from
  )
  delete from presence.recent_write where xid < (select kept_from from moved)`;

interface PlanNode {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Rows of the notes that a plan went through, also those that it left out. */
function rowsReadOf(node: PlanNode): number {
  const own =
    node['Relation Name'] === 'recent_write'
      ? node['Actual Loops'] * (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0))
      : 0;
  return (node.Plans ?? []).reduce((sum, inner) => sum + rowsReadOf(inner), own);
}

describe('what others have written of late', () => {
  let database: TestDatabase;
  let instance: Instance;
  let other: Instance;
  let nextAgent = 1;

  beforeAll(async () => {
    database = await createTestDatabase();
    instance = await Instance.connect(database.url);
    other = await Instance.connect(database.url);
    await dropOldWrites(instance.pool, 0); // as a service does when it starts
  });

  afterAll(async () => {
    await instance.close();
    await other.close();
    await database.drop();
  });

  const NOW = Date.now();

  /** A service that knows of an agent, and the statements that it sends from now on. */
  async function knowing(status: AgentStatus) {
    const statements: string[] = [];
    const service = instance.telemetry(NO_RELAY, (statement) => statements.push(statement));
    const agentId = nextAgent++;
    let ms = 0;
    // So far apart that what others do meanwhile comes between.
    const tell = async (said: AgentStatus) => {
      const item = report(agentId, said, { occurred_at: new Date(NOW + (ms += 10_000)).toISOString() });
      return (await service.apply([item], NOW))[0];
    };
    await tell(status);
    for (let look = 0; look < 2; look++) await tell(status); // the first look forgets all, the second confirms
    expect(statements.splice(0).at(-1)).toBe('read_recent_writes');
    return { agentId, tell, statements };
  }

  it('lets a repeat be answered without reading the agent, also after a change of our own', async () => {
    const { tell, statements } = await knowing('available');
    expect(await tell('available')).toEqual({ result: 'unchanged', sequence: 1 });
    expect(await tell('logged_out')).toEqual({ result: 'changed', sequence: 2 });
    expect(await tell('logged_out')).toEqual({ result: 'unchanged', sequence: 2 });
    expect(statements).toEqual(['read_recent_writes', 'compare_and_set_usual', 'read_recent_writes']);
  });

  it.each<[string, (agentId: number) => Promise<unknown>, object]>([
    [
      'another instance',
      (agentId) =>
        other.telemetry().apply([report(agentId, 'logged_out', { occurred_at: new Date(NOW + 35_000).toISOString() })], NOW),
      { result: 'changed', sequence: 3 },
    ],
    [
      'the directory, which removes the agent,',
      (agentId) => other.pool.query(`select presence.remove_agent(12, 'local', $1, $2)`, [agentId, uuidv7()]),
      { result: 'changed', sequence: 3 },
    ],
    [
      'an operator',
      (agentId) => other.pool.query(`update presence.agent set agent_status = 'logged_out' where agent_id = $1`, [agentId]),
      { result: 'changed', sequence: 2 },
    ],
    [
      'an operator who deletes the agent',
      (agentId) => other.pool.query('delete from presence.agent where agent_id = $1', [agentId]),
      { result: 'changed', sequence: 1 },
    ],
  ])('has what %s wrote read again', async (_who, write, expected) => {
    const { agentId, tell, statements } = await knowing('available');
    await write(agentId);
    expect(await tell('available')).toEqual(expected);
    expect(statements).toEqual(['read_recent_writes', 'read_states', expect.stringMatching(/^compare_and_set/)]);
  });

  it('sees a transaction that was under way when it looked, once that is committed', async () => {
    const { agentId, tell, statements } = await knowing('available');
    const client = await other.pool.connect();
    try {
      await client.query('begin');
      await client.query(`update presence.agent set agent_status = 'logged_out' where agent_id = $1`, [agentId]);
      // A later transaction is committed first, so that what is visible has no single end.
      await other.pool.query(`select presence.put_agent(12, 'local', $1, 'later')`, [nextAgent++]);
      expect(await tell('available')).toEqual({ result: 'unchanged', sequence: 1 });
      await client.query('commit');
      expect(await tell('available')).toEqual({ result: 'changed', sequence: 2 });
    } finally {
      client.release();
    }
    expect(statements).toEqual(['read_recent_writes', 'read_recent_writes', 'read_states', 'compare_and_set_usual']);
  });

  const logOut = (agentId: number) =>
    other.pool.query(`update presence.agent set agent_status = 'logged_out' where agent_id = $1`, [agentId]);

  it.each([
    ['believes nothing where writes were dropped that it had not seen', 0, false],
    ['keeps writes for as long as was asked for', 3_600_000, true],
  ])('%s', async (_what, keepMs, isKept) => {
    const { agentId, tell } = await knowing('available');
    await logOut(agentId);
    for (let drop = 0; drop < 3; drop++) await dropOldWrites(other.pool, keepMs);
    const { rows } = await other.pool.query<{ isKept: boolean }>('select exists (select from presence.recent_write) as "isKept"');
    expect(rows[0]!.isKept).toBe(isKept);
    expect(await tell('available')).toEqual({ result: 'changed', sequence: 2 });
  });

  it('believes nothing after a crash of the database, which empties what is not logged', async () => {
    const { agentId, tell, statements } = await knowing('available');
    await logOut(agentId);
    await other.pool.query('truncate presence.recent_write, presence.recent_write_horizon');
    expect(await tell('available')).toEqual({ result: 'changed', sequence: 2 });
    statements.length = 0;
    await tell('available');
    expect(statements).toEqual(['read_recent_writes', 'read_states']); // and so on, until somebody makes the horizon anew
    await dropOldWrites(other.pool, 0);
    await tell('available');
    statements.length = 0;
    await tell('available');
    expect(statements).toEqual(['read_recent_writes']);
  });

  describe('while a write transaction of another database of the server is left open', () => {
    let elsewhere: TestDatabase;
    let open: pg.Client;

    beforeAll(async () => {
      elsewhere = await createTestDatabase();
      open = new pg.Client({ connectionString: elsewhere.url });
      await open.connect();
      await open.query('begin; select pg_current_xact_id()');
      await dropOldWrites(other.pool, 0);
    });

    afterAll(async () => {
      await open.end();
      await elsewhere.drop();
    });

    const countWrites = async () =>
      (await other.pool.query<{ count: number }>('select count(*) from presence.recent_write')).rows[0]!.count;

    it('still drops what is old, and still believes what it has seen', async () => {
      const { agentId, tell, statements } = await knowing('available');
      for (let nth = 0; nth < 50; nth++) await logOut(agentId + 1_000_000 + nth);
      for (let nth = 0; nth < 50; nth++)
        await other.pool.query(`select presence.put_agent(12, 'local', $1, 'x')`, [2_000_000 + nth]);
      expect(await countWrites()).toBeGreaterThanOrEqual(50);
      for (let move = 0; move < 2; move++) {
        await dropOldWrites(other.pool, 0);
        await tell('available');
      }
      expect(await countWrites()).toBe(0);
      statements.length = 0;
      expect(await tell('available')).toEqual({ result: 'unchanged', sequence: 1 });
      expect(statements).toEqual(['read_recent_writes']);
    });

    it('has a repeat read what came since the last, not since that transaction began', async () => {
      for (let nth = 0; nth < 300; nth++)
        await other.pool.query(`select presence.put_agent(12, 'local', $1, 'y')`, [3_000_000 + nth]);
      const asked: { text: string; values: unknown[] }[] = [];
      const listening = {
        query: (config: { text: string; values: unknown[] }) => (asked.push(config), other.pool.query(config)),
      };
      const { snapshot } = await readRecentWrites(other.pool, undefined);
      await other.pool.query(`select presence.put_agent(12, 'local', 3000000, 'z')`);
      const seen = await readRecentWrites(listening as never, snapshot);
      expect(seen.writes).toHaveLength(1);
      const { rows } = await other.pool.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>({
        text: `explain (analyze, format json) ${asked[0]!.text}`,
        values: asked[0]!.values,
      });
      expect(rowsReadOf(rows[0]!['QUERY PLAN'][0].Plan)).toBeLessThan(20);
    });

    it('tells a change of that transaction itself, were it here, once it is committed', async () => {
      const { agentId, tell } = await knowing('available');
      const client = await other.pool.connect();
      try {
        await client.query('begin');
        await client.query(`update presence.agent set agent_status = 'logged_out' where agent_id = $1`, [agentId]);
        for (let move = 0; move < 3; move++) {
          await dropOldWrites(other.pool, 0);
          expect(await tell('available')).toEqual({ result: 'unchanged', sequence: 1 });
        }
        await client.query('commit');
        await dropOldWrites(other.pool, 0);
        expect(await tell('available')).toEqual({ result: 'changed', sequence: 2 });
      } finally {
        client.release();
      }
    });
  });

  it('believes nothing after a version that knows nothing of snapshots has dropped writes, until it is moved on again', async () => {
    const { agentId, tell } = await knowing('available');
    await logOut(agentId);
    await other.pool.query(OLD_DROP);
    await other.pool.query(OLD_DROP);
    expect(await tell('available')).toEqual({ result: 'changed', sequence: 2 });
    await dropOldWrites(other.pool, 0);
    await logOut(agentId);
    await other.pool.query(OLD_DROP);
    await dropOldWrites(other.pool, 0);
    expect(await tell('available')).toEqual({ result: 'changed', sequence: 3 });
  });

  it('decides every item as if there was one instance, whichever it comes to and whoever writes between', async () => {
    const services = [instance.telemetry(), other.telemetry(), other.telemetry()];
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ service: fc.nat(2), agent: fc.nat(2), status: fc.constantFrom(...AGENT_STATUSES) }) },
      { weight: 1, arbitrary: fc.record({ renamed: fc.nat(2), name: fc.constantFrom('a', 'b') }) },
      { weight: 1, arbitrary: fc.record({ removed: fc.nat(2) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        const agents = [nextAgent++, nextAgent++, nextAgent++];
        const model = new Map<number, AgentState>();
        for (const [nth, one] of steps.entries()) {
          if ('service' in one) {
            const agentId = agents[one.agent]!;
            const occurredAt = new Date(NOW + nth).toISOString();
            const item = report(agentId, one.status, { extension_name: 'a', occurred_at: occurredAt });
            const parsed = parseTelemetry(item, NOW);
            if (!parsed.ok) throw new Error('the item is well-formed');
            const decision = decideTelemetry(model.get(agentId), parsed.item);
            if (decision.result === 'rejected') throw new Error('the item has a name');
            model.set(agentId, decision.state);
            const [result] = await services[one.service]!.apply([item], NOW);
            expect(result).toEqual({ result: decision.result, sequence: decision.state.sequence });
          } else if ('renamed' in one) {
            const agentId = agents[one.renamed]!;
            await other.pool.query(`select presence.put_agent(12, 'local', $1, $2)`, [agentId, one.name]);
            const state = model.get(agentId) ?? { sequence: 0, changedAt: null, agentStatus: 'logged_out' };
            model.set(agentId, { ...state, agentType: 'local', name: one.name, removed: false });
          } else {
            // What the removal makes of the times is its own test's; here the agent begins anew.
            await other.pool.query('delete from presence.agent where client_id = 12 and agent_id = $1', [agents[one.removed]!]);
            model.delete(agents[one.removed]!);
          }
        }
      }),
      { numRuns: 20 },
    );
  });
});
