import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeliveryRows } from '../../../../test/support/delivery-rows.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

const MINUTE_MS = 60_000;

interface Explained {
  readonly record: string;
  readonly kept_since?: string;
  readonly agent: { readonly removed_at?: string };
  readonly change: { readonly id: string; readonly sequence: number } | null;
  readonly last_report: { readonly result: string } | null;
  readonly decision: string;
  readonly steps: readonly { readonly step: string; readonly code: string; readonly words: string }[];
  readonly agent_events: readonly {
    readonly id: number;
    readonly deleted?: true;
    readonly notified: boolean;
    readonly code: string;
    readonly reason: string;
    readonly delivery: { readonly status: string } | null;
  }[];
}

type Result = 'changed' | 'unchanged' | 'stale' | 'rejected';

describe('the explanation of an agent', () => {
  let api: ApiFixture;
  let rows: DeliveryRows;
  let lastAgent = 100;

  beforeAll(async () => {
    api = await ApiFixture.start();
    rows = new DeliveryRows(api.pool);
  });

  afterAll(() => api.stop());

  /** An agent that has been there for two hours. */
  async function seen(type: 'local' | 'remote' = 'local'): Promise<number> {
    const agentId = (lastAgent += 1);
    await api.addAgent(agentId, type);
    await api.pool.query(`update presence.agent set created_at = now() - interval '2 hours' where agent_id = $1`, [agentId]);
    return agentId;
  }

  const ago = (minutes: number): Date => new Date(Date.now() - minutes * MINUTE_MS);
  const ask = (agentId: number | string, query = '', type = 'local') =>
    api.api('reader', 'GET', `/client/@me/agent/${type}/${agentId}/explain${query}`);

  async function explain(agentId: number, at?: Date, type = 'local'): Promise<Explained> {
    const answer = await ask(agentId, at && `?at=${at.toISOString()}`, type);
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
    return answer.json as Explained;
  }

  /** The codes of the steps, in order. */
  const codesOf = ({ steps }: Explained): string[] => steps.map(({ step, code }) => `${step}: ${code}`);

  const wordsOf = ({ steps }: Explained, step: string): string => steps.find((one) => one.step === step)!.words;

  async function addEvent(agentId: number, event: object = {}, type = 'local'): Promise<number> {
    const answer = await api.api('demo', 'POST', `/client/@me/agent/${type}/${agentId}/event/`, {
      ...{ url: 'http://127.0.0.1:9/a', event_type: 'agent-login', method: 'POST' },
      ...event,
    });
    return (answer.json as { id: number }).id;
  }

  async function addEventForAll(event: object = {}): Promise<number> {
    const answer = await api.api('demo', 'POST', '/client/@me/agent_events/', {
      ...{ url: 'http://127.0.0.1:9/all', event_type: 'agent-login', method: 'POST' },
      ...event,
    });
    return (answer.json as { id: number }).id;
  }

  const removeEventForAll = (id: number) => api.api('demo', 'DELETE', `/client/@me/agent_events/${id}`);

  /** The last report as presence writes it. */
  async function addReport(agentId: number, result: Result, at: Date, status = 'available', sinceChange = 0): Promise<void> {
    await api.pool.query(
      `insert into presence.last_report (client_id, agent_id, agent_type, reported_at, occurred_at, agent_status, event_source, result, since_change)
       values (12, $1, 'local', $3, null, $4, 'api', $2, $5)`,
      [agentId, result, at, status, sinceChange],
    );
  }

  const ofEvent = ({ agent_events }: Explained, id: number) => agent_events.find((event) => event.id === id);

  describe('of a moment without a change', () => {
    it('says that the agent was not known yet, and since when it is', async () => {
      const agentId = await seen();
      await addEvent(agentId);
      const explained = await explain(agentId, ago(180));
      expect(explained).toMatchObject({ record: 'kept', change: null, last_report: null });
      expect(codesOf(explained)).toEqual([
        ...['report: not_recorded', 'decision: not_recorded', 'change: not_seen'],
        ...['agent_events: nothing_to_tell', 'attempts: none'],
      ]);
      expect(explained.agent_events).toMatchObject([{ notified: false, code: 'nothing_to_tell', delivery: null }]);
    });

    it('says that an agent had not changed, also where its first change came later', async () => {
      const agentId = await seen();
      expect(codesOf(await explain(agentId))).toContain('change: no_change');
      await rows.addChange({ agentId }, ago(10));
      expect(codesOf(await explain(agentId, ago(20)))).toContain('change: no_change');
      expect(codesOf(await explain(agentId))).toContain('change: changed');
    });

    it('says that the log does not reach back so far, and no more', async () => {
      const agentId = await seen();
      const explained = await explain(agentId, new Date('2020-01-01T00:00:00Z'));
      expect(explained).toMatchObject({ record: 'not_kept', change: null });
      expect(Date.parse(explained.kept_since!)).toBeGreaterThan(Date.parse('2020-01-01T00:00:00Z'));
      expect(codesOf(explained)).toContain('change: not_kept');
      expect(wordsOf(explained, 'change')).toContain(explained.kept_since);
      expect(explained.decision).not.toMatch(/repeat|changed the status/);
    });

    it('says so too of an agent whose changes have been dropped', async () => {
      const agentId = await seen();
      await rows.addChange({ agentId }, ago(30));
      await rows.addChange({ agentId }, ago(10));
      await api.pool.query('delete from presence.status_change where agent_id = $1 and sequence = 1', [agentId]);
      expect(await explain(agentId, ago(20))).toMatchObject({ record: 'not_kept', change: null });
      expect(await explain(agentId)).toMatchObject({ record: 'kept', change: { sequence: 2 } });
    });
  });

  describe('of a report', () => {
    it.each([
      ['unchanged', 'repeated the status'],
      ['stale', 'older than the last change'],
      ['rejected', 'rejected'],
    ] as const)('that was %s says so', async (result, words) => {
      const agentId = await seen();
      await rows.addChange({ agentId }, ago(10));
      await addReport(agentId, result, ago(5), 'available', 3);
      const explained = await explain(agentId);
      expect(codesOf(explained).slice(0, 3)).toEqual(['report: last_report', `decision: ${result}`, 'change: changed']);
      expect(explained.decision).toContain(words);
      expect(wordsOf(explained, 'report')).toContain('report 3 since the last change');
      expect(explained.last_report).toMatchObject({ result, since_change: 3 });
    });

    it('that came after the moment says nothing of it', async () => {
      const agentId = await seen();
      await rows.addChange({ agentId }, ago(10));
      await addReport(agentId, 'unchanged', ago(2), 'available', 1);
      const explained = await explain(agentId, ago(5));
      expect(explained.last_report).toBeNull();
      expect(codesOf(explained).slice(0, 2)).toEqual(['report: report_of_change', 'decision: changed']);
      expect(wordsOf(explained, 'report')).toContain('nothing is recorded');
    });

    it('that was not recorded is not made up: neither before a change nor after it', async () => {
      const agentId = await seen();
      const without = await explain(agentId);
      expect([without.last_report, ...codesOf(without).slice(0, 2)]).toEqual([
        ...[null, 'report: not_recorded', 'decision: not_recorded'],
      ]);
      // The one that is recorded is older than the change: that of the change is not.
      await addReport(agentId, 'unchanged', ago(20), 'logged_out', 1);
      await rows.addChange({ agentId }, ago(10));
      expect(codesOf(await explain(agentId)).slice(0, 2)).toEqual(['report: report_of_change', 'decision: changed']);
    });
  });

  describe('of an agent event', () => {
    it('that is for something else says for what', async () => {
      const agentId = await seen();
      const logout = await addEvent(agentId, { event_type: 'agent-logout' });
      const remote = await addEventForAll({ agent_type: 'remote' });
      await rows.addChange({ agentId });
      const explained = await explain(agentId);
      expect(ofEvent(explained, logout)).toMatchObject({ notified: false, code: 'other_event_type', delivery: null });
      expect(ofEvent(explained, remote)).toMatchObject({ notified: false, code: 'other_agent_type', delivery: null });
      expect(ofEvent(explained, remote)!.reason).toContain('remote agents');
      expect(codesOf(explained).slice(3)).toEqual(['agent_events: none_told', 'attempts: none']);
      await removeEventForAll(remote);
    });

    it('that was added after the change says so', async () => {
      const agentId = await seen();
      await rows.addChange({ agentId }, ago(10));
      const late = await addEvent(agentId);
      const lateForAll = await addEventForAll();
      const explained = await explain(agentId);
      for (const id of [late, lateForAll]) {
        expect(ofEvent(explained, id)).toMatchObject({ notified: false, code: 'added_later', delivery: null });
      }
      await removeEventForAll(lateForAll);
    });

    it('that is suspended is another thing than one that is behind, being tried again, or being sent', async () => {
      const agentId = await seen();
      const [suspended, waiting, retrying, earlier] = [
        await addEvent(agentId),
        await addEvent(agentId, { url: 'http://127.0.0.1:9/b' }),
        await addEvent(agentId, { url: 'http://127.0.0.1:9/c' }),
        await addEvent(agentId, { url: 'http://127.0.0.1:9/d' }),
      ];
      const first = await rows.addLogin({ agentId }, ago(10));
      expect((await explain(agentId)).agent_events.map(({ code }) => code)).toEqual(Array(4).fill('sending'));
      const second = await rows.addLogin({ agentId }, ago(5));
      await rows.plan({ agentId });
      await rows.fallBehind(suspended, second, { attempts: 1 });
      await rows.fallBehind(waiting, second, {});
      await rows.fallBehind(retrying, second, { attempts: 1 });
      await rows.fallBehind(earlier, first, { attempts: 1 });
      for (const id of [suspended, retrying]) await rows.addAttempt(id, second, 1, 'retry', 500);
      await api.pool.query(
        `insert into dispatch.event_health (agent_event_id, failing_since, suspended_at, suspended_reason) values ($1, now(), now(), 'gone')`,
        [suspended],
      );
      const explained = await explain(agentId);
      const told = (id: number): unknown[] => {
        const { code, notified, delivery } = ofEvent(explained, id)!;
        return [code, notified, delivery?.status];
      };
      expect(told(suspended)).toEqual(['suspended', false, 'suspended']);
      expect(told(waiting)).toEqual(['due', false, 'waiting']);
      expect(told(retrying)).toEqual(['retrying', false, 'retrying']);
      expect(told(earlier)).toEqual(['earlier', false, 'waiting']);
      expect(ofEvent(explained, suspended)!.reason).toMatch(
        /the receiver answered 410, which suspended the agent event at \d{4}-/,
      );
      expect(ofEvent(explained, earlier)!.reason).toContain(`${first}_${earlier}`);
      expect(codesOf(explained).slice(3)).toEqual(['agent_events: told', 'attempts: mixed']);
      const reasons = explained.agent_events.map(({ reason }) => reason);
      expect(new Set(reasons).size).toBe(reasons.length);
    });

    it('that was deleted is told of where the change was sent to it, and not where it was not', async () => {
      const agentId = await seen();
      const [told, untold] = [await addEvent(agentId), await addEvent(agentId, { url: 'http://127.0.0.1:9/b' })];
      const change = await rows.addChange({ agentId });
      await rows.plan({ agentId });
      await rows.addAttempt(told, change, 1, 'failed', 400);
      for (const id of [told, untold]) {
        expect((await api.api('demo', 'DELETE', `/client/@me/agent/local/${agentId}/event/${id}`)).status).toBe(204);
      }
      const explained = await explain(agentId);
      expect(explained.agent_events).toMatchObject([
        { id: told, deleted: true, notified: false, code: 'failed', delivery: { status: 'failed', attempts: [{ attempt: 1 }] } },
      ]);
      expect(codesOf(explained).slice(3)).toEqual(['agent_events: told', 'attempts: failed']);
    });
  });

  describe('of an agent that is gone', () => {
    it('is given, with when it was removed', async () => {
      const agentId = await seen();
      await rows.addChange({ agentId }, ago(10));
      expect((await api.api('demo', 'DELETE', `/client/@me/agent/local/${agentId}`)).status).toBe(204);
      const explained = await explain(agentId, ago(5));
      expect(explained).toMatchObject({
        change: { sequence: 1 },
        agent: { id: agentId, removed_at: expect.any(String) as string },
      });
    });

    it('or never was, is refused', async () => {
      const agentId = await seen();
      for (const [agent, type] of [
        [4_000_000, 'local'],
        [agentId, 'remote'],
      ] as const) {
        const answer = await ask(agent, '', type);
        expect([answer.status, answer.json]).toMatchObject([404, { status: 'agent_not_found' }]);
      }
      const foreign = await api.api('other', 'GET', `/client/@me/agent/local/${agentId}/explain`);
      expect(foreign.status).toBe(404);
    });
  });

  it.each([
    ['at=2999-01-01T00:00:00Z', 'at'],
    ['at=yesterday', 'at'],
    ['at=', 'at'],
    ['moment=2026-01-01T00:00:00Z', 'moment'],
  ])('is refused by %s', async (query, field) => {
    const answer = await ask(await seen(), `?${query}`);
    expect([answer.status, Object.keys((answer.json as { errors?: object }).errors ?? {})]).toEqual([400, [field]]);
  });

  it('is not given of a moment that is still to come, but for clocks that differ a little', async () => {
    const agentId = await seen();
    const statusAhead = async (ms: number): Promise<number> =>
      (await ask(agentId, `?at=${new Date(Date.now() + ms).toISOString()}`)).status;
    expect(await statusAhead(10 * MINUTE_MS)).toBe(400);
    expect(await statusAhead(1000)).toBe(200);
  });
});
