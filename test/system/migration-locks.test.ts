import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { QueryRunner } from 'typeorm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createDataSource, migrate, MIGRATIONS, type Migration } from '#database';
import { eventually } from '../support/poll.js';

/** Newest migration of the release that is upgraded from. */
const RELEASED = 1764000000019;
/** `MIGRATION_ROWS` (npm run test:migrations: 10 million) of each log holds the times too: it wants a machine to itself. */
const LONG_ROWS = Number(process.env['MIGRATION_ROWS'] ?? 0);
const ROWS = LONG_ROWS || 2000;
const LONGEST_MS = LONG_ROWS ? 100 : 30_000;
/** Of each table: it is to be seen who waits, not how much a machine can do. */
const BETWEEN_WRITES_MS = 10;
const DEADLINE_MS = LONG_ROWS ? 1_800_000 : 120_000;

/** What is written while a release runs, with the statement that writes a row of it. */
const WRITES: Readonly<Record<string, string>> = {
  'presence.agent': `update presence.agent set changed_at = now() where client_id = 1 and agent_id = (select (random() * 1000)::int)`,
  'presence.status_change': `insert into presence.status_change
      (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
    values (ID, 1, 1, 'local', 'a', 'available', 'api', 1, now(), now())`,
  'presence.outbox': `insert into presence.outbox (position, shard, change_id) values (nextval('presence.status_change_position'), 1, ID)`,
  'dispatch.agent_cursor': `update dispatch.agent_cursor set version = version + 1 where client_id = 1 and agent_id = (select (random() * 1000)::int)`,
  'dispatch.attempt': `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome)
    values (1, ID, 1, now(), 1, 'delivered')`,
  'dispatch.event_health': `update dispatch.event_health set failing_since = now() where agent_event_id = (select (random() * 1000)::int)`,
  'subscription.agent_event': `update subscription.agent_event set updated_at = now() where id = (select 1 + (random() * 1000)::int)`,
  'subscription.client_usage': `insert into subscription.client_usage as u (client_id) values (1)
    on conflict (client_id) do update set agent_event_used = u.agent_event_used`,
  'access.application': `update access.application set secret_hash = secret_hash where app_id = 'one'`,
};
const NEW_ID = `(left(presence.uuid_v7_floor(now())::text, 19) || right(gen_random_uuid()::text, 17))::uuid`;
const idOf = (nth: string): string =>
  `(left(presence.uuid_v7_floor(now() - ${nth} * interval '1 day' / ROWS)::text, 24) || lpad(to_hex(${nth}), 12, '0'))::uuid`;

const FILL = [
  `insert into access.application (app_id, client_id, access, secret_hash) values ('one', 1, 'all', '')`,
  `insert into presence.agent (client_id, agent_id, agent_type, name) select 1, n, 'local', 'a' from generate_series(1, ROWS / 10) n`,
  `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
   select ${idOf('n')}, 1, n % (ROWS / 10), 'local', 'a', 'available', 'api', n, now(), now() from generate_series(1, ROWS) n`,
  `insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) select 1, n, 1 from generate_series(1, ROWS) n`,
  `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome)
   select 1 + n % 1000, ${idOf('n')}, 1, now(), 5, case when n % 50 = 0 then 'failed' else 'delivered' end from generate_series(1, ROWS) n`,
  `insert into dispatch.event_health (agent_event_id, failing_since) select n, now() from generate_series(1, ROWS / 10) n`,
  `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
   select 1, 1, n, 'local', 'https://example.com/', 'POST', 'agent-login' from generate_series(1, ROWS / 10) n`,
].map((sql) => sql.replaceAll('ROWS', String(ROWS)));

/** A database as the release before has left it, with much in it. */
class ReleasedDatabase {
  private constructor(
    readonly url: string,
    private readonly admin: pg.Client,
  ) {}

  static async create(): Promise<ReleasedDatabase> {
    const admin = new pg.Client({ connectionString: inject('postgresUrl') });
    await admin.connect();
    const name = `test_${randomBytes(6).toString('hex')}`;
    await admin.query(`create database ${name}`);
    const url = new URL(inject('postgresUrl'));
    url.pathname = `/${name}`;
    const database = new ReleasedDatabase(url.toString(), admin);
    await database.withRunner(
      MIGRATIONS.filter((migration) => !isNew(migration)),
      async (runner) => {
        await runner.connection.runMigrations({ transaction: 'each' });
        for (const sql of FILL) await runner.query(sql);
        await runner.query('analyze');
      },
    );
    return database;
  }

