import type { Command } from 'commander';
import { listMigrations, migrate, revertMigration } from '#database';
import { createLogger } from '#runtime';
import { findDatabaseUrl, type Terminal } from './database.js';
import { asTable } from './output.js';

/** Adds `migrate`: brings a database up to this version, says where it stands, or takes the newest migration back. */
export function addMigrateCommand(program: Command, terminal: Terminal): void {
  program
    .command('migrate')
    .description('Migrates the database to this version; does nothing if it is there already.')
    .option('--list', 'only list the migrations of the database')
    .option('--revert', 'revert the newest migration, and lose what it added; needs --yes')
    .option('--yes', 'confirm --revert')
    .action(async (options: { list?: true; revert?: true; yes?: true }, command: Command) => {
      if (options.list && options.revert) return command.error('--list and --revert cannot be used together');
      if (options.revert && !options.yes) return command.error('--revert loses what the migration added: add --yes to confirm');
      const url = await findDatabaseUrl(terminal, 'the database to migrate');
      if (options.list) return terminal.write(list(await listMigrations(url)));
      if (options.revert) return terminal.write(`Took back ${await revertMigration(url)}.\n`);
      await bringUp(url);
    });
}

/** Logs as services do: it runs beside them, as a job of Kubernetes. */
async function bringUp(url: string): Promise<void> {
  const logger = createLogger('migrate', 'info');
  const { run, ahead } = await migrate(url, { tell: (reason) => logger.warn({ reason }, 'database.waiting') });
  if (ahead.length > 0) logger.info({ ahead, reason: 'the database is ahead of this version, and compatible' }, 'database.ahead');
  logger.info({ migrations: run }, 'database.migrated');
}

function list(migrations: Awaited<ReturnType<typeof listMigrations>>): string {
  return asTable(
    ['migration', 'state'],
    migrations.map(({ name, state }) => [name, state]),
  );
}
