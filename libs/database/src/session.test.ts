import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { createDataSource, poolOf } from './data-source.js';
import { SessionPool } from './session.js';

const WRITE = `insert into presence.client (client_id) values (1) on conflict (client_id) do update set created_at = now()`;
const READ_ONLY = '25006';

describe('a session that is of no more use', () => {
  let database: TestDatabase;
  let admin: pg.Client;
  let dataSource: DataSource;
  let pool: pg.Pool;

  beforeEach(async () => {
    database = await createTestDatabase();
    admin = new pg.Client({ connectionString: inject('postgresUrl') });
    await admin.connect();
    dataSource = await createDataSource({ url: database.url, applicationName: 'test', poolSize: 4 }).initialize();
    pool = poolOf(dataSource);
  });

  afterEach(async () => {
    await dataSource.destroy();
    await admin.end();
    await database.drop();
  });

  const writes: readonly [string, () => Promise<unknown>][] = [
    ['a statement of the pool', () => pool.query(WRITE)],
    ['a statement of TypeORM', () => dataSource.query(WRITE)],
    ['a transaction', () => dataSource.transaction((manager) => manager.query(WRITE))],
  ];

  /** As many sessions as the pool has, all of them made now, and idle afterwards. */
  async function fill(): Promise<Set<number>> {
    const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()));
    const pids = await Promise.all(
      clients.map(async (client) => (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid),
    );
    for (const client of clients) client.release();
    return new Set(pids);
  }

  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'written',
      (error: unknown) => (error as { code?: string }).code,
    );

  it.each(writes)(
    'is left out of the pool with all that are as old once %s was told that the server is read-only',
    async (_what, write) => {
      // Sessions that begin now stay read-only, as those of a server that was the primary do.
      await admin.query(`alter database ${database.name} set default_transaction_read_only = on`);
      await pool.query('select pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
      const old = await fill();
      await admin.query(`alter database ${database.name} set default_transaction_read_only = off`);

      expect(await codeOf(write())).toBe(READ_ONLY);
      for (let nth = 0; nth < 8; nth++) for (const [, again] of writes) expect(await codeOf(again())).toBe('written');
      for (const pid of await fill()) expect(old).not.toContain(pid);
    },
  );

  it('lets those that are in use finish their work first', async () => {
    await admin.query(`alter database ${database.name} set default_transaction_read_only = on`);
    await pool.query('select pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
    await fill();
    await admin.query(`alter database ${database.name} set default_transaction_read_only = off`);
    const reader = await pool.connect();
    const slow = reader.query<{ pid: number }>('select pg_sleep(0.3), pg_backend_pid() as pid');
    expect(await codeOf(dataSource.query(WRITE))).toBe(READ_ONLY);
    const { pid } = (await slow).rows[0]!;
    reader.release();
    expect(await fill()).not.toContain(pid);
  });

  it.each(['57P01', 'the end of a transaction that was idle for too long'])(
    'is closed by a transaction that was told %s',
    async (what) => {
      const error = await dataSource
        .transaction(async (manager) => {
          const [{ pid }]: [{ pid: number }] = await manager.query('select pg_backend_pid() as pid');
          if (what === '57P01') await admin.query('select pg_terminate_backend($1)', [pid]);
          else await manager.query(`set local idle_in_transaction_session_timeout = '10ms'`);
          await admin.query('select pg_sleep(0.2)');
          await manager.query(WRITE);
        })
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Error);
      for (let nth = 0; nth < 8; nth++) expect(await codeOf(dataSource.query(WRITE))).toBe('written');
    },
  );

  it('keeps what it was asked for, and nothing that was set for others', async () => {
    await admin.query(`alter database ${database.name} set synchronous_commit = off`);
    await admin.query(`alter database ${database.name} set statement_timeout = '2s'`);
    const other = await createDataSource({
      url: database.url,
      applicationName: 'test',
      poolSize: 1,
      lockTimeoutMs: 200,
    }).initialize();
    try {
      const show = async (name: string) => {
        const rows: Record<string, string>[] = await other.query(`show ${name}`);
        return rows[0]![name];
      };
      expect(await show('lock_timeout')).toBe('200ms');
      expect(await show('statement_timeout')).toBe('10s');
      expect(await show('synchronous_commit')).toBe('on');
      await admin.query(`alter database ${database.name} set synchronous_commit = local`);
      await other.query('select pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
      expect(await show('synchronous_commit')).toBe('local');
    } finally {
      await other.destroy();
    }
  });
});

/** A way to a database that can be frozen: nothing is refused, and nothing answers. */
class FreezingProxy {
  private frozen: Socket[] = [];
  private readonly pairs: [Socket, Socket][] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async to(databaseUrl: string): Promise<FreezingProxy> {
    const target = new URL(databaseUrl);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(databaseUrl);
    url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const proxy = new FreezingProxy(server, url.toString());
    server.on('connection', (inner) => {
      const outer = connect(Number(target.port), target.hostname);
      proxy.pairs.push([inner, outer]);
      for (const [from, to] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        from.pipe(to);
        from.on('error', () => to.destroy()).on('close', () => to.destroy());
      }
    });
    return proxy;
  }

  /** What is connected now never hears anything again; who connects from now on does. */
  freeze(): void {
    for (const [inner, outer] of this.pairs.splice(0)) {
      inner.unpipe(outer);
      outer.unpipe(inner);
      this.frozen.push(inner, outer);
    }
  }

  async stop(): Promise<void> {
    for (const socket of [...this.frozen, ...this.pairs.flat()]) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

describe('a server that vanished without a word', () => {
  let proxy: FreezingProxy;
  let dataSource: DataSource;
  let pool: pg.Pool;

  beforeEach(async () => {
    proxy = await FreezingProxy.to(inject('postgresUrl'));
    dataSource = await createDataSource({ url: proxy.url, applicationName: 'test', poolSize: 4 }).initialize();
    pool = poolOf(dataSource);
  });

  afterEach(async () => {
    await dataSource.destroy();
    await proxy.stop();
  });

  async function fill(): Promise<void> {
    const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()));
    for (const client of clients) client.release();
  }

  it.each([
    ['a statement of the pool', () => pool.query('select 1')],
    ['a statement of TypeORM', () => dataSource.query('select 1')],
    ['a transaction', () => dataSource.transaction((manager) => manager.query('select 1'))],
  ])('costs %s, which does not wait for as long as statements may take, and nothing else', async (_what, statement) => {
    await fill();
    proxy.freeze();
    await expect(statement()).rejects.toThrow('the server does not know of it any more');
    for (let nth = 0; nth < 4; nth++) expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  it('is told from one that takes its time', async () => {
    expect((await pool.query('select pg_sleep(3.5), 1 as one')).rows).toMatchObject([{ one: 1 }]);
  });

  it('costs one answer, not one for each connection, also where nobody can be asked', async () => {
    const unasked = new SessionPool({ connectionString: proxy.url, max: 4, query_timeout: 400 });
    unasked.on('error', () => undefined);
    try {
      const clients = await Promise.all(Array.from({ length: 4 }, () => unasked.connect()));
      for (const client of clients) client.release();
      proxy.freeze();
      const client = await unasked.connect();
      await expect(client.query('select 1')).rejects.toThrow('Query read timeout');
      client.release(); // as TypeORM does, without the error
      for (let nth = 0; nth < 4; nth++) expect((await unasked.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    } finally {
      await unasked.end();
    }
  });
});
