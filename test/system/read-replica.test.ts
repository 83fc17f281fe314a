import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningService } from '#runtime';
import { call, fetchToken } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { ReplicatedPostgres } from '../support/replicated-postgres.js';
import { ApiFixture } from '../support/subscription-api.js';

describe('DATABASE_READ_URL', { timeout: 240_000 }, () => {
  let servers: ReplicatedPostgres;
  let api: RunningService;

  beforeAll(async () => {
    servers = await ReplicatedPostgres.start();
    api = await ApiFixture.startService(servers.primary.url(), { DATABASE_READ_URL: servers.standby.url() });
  }, 240_000);

  afterAll(async () => {
    await api?.stop();
    await servers?.stop();
  });

  async function answered(): Promise<{ primary: number; replica: number }> {
    const { text } = await call(`${api.url}/metrics`);
    const of = (server: string): number =>
      Number(new RegExp(`^rollcall_list_reads_total\\{server="${server}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return { primary: of('primary'), replica: of('replica') };
  }

  it('answers lists from the replica, with what was written just before', async () => {
    const token = await fetchToken({ subscriptionApi: api.url, presence: '' }, 'platform', 'platform-secret');
    const send = (method: string, path: string, body?: unknown) =>
      call(`${api.url}/api/ver1.0${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    const lists = [
      ...[
        'agent/?q=136',
        'agent_status/history',
        'delivery/',
        'delivery/?status=waiting',
        'delivery/?status=failed&agent_id=136',
      ],
      ...['series/changes', 'series/deliveries', 'agent/local/136/event/1/delivery/'],
    ].map((path) => `/client/12/${path}`);
    const added = await send('PUT', '/client/12/agent/local/136', { extension_name: 'a@example.org' });
    expect(added.status).toBe(200);
    const event = { url: 'https://example.org/hook', event_type: 'agent-login', method: 'POST' };
    expect((await send('POST', '/client/12/agent/local/136/event/', event)).json).toMatchObject({ id: 1 });
    for (const path of [...lists, '/client/?q=12']) {
      // A replica that is behind for a moment is left alone for a while.
      await eventually(
        `${path} from the replica`,
        async () => {
          const before = await answered();
          expect((await send('GET', path)).status).toBe(200);
          const after = await answered();
          return after.replica > before.replica && after.primary === before.primary;
        },
        60_000,
      );
    }
    for (let nth = 0; nth < 20; nth++) {
      await send('PUT', '/client/12/agent/local/136', { extension_name: `b${nth}@example.org` });
      expect((await send('GET', `/client/12/agent/?q=b${nth}@`)).json).toMatchObject([{ id: 136 }]);
    }
    expect((await send('GET', '/client/?q=12')).json).toMatchObject([{ agents: 1 }]);
  });

  it('answers them from the primary where the replica is away, and is as ready as ever', async () => {
    await servers.standby.stop('immediate');
    const token = await fetchToken({ subscriptionApi: api.url, presence: '' }, 'demo', 'demo-secret');
    const headers = { authorization: `Bearer ${token}` };
    for (let nth = 0; nth < 3; nth++) {
      const answer = await call(`${api.url}/api/ver1.0/client/@me/agent/?q=136`, { headers });
      expect([answer.status, answer.json]).toEqual([200, [expect.objectContaining({ id: 136 })]]);
    }
    expect((await call(`${api.url}/health/ready`)).status).toBe(200);
  });
});
