import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../apps/cli/src/run.js';
import { DeliveryRows } from '../support/delivery-rows.js';
import { eventually } from '../support/poll.js';
import { ApiFixture } from '../support/subscription-api.js';

const LONG_MS = 60_000;
/** Rows with a client's number, but for what is written of each agent's number and of the removal itself. */
const TABLES = [
  ...[
    'access.application',
    'access.audit',
    'subscription.agent_event',
    'subscription.client_usage',
    'subscription.webhook_secret',
  ],
  ...['subscription.notice_event', 'presence.client', 'presence.status_change', 'presence.directory_change'],
  ...['presence.change_series', 'presence.last_report', 'dispatch.behind', 'dispatch.redelivery', 'dispatch.redelivery_lane'],
  ...[
    'dispatch.replay',
    'dispatch.delivery_series',
    'subscription.removed_agent_event',
    'dispatch.origin_state',
    'dispatch.notice',
    'dispatch.notice_delivery',
  ],
];

describe('the removal of a client', { timeout: 3 * LONG_MS }, () => {
  let api: ApiFixture;
  let nth = 40;

  beforeAll(async () => {
    api = await ApiFixture.start();
  });
  afterAll(() => api.stop());

  /** A client with something of everything. @returns its id and its agent events */
  async function makeClient(): Promise<{ clientId: number; events: number[] }> {
    const clientId = nth++;
    const application = { app_id: `app-of-${clientId}`, client_id: clientId, access: 'all' };
    expect((await api.api('platform', 'POST', '/application/', application)).status).toBe(201);
    const rows = new DeliveryRows(api.pool);
    const events: number[] = [];
    for (let agentId = 1; agentId <= 3; agentId++) {
      await api.addAgent(agentId, agentId === 3 ? 'remote' : 'local', clientId);
      const path = `/client/${clientId}/${agentId === 2 ? 'agent_events' : `agent/${agentId === 3 ? 'remote' : 'local'}/${agentId}/event`}/`;
      const body = { url: 'http://127.0.0.1:1/x', event_type: 'agent-login', method: 'GET' };
      events.push(((await api.api('platform', 'POST', path, body)).json as { id: number }).id);
    }
    const notices = { url: 'http://127.0.0.1:1/notices', types: ['endpoint.suspended'] };
    expect((await api.api('platform', 'POST', `/client/${clientId}/notice_event/`, notices)).status).toBe(201);
    const head = await rows.addLogin({ clientId, agentId: 1 });
    await rows.plan({ clientId, agentId: 1 });
    await rows.fallBehind(events[0]!, head, { attempts: 1 });
    await api.pool.query(`select dispatch.pause($1)`, [events[1]]);
    await api.pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome)
       select e, $2, 7, now(), 1, 'failed' from unnest($1::bigint[]) e`,
      [[...events, 1_000_000 + clientId], head],
    );
    await api.pool.query(`insert into dispatch.delivery_series select $1::bigint, 0, 60, now(), 1, 0, 0, 0, '{1}'`, [clientId]);
    await api.pool.query(
      'insert into subscription.removed_agent_event (client_id, agent_event_id, is_for_all) values ($1::bigint, 1000000 + $1::bigint, false)',
      [clientId],
    );
    await api.pool.query(
      `select dispatch.send_again($1, $2, array[$3::uuid], array[1::bigint], array[1::bigint], array[1::smallint], null, now() + interval '1 hour')`,
      [events[0], clientId, head],
    );
    await api.pool.query(`select dispatch.start_replay($1, now() - interval '1 hour', now(), false, '1 hour')`, [events[0]]);
    await api.pool.query(`insert into presence.change_series values ($1, date_trunc('minute', now()), 1, 1, 0)`, [clientId]);
    return { clientId, events };
  }

  const left = async (clientId: number): Promise<string[]> => {
    const found: string[] = [];
    for (const table of TABLES) {
      const { rowCount } = await api.pool.query(`select from ${table} where client_id = $1 limit 1`, [clientId]);
      if (rowCount) found.push(table);
    }
    const { rowCount } = await api.pool.query(
      `select from presence.agent where client_id = $1 and (name <> '' or deleted_at is null)`,
      [clientId],
    );
    return rowCount ? [...found, 'presence.agent'] : found;
  };
  /** What the relay does. */
  const publish = () => api.pool.query('delete from presence.outbox');
  const isFinished = async (clientId: number) => {
    await publish();
    const { rows } = await api.pool.query<{ done: boolean }>(
      'select finished_at is not null as done from access.client_removal where client_id = $1',
      [clientId],
    );
    return rows[0]?.done === true;
  };

  it('takes all that is kept of it, and nothing of another', async () => {
    const [gone, stays] = [await makeClient(), await makeClient()];
    const before = await left(stays.clientId);
    expect((await left(gone.clientId)).sort()).toEqual(before.sort());
    const removed = await api.api('platform', 'DELETE', `/client/${gone.clientId}`);
    expect([removed.status, removed.text]).toEqual([204, '']);
    for (const [method, path] of [
      ['GET', '/limit/'],
      ['GET', '/agent/local/1'],
      ['DELETE', ''],
    ] as const) {
      const answer = await api.api('platform', method, `/client/${gone.clientId}${path}`);
      expect([answer.status, answer.json]).toEqual([404, expect.objectContaining({ status: 'client_not_found' })]);
    }
    expect((await api.api('platform', 'GET', `/client/?q=${gone.clientId}`)).json).toEqual([]);
    await eventually('the end', () => isFinished(gone.clientId), LONG_MS);
    expect(await left(gone.clientId)).toEqual([]);
    expect((await left(stays.clientId)).sort()).toEqual(before.sort());
    const { rows } = await api.pool.query(
      'select agent_event_id from dispatch.attempt where agent_event_id = any ($1) order by 1',
      [[...gone.events, 1_000_000 + gone.clientId, ...stays.events]],
    );
    expect(new Set(rows.map(({ agent_event_id }: { agent_event_id: string }) => Number(agent_event_id)))).toEqual(
      new Set(stays.events),
    );
    const agents = await api.pool.query(
      'select name, agent_status, sequence::integer from presence.agent where client_id = $1 order by agent_id',
      [gone.clientId],
    );
    // Its number counts on.
    expect(agents.rows[0]).toEqual({ name: '', agent_status: 'logged_out', sequence: 2 });
  });

  it('keeps what the topic has not got yet until it has, and lets the client come back as a new one', async () => {
    const { clientId } = await makeClient();
    expect((await api.api('platform', 'DELETE', `/client/${clientId}`)).status).toBe(204);
    await eventually(
      'the log',
      async () => {
        const { rows } = await api.pool.query('select agent_status from presence.status_change where client_id = $1', [clientId]);
        return rows.length === 1 && (rows[0] as { agent_status: string }).agent_status === 'logged_out';
      },
      LONG_MS,
    );
    expect(await isFinished(clientId)).toBe(false); // publishes, too
    await eventually('the end', () => isFinished(clientId), LONG_MS);
    const application = { app_id: `app-of-${clientId}`, client_id: clientId, access: 'all' };
    expect((await api.api('platform', 'POST', '/application/', application)).status).toBe(201);
    const list = async (path: string) => (await api.api('platform', 'GET', `/client/${clientId}${path}`)).json;
    expect(await list('/agent/')).toEqual([]);
    expect(await list('/agent_events/')).toEqual([]);
    expect(await list('/notice/')).toEqual([]);
    expect(await list('/agent_status/history')).toEqual([]);
    expect(await list('/limit/')).toMatchObject({ agent_event_used: 0 });
    await api.addAgent(1, 'local', clientId);
    expect(await list('/agent/')).toMatchObject([{ id: 1, extension_name: '000*094@ringme.ru', agent_status: 'logged_out' }]);
  });

  it('takes what a token that was still taken for good has added meanwhile, and leaves a new life alone', async () => {
    const { clientId } = await makeClient();
    const { rows } = await api.pool.query<{ id: string }>('select id from access.application where client_id = $1', [clientId]);
    expect((await api.api('platform', 'DELETE', `/client/${clientId}`)).status).toBe(204);
    await eventually('the end', () => isFinished(clientId), LONG_MS);
    // As an instance does that has asked for the application the moment before.
    await api.pool.query('insert into subscription.client_usage (client_id, agent_event_used) values ($1, 1)', [clientId]);
    await api.pool.query(
      `insert into subscription.agent_event (client_id, application_id, url, method, event_type)
       values ($1, $2, 'http://127.0.0.1:1/late', 'GET', 'agent-login')`,
      [clientId, rows[0]!.id],
    );
    await api.pool.query(
      `insert into subscription.notice_event (client_id, application_id, url, types)
       values ($1, $2, 'http://127.0.0.1:1/late', '{limit.near}')`,
      [clientId, rows[0]!.id],
    );
    await api.pool.query(
      `insert into access.audit (client_id, by, action, subject, detail) values ($1, $2, 'agent_event.added', '1', '{}')`,
      [clientId, `app-of-${clientId}`],
    );
    const application = { app_id: `new-app-of-${clientId}`, client_id: clientId, access: 'all' };
    expect((await api.api('platform', 'POST', '/application/', application)).status).toBe(201);
    const body = { url: 'http://127.0.0.1:1/new', event_type: 'agent-login', method: 'GET' };
    expect((await api.api('platform', 'POST', `/client/${clientId}/agent_events/`, body)).status).toBe(201);
    const urls = async (path: string) =>
      ((await api.api('platform', 'GET', `/client/${clientId}${path}`)).json as { url: string }[]).map(({ url }) => url);
    await eventually('the end of what came late', async () => (await urls('/notice_event/')).length === 0, LONG_MS);
    expect(await urls('/agent_events/')).toEqual(['http://127.0.0.1:1/new']);
    expect((await api.api('platform', 'GET', `/client/${clientId}/limit/`)).json).toMatchObject({ agent_event_used: 1 });
    const audit = (await api.api('platform', 'GET', `/client/${clientId}/audit/`)).json as { action: string; by: string }[];
    expect(audit.map(({ by }) => by)).not.toContain(`app-of-${clientId}`);
    expect(audit.map(({ action }) => action)).toEqual(['agent_event.added', 'application.registered']);
  });

  it('lets an instance that has just seen the client add nothing to it', async () => {
    const { clientId } = await makeClient();
    const path = `/client/${clientId}`;
    expect((await api.api('platform', 'GET', `${path}/agent_events/`)).status).toBe(200);
    await publish();
    // As another instance has it done, of which this one hears nothing.
    const removed = runCli(['clients', 'remove', String(clientId)], {
      env: { DATABASE_URL: api.database.url },
      write: () => undefined,
      writeError: () => undefined,
    });
    await eventually(
      'the removal',
      async () => {
        const { rowCount } = await api.pool.query('select from access.client_removal where client_id = $1', [clientId]);
        return rowCount === 1;
      },
      LONG_MS,
    );
    const hook = { url: 'http://127.0.0.1:1/late', event_type: 'agent-login', method: 'GET' };
    for (const [method, at, body] of [
      ['POST', '/agent_events/', hook],
      ['POST', '/notice_event/', { url: hook.url, types: ['limit.near'] }],
      ['PUT', '/agent/local/77', { extension_name: '77@ringme.ru' }],
      ['POST', '/webhook_secret/', {}],
      ['PUT', '/limit/', { agent_event: 5 }],
    ] as const)
      expect([at, await api.api('platform', method, `${path}${at}`, body)]).toMatchObject([
        at,
        { status: 404, json: { status: 'client_not_found' } },
      ]);
    await eventually('the end', () => isFinished(clientId), LONG_MS);
    expect(await removed).toBe(0);
    expect(await left(clientId)).toEqual([]);
  });

  it('takes what an application of another client had on its way, where the client stayed away', async () => {
    const { clientId } = await makeClient();
    expect((await api.api('platform', 'DELETE', `/client/${clientId}`)).status).toBe(204);
    await eventually('the end', () => isFinished(clientId), LONG_MS);
    await api.pool.query(
      `with application as (select id from access.application where app_id = 'platform'),
         event as (insert into subscription.agent_event (client_id, application_id, url, method, event_type)
                   select $1, id, 'http://127.0.0.1:1/late', 'GET', 'agent-login' from application),
         usage as (insert into subscription.client_usage (client_id, agent_event_used) values ($1, 1))
       insert into subscription.notice_event (client_id, application_id, url, types)
       select $1, id, 'http://127.0.0.1:1/late', '{limit.near}' from application`,
      [clientId],
    );
    await eventually('nothing left', async () => (await left(clientId)).length === 0, LONG_MS);
  });

  it('leaves a client to whom an agent is being added as its removal ends', async () => {
    const clientId = nth++;
    await api.pool.query('insert into presence.client (client_id) values ($1)', [clientId]);
    const adding = await api.pool.connect();
    try {
      await adding.query('begin');
      await adding.query(`select presence.put_agent($1, 'local', 1, '1@ringme.ru')`, [clientId]);
      const ended = api.pool.query('select presence.forget_log($1, 0, now(), 10) as more', [clientId]);
      await eventually(
        'the wait for it',
        async () => {
          const { rowCount } = await api.pool.query(
            `select from pg_stat_activity where datname = current_database() and query like '%forget_log%' and wait_event_type = 'Lock'`,
          );
          return rowCount === 1;
        },
        LONG_MS,
      );
      await adding.query('commit');
      expect((await ended).rows).toEqual([{ more: false }]);
    } finally {
      adding.release();
    }
    expect((await api.pool.query('select from presence.client where client_id = $1', [clientId])).rowCount).toBe(1);
  });

  it('is left alone for a while where it has to wait for the topic', async () => {
    const { clientId } = await makeClient();
    expect((await api.api('platform', 'DELETE', `/client/${clientId}`)).status).toBe(204);
    const waits = async () => {
      const { rows } = await api.pool.query<{ waits: boolean }>(
        'select stepped_at > clock_timestamp() as waits from access.client_removal where client_id = $1',
        [clientId],
      );
      return rows[0]!.waits;
    };
    await eventually('the wait', waits, LONG_MS);
    await eventually('the end', () => isFinished(clientId), LONG_MS);
  });

  it('takes so many rows at a time', async () => {
    const clientId = nth++;
    const [first, ...others] = [2_000_001, 2_000_002, 2_000_003];
    await api.pool.query(
      `insert into dispatch.delivery_series
       select $1, e, 60, date_trunc('minute', now()) - m * interval '1 minute', 1, 0, 0, 0, '{1}'
       from unnest($2::bigint[]) e, generate_series(1, 3) m`,
      [clientId, [0, first, ...others]],
    );
    await api.pool.query(
      `insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence)
       select e, $1, a, 1, 1 from unnest($2::bigint[]) e, generate_series(1, 3) a`,
      [clientId, [first, ...others]],
    );
    const behind: number[] = [];
    for (let hasMore = true; hasMore;) {
      const { rows } = await api.pool.query<{ more: boolean }>('select dispatch.forget_client($1, $2, now(), 4) as more', [
        clientId,
        [first, ...others],
      ]);
      hasMore = rows[0]!.more;
      behind.push((await api.pool.query('select from dispatch.behind where client_id = $1', [clientId])).rowCount!);
    }
    expect(behind.slice(0, 3)).toEqual([5, 1, 0]);
    const { rowCount } = await api.pool.query('select from dispatch.delivery_series where client_id = $1', [clientId]);
    expect(rowCount).toBe(0);
  });

  it('is refused where it is the caller’s own, the client is unknown, or a key is', async () => {
    for (const own of ['12', '@me']) {
      const answer = await api.api('platform', 'DELETE', `/client/${own}`);
      expect([answer.status, answer.json]).toEqual([
        400,
        expect.objectContaining({ errors: { client_id: [expect.stringContaining('its own')] } }),
      ]);
    }
    expect((await api.api('platform', 'DELETE', '/client/4000000000')).json).toMatchObject({ status: 'client_not_found' });
    expect((await api.api('platform', 'DELETE', '/client/13?dry_run=1')).status).toBe(400);
    for (const app of ['demo', 'other', 'reader'] as const)
      expect((await api.api(app, 'DELETE', '/client/13')).json).toMatchObject({ status: 'app_access_type_deny' });
    expect((await api.api('other', 'GET', '/client/@me/limit/')).status).toBe(200);
  });

  it('is done by the command as well, and ends the tokens of its applications', async () => {
    await publish();
    let out = '';
    const terminal = {
      env: { DATABASE_URL: api.database.url },
      write: (text: string) => void (out += text),
      writeError: (text: string) => void (out += text),
    };
    await api.token('other');
    expect(await runCli(['clients', 'remove', 'x'], terminal)).toBe(2);
    out = '';
    expect([await runCli(['clients', 'remove', '13'], terminal), out]).toEqual([0, 'Client 13 is removed.\n']);
    expect(await left(13)).toEqual([]);
    out = '';
    expect([await runCli(['clients', 'remove', '13'], terminal), out]).toEqual([1, '13: there is no such client\n']);
    await eventually('401', async () => (await api.api('other', 'GET', '/client/@me/limit/')).status === 401, LONG_MS);
  });
});
