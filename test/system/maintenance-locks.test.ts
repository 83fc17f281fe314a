import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDataSource, poolOf } from '#database';
import { PeriodicWork } from '#runtime';
import { maintain as maintainDispatch } from '../../apps/dispatcher/src/backlog/maintenance.repository.js';
import { maintainLog } from '../../apps/presence/src/log/log-maintenance.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { eventually } from '../support/poll.js';

const DAY_MS = 86_400_000;
/** Longest that a writer is kept waiting by one try, on a machine that is busy with other things. */
const PATIENCE_MS = 5000;

describe.each([
  {
    table: 'presence.status_change',
    maintain: (work: PeriodicWork, pool: pg.Pool) => maintainLog(work, pool, 3 * DAY_MS),
    write: `insert into presence.status_change
              (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
            values ($1, 1, 1, 'local', 'a', 'available', 'api', 1, now(), now())`,
  },
  {
    table: 'dispatch.attempt',
    maintain: (work: PeriodicWork, pool: pg.Pool) => maintainDispatch(work, pool, { retentionMs: 3 * DAY_MS, windowMs: DAY_MS }),
    write: `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome)
            values (1, $1, 1, now(), 1, 'delivered')`,
  },
])('the maintenance of $table', ({ table, maintain, write }) => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let close: () => Promise<void>;
  let reader: pg.Client;
  let writer: pg.Client;
  let errors: Error[];
  let work: PeriodicWork;
  const [schema, name] = table.split('.') as [string, string];

  beforeEach(async () => {
    database = await createTestDatabase();
    const dataSource = await createDataSource({ url: database.url, applicationName: 'test', poolSize: 2 }).initialize();
    pool = poolOf(dataSource);
    close = () => dataSource.destroy();
    [reader, writer] = [new pg.Client({ connectionString: database.url }), new pg.Client({ connectionString: database.url })];
    await Promise.all([reader.connect(), writer.connect()]);
    await writer.query(`set statement_timeout = ${PATIENCE_MS}`);
    errors = [];
    work = new PeriodicWork((error) => void errors.push(error as Error));
  });

  afterEach(async () => {
    await work.stop();
    await Promise.all([reader.end(), writer.end()]);
    await close();
    await database.drop();
  });

  async function partitions(): Promise<string[]> {
    const { rows } = await pool.query<{ relname: string }>(
      `select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = $1::regclass and c.relname ~ '_[0-9]{8}$' order by 1`,
      [table],
    );
    return rows.map(({ relname }) => relname);
  }

  const partitionOf = (at: number) => `${name}_${new Date(at).toISOString().slice(0, 10).replaceAll('-', '')}`;

  /** Of a day that lies beyond the retention. */
  async function addOldPartitions(): Promise<string[]> {
    const days = [8, 9, 10].map((ago) => Date.now() - (ago + 40) * DAY_MS);
    for (const day of days) {
      const from = Date.parse(new Date(day).toISOString().slice(0, 10));
      await pool.query(
        `select public.rollcall_add_partitions($1::regclass, (to_timestamp($2) at time zone 'utc')::date, (to_timestamp($2) at time zone 'utc')::date)`,
        [table, from / 1000],
      );
    }
    return days.map(partitionOf);
  }

  const write100 = async (): Promise<void> => {
    for (let nth = 0; nth < 100; nth++) await writer.query(write, [uuidv7()]);
  };

  /** What pg_dump holds for as long as it runs. */
  const holdAsADumpDoes = () => reader.query(`begin; lock table ${table} in access share mode`);

  it('leaves what is being read for later, does not hold writers up, and drops it then', async () => {
    const old = await addOldPartitions();
    await holdAsADumpDoes();
    const maintained = maintain(work, pool);
    await write100();
    await maintained;
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringContaining(`partitions of ${table} beyond the retention are in use`),
    ]);
    expect(await partitions()).toEqual(expect.arrayContaining(old));

    await reader.query('commit');
    await maintain(work, pool);
    expect(await partitions()).not.toEqual(expect.arrayContaining([old[0]]));
    expect(await partitions()).toContain(partitionOf(Date.now()));
    expect(errors).toHaveLength(1);
  });

  it('drops what it can reach where a single partition is read', async () => {
    const old = await addOldPartitions();
    await reader.query(`begin; lock table ${schema}.${old[0]} in access share mode`);
    const maintained = maintain(work, pool);
    await write100();
    await maintained;
    expect(await partitions()).toContain(old[0]);
    expect(errors).toHaveLength(1);
  });

  it('makes the days ahead while the table is read and written', async () => {
    const ahead = partitionOf(Date.now() + 7 * DAY_MS);
    await pool.query(`drop table ${schema}.${ahead}`);
    await holdAsADumpDoes();
    const inTheMiddle = writer.query('begin').then(() => writer.query(write, [uuidv7()]));
    await inTheMiddle;
    await maintain(work, pool);
    await writer.query('commit');
    const isThere = async () => (await partitions()).includes(ahead);
    // A log with a place for what is of no day can be divided only while nobody reads that place.
    if (table === 'presence.status_change') expect(await isThere()).toBe(true);
    await reader.query('commit');
    await maintain(work, pool);
    expect(await isThere()).toBe(true);
    const { rows } = await pool.query<{ indexes: string }>(
      `select count(*) as indexes from pg_index where indrelid = $1::regclass group by indrelid
       union select count(*) from pg_index where indrelid = $2::regclass group by indrelid`,
      [`${schema}.${ahead}`, `${schema}.${partitionOf(Date.now())}`],
    );
    expect(rows).toHaveLength(1); // as many as those that were made with the table
  });

  it('is left to another instance that is at it', async () => {
    await reader.query(`begin; select pg_advisory_xact_lock(hashtext('${schema}.maintain_partitions'))`);
    await maintain(work, pool);
    expect(errors).toEqual([]);
    await reader.query('commit');
    await eventually('the next time it is done', async () => {
      await maintain(work, pool);
      return (await partitions()).length > 0;
    });
  });

  it('is what versions before call it, too', async () => {
    const old = await addOldPartitions();
    await holdAsADumpDoes();
    const maintained = pool.query(`select ${schema}.maintain_partitions('3 days')`);
    await write100();
    await maintained;
    await reader.query('commit');
    await pool.query(`select ${schema}.maintain_partitions('3 days')`);
    for (const gone of old) expect(await partitions()).not.toContain(gone);
  });
});
