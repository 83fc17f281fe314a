import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '#database';
import { SERVICE_ENVIRONMENT } from '../../tools/services.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { freePorts, ServiceProcess, type Environment } from '../support/process.js';

const NEWEST = Number(MIGRATIONS.at(-1)!.name.slice(-13));
const LATER = NEWEST + 1;
/** What nobody listens on: what is tested here ends, or is ready, before a broker is needed. */
const NO_BROKER = '127.0.0.1:1';

describe('this version, as it is built, on a database that a later one has migrated', { timeout: 120_000 }, () => {
  let database: TestDatabase;
  let client: pg.Client;
  let processes: ServiceProcess[];

  beforeEach(async () => {
    processes = [];
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });

  afterEach(async () => {
    for (const process of processes) await process.stop();
    await client.end();
    await database.drop();
  });

  /** What a later version's migration does: it adds something, and says who may go on. */
  async function migrateLater(timestamp: number, compatibleFrom: number | null): Promise<void> {
    await client.query('alter table access.application add column added_later text');
    await client.query('insert into public.rollcall_migration (timestamp, name, compatible_from) values ($1, $2, $3)', [
      timestamp,
      `Later${timestamp}`,
      compatibleFrom,
    ]);
  }

  function start(name: string, extra: Environment = {}): ServiceProcess {
    const environment = {
      ...SERVICE_ENVIRONMENT,
      DATABASE_URL: database.url,
      KAFKA_BROKERS: NO_BROKER,
      HOST: '127.0.0.1',
      ...extra,
    };
    const process = name === 'migrate' ? ServiceProcess.migrate(environment) : ServiceProcess.start(name, environment);
    processes.push(process);
    return process;
  }

  it('is migrated to nothing, starts and serves where that one says so', async () => {
    await migrateLater(LATER, NEWEST);
    const migrate = start('migrate');
    expect(await migrate.exited()).toBe(0);
    expect(migrate.output).toContain('the database is ahead of this version, and compatible');
    const [port] = await freePorts(1);
    const api = start('subscription-api', { SUBSCRIPTION_API_PORT: String(port) });
    await api.ready(`http://127.0.0.1:${port}`);
    expect(await api.stop()).toBe(0);
  });

  it.each<[string, string[], number, number | null]>([
    ['that one says that it needs a later one', ['migrate', 'dispatcher'], LATER, LATER],
    ['that one says nothing', ['subscription-api'], LATER, null],
    ['that one needs one of between, which is compatible itself', ['migrate', 'presence'], LATER + 1, LATER],
  ])('refuses at once and in one line where %s: %o', async (_why, names, timestamp, compatibleFrom) => {
    if (timestamp > LATER)
      await client.query('insert into public.rollcall_migration (timestamp, name, compatible_from) values ($1, $2, $3)', [
        LATER,
        `Between${LATER}`,
        NEWEST,
      ]);
    await migrateLater(timestamp, compatibleFrom);
    for (const process of names.map((name) => start(name))) {
      expect(await process.exited(), process.output).toBe(1);
      expect(process.output).toContain(`migrated by a newer version, which this one is too old for (Later${timestamp})`);
      expect(process.output).not.toMatch(/database\.waiting|\n {4}at /);
    }
  });

  it('is refused where the database lacks what this version needs, until somebody migrates', async () => {
    await client.query('delete from public.rollcall_migration where timestamp = $1', [NEWEST]);
    const [port] = await freePorts(1);
    const api = start('subscription-api', { SUBSCRIPTION_API_PORT: String(port) });
    await expect.poll(() => api.output, { timeout: 30_000 }).toMatch(/database\.waiting/);
    expect(api.output).toMatch(/the database lacks \w+: run `npm run migrate`/);
    await client.query('insert into public.rollcall_migration (timestamp, name) values ($1, $2)', [
      NEWEST,
      MIGRATIONS.at(-1)!.name,
    ]);
    await api.ready(`http://127.0.0.1:${port}`);
  });
});
