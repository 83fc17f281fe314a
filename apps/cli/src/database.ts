import { connectDatabase, databaseUrlOf } from '#database';
import { createLogger, readSettings } from '#runtime';

/** The environment and the output of a command. */
export interface Terminal {
  /** The environment that settings are read from; the process's own by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
}

type DataSource = Awaited<ReturnType<typeof connectDatabase>>;

export interface CommandDatabase {
  /** Shown in `pg_stat_activity` behind `rollcall-`. */
  readonly name: string;
  /** What the command needs of the database, in words for people. */
  readonly holds: string;
  readonly entities?: Parameters<typeof connectDatabase>[1];
}

/** Finds the database that a command works on. @throws Error in words for people */
export function findDatabaseUrl({ env }: Terminal, what: string): Promise<string> {
  return databaseUrlOf(readSettings(env, ['DATABASE_URL', 'DATA_DIR']), what);
}

/**
 * Connects to the database of DATABASE_URL, or of the all-in-one which is running on DATA_DIR, for one piece of work. Tried
 * once: whoever types a command is there to try again.
 *
 * @throws Error in words for people, where there is no database or it cannot be used
 */
export async function withDatabase<Result>(
  terminal: Terminal,
  { name, holds, entities = [] }: CommandDatabase,
  work: (dataSource: DataSource) => Promise<Result>,
): Promise<Result> {
  const url = await findDatabaseUrl(terminal, `the database of the ${holds}`);
  const options = { url, applicationName: `rollcall-${name}`, poolSize: 1 };
  const dataSource = await connectDatabase(options, entities, createLogger(name, 'silent'), { timeoutMs: 0 });
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}
