import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../../test/support/poll.js';
import { RecordingReceiver } from '../../../../test/support/receiver.js';
import { RedeliverySender } from '../../../../test/support/sent-again.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

interface Job {
  readonly id: number;
  readonly status: string;
  readonly total: number;
  readonly queued: number;
  readonly delivered: number;
  readonly failed: number;
  readonly created_at: string;
}

describe.each(['agent/local/136/event', 'agent_events'])('of %s', (collection) => {
  let api: ApiFixture;
  let receiver: RecordingReceiver;
  let eventId: number;
  let path: string;
  let sequence = 0;

  beforeAll(async () => {
    receiver = await RecordingReceiver.start();
    api = await ApiFixture.start();
    await api.addAgent(136);
  });

  afterAll(async () => {
    await api.stop();
    await receiver.stop();
  });

  beforeEach(async () => {
    receiver.requests.length = 0;
    receiver.answer((_request, response) => response.writeHead(200).end());
    const body = { url: `${receiver.url}/`, event_type: 'agent-login', method: 'POST' };
    eventId = ((await api.api('demo', 'POST', `/client/@me/${collection}/`, body)).json as { id: number }).id;
    path = `/client/@me/${collection}/${eventId}`;
    await api.pool.query('delete from dispatch.behind');
  });

  /** A login as presence logs it; a logout comes after it. */
  async function addChange(): Promise<string> {
    const id = uuidv7();
    await api.pool.query(
      `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
       values ($1, 12, 136, 'local', '000*094@ringme.ru', 'available', 'api', $2, now(), now())`,
      [id, sequence + 1],
    );
    sequence += 2;
    await api.pool.query(
      `insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) values (12, 136, $1)
       on conflict (client_id, agent_id) do update set last_sequence = $1`,
      [sequence],
    );
    return id;
  }

  const addAttempt = (changeId: string, attempt: number, outcome: string) =>
    api.pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status)
       values ($1, $2, $3, clock_timestamp(), 12, $4, 500)`,
      [eventId, changeId, attempt, outcome],
    );

  /** @param attempts of the head, made */
  const fallBehind = (changeId: string, next: number, attempts: number) =>
    api.pool.query(
      `insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence, attempts, due_at, head_change_id, head_expires_at)
       values ($1, 12, 136, 1, $2, $3, now() + interval '1 hour', $4, now() + interval '1 day')`,
      [eventId, next, attempts, changeId],
    );

  const redeliver = async (changeId: string): Promise<[number, string | undefined]> => {
    const answer = await api.api('demo', 'POST', `${path}/delivery/${changeId}_${eventId}/redeliver`);
    return [answer.status, answer.status === 201 ? undefined : (answer.json as { status: string }).status];
  };

  const due = async (table: string): Promise<boolean> => {
    const { rows } = await api.pool.query<{ due: boolean }>(
      `select due_at <= now() as due from dispatch.${table} where agent_event_id = $1`,
      [eventId],
    );
    return rows[0]!.due;
  };

  const all = { since: '2026-01-01T00:00:00+02:00' };

  it('a delivery is sent again where it is finished, brought forward where it is tried again, else refused', async () => {
    const finished = await addChange();
    await addAttempt(finished, 1, 'failed');
    expect(await redeliver(finished)).toEqual([201, undefined]);
    expect(await due('redelivery')).toBe(true);
    expect(await redeliver(finished)).toEqual([409, 'already_waiting']);
    const { rows } = await api.pool.query(
      `select attempts_before, round(extract(epoch from expires_at - now()) / 3600) as hours from dispatch.redelivery where agent_event_id = $1`,
      [eventId],
    );
    expect(rows).toEqual([{ attempts_before: 1, hours: '24' }]);

    const head = await addChange();
    await addAttempt(head, 1, 'retry');
    const next = sequence - 1;
    const waiting = await addChange();
    await fallBehind(head, next, 1);
    await api.pool.query('update dispatch.agent_cursor set last_sequence = $1', [sequence]);
    expect(await redeliver(waiting)).toEqual([409, 'already_waiting']);
    await api.api('demo', 'POST', `${path}/pause`);
    expect(await redeliver(head)).toEqual([409, 'already_waiting']); // suspended
    await api.api('demo', 'POST', `${path}/resume`);
    expect(await due('behind')).toBe(false);
    expect(await redeliver(head)).toEqual([201, undefined]);
    expect(await due('behind')).toBe(true);

    const planned = await addChange();
    await api.pool.query('update dispatch.agent_cursor set last_sequence = $1', [sequence - 2]);
    await api.pool.query('delete from dispatch.behind');
    expect(await redeliver(planned)).toEqual([409, 'already_waiting']); // sending
  });

  it('a delivery that there is not is not found', async () => {
    const logout = await addChange();
    await api.pool.query(`update presence.status_change set agent_status = 'logged_out' where id = $1`, [logout]);
    for (const id of [uuidv7(), logout]) expect(await redeliver(id)).toEqual([404, 'delivery_not_found']);
  });

  it('health tells a pause, what waits and since when', async () => {
    const health = async () => (await api.api('reader', 'GET', `${path}/health`)).json;
    expect(await health()).toEqual({
      status: 'active',
      reason: null,
      since: null,
      last_outcome: null,
      backlog: 0,
      oldest_waiting: null,
    });
    const head = await addChange();
    await addAttempt(head, 1, 'retry');
    await fallBehind(head, sequence - 1, 1);
    await addChange();
    await addChange();
    const paused = await api.api('demo', 'POST', `${path}/pause`, {});
    expect([paused.status, paused.json]).toEqual([
      201,
      expect.objectContaining({ status: 'suspended', reason: 'paused', since: expect.any(String) as string, backlog: 3 }),
    ]);
    expect(paused.json).toEqual(await health());
    const { oldest_waiting, last_outcome } = paused.json as { oldest_waiting: string; last_outcome: unknown };
    const { rows } = await api.pool.query<{ changed_at: Date }>('select changed_at from presence.status_change where id = $1', [
      head,
    ]);
    expect(oldest_waiting).toBe(rows[0]!.changed_at.toISOString());
    expect(last_outcome).toMatchObject({ delivery_id: `${head}_${eventId}`, outcome: 'retry' });
    expect((await api.api('demo', 'POST', `${path}/pause/`)).json).toEqual(paused.json);
    const resumed = await api.api('demo', 'POST', `${path}/resume/`);
    expect([resumed.status, resumed.json]).toEqual([
      201,
      expect.objectContaining({ status: 'active', reason: null, since: null }),
    ]);
    const wakes = await api.pool.query('select from dispatch.wake where agent_event_id = $1', [eventId]);
    expect(wakes.rowCount).toBe(2);
    for (const [column, reason] of [
      ['failing_since', null],
      ['failing_since, suspended_reason, suspended_at', 'gone'],
    ]) {
      const values = reason === null ? 'now()' : `now(), '${reason}', now()`;
      await api.pool.query(`delete from dispatch.event_health`);
      await api.pool.query(`insert into dispatch.event_health (agent_event_id, ${column}) values ($1, ${values})`, [eventId]);
      expect(await health()).toMatchObject({ status: reason === null ? 'failing' : 'suspended', reason });
    }
  });

  it('a replay is counted first, then is a job that shows how far it is', async () => {
    const failed = [await addChange(), await addChange()];
    for (const id of failed) await addAttempt(id, 1, 'failed');
    const delivered = await addChange();
    await addAttempt(delivered, 1, 'delivered');
    const onItsWay = await addChange();
    await addAttempt(onItsWay, 1, 'retry');
    const momentOf = async (id: string): Promise<string> => {
      const { rows } = await api.pool.query<{ at: Date }>('select changed_at as at from presence.status_change where id = $1', [
        id,
      ]);
      return rows[0]!.at.toISOString();
    };
    const count = await api.api('reader', 'POST', `${path}/replay/count/`, all);
    expect([count.status, count.text]).toEqual([
      201,
      `{"count":3,"first":"${await momentOf(failed[0]!)}","last":"${await momentOf(delivered)}"}`,
    ]);
    const since = new Date(Date.now() - 3_600_000).toISOString();
    expect((await api.api('demo', 'POST', `${path}/replay/count`, { since, only: 'failed' })).json).toMatchObject({ count: 2 });
    expect((await api.api('demo', 'POST', `${path}/replay/count`, { since, until: '2026-01-01T00:00:00Z' })).status).toBe(400);
    expect((await api.api('demo', 'POST', `${path}/replay/count`, { since: '1969-01-01T00:00:00Z' })).json).toMatchObject({
      count: 3,
    });
    expect((await api.api('demo', 'POST', `${path}/replay/count`, { since: '2999-01-01T00:00:00Z' })).json).toEqual({
      count: 0,
      first: null,
      last: null,
    });
    expect((await api.api('demo', 'GET', `${path}/replay/`)).json).toEqual([]);
    expect(receiver.requests).toEqual([]);

    const started = await api.api('demo', 'POST', `${path}/replay`, { since, only: 'failed' });
    const job = started.json as Job;
    expect([started.status, started.text]).toEqual([
      201,
      `{"id":${job.id},"status":"running","total":2,"queued":2,"delivered":0,"failed":0,"created_at":"${job.created_at}"}`,
    ]);
    expect((await api.api('reader', 'GET', `${path}/replay`)).json).toEqual([job]);
    expect((await api.api('reader', 'GET', `${path}/replay/${job.id}/`)).json).toEqual(job);
    const sender = await RedeliverySender.start({ pool: api.pool, logger: pino({ level: 'silent' }), schedule: [50] });
    try {
      const over = await eventually('the end of the job', async () => {
        const now = (await api.api('demo', 'GET', `${path}/replay/${job.id}`)).json as Job;
        return now.status !== 'running' && now;
      });
      expect(over).toEqual({ ...job, status: 'finished', queued: 0, delivered: 2 });
    } finally {
      await sender.stop();
    }
    const ids = receiver.requests.map(({ headers }) => headers['webhook-id'] as string);
    expect(ids.filter((id) => id.endsWith(`_${eventId}`))).toEqual(failed.map((id) => `${id}_${eventId}`));
    expect((await api.api('demo', 'DELETE', `${path}/replay/${job.id}`)).status).toBe(204);
    expect((await api.api('demo', 'GET', `${path}/replay/${job.id}`)).json).toMatchObject({ status: 'finished' });
  });

  it('a replay is cancelled, and found under its own agent event alone', async () => {
    await addAttempt(await addChange(), 1, 'delivered');
    const { id } = (await api.api('demo', 'POST', `${path}/replay`, all)).json as Job;
    await api.pool.query('select dispatch.step_replay($1, 500)', [id]);
    const cancelled = await api.api('demo', 'DELETE', `${path}/replay/${id}/`);
    expect([cancelled.status, cancelled.text]).toEqual([204, '']);
    expect((await api.api('demo', 'GET', `${path}/replay/${id}`)).json).toMatchObject({
      status: 'cancelled',
      total: 1,
      queued: 0,
    });
    expect((await api.pool.query('select from dispatch.redelivery where replay_id = $1', [id])).rowCount).toBe(0);
    const added = await api.api('demo', 'POST', `/client/@me/${collection}/`, {
      url: receiver.url,
      event_type: 'agent-login',
      method: 'GET',
    });
    const other = `/client/@me/${collection}/${(added.json as { id: number }).id}`;
    for (const method of ['GET', 'DELETE'])
      for (const wrong of [`${other}/replay/${id}`, `${path}/replay/999`, `${path}/replay/x`, `${path}/replay/4294967296`])
        expect([wrong, (await api.api('demo', method, wrong)).json]).toEqual([
          wrong,
          expect.objectContaining({ status: 'not_found' }),
        ]);
    expect((await api.api('other', 'GET', `${path}/replay/${id}`)).status).toBe(404);
  });

  it.each([
    [{}, 'since', 'is required'],
    [{ since: 'yesterday' }, 'since', undefined],
    [{ since: null }, 'since', undefined],
    [{ ...all, until: '2025-01-01T00:00:00Z' }, 'until', 'must be later than since'],
    [{ ...all, only: 'success' }, 'only', 'must be failed or all'],
    [{ ...all, only: null }, 'only', 'must be failed or all'],
    [{ ...all, dry_run: true }, 'dry_run', 'is not known here'],
    [{ since: '2020-01-01T00:00:00Z', only: 'failed' }, 'since', undefined],
  ])('a replay of %j is refused, and so is its count', async (body, field, why) => {
    for (const suffix of ['replay', 'replay/count']) {
      const answer = await api.api('demo', 'POST', `${path}/${suffix}`, body);
      expect([answer.status, answer.json]).toEqual([
        400,
        expect.objectContaining({
          status: 'validation_error',
          errors: { [field]: [why ?? (expect.any(String) as string)] },
        }),
      ]);
    }
    expect((await api.api('demo', 'GET', `${path}/replay/`)).json).toEqual([]);
  });
});
