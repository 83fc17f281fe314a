import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, mkdtemp, readdir, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import { createDataSource, EmbeddedPostgres } from './index.js';

const run = promisify(execFile);
const isRoot = userInfo().uid === 0;
const FLAGS = ['fsync=off'];

let parent: string;
let path: string | undefined;
let servers: EmbeddedPostgres[];
let said: string[];

beforeEach(async () => {
  // Only its owner may enter; commas, quotes and spaces are what people have in names.
  parent = await mkdtemp(join(tmpdir(), "rollcall server, o'clock "));
  path = process.env['PATH'];
  servers = [];
  said = [];
});
afterEach(async () => {
  process.env['PATH'] = path;
  for (const server of servers) await server.discard();
  await rm(parent, { recursive: true, force: true });
});

async function start(dataDir: string): Promise<EmbeddedPostgres> {
  const server = await EmbeddedPostgres.start(dataDir, FLAGS, (line) => said.push(line));
  servers.push(server);
  return server;
}

async function query(server: EmbeddedPostgres, sql: string, url = server.url('postgres')): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows.flatMap((row) => Object.values(row));
  } finally {
    await client.end();
  }
}

/** What a machine without user namespaces has: the program is there, the kernel refuses. */
async function withoutNamespaces(): Promise<void> {
  const bin = join(parent, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'unshare'), '#!/bin/sh\necho "unshare failed: Operation not permitted" >&2\nexit 1\n');
  await chmod(join(bin, 'unshare'), 0o755);
  process.env['PATH'] = `${bin}${delimiter}${path}`;
}

const accounts = async (): Promise<string> => (await run('cat', ['/etc/passwd'])).stdout;

describe('an embedded PostgreSQL under a directory that only its owner may enter', () => {
  it('starts, and finds its data again', async () => {
    const before = await accounts();
    const dataDir = join(parent, 'data');
    const first = await start(dataDir);
    await query(first, 'create table kept as select 42 as answer');
    expect(await EmbeddedPostgres.findRunning(dataDir)).toBe(first.url());
    await first.stop();
    expect(await EmbeddedPostgres.findRunning(dataDir)).toBeUndefined();
    expect(await query(await start(dataDir), 'select answer from kept')).toEqual([42]);
    expect(said).toEqual([]);
    expect(await accounts()).toBe(before);
  });

  it('is reached through a socket in a directory that only its owner may enter, also by the services, and after it was killed', async () => {
    const dataDir = join(parent, 'data');
    const server = await start(dataDir);
    const isSocket = 'select inet_server_addr() is null';
    expect(await query(server, isSocket)).toEqual([false]);
    expect(await query(server, isSocket, server.socketUrl('postgres'))).toEqual([true]);
    expect((await stat(join(dataDir, 'postgres'))).mode & 0o777).toBe(0o700);
    const options = { url: server.socketUrl('postgres'), applicationName: 'test', poolSize: 1 };
    const dataSource = await createDataSource(options).initialize();
    expect(Object.values((await dataSource.query<object[]>(isSocket))[0]!)).toEqual([true]);
    await dataSource.destroy();
    await server.stop('immediate');
    await writeFile(join(dataDir, 'postgres', '.s.PGSQL.1'), ''); // as a server that was killed leaves it
    const next = await start(dataDir);
    expect(await query(next, isSocket, next.socketUrl('postgres'))).toEqual([true]);
    const sockets = (await readdir(join(dataDir, 'postgres'))).filter((name) => name.startsWith('.s.'));
    expect(sockets).toHaveLength(2); // its own, and the lock of that
  });

  it('is reached over loopback where the path to the socket is too long', async () => {
    const dataDir = join(parent, 'd'.repeat(100), 'data');
    const server = await start(dataDir);
    expect(server.socketUrl()).toBe(server.url());
    expect(await query(server, 'select 42')).toEqual([42]);
  });

  it('starts beside another', async () => {
    const [one, two] = await Promise.all([start(join(parent, 'one')), start(join(parent, 'two'))]);
    await query(one, 'create table kept as select 1 as answer');
    await query(two, 'create table kept as select 2 as answer');
    expect(await query(one, 'select answer from kept')).toEqual([1]);
  });

  it.runIf(isRoot)('starts where there are no user namespaces, puts elsewhere what it must, and says so', async () => {
    await withoutNamespaces();
    const before = await accounts();
    const dataDir = join(parent, 'data');
    const first = await start(dataDir);
    expect(said).toEqual([
      expect.stringMatching(/^PostgreSQL does not run as root: it runs as ".*", with its .*data in \/.*\.$/),
    ]);
    await query(first, 'create table kept as select 42 as answer');
    expect(await EmbeddedPostgres.findRunning(dataDir)).toBe(first.url());
    await first.stop();
    const place = await realpath(join(dataDir, 'postgres'));
    expect(place.startsWith(parent)).toBe(false);
    // A directory that was moved takes its link along.
    await rename(dataDir, join(parent, 'moved'));
    expect(await query(await start(join(parent, 'moved')), 'select answer from kept')).toEqual([42]);
    // Programs that the account cannot reach are told with each start: where the tests themselves are in such a place.
    expect(said.filter((line) => line.includes('data in'))).toHaveLength(1);
    expect(await accounts()).toBe(before);
  });

  it('says so where its data were put elsewhere and are gone', async () => {
    const dataDir = join(parent, 'data');
    await mkdir(dataDir);
    await symlink(join(parent, 'elsewhere', 'data'), join(dataDir, 'postgres'));
    const gone = /^The data of PostgreSQL are gone: .* leads to .*elsewhere.*, which is not there\./;
    await expect(start(dataDir)).rejects.toThrow(gone);
    await mkdir(join(parent, 'elsewhere'));
    await expect(start(dataDir)).rejects.toThrow(gone);
  });

  it.runIf(isRoot)('leaves the data of an ordinary account to that account', async () => {
    const dataDir = join(parent, 'data');
    await mkdir(dataDir, { mode: 0o700 });
    await run('chown', ['nobody', parent, dataDir]);
    await start(dataDir);
    expect(said.filter((line) => line.includes('data in'))).toEqual([]);
    expect((await stat(join(dataDir, 'postgres'))).uid).toBe((await stat(dataDir)).uid);
  });

  it.runIf(isRoot)('goes on with the data of a server that ran as an account, and moves it when it must', async () => {
    const dataDir = join(parent, 'data');
    const first = await start(dataDir);
    await query(first, 'create table kept as select 42 as answer');
    await first.stop();
    await run('chown', ['-R', 'nobody', join(dataDir, 'postgres')]);

    const second = await start(dataDir);
    expect(await query(second, 'select answer from kept')).toEqual([42]);
    await second.stop();

    await withoutNamespaces();
    const third = await start(dataDir);
    expect(await query(third, 'select answer from kept')).toEqual([42]);
    expect((await lstat(join(dataDir, 'postgres'))).isSymbolicLink()).toBe(true);
    expect((await stat(join(dataDir, 'postgres'))).uid).not.toBe(0);
    await third.stop();

    process.env['PATH'] = path;
    expect(await query(await start(dataDir), 'select answer from kept')).toEqual([42]);
  });
});

