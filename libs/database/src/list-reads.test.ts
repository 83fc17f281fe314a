import pg from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPool, ListReads } from '#database';
import { eventually } from '../../../test/support/poll.js';
import { createTestDatabase } from '../../../test/support/postgres.js';
import { ReplicatedPostgres } from '../../../test/support/replicated-postgres.js';

/** For a machine that is busy with other things. */
const PATIENCE_MS = 60_000;

describe('reads of lists', { timeout: 240_000 }, () => {
  let servers: ReplicatedPostgres;
  let primary: pg.Pool;
  let replica: pg.Pool | undefined;
  let standby: pg.Client;
  let metrics: Registry;
  let written = 0;

  beforeAll(async () => {
    servers = await ReplicatedPostgres.start();
    primary = createPool({ url: servers.primary.url(), applicationName: 'test', poolSize: 4 });
    await primary.query('create table public.note (id integer primary key)');
  }, 240_000);

  afterAll(async () => {
    await primary.end();
    await servers.stop();
  });

  beforeEach(async () => {
    metrics = new Registry();
    standby = new pg.Client({ connectionString: servers.standby.url() }).on('error', () => undefined);
    await standby.connect();
  });

  afterEach(async () => {
    await standby.end();
    await replica?.end();
    replica = undefined;
  });

  function readsBy(url: string | undefined): ListReads {
    replica = url === undefined ? undefined : createPool({ url, applicationName: 'test', poolSize: 4, connectTimeoutMs: 2000 });
    return new ListReads(primary, replica, pino({ level: 'silent' }), metrics);
  }

  async function write(): Promise<void> {
    await primary.query('insert into public.note values ($1)', [++written]);
  }

  const last = async (reads: ListReads): Promise<number> =>
    (await reads.query<{ id: number }>('select max(id) as id from public.note'))[0]!.id;

  async function answeredBy(server: 'primary' | 'replica'): Promise<number> {
    const { values } = await metrics.getSingleMetric('rollcall_list_reads_total')!.get();
    return values.find(({ labels }) => labels['server'] === server)?.value ?? 0;
  }

  const isUsedAgain = (reads: ListReads): Promise<unknown> => {
    return eventually(
      'the replica is used',
      async () => {
        const before = await answeredBy('replica');
        await last(reads);
        return (await answeredBy('replica')) > before;
      },
      PATIENCE_MS,
    );
  };

  it('find on the replica what was written just before', async () => {
    const reads = readsBy(servers.standby.url());
    await isUsedAgain(reads);
    for (let nth = 0; nth < 50; nth++) {
      await write();
      expect(await last(reads)).toBe(written);
    }
    expect(await answeredBy('replica')).toBeGreaterThan(1);
  });

  it('are the primary’s where there is no replica', async () => {
    const reads = readsBy(undefined);
    await write();
    expect(await last(reads)).toBe(written);
    expect([await answeredBy('primary'), await answeredBy('replica')]).toEqual([1, 0]);
  });

  it('are the primary’s while the replica is behind, and its own again when it has caught up', async () => {
    const reads = readsBy(servers.standby.url());
    await isUsedAgain(reads);
    await standby.query('select pg_wal_replay_pause()');
    await write();
    const before = await answeredBy('primary');
    expect(await last(reads)).toBe(written);
    expect(await answeredBy('primary')).toBe(before + 1);
    await standby.query('select pg_wal_replay_resume()');
    await isUsedAgain(reads);
  });

  it('are the primary’s while the replica is away, and its own again when it is back', async () => {
    const reads = readsBy(servers.standby.url());
    await isUsedAgain(reads);
    await servers.standby.stop('immediate');
    for (let nth = 0; nth < 3; nth++) {
      await write();
      expect(await last(reads)).toBe(written);
    }
    expect(await answeredBy('primary')).toBeGreaterThan(0);
    await servers.standby.restart();
    await isUsedAgain(reads);
  });

  it('are never those of another database', async () => {
    const other = await createTestDatabase();
    try {
      const reads = readsBy(other.url);
      await write();
      expect(await last(reads)).toBe(written);
      expect(await answeredBy('replica')).toBe(0);
    } finally {
      await replica?.end();
      replica = undefined;
      await other.drop();
    }
  });

  it('say what the primary says of a statement that is wrong', async () => {
    const reads = readsBy(servers.standby.url());
    await expect(reads.query('select nothing from nowhere')).rejects.toMatchObject({ code: '42P01' });
  });
});