  /** Works on a connection as migrations have it. */
  async withRunner(migrations: readonly Migration[], work: (runner: QueryRunner) => Promise<void>): Promise<void> {
    const options = { url: this.url, applicationName: 'test', poolSize: 1, statementTimeoutMs: 0 };
    const dataSource = createDataSource(options).setOptions({ migrations: [...migrations] });
    await dataSource.initialize();
    try {
      const runner = dataSource.createQueryRunner();
      await work(runner).finally(() => runner.release());
    } finally {
      await dataSource.destroy();
    }
  }

  async drop(): Promise<void> {
    await this.admin.query(`drop database if exists ${new URL(this.url).pathname.slice(1)} with (force)`);
    await this.admin.end();
  }
}

const isNew = ({ name }: Migration): boolean => Number(name.slice(-13)) > RELEASED;
const NEW = MIGRATIONS.filter(isNew);

/** Tables that this transaction keeps others from writing, of those that are written all day, and how much of each it has read. */
const HELD = `
  select distinct c.oid::regclass::text as table, coalesce(s.seq_tup_read, 0)::integer as read
  from pg_locks l join pg_class c on c.oid = l.relation left join pg_stat_xact_all_tables s on s.relid = c.oid
  where l.pid = pg_backend_pid() and c.relkind = 'r' and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    and c.oid < $1 order by 1`;

describe('the migrations since the release before', { timeout: DEADLINE_MS }, () => {
  let database: ReleasedDatabase;

  beforeAll(async () => {
    database = await ReleasedDatabase.create();
  }, DEADLINE_MS);

  afterAll(() => database.drop());

  it.skipIf(LONG_ROWS)('read no row of a table while they keep others from writing it, and write none of it anew', async () => {
    const copy = await ReleasedDatabase.create();
    try {
      await copy.withRunner(NEW, async (runner) => {
        const [{ oid }] = (await runner.query('select max(oid)::bigint as oid from pg_class')) as [{ oid: number }];
        const files = `select oid::regclass::text as table, relfilenode::text from pg_class where relkind = 'r' and oid <= $1 order by 1`;
        const before: unknown = await runner.query(files, [oid]);
        for (const migration of NEW) {
          const made = new migration();
          if (made.transaction === false) {
            await made.up(runner);
            continue;
          }
          // Or what the migration before has read would be counted as well.
          await runner.query('select pg_stat_force_next_flush()');
          await runner.startTransaction();
          await made.up(runner);
          const held = (await runner.query(HELD, [oid])) as { table: string; read: number }[];
          await runner.commitTransaction();
          expect({ migration: migration.name, held: held.filter(({ read }) => read > 0) }).toEqual({
            migration: migration.name,
            held: [],
          });
        }
        expect(await runner.query(files, [oid])).toEqual(before);
      });
    } finally {
      await copy.drop();
    }
  });

  it(`keep nobody who writes waiting for ${LONGEST_MS} ms`, async () => {
    const writers = await Promise.all(Object.entries(WRITES).map(([table, sql]) => Writer.start(database.url, table, sql)));
    try {
      await eventually('all to write', () => writers.every(({ count }) => count > 20), DEADLINE_MS);
      for (const writer of writers) writer.longestMs = 0;
      expect((await migrate(database.url)).run).toEqual(NEW.map(({ name }) => name));
    } finally {
      await Promise.all(writers.map((writer) => writer.stop()));
      for (const { table, longestMs, count } of writers)
        process.stderr.write(`${table}: ${count} writes, the longest ${Math.round(longestMs)} ms\n`);
    }
    for (const { table, longestMs } of writers)
      expect({ table, isInTime: longestMs < LONGEST_MS }).toEqual({ table, isInTime: true });
  });
});

/** Writes rows of a table one after another, and knows which of them took longest. */
class Writer {
  longestMs = 0;
  count = 0;
  private going = true;
  private done: Promise<void> = Promise.resolve();

  private constructor(
    readonly table: string,
    private readonly client: pg.Client,
  ) {}

  static async start(url: string, table: string, sql: string): Promise<Writer> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const writer = new Writer(table, client);
    writer.done = writer.writeAll(sql.replaceAll('ID', NEW_ID));
    return writer;
  }

  async stop(): Promise<void> {
    this.going = false;
    await this.done.finally(() => this.client.end());
  }

  private async writeAll(sql: string): Promise<void> {
    while (this.going) {
      const startedAt = performance.now();
      await this.client.query(sql);
      this.longestMs = Math.max(this.longestMs, performance.now() - startedAt);
      this.count += 1;
      await delay(BETWEEN_WRITES_MS);
    }
  }
}
