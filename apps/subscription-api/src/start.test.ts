import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { call } from '../../../test/support/client.js';
import { eventually } from '../../../test/support/poll.js';
import { ApiFixture } from '../../../test/support/subscription-api.js';

describe('without its database', () => {
  let api: ApiFixture;

  beforeAll(async () => {
    api = await ApiFixture.start();
  });

  afterAll(() => api.stop());

  /** Asked of the server's own database: one cannot lock oneself out. */
  async function onServer(sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: inject('postgresUrl') });
    await client.connect();
    await client.query(sql);
    await client.end();
  }

  const allowConnections = (allowed: boolean) => onServer(`alter database ${api.database.name} allow_connections ${allowed}`);
  const endConnections = () =>
    onServer(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = '${api.database.name}' and application_name = 'rollcall-subscription-api'`,
    );

  it('answers 503 until it is back, and never 500', async () => {
    const limit = () => api.api('demo', 'GET', '/client/@me/limit/');
    expect((await limit()).status).toBe(200);
    await allowConnections(false);
    await endConnections();
    const away = await eventually('503', async () => {
      const answer = await limit();
      expect([200, 503]).toContain(answer.status);
      return answer.status === 503 && answer;
    });
    expect(away.json).toEqual({ message: 'The service is temporarily unavailable', status: 'unavailable' });
    expect(Number(away.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await call(`${api.url}/health/ready`)).status).toBe(503);
    expect((await call(`${api.url}/health/live`)).status).toBe(200);
    await allowConnections(true);
    await eventually('200', async () => (await limit()).status === 200);
    expect((await call(`${api.url}/health/ready`)).status).toBe(200);
  });

  it('goes on after its connections were ended', async () => {
    for (let round = 0; round < 5; round++) {
      const calls = Array.from({ length: 10 }, () => api.api('demo', 'GET', '/client/@me/agent/local/'));
      await endConnections();
      for (const { status } of await Promise.all(calls)) expect([200, 503]).toContain(status);
    }
    await eventually('200', async () => (await api.api('demo', 'GET', '/user')).status === 200);
  });
});
