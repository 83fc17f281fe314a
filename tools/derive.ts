import 'reflect-metadata';
import { chmod, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InProcessBroker } from '#bus';
import { EmbeddedPostgres, migrate } from '#database';
import { createLogger, describeSettings, readSettings, type RunningService, type ServiceSettings } from '#runtime';
import { startPresence } from '../apps/presence/src/start.js';
import { startSubscriptionApi } from '../apps/subscription-api/src/start.js';
import { asyncApiDocument } from './derive/asyncapi.js';
import { chartFiles } from './derive/chart.js';
import { findDeadCitations } from './derive/citations.js';
import { consoleTypes } from './derive/console-types.js';
import { releaseFiles } from './derive/release.js';
import { describeSchema } from './derive/schema.repository.js';

const root = join(import.meta.dirname, '..', '..');
const logger = createLogger('derive', 'silent');

/** `npm run derive` writes the files that follow from the code; with `--check` it only says which of them differ, and which citations of the contract lead nowhere. */
async function derive(): Promise<Readonly<Record<string, string>>> {
  return {
    '.env.example': envExample(),
    'docs/asyncapi.json': json(asyncApiDocument()),
    ...(await chartFiles(root)),
    ...(await releaseFiles(root)),
    ...(await onMigratedDatabase(async (databaseUrl) => {
      const rest = await openApiDocument(databaseUrl, (settings) => startSubscriptionApi({ settings, logger }));
      const telemetry = await openApiDocument(databaseUrl, (settings) =>
        startPresence({ settings, logger, bus: new InProcessBroker({ consumed: [] }).bus(logger) }),
      );
      return {
        'docs/openapi.json': json(rest),
        'docs/openapi-telemetry.json': json(telemetry),
        'apps/console/src/api/schemas.ts': await consoleTypes(join(root, 'apps/console/src/api/types.ts'), telemetry, rest),
        'docs/schema.md': await describeSchema(databaseUrl),
      };
    })),
  };
}

function json(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

function envExample(): string {
  const lines = [
    '# Every setting, as libs/runtime/src/config.ts describes it (npm run derive). Nothing here needs to be set for `npm start`.',
    '# npm reads a copy of it named .env; the environment wins.',
  ];
  for (const { name, description, inFile } of describeSettings()) {
    const orFile = inFile ? ` Or in a file: ${name}_FILE.` : '';
    lines.push('', `# ${description}${orFile}`, `# ${name}=`);
  }
  return `${lines.join('\n')}\n`;
}

/** As the running service serves it. */
async function openApiDocument(
  databaseUrl: string,
  start: (settings: ServiceSettings) => Promise<RunningService>,
): Promise<unknown> {
  const service = await start({
    ...readSettings({}),
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: [],
    HOST: '127.0.0.1',
    SUBSCRIPTION_API_PORT: 0,
    PRESENCE_PORT: 0,
  });
  try {
    const answer = await fetch(`${service.url}/api/openapi.json`);
    if (!answer.ok) throw new Error(`the API's description cannot be made: ${await answer.text()}`);
    return await answer.json();
  } finally {
    await service.stop();
  }
}

async function onMigratedDatabase<T>(work: (databaseUrl: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'rollcall-derive-'));
  await chmod(directory, 0o755); // the server may run as another user
  const server = await EmbeddedPostgres.start(directory, ['fsync=off']);
  try {
    await server.ensureDatabase('rollcall');
    await migrate(server.url());
    return await work(server.url());
  } finally {
    await server.discard();
  }
}

const check = process.argv.includes('--check');
for (const [file, content] of Object.entries(await derive())) {
  const path = join(root, file);
  const committed = await readFile(path, 'utf8').catch(() => undefined);
  if (committed === content) continue;
  if (check) {
    process.stderr.write(`${file} is not what the code says: run \`npm run derive\` and commit it\n`);
    process.exitCode = 1;
  } else {
    await writeFile(path, content);
    process.stdout.write(`${file}\n`);
  }
}
for (const line of check ? await findDeadCitations(root) : []) {
  process.stderr.write(`${line}\n`);
  process.exitCode = 1;
}
