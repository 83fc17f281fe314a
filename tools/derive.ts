import 'reflect-metadata';
import { chmod, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres, migrate } from '#database';
import { createLogger, describeSettings, readSettings } from '#runtime';
import { startSubscriptionApi } from '../apps/subscription-api/src/start.js';
import { asyncApiDocument } from './derive/asyncapi.js';
import { describeSchema } from './derive/schema.repository.js';

/** `npm run derive` writes the files that follow from the code; with `--check` it only says which of them differ. */
async function derive(): Promise<Readonly<Record<string, string>>> {
  return {
    '.env.example': envExample(),
    'docs/asyncapi.json': json(asyncApiDocument()),
    ...(await onMigratedDatabase(async (databaseUrl) => ({
      'docs/openapi.json': json(await openApiDocument(databaseUrl)),
      'docs/schema.md': await describeSchema(databaseUrl),
    }))),
  };
}

function json(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

function envExample(): string {
  const lines = [
    '# Every setting, as libs/runtime/src/config.ts describes it (npm run derive). Nothing here needs to be set for `npm start`.',
    '# npm reads a copy of it named .env; the environment wins. DATABASE_URL, BOOTSTRAP_APPS and ENCRYPTION_KEY can also be given as files,',
    '# named by DATABASE_URL_FILE and so on.',
  ];
  for (const { name, description } of describeSettings()) lines.push('', `# ${description}`, `# ${name}=`);
  return `${lines.join('\n')}\n`;
}

/** As the running service serves it. */
async function openApiDocument(databaseUrl: string): Promise<unknown> {
  const settings = {
    ...readSettings({}),
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: [],
    HOST: '127.0.0.1',
    SUBSCRIPTION_API_PORT: 0,
  };
  const service = await startSubscriptionApi({ settings, logger: createLogger('derive', 'silent') });
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
const root = join(import.meta.dirname, '..', '..');
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
