import fc from 'fast-check';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGENT_STATUSES, type AgentStatus } from '#contracts';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { Instance, report } from '../../test/support.js';
import type { TelemetryService } from './telemetry.service.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

describe('clocks that disagree', () => {
  let database: TestDatabase;
  let instance: Instance;
  let nextAgent = 1;

  beforeAll(async () => {
    database = await createTestDatabase();
    instance = await Instance.connect(database.url);
  });

  afterAll(async () => {
    await instance.close();
    await database.drop();
  });

  /** An instance whose idea of the time is that far off. */
  const off = (ms: number): TelemetryService => instance.telemetry(undefined, undefined, { now: () => Date.now() + ms });

  const tell = async (service: TelemetryService, agentId: number, status: AgentStatus, extra: object = {}) => {
    const [result] = await service.apply([report(agentId, status, extra)]);
    return result;
  };
  const ahead = (ms: number): object => ({ occurred_at: new Date(Date.now() + ms).toISOString() });

  const logOf = async (agentId: number): Promise<{ occurred_at: Date; changed_at: Date }[]> =>
    (
      await instance.pool.query<{ occurred_at: Date; changed_at: Date }>(
        'select occurred_at, changed_at from presence.status_change where agent_id = $1 order by position',
        [agentId],
      )
    ).rows;

  it.each([3 * SECOND, 10 * MINUTE, 24 * 60 * MINUTE])(
    'never have an undated logout older than the login before it: two instances %d ms apart',
    async (apart) => {
      const agentId = nextAgent++;
      const [fast, slow] = [off(apart), off(0)];
      for (let round = 0; round < 3; round++) {
        expect(await tell(fast, agentId, 'available')).toEqual({ result: 'changed', sequence: 2 * round + 1 });
        expect(await tell(slow, agentId, 'available')).toEqual({ result: 'unchanged', sequence: 2 * round + 1 });
        expect(await tell(slow, agentId, 'logged_out')).toEqual({ result: 'changed', sequence: 2 * round + 2 });
        expect(await tell(fast, agentId, 'logged_out')).toEqual({ result: 'unchanged', sequence: 2 * round + 2 });
      }
      // When they occurred is when the database had them.
      for (const { occurred_at, changed_at } of await logOf(agentId)) {
        expect(Math.abs(occurred_at.getTime() - Date.now())).toBeLessThan(60 * SECOND);
        expect(occurred_at.getTime()).toBeLessThanOrEqual(changed_at.getTime());
      }
    },
  );

  it('go on where the clock of an instance jumps back', async () => {
    const agentId = nextAgent++;
    let jump = 0;
    const service = instance.telemetry(undefined, undefined, { now: () => Date.now() + jump });
    expect(await tell(service, agentId, 'available')).toMatchObject({ result: 'changed' });
    jump = -10 * MINUTE;
    expect(await tell(service, agentId, 'logged_out')).toMatchObject({ result: 'changed' });
    expect(await tell(service, agentId, 'available')).toMatchObject({ result: 'changed' });
    // Many of one request are of one receipt.
    const many = Array.from({ length: 5 }, (_, nth) => report(agentId, nth % 2 ? 'available' : 'logged_out'));
    expect((await service.apply(many)).map(({ result }) => result)).toEqual(Array<string>(5).fill('changed'));
  });

  it('let a login that is dated four minutes ahead count as of its receipt, and publish it as reported', async () => {
    const agentId = nextAgent++;
    const service = off(0);
    const dated = ahead(4 * MINUTE) as { occurred_at: string };
    expect(await tell(service, agentId, 'available', dated)).toMatchObject({ result: 'changed' });
    expect(await tell(service, agentId, 'logged_out', ahead(-MINUTE))).toMatchObject({ result: 'stale' });
    expect(await tell(service, agentId, 'logged_out')).toMatchObject({ result: 'changed' });
    expect(await tell(service, agentId, 'available', ahead(0))).toMatchObject({ result: 'changed' });
    expect((await logOf(agentId))[0]!.occurred_at.toISOString()).toBe(dated.occurred_at);
    const inOne = nextAgent++;
    const both = [
      report(inOne, 'available', ahead(4 * MINUTE)),
      report(inOne, 'logged_out'),
      report(inOne, 'available', ahead(MINUTE)),
    ];
    expect((await service.apply(both)).map(({ result }) => result)).toEqual(['changed', 'changed', 'changed']);
  });

  it('still know what is older among what is dated, to the millisecond', async () => {
    const agentId = nextAgent++;
    const service = off(0);
    const at = Date.now();
    const dated = (ms: number): object => ({ occurred_at: new Date(at + ms).toISOString() });
    expect(await tell(service, agentId, 'available', dated(0))).toMatchObject({ result: 'changed' });
    expect(await tell(service, agentId, 'logged_out', dated(-1))).toMatchObject({ result: 'stale' });
    expect(await tell(service, agentId, 'logged_out', dated(0))).toMatchObject({ result: 'changed' });
    const inOne = [report(nextAgent, 'available', dated(0)), report(nextAgent, 'logged_out', dated(-1))];
    expect((await service.apply(inOne)).map(({ result }) => result)).toEqual(['changed', 'stale']);
    nextAgent++;
    // What was received without a date is older than nothing, but not younger than its receipt.
    const undated = nextAgent++;
    expect(await tell(service, undated, 'available')).toMatchObject({ result: 'changed' });
    expect(await tell(service, undated, 'logged_out', dated(-SECOND))).toMatchObject({ result: 'stale' });
  });

  it.each(['local', 'remote'])('let an agent that was removed come back as %s', async (agent_type) => {
    const agentId = nextAgent++;
    expect(await tell(off(0), agentId, 'available', ahead(4 * MINUTE))).toMatchObject({ result: 'changed' });
    await instance.pool.query(`select presence.remove_agent(12, 'local', $1, $2)`, [agentId, uuidv7()]);
    const back = { agent_type, agent_number: '+7000' };
    expect(await tell(off(-10 * MINUTE), agentId, 'available', back)).toEqual({ result: 'changed', sequence: 3 });
    expect(await tell(off(3 * SECOND), agentId, 'logged_out', back)).toEqual({ result: 'changed', sequence: 4 });
  });

  it('never have an undated item stale, whatever came before it by whichever instance', async () => {
    const services = [off(0), off(3 * SECOND), off(-10 * MINUTE), off(4 * 60 * MINUTE)];
    const step = fc.record({
      by: fc.nat(3),
      status: fc.constantFrom(...AGENT_STATUSES),
      ahead: fc.option(fc.integer({ min: -MINUTE, max: 4 * MINUTE }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const agentId = nextAgent++;
        let current: AgentStatus = 'logged_out';
        for (const one of steps) {
          const result = await tell(services[one.by]!, agentId, one.status, one.ahead === undefined ? {} : ahead(one.ahead));
          if (one.ahead === undefined) expect(result).toMatchObject({ result: one.status === current ? 'unchanged' : 'changed' });
          if (result!.result === 'changed') current = one.status;
        }
      }),
      { numRuns: 15 },
    );
  });
});
