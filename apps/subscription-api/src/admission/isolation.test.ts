import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../../../../test/support/client.js';
import { ApiFixture, type ApplicationName } from '../../../../test/support/subscription-api.js';

/** Where nobody listens: a test notification fails at once. */
const URL_OF = (clientId: number): string => `http://127.0.0.1:1/of-${clientId}`;
const EVENT = { url: URL_OF(12), event_type: 'agent-login', method: 'GET' };
const NOTICE_EVENT = { url: URL_OF(12), types: ['endpoint.suspended'] };
const NAMES = { extension_name: '000*094@ringme.ru' };
const SINCE = { since: '2026-01-01T00:00:00Z' };

/** The least access level that may call: nobody's token is asked for, every level, `all`, `platform`. */
type Access = 'public' | 'any' | 'all' | 'platform';

interface Route {
  readonly access: Access;
  readonly body?: unknown;
  /** What it does is tried elsewhere: nothing could be asked after it. */
  readonly last?: boolean;
  /** An answer without an end: its headers are all that is looked at. */
  readonly stream?: boolean;
}

const any: Route = { access: 'any' };
const BASE = '/api/ver1.0';
const CLIENT = `${BASE}/client/{client_id}`;
const AGENT = `${CLIENT}/agent/{type}/{agent_id}`;

/** What both kinds of agent events can do, below where they are. */
const ofEvents = (base: string): Readonly<Record<string, Route>> => ({
  [`POST ${base}/`]: { access: 'any', body: EVENT },
  [`GET ${base}/`]: any,
  [`GET ${base}/{event_id}`]: any,
  [`PUT ${base}/{event_id}`]: { access: 'any', body: {} },
  [`DELETE ${base}/{event_id}`]: any,
  [`GET ${base}/{event_id}/health`]: any,
  [`POST ${base}/{event_id}/resume`]: any,
  [`POST ${base}/{event_id}/test`]: any,
  [`POST ${base}/{event_id}/pause`]: any,
  [`POST ${base}/{event_id}/replay`]: { access: 'any', body: SINCE },
  [`POST ${base}/{event_id}/replay/count`]: { access: 'any', body: SINCE },
  [`GET ${base}/{event_id}/replay`]: any,
  [`GET ${base}/{event_id}/replay/{replay_id}`]: any,
  [`DELETE ${base}/{event_id}/replay/{replay_id}`]: any,
  [`GET ${base}/{event_id}/delivery/`]: any,
  [`GET ${base}/{event_id}/delivery/{delivery_id}`]: any,
  [`POST ${base}/{event_id}/delivery/{delivery_id}/redeliver`]: any,
});

