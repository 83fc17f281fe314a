import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { migrate, revertMigration } from './migrate.js';

/** Each page of a vacuum takes a tenth of a second: it is not over before the test is. */
const SLOWLY = 'autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1';

it('has an automatic vacuum make way for a migration', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'rollcall-vacuum-'));
  await chmod(directory, 0o755); // the server may run as another user
  const server = await EmbeddedPostgres.start(directory, ['autovacuum_naptime=1s']);
  try {
    await server.ensureDatabase('rollcall');
    await migrate(server.url());
    const reverted = await revertMigration(server.url());
    const client = new pg.Client({ connectionString: server.url() });
    await client.connect();
    await client.query(
      `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
       select (left(presence.uuid_v7_floor(now())::text, 24) || right(gen_random_uuid()::text, 12))::uuid, 12, n, 'local', repeat('x', 100),
         'available', 'api', 1, now(), now() from generate_series(1, 20000) n`,
    );
    const { rows: partitions } = await client.query<{ name: string }>(
      'select distinct tableoid::regclass::text as name from presence.status_change',
    );
    for (const { name } of partitions) await client.query(`alter table ${name} set (${SLOWLY})`);
    await client.query('delete from presence.status_change where agent_id % 2 = 0');
    await eventually(
      'an automatic vacuum of the log',
      async () => {
        const { rows } = await client.query<{ busy: boolean }>(
          `select exists (select from pg_stat_progress_vacuum v where v.relid::regclass::text like 'presence.status_change%') as busy`,
        );
        return rows[0]!.busy || undefined;
      },
      60_000,
    );
    expect((await migrate(server.url(), { patienceMs: 3000 })).run).toEqual([reverted]);
    await client.end();
  } finally {
    await server.discard();
  }
}, 120_000);
