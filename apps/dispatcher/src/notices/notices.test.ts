import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CLIENT, DispatcherWorld, OTHER_CLIENT } from '../../../../test/support/dispatcher-world.js';
import { eventually } from '../../../../test/support/poll.js';
import { RecordingReceiver, type RecordedRequest } from '../../../../test/support/receiver.js';

const LONG_MS = 60_000;

interface Sent {
  readonly id: number;
  readonly type: string;
  readonly at: string;
  readonly client_id: number;
  readonly agent_event_id: number | null;
  readonly words: string;
  readonly data: Record<string, unknown>;
}

describe('notices', { timeout: 2 * LONG_MS }, () => {
  let world: DispatcherWorld;
  let receiver: RecordingReceiver;
  let agent = 0;

  beforeAll(async () => {
    world = await DispatcherWorld.create();
    receiver = await RecordingReceiver.start();
    await world.start();
  });

  afterEach(() => receiver.answer((_request, response) => response.writeHead(200).end()));

  afterAll(async () => {
    await world.remove();
    await receiver.stop();
  });

  async function wanted(path: string, types: readonly string[], client = CLIENT): Promise<number> {
    const { rows } = await world.pool.query<{ id: number }>(
      `insert into subscription.notice_event (client_id, application_id, url, types) values ($1, 1, $2, $3) returning id::integer`,
      [client, `${receiver.url}${path}`, types],
    );
    return rows[0]!.id;
  }

  const sentTo = (path: string): Sent[] => receiver.at(path).map(({ body }) => JSON.parse(body) as Sent);
  const statusOf = async (noticeEventId: number) =>
    (
      await world.pool.query<{ status: string; attempts: number; last_error: string | null }>(
        'select status, attempts, last_error from dispatch.notice_delivery where notice_event_id = $1 order by notice_id',
        [noticeEventId],
      )
    ).rows;
  const resume = (agentEventId: number) => world.pool.query('select dispatch.resume($1)', [agentEventId]);
  const pause = (agentEventId: number) => world.pool.query('select dispatch.pause($1)', [agentEventId]);

  it('tell of a suspension by 410 and of its end, as signed JSON, to whoever wants that type', async () => {
    await wanted('/both', ['endpoint.suspended', 'endpoint.recovered']);
    await wanted('/replays', ['replay.finished']);
    await wanted('/others', ['endpoint.suspended'], OTHER_CLIENT);
    receiver.answer((request, response) => response.writeHead(request.url.startsWith('/gone') ? 410 : 200).end());
    const event = await world.subscribe(++agent, `${receiver.url}/gone?key=secret`);
    await world.change(agent);
    const [suspended] = await eventually('the suspension', () => sentTo('/both').length === 1 && sentTo('/both'), LONG_MS);
    expect(suspended).toEqual({
      id: expect.any(Number) as number,
      type: 'endpoint.suspended',
      at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      agent_event_id: event,
      words: expect.stringContaining('410 Gone') as string,
      data: { reason: 'gone', event_type: 'agent-login', origin: receiver.url },
      client_id: CLIENT,
    });
    const [{ headers, body, method }] = receiver.at('/both') as [RecordedRequest];
    expect([method, headers['content-type'], headers['webhook-attempt'], headers['webhook-sequence']]).toEqual([
      'POST',
      'application/json',
      '1',
      undefined,
    ]);
    expect(headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(new Webhook(world.secret).verify(body, headers as Record<string, string>)).toEqual(suspended);
    receiver.answer((_request, response) => response.writeHead(200).end());
    await resume(event);
    const [, recovered] = await eventually('the resume', () => sentTo('/both').length === 2 && sentTo('/both'), LONG_MS);
    expect(recovered).toMatchObject({ type: 'endpoint.recovered', agent_event_id: event, data: { reason: 'gone' } });
    expect(JSON.stringify(sentTo('/both'))).not.toContain('secret');
    expect([sentTo('/replays'), sentTo('/others')]).toEqual([[], []]);
  });

  it('tell of a suspension after days of failures', async () => {
    await wanted('/days', ['endpoint.suspended']);
    receiver.answer((request, response) => response.writeHead(request.url.startsWith('/bad') ? 500 : 200).end());
    const event = await world.subscribe(++agent, `${receiver.url}/bad`);
    await world.pool.query(
      `insert into dispatch.event_health (agent_event_id, failing_since) values ($1, now() - interval '6 days')`,
      [event],
    );
    await world.change(agent);
    const [sent] = await eventually('the suspension', () => sentTo('/days').length > 0 && sentTo('/days'), LONG_MS);
    expect(sent).toMatchObject({ agent_event_id: event, data: { reason: 'failing' } });
  });

  it('come again after a failure with the same id, in order for one agent event, each time signed anew', async () => {
    await wanted('/order', ['endpoint.suspended', 'endpoint.recovered']);
    let failures = 2;
    receiver.answer((request, response) =>
      response.writeHead(request.url.startsWith('/order') && failures-- > 0 ? 503 : 200).end(),
    );
    const event = await world.subscribe(++agent, `${receiver.url}/x`);
    await pause(event);
    await resume(event);
    await pause(event);
    await eventually('three that arrive', () => receiver.at('/order').length === 5, LONG_MS);
    expect(sentTo('/order').map(({ type }) => type)).toEqual([
      ...['endpoint.suspended', 'endpoint.suspended', 'endpoint.suspended'],
      ...['endpoint.recovered', 'endpoint.suspended'],
    ]);
    const heads = receiver.at('/order').map(({ headers }) => [headers['webhook-id'], headers['webhook-attempt']]);
    expect(heads.map(([, attempt]) => attempt)).toEqual(['1', '2', '3', '1', '1']);
    expect(new Set(heads.slice(0, 3).map(([id]) => id)).size).toBe(1);
    expect(new Set(heads.map(([id]) => id)).size).toBe(3);
  });

  it('are held back after 410 until the notice event is resumed', async () => {
    const id = await wanted('/deaf', ['endpoint.suspended']);
    receiver.answer((request, response) => response.writeHead(request.url.startsWith('/deaf') ? 410 : 200).end());
    const event = await world.subscribe(++agent, `${receiver.url}/x`);
    await pause(event);
    await eventually('410', async () => (await statusOf(id))[0]?.attempts === 1, LONG_MS);
    receiver.answer((_request, response) => response.writeHead(200).end());
    await resume(event);
    await pause(event);
    // Not one more, while another notice event has got both since.
    const other = await wanted('/hears', ['endpoint.recovered']);
    await resume(event);
    await eventually('the others', async () => (await statusOf(other))[0]?.status === 'delivered', LONG_MS);
    expect(await statusOf(id)).toEqual([
      { status: 'waiting', attempts: 1, last_error: 'HTTP 410' },
      { status: 'waiting', attempts: 0, last_error: null },
    ]);
    await world.pool.query('select dispatch.wake_notices($1, true)', [id]);
    await eventually('both', async () => (await statusOf(id)).every(({ status }) => status === 'delivered'), LONG_MS);
  });

  it('fail visibly when their window ends, and are dropped with their notice event', async () => {
    const [late, deleted] = [await wanted('/late', ['endpoint.suspended']), await wanted('/deleted', ['endpoint.recovered'])];
    receiver.answer((_request, response) => response.writeHead(500).end());
    const event = await world.subscribe(++agent, `${receiver.url}/x`);
    await pause(event);
    await resume(event);
    await eventually(
      'an attempt at each',
      async () => (await statusOf(late))[0]!.attempts * (await statusOf(deleted))[0]!.attempts > 0,
      LONG_MS,
    );
    await world.pool.query(
      `update dispatch.notice n set at = at - interval '1 day' from dispatch.notice_delivery d where d.notice_id = n.id and d.notice_event_id = $1`,
      [late],
    );
    await world.pool.query('delete from subscription.notice_event where id = $1', [deleted]);
    await eventually('the end', async () => (await statusOf(late))[0]!.status === 'failed', LONG_MS);
    await eventually('the drop', async () => ['dropped', 'failed'].includes((await statusOf(deleted))[0]!.status), LONG_MS);
    expect((await statusOf(late))[0]!.last_error).toMatch(/window|500/);
  });

  it('tell of a replay that has finished, and not of one that was cancelled', async () => {
    await wanted('/replayed', ['replay.finished']);
    const event = await world.subscribe(++agent, `${receiver.url}/x`);
    await world.change(agent);
    await eventually('the delivery', async () => (await world.attempts(event)).length === 1, LONG_MS);
    const start = `dispatch.start_replay($1, now() - interval '1 hour', now(), false, '1 hour')`;
    await world.pool.query(`select dispatch.cancel_replay((select id from ${start}))`, [event]);
    const { rows } = await world.pool.query<{ id: number }>(`select id::integer from ${start}`, [event]);
    const { id } = rows[0]!;
    const [sent] = await eventually('the end', () => sentTo('/replayed').length > 0 && sentTo('/replayed'), LONG_MS);
    expect(sent).toMatchObject({
      agent_event_id: event,
      data: { replay_id: id, total: 1, delivered: 1, failed: 0 },
      words: `Replay ${id} of agent event ${event} has finished: 1 of 1 were delivered.`,
    });
  });

  it('of one client wait for no other’s, and leave private addresses alone', async () => {
    await wanted('/slow', ['endpoint.suspended']);
    await wanted('/quick', ['endpoint.suspended'], OTHER_CLIENT);
    await world.pool.query(
      `insert into subscription.notice_event (client_id, application_id, url, types) values ($1, 1, 'http://10.0.0.1/', '{endpoint.suspended}')`,
      [OTHER_CLIENT],
    );
    receiver.answer((request, response) => {
      if (!request.url.startsWith('/slow')) response.writeHead(200).end();
    });
    for (let nth = 0; nth < 40; nth++) await pause(await world.subscribe(++agent, `${receiver.url}/x`));
    const other = await world.subscribe(++agent, `${receiver.url}/x`, 'agent-login', 'POST', OTHER_CLIENT);
    await pause(other);
    await eventually('the other’s', () => sentTo('/quick').length === 1, LONG_MS);
    const { rows } = await world.pool.query<{ last_error: string }>(
      `select d.last_error from dispatch.notice_delivery d join subscription.notice_event e on e.id = d.notice_event_id
       where e.url = 'http://10.0.0.1/' and d.last_error is not null`,
    );
    for (const { last_error } of rows) expect(last_error).toMatch(/not a public address/);
  });
});
