import fc from 'fast-check';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGENT_STATUSES, parseTelemetry, type AgentStatus } from '#contracts';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { Instance, NO_RELAY, report } from '../../test/support.js';
import { decide, type AgentState } from '../decision/presence-decision.js';
import { dropOldWrites } from '../log/recent-write.repository.js';

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
    expect(statements).toEqual(['read_recent_writes', 'compare_and_set', 'read_recent_writes']);
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
    expect(statements).toEqual(['read_recent_writes', 'read_states', 'compare_and_set']);
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
    expect(statements).toEqual(['read_recent_writes', 'read_recent_writes', 'read_states', 'compare_and_set']);
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
            const decision = decide(model.get(agentId), parsed.item);
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
