import type { DataSource } from 'typeorm';
import { createLogger, runCommand, StartError, type CommandLine, type Settings, type Surroundings } from '#runtime';
import { connectDatabase } from './connect.js';
import { EmbeddedPostgres } from './embedded-postgres.js';

/** An operator's command that works on the database. */
export interface OperatorCommand<Command extends { readonly name: string }> extends Omit<CommandLine<Command>, 'carryOut'> {
  /** Shown in `pg_stat_activity` behind `rollcall-`. */
  readonly name: string;
  /** What the database is looked for, in words for people. */
  readonly holds: string;
  readonly entities?: Parameters<typeof connectDatabase>[1];
  /** @returns the answer @throws what stood in the way, in words for people */
  readonly carryOut: (command: Command, dataSource: DataSource) => Promise<string>;
}

/**
 * Runs an operator's command on the database of DATABASE_URL, or of the all-in-one which is running on DATA_DIR.
 *
 * @param args without the program's name
 * @returns the exit code, as of {@link runCommand}; 1 also where there is no database, or it cannot be used
 */
export function runOperatorCommand<Command extends { readonly name: string }>(
  args: readonly string[],
  { carryOut, ...about }: OperatorCommand<Command>,
  surroundings: Surroundings,
): Promise<number> {
  const onDatabase = async (command: Command, settings: Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>): Promise<string> => {
    const dataSource = await connect(settings, about);
    try {
      return await carryOut(command, dataSource);
    } finally {
      await dataSource.destroy();
    }
  };
  return runCommand<Command>(args, { ...about, carryOut: onDatabase }, surroundings);
}

/** Tried once: whoever types a command is there to try again. */
async function connect(
  { DATABASE_URL, DATA_DIR }: Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>,
  { name, holds, entities = [] }: Pick<OperatorCommand<{ readonly name: string }>, 'name' | 'holds' | 'entities'>,
): Promise<DataSource> {
  const url = await databaseUrlOf({ DATABASE_URL, DATA_DIR }, `the database of the ${holds}`);
  return connectDatabase({ url, applicationName: `rollcall-${name}`, poolSize: 1 }, entities, createLogger(name, 'silent'), {
    timeoutMs: 0,
  });
}

/**
 * The database that a command works on: that of DATABASE_URL, or that of the all-in-one which is running on DATA_DIR.
 *
 * @param what it is, for people
 * @throws StartError when there is neither
 */
export async function databaseUrlOf(
  { DATABASE_URL, DATA_DIR }: Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>,
  what: string,
): Promise<string> {
  const url = DATABASE_URL ?? (await EmbeddedPostgres.findRunning(DATA_DIR));
  if (url !== undefined) return url;
  throw new StartError(`DATABASE_URL: is required: ${what} (no all-in-one is running on ${DATA_DIR}, whose own would be taken)`);
}
