import { SigningKeyRepository } from '#auth';
import { connectDatabase, EmbeddedPostgres } from '#database';
import { createLogger, StartError, type Settings } from '#runtime';
import { readCommand, USAGE, UsageError, type Command } from './arguments.js';
import { showKeys, table } from './output.js';

/** Where the command reads its settings and writes its answer. */
export interface Surroundings {
  readonly readSettings: () => Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
}

const OK = 0;
const FAILED = 1;
const WRONG_USAGE = 2;

/**
 * Runs one command on the signing keys of a database. It makes no key itself, so that it needs no ENCRYPTION_KEY and
 * no private key leaves the services: it leaves word in the database, which subscription-api acts on.
 *
 * @param args without the program's name
 * @returns the exit code: 0, 1 when it failed, 2 when the arguments are wrong
 */
export async function run(args: readonly string[], { readSettings, write, writeError }: Surroundings): Promise<number> {
  try {
    const command = readCommand(args);
    if (command.name === 'help') write(USAGE);
    else write(await withKeys(await findDatabase(readSettings()), (keys) => carryOut(command, keys)));
    return OK;
  } catch (error) {
    if (error instanceof UsageError) {
      writeError(`${error.message}\n\n${USAGE}`);
      return WRONG_USAGE;
    }
    writeError(`${(error as Error).message}\n`);
    return FAILED;
  }
}

async function carryOut(command: Exclude<Command, { name: 'help' }>, repository: SigningKeyRepository): Promise<string> {
  if (command.name === 'list') {
    const { keys, now } = await repository.read();
    const shown = showKeys(keys, now);
    return command.json ? `${JSON.stringify(shown, null, 2)}\n` : table(shown);
  }
  if (command.now) {
    const deleted = await repository.deleteAll();
    return `Deleted ${deleted.length === 0 ? 'nothing: there was no key' : deleted.join(', ')}.\nEvery token is refused within 10 seconds; a running subscription-api makes a new key.\n`;
  }
  await repository.askReplacement();
  return 'Asked for a new key. A running subscription-api makes it within seconds; it signs ten minutes later.\n';
}

async function findDatabase({
  DATABASE_URL: url,
  DATA_DIR: dataDir,
}: Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>): Promise<string> {
  const found = url ?? (await EmbeddedPostgres.findRunning(dataDir));
  if (found === undefined)
    throw new StartError(
      `DATABASE_URL: is required: the database of the keys (no all-in-one is running on ${dataDir}, whose own would be taken)`,
    );
  return found;
}

async function withKeys(url: string, work: (repository: SigningKeyRepository) => Promise<string>): Promise<string> {
  // Tried once: whoever types a command is there to try again.
  const dataSource = await connectDatabase(
    { url, applicationName: 'rollcall-keys', poolSize: 1 },
    [],
    createLogger('keys', 'silent'),
    0,
  );
  try {
    return await work(new SigningKeyRepository(dataSource));
  } finally {
    await dataSource.destroy();
  }
}
