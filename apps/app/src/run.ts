import { ApplicationRepository, Applications, type Application } from '#applications';
import { ApplicationEntity, connectDatabase, EmbeddedPostgres } from '#database';
import { createLogger, StartError, type Settings } from '#runtime';
import { readCommand, USAGE, UsageError, type Command } from './arguments.js';
import { describe, table } from './output.js';

/** Where the command reads its settings and writes its answer. */
export interface Surroundings {
  readonly readSettings: () => Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
}

const OK = 0;
const FAILED = 1;
const WRONG_USAGE = 2;

/** What went wrong, in words for the person who typed the command. */
class CommandError extends Error {}

/**
 * Runs one command on the applications of a database.
 *
 * @param args without the program's name
 * @returns the exit code: 0, 1 when it failed, 2 when the arguments are wrong
 */
export async function run(args: readonly string[], { readSettings, write, writeError }: Surroundings): Promise<number> {
  try {
    const command = readCommand(args);
    if (command.name === 'help') write(USAGE);
    else write(await withApplications(await findDatabase(readSettings()), (applications) => carryOut(command, applications)));
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

async function carryOut(command: Exclude<Command, { name: 'help' }>, applications: Applications): Promise<string> {
  const show = (application: Application): string => (command.json ? asJson(application) : describe(application));
  switch (command.name) {
    case 'create': {
      const registered = await applications.register(command.application);
      if (!registered) throw new CommandError(`${command.application.app_id}: is taken`);
      return show(registered);
    }
    case 'list': {
      const found = await applications.list(command.clientId);
      return command.json ? asJson(found) : table(found);
    }
    case 'rotate':
      return show((await applications.rotateSecret(command.appId, command.keepPreviousSeconds)) ?? missing(command.appId));
    case 'revoke':
      return show((await applications.revoke(command.appId)) ?? missing(command.appId));
  }
}

function missing(appId: string): never {
  throw new CommandError(`${appId}: there is no such application, or it is revoked`);
}

function asJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

async function findDatabase({
  DATABASE_URL: url,
  DATA_DIR: dataDir,
}: Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>): Promise<string> {
  const found = url ?? (await EmbeddedPostgres.findRunning(dataDir));
  if (found === undefined)
    throw new StartError(
      `DATABASE_URL: is required: the database of the applications (no all-in-one is running on ${dataDir}, whose own would be taken)`,
    );
  return found;
}

async function withApplications(url: string, work: (applications: Applications) => Promise<string>): Promise<string> {
  const options = { url, applicationName: 'rollcall-app', poolSize: 1 };
  // Tried once: whoever types a command is there to try again.
  const dataSource = await connectDatabase(options, [ApplicationEntity], createLogger('app', 'silent'), 0);
  try {
    return await work(new Applications(new ApplicationRepository(dataSource)));
  } finally {
    await dataSource.destroy();
  }
}
