import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { EmbeddedPostgres, migrate } from '#database';
import type { RunningService } from '#runtime';
import { call } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { startTestPresence } from '../support/presence-service.js';
import { ApiFixture } from '../support/subscription-api.js';

const run = promisify(execFile);
const CLIENT = `insert into presence.client (client_id) values (1) on conflict (client_id) do update set created_at = now()`;
const DISK_BYTES = 160 * 1024 * 1024;

describe('readiness looks at a write', { timeout: 180_000 }, () => {
  const undo: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  async function newDirectory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-writable-'));
    undo.push(() => rm(directory, { recursive: true, force: true }));
    await chmod(directory, 0o755); // the server may run as another user
    return directory;
  }

  async function startServer(directory: string): Promise<EmbeddedPostgres> {
    const server = await EmbeddedPostgres.start(directory, ['fsync=off', 'max_wal_size=64MB', 'min_wal_size=32MB']);
    undo.push(() => server.stop('immediate'));
    await server.ensureDatabase('rollcall');
    await migrate(server.url());
    return server;
  }

  async function startServices(databaseUrl: string): Promise<RunningService[]> {
    const services = [await ApiFixture.startService(databaseUrl), await startTestPresence(databaseUrl)];
    for (const service of services) undo.push(() => service.stop());
    return services;
  }

  async function readinessOf(service: RunningService): Promise<{ status: number; postgresql: string }> {
    const { status, json } = await call(`${service.url}/health/ready`);
    return { status, postgresql: (json as { checks: { postgresql: string } }).checks.postgresql };
  }

  const becomes = (service: RunningService, status: number, postgresql: RegExp) =>
    eventually(
      `${status}, ${postgresql}`,
      async () => {
        const readiness = await readinessOf(service);
        if (readiness.status !== status || !postgresql.test(readiness.postgresql)) throw new Error(JSON.stringify(readiness));
        return true;
      },
      60_000,
    );

  it('says that a standby is read-only, and is ready again when it is promoted', async () => {
    const directory = await newDirectory();
    const server = await startServer(directory);
    const services = await startServices(server.url());
    for (const service of services) await becomes(service, 200, /^ok$/);

    await server.stop();
    await writeFile(join(directory, 'postgres', 'standby.signal'), '');
    await server.restart();
    for (const service of services) await becomes(service, 503, /read-only.*connect to the primary/);

    const client = new pg.Client({ connectionString: server.url() });
    await client.connect();
    undo.push(() => client.end());
    await client.query('select pg_promote()');
    for (const service of services) await becomes(service, 200, /^ok$/);
  });

  it('says so where somebody made the server read-only, for as long as it is', async () => {
    const server = await startServer(await newDirectory());
    const services = await startServices(server.url());
    const client = new pg.Client({ connectionString: server.url() });
    await client.connect();
    undo.push(() => client.end());
    await client.query('alter system set default_transaction_read_only = on');
    await client.query('select pg_reload_conf()');
    for (const service of services) await becomes(service, 503, /read-only/);
    await client.query('set default_transaction_read_only = off');
    await client.query('alter system reset default_transaction_read_only');
    await client.query('select pg_reload_conf()');
    for (const service of services) await becomes(service, 200, /^ok$/);
  });

  it('writes once in two seconds at most, however many ask', async () => {
    const server = await startServer(await newDirectory());
    const [api] = (await startServices(server.url())) as [RunningService];
    await becomes(api, 200, /^ok$/);
    const client = new pg.Client({ connectionString: server.url() });
    await client.connect();
    undo.push(() => client.end());
    const versions = new Set<string>();
    const startedAt = performance.now();
    while (performance.now() - startedAt < 1000) {
      await Promise.all(Array.from({ length: 10 }, () => readinessOf(api)));
      const { rows } = await client.query<{ xmin: string }>(
        `select xmin from rollcall_write_check where service = 'subscription-api'`,
      );
      versions.add(rows[0]!.xmin);
    }
    expect(versions.size).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - startedAt) / 2000));
  });

  // A small disk of its own can be had by root alone; elsewhere `53100` is an error of a write like any other.
  it.skipIf(userInfo().uid !== 0)(
    'says that the disk is full, though every read works, and is ready when there is room',
    async () => {
      const directory = await newDirectory();
      await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES},mode=755`, 'tmpfs', directory]);
      undo.push(() => run('umount', ['--lazy', directory]));
      const server = await startServer(directory);
      const services = await startServices(server.url());
      for (const service of services) await becomes(service, 200, /^ok$/);

      const { stdout } = await run('df', ['--output=avail', '-B1', directory]);
      const filler = join(directory, 'filler');
      await writeFile(filler, Buffer.alloc(Number(stdout.split('\n')[1]))).catch(() => undefined);
      for (const service of services) await becomes(service, 503, /No space left on device/);
      const client = new pg.Client({ connectionString: server.url() });
      await client.connect();
      undo.push(() => client.end());
      await client.query('select count(*) from access.application');

      await rm(filler);
      for (const service of services) await becomes(service, 200, /^ok$/);
      await client.query(CLIENT);
    },
  );
});