describe('an embedded PostgreSQL that is killed', () => {
  const pidOf = async (server: EmbeddedPostgres): Promise<number> => {
    const [line] = await query(server, `select pg_read_file('postmaster.pid')`);
    return Number(String(line).split('\n')[0]);
  };
  const kill = async (server: EmbeddedPostgres, signal: NodeJS.Signals): Promise<void> => {
    process.kill(await pidOf(server), signal);
  };

  it.each(['SIGKILL', 'SIGQUIT', 'SIGTERM'] as const)(
    'by %s is started again, with its data',
    async (signal) => {
      const server = await start(join(parent, 'data'));
      const failures: string[] = [];
      server.keepRunning((reason) => failures.push(reason));
      await query(server, 'create table kept as select 42 as answer');
      await query(server, 'checkpoint');
      await kill(server, signal);
      await eventually('that it is noticed', () => said.some((line) => /^PostgreSQL ended .* is started again\.$/.test(line)));
      const answer = await eventually('its answer', () => query(server, 'select answer from kept'), 60_000);
      expect(answer).toEqual([42]);
      expect(failures).toEqual([]);
    },
    90_000,
  );

  it('and cannot be started again tells why, in one line', async () => {
    const dataDir = join(parent, 'data');
    const server = await start(dataDir);
    const failures: string[] = [];
    server.keepRunning((reason) => failures.push(reason));
    for (let round = 0; failures.length === 0; round++) {
      expect(round).toBeLessThan(30);
      const killed = await eventually('its answer', () => pidOf(server), 60_000);
      process.kill(killed, 'SIGQUIT');
      // One that answers before its start is over, and ends then, has failed to start: it is started again, and not counted.
      await eventually('another', async () => failures.length > 0 || (await pidOf(server)) !== killed, 60_000);
    }
    expect(failures).toEqual([expect.stringMatching(/^PostgreSQL ends again and again/)]);
  }, 180_000);

  it('stays stopped where that was asked for', async () => {
    const server = await start(join(parent, 'data'));
    const failures: string[] = [];
    server.keepRunning((reason) => failures.push(reason));
    await server.stop();
    await expect(query(server, 'select 1')).rejects.toThrow();
    expect([...said, ...failures]).toEqual([]);
  });
});
