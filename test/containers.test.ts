import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, inject, it } from 'vitest';
import { parse } from 'yaml';
import { describeSettings, readSettings, VERSION } from '#runtime';
import { DEMO_APPLICATIONS } from '../apps/all-in-one/src/demo.js';
import { eventually } from './support/poll.js';
import { createTestDatabase } from './support/postgres.js';
import { freePorts, ServiceProcess } from './support/process.js';

interface ComposeService {
  readonly image: string;
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly read_only?: boolean;
  readonly security_opt?: readonly string[];
  readonly mem_limit?: string;
}

const ROOT = join(import.meta.dirname, '..');
const read = (file: string) => readFile(join(ROOT, file), 'utf8');
const compose = async () =>
  parse(await read('docker-compose.yml'), { merge: true }) as { services: Record<string, ComposeService> };

describe('docker-compose.yml', () => {
  it('gives no container more than it needs', async () => {
    const { services } = await compose();
    for (const [name, { image, read_only, security_opt, mem_limit }] of Object.entries(services)) {
      expect([security_opt, mem_limit], name).toEqual([['no-new-privileges:true'], expect.any(String)]);
      if (image.startsWith('rollcall')) expect([image, read_only], name).toEqual([`rollcall:${VERSION}`, true]);
    }
  });

  it('sets nothing that is no setting', async () => {
    const settings = new Set(['PGPASSWORD', ...describeSettings().map(({ name }) => name)]);
    const { services } = await compose();
    const ours = Object.values(services).filter(({ image }) => image.startsWith('rollcall'));
    expect(ours.length).toBeGreaterThan(0);
    for (const { environment = {} } of ours) expect(Object.keys(environment).filter((name) => !settings.has(name))).toEqual([]);
  });

  it('has a demo whose applications and receiver fit together', async () => {
    const lines = (await read('deploy/demo.env')).split('\n').filter((line) => /^[A-Z]/.test(line));
    const env = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    const { BOOTSTRAP_APPS, ALLOW_DESTINATIONS, ALLOW_DEVELOPMENT_KEY } = readSettings(env, [
      'BOOTSTRAP_APPS',
      'ALLOW_DESTINATIONS',
      'ALLOW_DEVELOPMENT_KEY',
    ]);
    expect(BOOTSTRAP_APPS).toEqual(DEMO_APPLICATIONS);
    expect(ALLOW_DEVELOPMENT_KEY).toBe(true);
    expect(await read('docker-compose.yml')).toContain(`subnet: ${ALLOW_DESTINATIONS![0]!}`);
    expect((await compose()).services[env['COMPOSE_PROFILES']!]!.profiles).toEqual([env['COMPOSE_PROFILES']]);
  });
});

it('runs the demo beside the services: its agent, its receiver, and lines that lead there', { timeout: 60_000 }, async () => {
  const database = await createTestDatabase();
  const [port = 0] = await freePorts(1);
  const environment = { DATABASE_URL: database.url, KAFKA_BROKERS: '127.0.0.1:1', RECEIVER_PORT: String(port) };
  const demo = ServiceProcess.start('all-in-one', environment, { entry: 'demo.js' });
  try {
    await eventually('the lines', () => demo.output.includes('# 3. See the notification'), 40_000);
    expect(demo.output).toContain(`"url":"http://demo:${port}/login"`);
    await fetch(`http://127.0.0.1:${port}/login?agent_id=136`);
    await eventually('the line of the request', () => demo.output.includes('GET /login?agent_id=136'));
    const received = (await (await fetch(`http://127.0.0.1:${port}/received`)).json()) as { url: string }[];
    expect(received.map(({ url }) => url)).toEqual(['/login?agent_id=136']);
  } finally {
    await demo.stop();
    await database.drop();
  }
});

it('lets a password hold characters that a URL cannot, as docker-compose.yml gives it', { timeout: 60_000 }, async () => {
  const database = await createTestDatabase();
  const role = `${database.name}_user`;
  const password = `p/#?%20@: "w"`;
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await client.query(`create role ${role} superuser login password ${client.escapeLiteral(password)}`);
    const url = new URL(inject('postgresUrl'));
    const migrate = ServiceProcess.migrate({
      DATABASE_URL: `postgresql://${role}@${url.host}/${database.name}`,
      PGPASSWORD: password,
    });
    expect([await migrate.exited(), migrate.output]).toEqual([0, expect.stringContaining('database.migrated')]);
    const wrong = ServiceProcess.migrate({
      DATABASE_URL: `postgresql://${role}@${url.host}/${database.name}`,
      PGPASSWORD: 'other',
    });
    expect(await wrong.exited()).toBe(1);
  } finally {
    await client.query(`drop role if exists ${role}`);
    await client.end();
    await database.drop();
  }
});