/** Every operation of the API's description, and who may call it: contract §1 to §3. */
const ROUTES: Readonly<Record<string, Route>> = {
  'POST /oauth/token': { access: 'public' },
  'GET /.well-known/jwks.json': { access: 'public' },
  'GET /.well-known/oauth-authorization-server': { access: 'public' },
  'GET /console/config.json': { access: 'public' },
  [`GET ${BASE}/client/`]: { access: 'platform' },
  [`DELETE ${CLIENT}`]: { access: 'platform', last: true },
  [`GET ${BASE}/user`]: any,
  [`POST ${BASE}/application/`]: { access: 'platform', body: { app_id: '{new_app_id}', client_id: 12, access: 'call_api' } },
  [`GET ${BASE}/application/`]: { access: 'platform' },
  [`GET ${BASE}/application/{app_id}`]: { access: 'platform' },
  [`POST ${BASE}/application/{app_id}/secret`]: { access: 'platform', body: {} },
  [`DELETE ${BASE}/application/{app_id}`]: { access: 'platform' },
  [`GET ${CLIENT}/limit/`]: any,
  [`PUT ${CLIENT}/limit/`]: { access: 'platform', body: { agent_event: 1_000_000 } },
  [`GET ${CLIENT}/agent/{type}/`]: any,
  [`GET ${AGENT}`]: any,
  [`PUT ${AGENT}`]: { access: 'all', body: NAMES },
  [`DELETE ${AGENT}`]: { access: 'all' },
  [`GET ${AGENT}/explain`]: any,
  ...ofEvents(`${AGENT}/event`),
  [`DELETE ${AGENT}/event/`]: any,
  ...ofEvents(`${CLIENT}/agent_events`),
  [`GET ${CLIENT}/agent/`]: any,
  [`GET ${CLIENT}/agent_status/`]: any,
  [`GET ${CLIENT}/agent_status/summary`]: any,
  [`GET ${CLIENT}/agent_event_health/`]: any,
  [`GET ${CLIENT}/delivery/`]: any,
  [`GET ${CLIENT}/delivery/stream`]: { access: 'any', stream: true },
  [`GET ${CLIENT}/delivery/{delivery_id}`]: any,
  [`GET ${CLIENT}/origin/`]: any,
  [`GET ${CLIENT}/audit/`]: { access: 'all' },
  [`GET ${CLIENT}/notice/`]: any,
  [`POST ${CLIENT}/notice_event/`]: { access: 'any', body: NOTICE_EVENT },
  [`GET ${CLIENT}/notice_event/`]: any,
  [`GET ${CLIENT}/notice_event/{notice_event_id}`]: any,
  [`PUT ${CLIENT}/notice_event/{notice_event_id}`]: { access: 'any', body: {} },
  [`DELETE ${CLIENT}/notice_event/{notice_event_id}`]: any,
  [`POST ${CLIENT}/notice_event/{notice_event_id}/resume`]: any,
  [`GET ${CLIENT}/series/changes`]: any,
  [`GET ${CLIENT}/series/deliveries`]: any,
  [`GET ${CLIENT}/agent_status/history`]: any,
  [`GET ${CLIENT}/agent_status/stream`]: { access: 'any', stream: true },
  [`GET ${CLIENT}/webhook_secret/`]: { access: 'all' },
  [`POST ${CLIENT}/webhook_secret/`]: { access: 'all' },
};

const LEVELS = { reader: 'call_api', demo: 'all', platform: 'platform' } as const;
const MAY: Readonly<Record<Access, readonly string[]>> = {
  public: ['call_api', 'all', 'platform'],
  any: ['call_api', 'all', 'platform'],
  all: ['all', 'platform'],
  platform: ['platform'],
};

/** What the names in a path stand for. */
type Names = Readonly<Record<string, string>>;

