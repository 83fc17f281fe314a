import { afterEach, describe, expect, it } from 'vitest';
import type { StatusChange } from '#contracts';
import { useDispatcherWorld, type DispatcherWorld } from '../../../../test/support/dispatcher-world.js';
import { eventually } from '../../../../test/support/poll.js';
import type { RecordingReceiver } from '../../../../test/support/receiver.js';
import { RedeliverySender } from '../../../../test/support/sent-again.js';

const WINDOW = `interval '1 hour'`;

describe('what is sent again', () => {
  let world: DispatcherWorld;
  let receiver: RecordingReceiver;
  const senders: RedeliverySender[] = [];

  useDispatcherWorld((...given) => ([world, receiver] = given));

  afterEach(async () => {
    for (const sender of senders.splice(0)) await sender.stop();
  });

  const start = async (over: { schedule?: number[]; shards?: number[]; base?: number } = {}): Promise<RedeliverySender> => {
    const sender = await RedeliverySender.start({ pool: world.pool, logger: world.logger, schedule: [100, 200, 400], ...over });
    senders.push(sender);
    return sender;
  };

  /** Deliveries that are finished, as the dispatcher has logged them: every other change of each agent, in turn. */
  async function finished(eventId: number, agents: readonly number[], each: number, outcome = 'failed'): Promise<StatusChange[]> {
    const changes: StatusChange[] = [];
    for (let n = 0; n < each; n++) {
      for (const agent of agents) {
        changes.push(await world.log(agent));
        await world.log(agent);
      }
    }
    await world.pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status)
       select $1, id, 1, now(), 5, $3, 503 from unnest($2::uuid[]) id`,
      [eventId, changes.map(({ id }) => id), outcome],
    );
    await world.pool.query(
      `insert into dispatch.agent_cursor (client_id, agent_id, last_sequence)
       select client_id, agent_id, max(sequence) from presence.status_change group by 1, 2 on conflict do nothing`,
    );
    return changes;
  }

  const redeliver = async (eventId: number, changeId: string): Promise<string> => {
    const { rows } = await world.pool.query<{ answer: string }>(
      `select dispatch.request_redelivery($1, $2, ${WINDOW}) as answer`,
      [eventId, changeId],
    );
    return rows[0]!.answer;
  };

  const replay = async (eventId: number, onlyFailed = false): Promise<number> => {
    const { rows } = await world.pool.query<{ id: string }>(
      `select (dispatch.start_replay($1, now() - interval '1 day', now() + interval '1 s', $2, ${WINDOW})).id as id`,
      [eventId, onlyFailed],
    );
    return Number(rows[0]!.id);
  };

  const job = async (
    id: number,
  ): Promise<{ status: string; total: number; taken: number; delivered: number; failed: number }> => {
    const { rows } = await world.pool.query('select status, total, taken, delivered, failed from dispatch.replay where id = $1', [
      id,
    ]);
    return rows[0] as never;
  };

  const left = async (): Promise<number> => {
    const { rows } = await world.pool.query<{ n: number }>(
      `select (select count(*) from dispatch.redelivery)::int + (select count(*) from dispatch.redelivery_lane)::int as n`,
    );
    return rows[0]!.n;
  };

  const order = (): number[] => receiver.requests.map(({ headers }) => Number(headers['webhook-sequence']));

  it('goes out one by one of an agent, in sequence, whatever the order in which it was asked for and failed', async () => {
    const event = await world.subscribe(1, `${receiver.url}/`);
    const changes = await finished(event, [1], 4);
    let failures = 2;
    receiver.answer((_request, response) => response.writeHead(failures-- > 0 ? 500 : 200).end());
    for (const { id } of [changes[2]!, changes[0]!, changes[3]!, changes[1]!]) expect(await redeliver(event, id)).toBe('queued');
    expect(await redeliver(event, changes[1]!.id)).toBe('already_waiting');
    await start();
    await eventually('nothing left', async () => (await left()) === 0);
    expect(order()).toEqual([1, 1, 1, 3, 5, 7]);
    expect(receiver.requests.map(({ headers }) => headers['webhook-attempt'])).toEqual(['2', '3', '4', '2', '2', '2']);
    const { rows } = await world.pool.query(
      'select attempt, trigger, outcome from dispatch.attempt where change_id = $1 order by attempt',
      [changes[0]!.id],
    );
    expect(rows).toEqual([
      { attempt: 1, trigger: null, outcome: 'failed' },
      { attempt: 2, trigger: 'redeliver', outcome: 'retry' },
      { attempt: 3, trigger: null, outcome: 'retry' },
      { attempt: 4, trigger: null, outcome: 'delivered' },
    ]);
  });

  it('is brought forward while it is tried again, and not while its agent event is suspended', async () => {
    const event = await world.subscribe(1, `${receiver.url}/`);
    const [change] = await finished(event, [1], 1);
    receiver.answer((_request, response) => response.writeHead(500).end());
    await start({ schedule: [3_600_000] });
    await redeliver(event, change!.id);
    await eventually('an attempt that is recorded', async () => (await world.attempts(event)).length === 2);
    await world.pool.query('select dispatch.pause($1)', [event]);
    expect(await redeliver(event, change!.id)).toBe('already_waiting');
    await world.pool.query('select dispatch.resume($1)', [event]);
    receiver.answer((_request, response) => response.writeHead(200).end());
    expect(await redeliver(event, change!.id)).toBe('brought_forward');
    await eventually('nothing left', async () => (await left()) === 0);
    expect(await world.attempts(event)).toMatchObject([{ outcome: 'failed' }, { outcome: 'retry' }, { outcome: 'delivered' }]);
  });

  it('waits while its agent event is suspended, and fails when its window ends there', async () => {
    const event = await world.subscribe(null, `${receiver.url}/`);
    const [one, other] = await finished(event, [1, 2], 1);
    await world.pool.query('select dispatch.pause($1)', [event]);
    for (const change of [one!, other!]) expect(await redeliver(event, change.id)).toBe('queued');
    await world.pool.query('update dispatch.redelivery set expires_at = now() where change_id = $1', [one!.id]);
    await start();
    await eventually('the end of the one', async () => (await world.attempts(event)).length === 3);
    expect((await world.attempts(event)).map(({ error }) => error)).toContain('suspended until the retry window ended');
    expect(receiver.requests).toEqual([]);
    await world.pool.query('select dispatch.resume($1)', [event]);
    await eventually('the other', () => receiver.requests.length === 1);
  });

  it('of a replay goes out in steps, and counts', async () => {
    const event = await world.subscribe(null, `${receiver.url}/`);
    const agents = Array.from({ length: 40 }, (_, n) => n + 1);
    await finished(event, agents, 3);
    await finished(event, [41], 1, 'delivered');
    await finished(event, [42], 1, 'retry'); // on its way
    await start();
    receiver.answer((request, response) => response.writeHead(request.body.includes('agent_id=7&') ? 500 : 200).end());
    const failed = await replay(event, true);
    const all = await replay(event);
    expect(await job(failed)).toMatchObject({ status: 'running', total: 120 });
    await eventually('the end of the second', async () => (await job(all)).status === 'finished', 60_000);
    expect(await job(failed)).toEqual({ status: 'finished', total: 120, taken: 120, delivered: 117, failed: 3 });
    expect(await job(all)).toEqual({ status: 'finished', total: 121, taken: 121, delivered: 118, failed: 3 });
    // Each once: failed attempts are repeated, and so are those that a busy machine lets time out after they arrived.
    const sequencesOf = (agent: number): number[] =>
      receiver.requests
        .filter(({ body }) => body.includes(`agent_id=${agent}&`))
        .map(({ headers }) => Number(headers['webhook-sequence']))
        .filter((sequence, n, of) => sequence !== of[n - 1]);
    expect(sequencesOf(9)).toEqual([1, 3, 5, 1, 3, 5]);
    expect(sequencesOf(7)).toEqual([1, 3, 5, 1, 3, 5]);
    expect(await left()).toBe(0);
    const { rows } = await world.pool.query<{ trigger: string | null }>(
      `select trigger from dispatch.attempt a join presence.status_change c on c.id = a.change_id
       where c.agent_id = 41 order by attempt`,
    );
    expect(rows.map(({ trigger }) => trigger)).toEqual([null, 'replay']);
  });

  it('of a cancelled replay goes no further', async () => {
    const event = await world.subscribe(null, `${receiver.url}/`);
    await finished(
      event,
      Array.from({ length: 60 }, (_, n) => n + 1),
      1,
    );
    receiver.answer((_request, response) => response.writeHead(500).end());
    await start({ schedule: [3_600_000] });
    const id = await replay(event);
    await eventually(
      'some attempts',
      async () => (await world.attempts(event)).filter(({ outcome }) => outcome === 'retry').length > 0,
    );
    await world.pool.query('select dispatch.cancel_replay($1)', [id]);
    expect(await left()).toBe(0);
    await eventually('none that waits for a retry', async () =>
      (await world.attempts(event)).every(({ outcome }) => outcome === 'failed'),
    );
    const { status, delivered, failed } = await job(id);
    expect([status, delivered]).toEqual(['cancelled', 0]);
    expect(failed).toBeGreaterThan(0);
    await world.pool.query('select dispatch.cancel_replay($1)', [id]); // again: nothing happens
  });

  it('of a cancelled replay stays delivered where it was, and is no failed one to another replay', async () => {
    const event = await world.subscribe(null, `${receiver.url}/`);
    await finished(event, [1], 1, 'delivered');
    await finished(event, [2], 1, 'failed');
    receiver.answer((_request, response) => response.writeHead(500).end());
    await start({ schedule: [3_600_000] });
    const id = await replay(event);
    await eventually(
      'both tried',
      async () => (await world.attempts(event)).filter(({ outcome }) => outcome === 'retry').length === 2,
    );
    await world.pool.query('select dispatch.cancel_replay($1)', [id]);
    expect((await job(id)).status).toBe('cancelled');
    expect((await world.attempts(event)).map(({ outcome }) => outcome)).toEqual(['delivered', 'failed', 'failed', 'failed']);
    const { rows } = await world.pool.query(
      `select count from dispatch.count_replay($1, now() - interval '1 day', now() + interval '1 s', true)`,
      [event],
    );
    expect(rows).toEqual([{ count: 1 }]);
  });

  it('is waited for when its shard is given back: the next owner finds it recorded', async () => {
    const event = await world.subscribe(1, `${receiver.url}/`);
    const [change] = await finished(event, [1], 1);
    await redeliver(event, change!.id);
    let answer: (() => void) | undefined;
    receiver.answer((_request, response) => void (answer = () => response.end()));
    const first = await world.start({ DELIVERY_TIMEOUT: 60_000 });
    await eventually('a request that is out', () => answer !== undefined);
    const stopped = world.stop(first);
    const second = await world.start({ DELIVERY_TIMEOUT: 60_000 });
    await eventually('a second that has the other shards', async () => {
      const { rows } = await world.pool.query<{ shards: number }>(
        `select count(*)::int - (select count(*) from dispatch.shard_lease)::int as shards
         from dispatch.shard_lease where until > now() group by owner order by 1 desc limit 1`,
      );
      return rows[0]?.shards === -1;
    });
    answer!();
    await stopped;
    await eventually('nothing left', async () => (await left()) === 0);
    await world.stop(second);
    expect(receiver.requests).toHaveLength(1);
    expect((await world.attempts(event)).map(({ outcome }) => outcome)).toEqual(['failed', 'delivered']);
  });

  it('goes with its agent event, and its replay ends', async () => {
    const event = await world.subscribe(null, `${receiver.url}/`);
    await finished(event, [1, 2, 3], 2);
    const id = await replay(event);
    await world.pool.query('select dispatch.step_replay($1, 500)', [id]);
    expect(await left()).toBe(9);
    await world.pool.query('delete from subscription.agent_event where id = $1', [event]);
    await start();
    await eventually('nothing left', async () => (await left()) === 0);
    await eventually('the end of the job', async () => (await job(id)).status === 'cancelled');
    expect(receiver.requests).toEqual([]);
  });

  it('is sent by whoever has the shard, and thrown away by who has it no more', async () => {
    const event = await world.subscribe(null, `${receiver.url}/`);
    const changes = await finished(event, [1, 2], 1); // hashes 13 and 14
    const sender = await start({ shards: [1], base: 2 });
    for (const change of changes) await redeliver(event, change.id);
    await eventually('the one that is its own', () => receiver.requests.length === 1);
    expect(receiver.requests[0]!.body).toContain('agent_id=1&');
    await eventually('one that is recorded', async () => (await world.attempts(event)).length === 3);
    await world.pool.query('update dispatch.shard_lease set epoch = 2');
    receiver.answer((_request, response) => response.writeHead(500).end());
    await redeliver(event, changes[0]!.id);
    await eventually('an attempt by who has lost it', () => receiver.requests.length > 1);
    await sender.stop();
    senders.pop();
    expect((await world.attempts(event)).length).toBe(3);
    expect(await left()).toBeGreaterThan(0);
  });

  it('ends where its result cannot be stored', async () => {
    const event = await world.subscribe(1, `${receiver.url}/`);
    const [change] = await finished(event, [1], 1);
    await world.pool.query('update dispatch.attempt set attempt = 32767');
    await redeliver(event, change!.id);
    await start();
    await eventually('nothing left', async () => (await left()) === 0);
    expect(await world.attempts(event)).toMatchObject([{ outcome: 'failed', error: 'the result could not be stored' }]);
    expect(receiver.requests).toHaveLength(1);
  });

  it('suspends an agent event that answers 410, and waits for its resume', async () => {
    const event = await world.subscribe(1, `${receiver.url}/`);
    const [change] = await finished(event, [1], 1);
    receiver.answer((_request, response) => response.writeHead(410).end());
    await start();
    await redeliver(event, change!.id);
    await eventually('a suspension', async () => {
      const { rows } = await world.pool.query(`select from dispatch.event_health where suspended_reason = 'gone'`);
      return rows.length === 1;
    });
    receiver.answer((_request, response) => response.writeHead(200).end());
    await world.pool.query('select dispatch.resume($1)', [event]);
    await eventually('nothing left', async () => (await left()) === 0);
    expect(await world.attempts(event)).toMatchObject([{ outcome: 'failed' }, { outcome: 'retry' }, { outcome: 'delivered' }]);
  });
});
