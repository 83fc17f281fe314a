import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../support/poll.js';
import { startTestPresence } from '../support/presence-service.js';
import { ApiFixture } from '../support/subscription-api.js';
import type { RunningService } from '#runtime';

/** What somebody else may have set for the server, the database or the role, which every session begins with. */
const SETTINGS: readonly (readonly [string, string])[] = [
  ['datestyle', 'German, DMY'],
  ['datestyle', 'SQL, DMY'],
  ['intervalstyle', 'sql_standard'],
  ['timezone', 'Asia/Kolkata'],
  ['extra_float_digits', '-15'],
  ['bytea_output', 'escape'],
  ['standard_conforming_strings', 'off'],
  ['array_nulls', 'off'],
  ['transform_null_equals', 'on'],
  ['search_path', 'nowhere'],
  ['default_transaction_isolation', 'repeatable read'],
  ['default_transaction_isolation', 'serializable'],
  ['default_transaction_deferrable', 'on'],
  ['synchronous_commit', 'off'],
  ['lock_timeout', '1'],
  ['idle_in_transaction_session_timeout', '1'],
  ['idle_session_timeout', '20'],
  ['client_encoding', 'LATIN1'],
];

describe('whatever was set for the database by somebody else', () => {
  let api: ApiFixture;
  let presence: RunningService;
  let admin: pg.Client;
  let nextAgent = 1000;

  beforeAll(async () => {
    admin = new pg.Client({ connectionString: inject('postgresUrl') });
    await admin.connect();
    api = await ApiFixture.start();
    presence = await startTestPresence(api.database.url);
    for (const app of ['demo', 'platform'] as const) await api.token(app);
  });

  afterAll(async () => {
    await presence.stop();
    await api.stop();
    await admin.end();
  });

  async function endSessions(): Promise<void> {
    await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [api.database.name]);
  }

  async function report(agentId: number, status: string): Promise<unknown> {
    const response = await fetch(`${presence.url}/telemetry`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await api.token('platform')}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ client_id: '12', agent_type: 'local', agent_id: agentId, agent_status: status },
        ...{ event_source: 'api', extension_name: `Zoë \\ "'${agentId}` },
      }),
    });
    return response.status === 200 ? response.json() : response.status;
  }

  it.each(SETTINGS)('%s = %s', async (name, value) => {
    const agentId = nextAgent++;
    await admin.query(`alter database ${api.database.name} set ${name} = ${name === 'datestyle' ? value : `'${value}'`}`);
    try {
      await endSessions();
      await eventually('presence goes on', async () => Array.isArray(await report(agentId, 'available')));
      await eventually('the API goes on', async () => (await api.api('demo', 'GET', '/user')).status === 200);
      expect(await report(agentId, 'logged_out')).toEqual([{ result: 'changed', sequence: 2 }]);

      const directory = await api.api('demo', 'GET', `/client/@me/agent/local/${agentId}`);
      expect(directory).toMatchObject({ status: 200, json: { extension_name: `Zoë \\ "'${agentId}` } });
      const history = await api.api('demo', 'GET', `/client/@me/agent_status/history?agent_id=${agentId}`);
      expect(history.text.match(/"changed_at":"20\d\d-\d\d-\d\dT[\d:.]+Z"/g)).toHaveLength(2);

      const added = await Promise.all(
        Array.from({ length: 20 }, (_, nth) =>
          api.api('demo', 'POST', `/client/@me/agent/local/${agentId}/event/`, {
            event_type: 'agent-login',
            url: `https://example.com/${agentId}/${nth}`,
            method: 'POST',
          }),
        ),
      );
      expect(added.map(({ status, text }) => (status === 201 ? 'added' : text))).toEqual(Array(20).fill('added'));
    } finally {
      await admin.query(`alter database ${api.database.name} reset ${name}`);
    }
  });
});
