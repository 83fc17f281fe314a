import type { DataSource } from 'typeorm';
import { createLogger, StartError, type Settings } from '#runtime';
import { connectDatabase } from './connect.js';
import { EmbeddedPostgres } from './embedded-postgres.js';

/** What a command connects as, and for what. */
export interface OperatorConnection {
  /** Shown in `pg_stat_activity` behind `rollcall-`. */
  readonly name: string;
  /** What the database is looked for, in words for people. */
  readonly holds: string;
  readonly entities?: Parameters<typeof connectDatabase>[1];
}

/**
 * Works on the database of an operator's command: that of DATABASE_URL, or of the all-in-one which is running on DATA_DIR.
 * Tried once: whoever types a command is there to try again.
 *
 * @throws StartError when there is none, or it cannot be used
 */
export async function withOperatorDatabase<Answer>(
  { DATABASE_URL, DATA_DIR }: Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>,
  { name, holds, entities = [] }: OperatorConnection,
  work: (dataSource: DataSource) => Promise<Answer>,
): Promise<Answer> {
  const url = DATABASE_URL ?? (await EmbeddedPostgres.findRunning(DATA_DIR));
  if (url === undefined)
    throw new StartError(
      `DATABASE_URL: is required: the database of the ${holds} (no all-in-one is running on ${DATA_DIR}, whose own would be taken)`,
    );
  const options = { url, applicationName: `rollcall-${name}`, poolSize: 1 };
  const dataSource = await connectDatabase(options, entities, createLogger(name, 'silent'), 0);
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}