describe('who may do what', () => {
  let api: ApiFixture;
  const secretsOf13: string[] = [];
  let nth = 0;

  beforeAll(async () => {
    api = await ApiFixture.start();
    await api.pool.query(`insert into presence.client (client_id) values (12), (13) on conflict do nothing`);
    for (let i = 0; i < 2; i++) {
      const { json } = await api.api('other', 'POST', '/client/@me/webhook_secret/');
      secretsOf13.push((json as { secret: string }).secret);
    }
  });

  afterAll(async () => {
    await api.stop();
    if (process.env['ROUTE_TABLE'] !== undefined) process.stderr.write(routeTable());
  });

  it('is known of every operation of the description, and of no other', async () => {
    const { paths } = (await call(`${api.url}/api/openapi.json`)).json as { paths: Record<string, Record<string, unknown>> };
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(Object.keys(ROUTES).sort()).toEqual(operations.sort());
  });

  /** An agent of a client, with an agent event, one for all agents, and a delivery of both; new each time. */
  async function makeNames(clientId: number, ofAllAgents: boolean): Promise<Names> {
    const agentId = 1000 + nth++;
    await api.pool.query(`select presence.put_agent($1, 'local', $2, $3)`, [clientId, agentId, `${agentId}@of-${clientId}`]);
    const path = ofAllAgents ? 'agent_events/' : `agent/local/${agentId}/event/`;
    const event = await api.api('platform', 'POST', `/client/${clientId}/${path}`, { ...EVENT, url: URL_OF(clientId) });
    const { id } = event.json as { id: number };
    const changeId = uuidv7();
    await api.pool.query(
      `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
       values ($1, $2, $3, 'local', $4, 'available', 'api', 1, now(), now())`,
      [changeId, clientId, agentId, `${agentId}@of-${clientId}`],
    );
    await api.pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status, response)
       values ($1, $2, 1, clock_timestamp(), 12, 'delivered', 200, $3)`,
      [id, changeId, `of-${clientId}`],
    );
    const replay = await api.pool.query<{ id: number }>(
      `insert into dispatch.replay (agent_event_id, client_id, since, until, only_failed, total, expires_at)
       values ($1, $2, now() - interval '1 hour', now(), false, 0, now() + interval '1 hour') returning id`,
      [id, clientId],
    );
    await api.pool.query('delete from subscription.notice_event where client_id = $1', [clientId]); // of which there may be a hundred
    const noticeEvent = await api.pool.query<{ id: number }>(
      `insert into subscription.notice_event (client_id, application_id, url, types)
       values ($1, 1, $2, '{limit.near}') returning id`,
      [clientId, URL_OF(clientId)],
    );
    const appId = `crm-${nth}`;
    const application = { app_id: appId, client_id: clientId, access: 'call_api' };
    expect((await api.api('platform', 'POST', '/application/', application)).status).toBe(201);
    return {
      type: 'local',
      agent_id: String(agentId),
      event_id: String(id),
      delivery_id: `${changeId}_${id}`,
      replay_id: String(replay.rows[0]!.id),
      notice_event_id: String(noticeEvent.rows[0]!.id),
      app_id: appId,
    };
  }

  /** Of which nothing exists. */
  const NOTHING: Names = {
    type: 'remote',
    agent_id: '4000000000',
    event_id: '4000000001',
    delivery_id: `${uuidv7()}_4000000001`,
    replay_id: '4000000002',
    notice_event_id: '4000000003',
    app_id: 'nobody',
  };

  async function send(app: ApplicationName | undefined, route: string, client: string | number, names: Names) {
    const [method, template] = route.split(' ') as [string, string];
    const path = template.replace(/\{(\w+)\}/g, (_all, name: string) => (name === 'client_id' ? String(client) : names[name]!));
    const { body, stream } = ROUTES[route]!;
    const text = body === undefined ? undefined : JSON.stringify(body).replace('{new_app_id}', `new-${nth++}`);
    const init: RequestInit = {
      method,
      headers: {
        ...(app && { authorization: `Bearer ${await api.token(app)}` }),
        ...(text !== undefined && { 'content-type': 'application/json' }),
      },
      ...(text !== undefined && { body: text }),
    };
    if (!stream) return call(api.url + path, init);
    const response = await fetch(api.url + path, init);
    if (!response.ok) return { status: response.status, text: await response.text() };
    await response.body?.cancel();
    return { status: response.status, text: '' };
  }

  const refusal = (code: string) => expect.stringMatching(new RegExp(`"status":"${code}"`)) as unknown;
  const succeeds = (status: number) => [200, 201, 204].includes(status);

  it.each(Object.entries(ROUTES).filter(([, { access, last }]) => access !== 'public' && !last))(
    '%s',
    async (route, { access }) => {
      const ofAllAgents = route.includes('/agent_events/');
      const ofClient = route.includes('{client_id}');
      expect(await send(undefined, route, 12, NOTHING)).toMatchObject({
        status: 401,
        text: '{"message":"Unauthorized","status":"unauthorized"}',
      });
      for (const [app, level] of Object.entries(LEVELS) as [keyof typeof LEVELS, string][]) {
        const allowed = MAY[access].includes(level);
        const where = `${app}: ${route}`;
        for (const client of ofClient ? ['@me', 12] : ['']) {
          const answer = await send(app, route, client, await makeNames(12, ofAllAgents));
          if (allowed) expect(succeeds(answer.status), `${where} of its own: ${answer.status} ${answer.text}`).toBe(true);
          else expect([answer.status, answer.text], where).toEqual([403, refusal('app_access_type_deny')]);
          if (ofClient) for (const secret of ['of-13', ...secretsOf13]) expect(answer.text, where).not.toContain(secret);
        }
        const of13 = await makeNames(13, ofAllAgents);
        if (!ofClient) {
          const unknown = await send(app, route, '', NOTHING);
          // Nothing is learnt of what exists by who may not ask.
          if (!allowed) expect(unknown).toMatchObject({ status: 403, text: (await send(app, route, '', of13)).text });
          else if (route.includes('{app_id}')) expect([unknown.status, unknown.text], where).toEqual([404, refusal('not_found')]);
          continue;
        }
        if (app === 'platform') {
          const answer = await send(app, route, 13, of13);
          expect(succeeds(answer.status), `${where} of 13: ${answer.status} ${answer.text}`).toBe(true);
          const unknown = await send(app, route, 999, of13);
          expect([unknown.status, unknown.text], where).toEqual([404, refusal('client_not_found')]);
          continue;
        }
        const foreign = await send(app, route, 13, of13);
        expect([foreign.status, foreign.text], where).toEqual([403, refusal(allowed ? 'access_denied' : 'app_access_type_deny')]);
        // The same to the byte, whether that client, agent, event or delivery exists or not.
        for (const [client, names] of [
          [13, NOTHING],
          [999, of13],
          [999, NOTHING],
        ] as const) {
          const other = await send(app, route, client, names);
          expect([other.status, other.text], where).toEqual([foreign.status, foreign.text]);
        }
      }
    },
  );

  it.each(Object.keys(ROUTES).filter((route) => /\{(event_id|delivery_id|replay_id|notice_event_id)\}/.test(route)))(
    '%s: not what is another client’s, under one’s own',
    async (route) => {
      const ofAllAgents = route.includes('/agent_events/');
      const [own, foreign] = [await makeNames(12, ofAllAgents), await makeNames(13, ofAllAgents)];
      const mixed: Names = {
        ...own,
        event_id: foreign['event_id']!,
        delivery_id: foreign['delivery_id']!,
        notice_event_id: foreign['notice_event_id']!,
      };
      const answer = await send('demo', route, '@me', mixed);
      const code = route.includes('{event_id}')
        ? 'event_not_found'
        : route.includes('{notice_event_id}')
          ? 'not_found'
          : 'delivery_not_found';
      expect([answer.status, answer.text]).toEqual([404, refusal(code)]);
      if (!route.includes('{delivery_id}')) return;
      const delivery = await send('demo', route, '@me', { ...own, delivery_id: foreign['delivery_id']! });
      expect([delivery.status, delivery.text]).toEqual([404, refusal('delivery_not_found')]);
    },
  );

  it.each(['GET', 'POST', 'PUT', 'DELETE'])(
    '%s of an agent that only another client has is no agent of one’s own',
    async (method) => {
      const { agent_id } = await makeNames(13, false);
      const suffixes = { GET: ['', '/explain', '/event/'], POST: ['/event/'], PUT: [], DELETE: ['', '/event/'] }[method]!;
      for (const suffix of suffixes) {
        const body = method === 'POST' ? EVENT : undefined;
        const answer = await api.api('demo', method, `/client/@me/agent/local/${agent_id}${suffix}`, body);
        expect([answer.status, answer.json]).toEqual([404, expect.objectContaining({ status: 'agent_not_found' })]);
      }
    },
  );

  it('is decided before the body is read', async () => {
    const answer = await api.api('demo', 'POST', '/client/13/agent/local/136/event/', '{');
    expect([answer.status, answer.json]).toEqual([403, expect.objectContaining({ status: 'access_denied' })]);
  });

  it('knows a client from its telemetry too', async () => {
    await api.addAgent(1, 'local', 77);
    expect((await api.api('platform', 'GET', '/client/77/agent/local/')).json).toMatchObject([{ id: 1 }]);
  });
});

/** The table for people, with ROUTE_TABLE=1: what stands in it is what the tests above hold the API to. */
function routeTable(): string {
  const rows = Object.entries(ROUTES).map(([route, { access }]) => {
    const ofClient = route.includes('{client_id}');
    const cells = Object.values(LEVELS).map((level) => {
      if (access === 'public') return 'no token needed';
      if (!MAY[access].includes(level)) return '403 `app_access_type_deny`';
      if (!ofClient) return 'yes';
      return level === 'platform' ? 'every client; 404 `client_not_found`' : 'own client; else 403 `access_denied`';
    });
    return `| \`${route}\` | ${[...cells, access === 'public' ? 'yes' : '401'].join(' | ')} |`;
  });
  return ['| operation | call_api | all | platform | no token |', '|---|---|---|---|---|', ...rows, ''].join('\n');
}
