import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { useDispatcherWorld, type DispatcherWorld } from '../../../test/support/dispatcher-world.js';
import { eventually } from '../../../test/support/poll.js';
import type { RecordingReceiver } from '../../../test/support/receiver.js';

const PAIRS = 'agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru';

describe('the dispatcher', () => {
  let world: DispatcherWorld;
  let receiver: RecordingReceiver;
  useDispatcherWorld((...given) => ([world, receiver] = given));

  const drained = () => world.drained();
  const sequencesAt = (prefix: string) => receiver.at(prefix).map(({ headers }) => Number(headers['webhook-sequence']));

  it('notifies who subscribed, signed, once, and logs the attempt', async () => {
    await world.start();
    const post = await world.subscribe(136, `${receiver.url}/post?key=1`);
    await world.subscribe(null, `${receiver.url}/all`, 'agent-login', 'GET');
    await world.subscribe(136, `${receiver.url}/logout`, 'agent-logout');
    await world.subscribe(137, `${receiver.url}/other`);
    const change = await world.change(136);
    await drained();
    await world.publish(change); // the relay repeats after a crash
    expect(receiver.requests.map(({ method, url, body }) => [method, url, body]).sort()).toEqual([
      ['GET', `/all?${PAIRS}`, ''],
      ['POST', '/post?key=1', PAIRS],
    ]);
    const [request] = receiver.at('/post');
    expect(request!.headers).toMatchObject({
      'webhook-id': `${change.id}_${post}`,
      'webhook-attempt': '1',
      'webhook-sequence': '1',
    });
    expect(() =>
      new Webhook(world.secret).verify(PAIRS, request!.headers as Record<string, string>, { jsonParse: false }),
    ).not.toThrow();
    expect(await world.attempts(post)).toEqual([
      { attempt: 1, outcome: 'delivered', http_status: 200, error: null, response: 'ok' },
    ]);
    expect(await world.behind()).toEqual([]);
  });

  it('does not notify of changes before the subscription, or after the removal of the agent', async () => {
    await world.start();
    const before = await world.log(136);
    const mine = await world.subscribe(136, `${receiver.url}/x`);
    await world.publish(before);
    await world.pool.query('update subscription.agent_event set until_sequence = 3 where id = $1', [mine]);
    for (let i = 0; i < 4; i++) await world.change(136);
    await drained();
    expect(sequencesAt('/x')).toEqual([3]);
  });

  describe('an agent event whose type is changed', () => {
    /** As subscription-api does it. */
    const changeType = (id: number, from: string, to: string) =>
      world.pool.query(
        `update subscription.agent_event
         set event_type = $3, former_types = jsonb_build_array(jsonb_build_object('until', clock_timestamp(), 'event_type', $2::text, 'agent_type', agent_type))
         where id = $1`,
        [id, from, to],
      );
    const later = (): { changedAt: number } => ({ changedAt: Date.now() + 200 });

    it('is told by the type before of what was changed until then, also where that is planned after it', async () => {
      const id = await world.subscribe(136, `${receiver.url}/x`);
      const all = await world.subscribe(null, `${receiver.url}/all`);
      const before = [await world.log(136), await world.log(136)];
      for (const one of [id, all]) await changeType(one, 'agent-login', 'agent-logout');
      const after = [await world.log(136, later()), await world.log(136, later())];
      await world.start();
      await world.publish(...before, ...after);
      await eventually('both', () => receiver.at('/x').length === 2 && receiver.at('/all').length === 2);
      await drained();
      expect([sequencesAt('/x'), sequencesAt('/all')]).toEqual([
        [1, 4],
        [1, 4],
      ]);
    });

    it('is still told what waited for it, in order, and then of the other type', async () => {
      let down = true;
      receiver.answer((_request, response) => response.writeHead(down ? 503 : 200).end());
      await world.start();
      const id = await world.subscribe(136, `${receiver.url}/x`);
      await world.logins(136, 2); // 1 and 3
      await eventually('it is behind', async () => (await world.behind()).length === 1);
      await changeType(id, 'agent-login', 'agent-logout');
      await world.publish(await world.log(136, later()), await world.log(136, later()));
      down = false;
      await drained();
      expect(
        receiver
          .at('/x')
          .map(({ headers }) => Number(headers['webhook-sequence']))
          .filter((sequence, i, all) => sequence !== all[i - 1]),
      ).toEqual([1, 3, 4]);
    });
  });

  it.each([
    ['an error status', (n: number) => n < 3, 503],
    ['a redirect', (n: number) => n < 3, 302],
  ])('tries again after %s, in order, without the later one overtaking', async (_what, fails, status) => {
    receiver.answer((_request, response, n) => response.writeHead(fails(n) ? status : 200).end());
    await world.start();
    const id = await world.subscribe(136, `${receiver.url}/x`);
    await world.logins(136, 3);
    await drained();
    expect(sequencesAt('/x')).toEqual([1, 1, 1, 3, 5]);
    expect(receiver.at('/x').map(({ headers }) => headers['webhook-attempt'])).toEqual(['1', '2', '3', '1', '1']);
    expect(new Set(receiver.at('/x').map(({ headers }) => headers['webhook-id'])).size).toBe(3);
    expect((await world.attempts(id)).map(({ outcome }) => outcome)).toEqual([
      'retry',
      'retry',
      'delivered',
      'delivered',
      'delivered',
    ]);
    // Nothing but retries has succeeded, and still it is not failing any more.
    await eventually('it is well', async () => (await world.pool.query('select from dispatch.event_health')).rowCount === 0);
  });

  it('tries again after a timeout and a broken connection', async () => {
    receiver.answer((_request, response, n) => {
      if (n === 1) return; // hangs
      if (n === 2) response.destroy();
      else response.end();
    });
    await world.start();
    const id = await world.subscribe(136, `${receiver.url}/x`);
    await world.change(136);
    await drained();
    expect((await world.attempts(id)).map(({ error }) => error)).toEqual([
      'timed out after 0.5 s',
      'connection closed before the answer was complete',
      null,
    ]);
  });

  it('lets the lane go on when the schedule is used up', async () => {
    receiver.answer((request, response) => response.writeHead(request.headers['webhook-sequence'] === '1' ? 500 : 200).end('no'));
    await world.start({ DELIVERY_RETRY_SCHEDULE: [20, 20] });
    const id = await world.subscribe(136, `${receiver.url}/x`);
    await world.logins(136, 2);
    await drained();
    expect(sequencesAt('/x')).toEqual([1, 1, 1, 3]);
    expect((await world.attempts(id)).map(({ outcome }) => outcome)).toEqual(['retry', 'retry', 'failed', 'delivered']);
  });

  it('records what expired while it waited as failed, without an attempt', async () => {
    await world.start();
    const id = await world.subscribe(136, `${receiver.url}/x`);
    await world.change(136, { changedAt: Date.now() - 120_000 });
    await drained();
    expect(receiver.requests).toEqual([]);
    expect(await world.attempts(id)).toMatchObject([{ attempt: 1, outcome: 'failed', error: 'the retry window ended' }]);
  });

  it('suspends on 410, parks what comes, and sends it in order after a resume', async () => {
    receiver.answer((_request, response) => response.writeHead(410).end());
    await world.start();
    const id = await world.subscribe(136, `${receiver.url}/x`);
    await world.change(136);
    await eventually('a suspension', async () => {
      const { rows } = await world.pool.query(
        'select suspended_reason from dispatch.event_health where suspended_at is not null',
      );
      return (rows[0] as { suspended_reason: string } | undefined)?.suspended_reason === 'gone';
    });
    for (let i = 0; i < 4; i++) await world.change(136);
    await world.subscribe(137, `${receiver.url}/other`);
    await world.change(137);
    await eventually('the other one', () => receiver.at('/other').length > 0);
    expect((await world.behind()).filter((row) => row.agent_event_id === id)).toMatchObject([{ next: 1, attempts: 1 }]);
    expect(receiver.at('/x').length).toBe(1);
    receiver.answer((_request, response) => response.end());
    await world.pool.query('select dispatch.resume($1)', [id]);
    await eventually('the flush', () => receiver.at('/x').length === 4);
    expect(sequencesAt('/x')).toEqual([1, 1, 3, 5]);
    const { rows } = await world.pool.query('select 1 from dispatch.event_health where agent_event_id = $1', [id]);
    expect(rows).toEqual([]);
  });

  it('passes over a suspended agent event: its sibling at the same url is notified', async () => {
    receiver.answer((request, response) => response.writeHead(request.headers['webhook-sequence'] === '1' ? 410 : 200).end());
    await world.start();
    const login = await world.subscribe(136, `${receiver.url}/x`);
    await world.subscribe(136, `${receiver.url}/x`, 'agent-logout');
    await world.change(136);
    await world.change(136);
    await eventually('the sibling', () => receiver.at('/x').length === 2);
    expect(sequencesAt('/x')).toEqual([1, 2]);
    expect(await world.behind()).toMatchObject([{ agent_event_id: login, next: 1 }]);
  });

  it('drops what waits for a deleted agent event', async () => {
    receiver.answer((_request, response) => response.writeHead(500).end());
    await world.start({ DELIVERY_RETRY_SCHEDULE: [300, 300, 300] });
    const id = await world.subscribe(136, `${receiver.url}/x`);
    await world.logins(136, 3);
    await eventually('an attempt', () => receiver.requests.length === 1);
    await world.pool.query('delete from subscription.agent_event where id = $1', [id]);
    await drained();
    expect(receiver.requests.length).toBe(1);
    expect((await world.attempts(id)).map(({ outcome }) => outcome)).toEqual(['retry']);
  });

  it('sends what waits to a changed url, by the changed method, in order', async () => {
    receiver.answer((request, response) => response.writeHead(request.url.startsWith('/old') ? 500 : 200).end());
    await world.start({ DELIVERY_RETRY_SCHEDULE: [300, 300, 300] });
    const id = await world.subscribe(136, `${receiver.url}/old`);
    await world.logins(136, 3);
    await eventually('an attempt', () => receiver.requests.length === 1);
    await world.moveEvent(id, `${receiver.url}/new`, 'GET');
    await drained();
    expect(sequencesAt('/new')).toEqual([1, 3, 5]);
    expect(receiver.at('/new').every(({ method }) => method === 'GET')).toBe(true);
  });

  describe('when the url changes while an attempt is under way', () => {
    /** Holds the answer of the first request at /old until `answer`; all others are answered 200. */
    function holdFirst(): { readonly isHeld: () => boolean; readonly answer: (status: number) => void } {
      let held: ((status: number) => void) | undefined;
      receiver.answer((request, response) => {
        if (request.url !== '/old' || held) return void response.end();
        held = (status) => response.writeHead(status).end();
      });
      return { isHeld: () => held !== undefined, answer: (status) => held!(status) };
    }
    const LONG = { DELIVERY_TIMEOUT: 10_000, DELIVERY_RETRY_SCHEDULE: [300, 300, 300] };

    it.each([
      ['and it fails', 503, [1, 3, 5, 7]],
      ['and it succeeds', 200, [3, 5, 7]],
    ])('sends what waits and what comes after it in order, %s', async (_what, status, expected) => {
      const first = holdFirst();
      await world.start(LONG);
      const id = await world.subscribe(136, `${receiver.url}/old`);
      await world.logins(136, 3);
      await eventually('an attempt', first.isHeld);
      await world.moveEvent(id, `${receiver.url}/new`);
      await world.change(136);
      await world.change(136);
      // Another agent's delivery to the new url tells that what is due was claimed.
      await world.subscribe(137, `${receiver.url}/new/other`);
      await world.change(137);
      await eventually('the other agent', () => receiver.at('/new/other').length === 1);
      first.answer(status);
      await drained();
      expect(
        receiver.at('/new').flatMap(({ url, headers }) => (url === '/new' ? Number(headers['webhook-sequence']) : [])),
      ).toEqual(expected);
    });

    it.each([
      ['moved on', ['/new', '/newer'], '/newer'],
      ['moved back', ['/new', '/old'], '/old'],
    ])('keeps the order where it is %s meanwhile', async (_what, moves, last) => {
      const first = holdFirst();
      await world.start(LONG);
      const id = await world.subscribe(136, `${receiver.url}/old`);
      await world.logins(136, 2);
      await eventually('an attempt', first.isHeld);
      for (const to of moves) await world.moveEvent(id, receiver.url + to);
      await world.change(136);
      await world.change(136);
      first.answer(500);
      await drained();
      const arrived = receiver.requests.slice(1); // but for the one that was held
      expect(arrived.map(({ url, headers }) => [url, Number(headers['webhook-sequence'])])).toEqual([
        [last, 1],
        [last, 3],
        [last, 5],
      ]);
    });

    it('keeps the order of a subscription to all agents', async () => {
      const first = holdFirst();
      await world.start(LONG);
      const id = await world.subscribe(null, `${receiver.url}/old`);
      await world.logins(136, 3);
      await eventually('an attempt', first.isHeld);
      await world.moveEvent(id, `${receiver.url}/new`);
      first.answer(500);
      await drained();
      expect(sequencesAt('/new')).toEqual([1, 3, 5]);
    });

    it('keeps those that stay at the url, and those that were there before, in order', async () => {
      const first = holdFirst();
      await world.start(LONG);
      const id = await world.subscribe(136, `${receiver.url}/old`);
      await world.subscribe(136, `${receiver.url}/old`, 'agent-logout');
      await world.subscribe(136, `${receiver.url}/new`, 'agent-logout');
      await world.logins(136, 3);
      await eventually('an attempt', first.isHeld);
      await world.moveEvent(id, `${receiver.url}/new`);
      await eventually('those that stay', () => receiver.at('/old').length === 3);
      first.answer(500);
      await drained();
      expect(sequencesAt('/old')).toEqual([1, 2, 4]);
      const logins = sequencesAt('/new').filter((sequence) => sequence % 2 === 1);
      expect(logins).toEqual([1, 3, 5]);
      expect(sequencesAt('/new').filter((sequence) => sequence % 2 === 0)).toEqual([2, 4]);
    });
  });

  it('redelivers and replays, numbering attempts on', async () => {
    await world.start();
    const id = await world.subscribe(136, `${receiver.url}/x`);
    const change = await world.change(136);
    await world.change(136);
    await world.change(136);
    await drained();
    const redeliver = (changeId: string) =>
      world.pool.query<{ ok: boolean }>(`select dispatch.redeliver($1, $2, '1 hour') as ok`, [id, changeId]);
    expect((await redeliver(change.id)).rows[0]!.ok).toBe(true);
    expect((await redeliver('0193570e-7f4b-7a3c-8a2e-3f5c7e9d1b2a')).rows[0]!.ok).toBe(false);
    await drained();
    expect(receiver.at('/x').map(({ headers }) => [headers['webhook-sequence'], headers['webhook-attempt']])).toEqual([
      ['1', '1'],
      ['3', '1'],
      ['1', '2'],
    ]);
    const { rows } = await world.pool.query<{ count: number }>(
      `select dispatch.replay($1, now() - interval '1 minute', null, '1 hour') as count`,
      [id],
    );
    expect(rows[0]!.count).toBe(2);
    await drained();
    expect(sequencesAt('/x')).toEqual([1, 3, 1, 1, 3]);
  });

  it('goes on behind a record that is no status change', async () => {
    await world.start();
    await world.subscribe(1, `${receiver.url}/x`);
    await world.publishRaw('{"nonsense"');
    await world.publishRaw('{}', { ce_id: 'x' });
    await world.change(1);
    await drained();
    expect(sequencesAt('/x')).toEqual([1]);
  });

  it('sends nothing unsigned: a client without a secret waits for one', async () => {
    await world.pool.query('alter table subscription.webhook_secret rename to hidden');
    await world.pool.query('create table subscription.webhook_secret (like subscription.hidden)');
    await world.start();
    await world.subscribe(136, `${receiver.url}/x`);
    await world.change(136);
    await eventually('it is behind', async () => (await world.behind()).length === 1);
    expect(receiver.requests).toEqual([]);
    await world.pool.query('insert into subscription.webhook_secret select * from subscription.hidden');
    await drained();
    expect(receiver.at('/x').map(({ headers }) => headers['webhook-attempt'])).toEqual(['1']);
  });

  it('finishes what is in flight when it stops, and gives the rest back', async () => {
    receiver.answer((_request, response) => void setTimeout(() => response.end(), 200));
    const service = await world.start({}, { budgets: { perOrigin: 1 } });
    for (let agent = 1; agent <= 5; agent++) {
      await world.subscribe(agent, `${receiver.url}/x`);
      void world.publish(await world.log(agent)); // not recorded before the next dispatcher has
    }
    await eventually('one in flight', () => receiver.requests.length >= 1);
    await world.stop(service);
    expect(receiver.requests.length).toBeLessThan(5);
    await world.start();
    await drained();
    expect(receiver.requests.length).toBe(5);
  });
});
