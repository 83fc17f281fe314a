import { Command, CommanderError } from 'commander';
import { addApplicationsCommand } from './applications.command.js';
import { addClientsCommand } from './clients.command.js';
import type { Terminal } from './database.js';
import { addDoctorCommand } from './doctor.command.js';
import { addInspectCommand } from './inspect.command.js';
import { addKeysCommand } from './keys.command.js';
import { addMigrateCommand } from './migrate.command.js';
import { addRestoredCommand } from './restored.command.js';
import { addSmokeCommand } from './smoke.command.js';

const SUCCEEDED = 0;
const FAILED = 1;
const WRONG_USAGE = 2;

const FOOTER = `
In the image: node dist/apps/cli/main.js <command> ...
The database is that of DATABASE_URL; without it, that of the all-in-one which is running on DATA_DIR (.rollcall).`;

/**
 * Runs one command of an operator.
 *
 * @param args without the program's name
 * @returns the exit code: 0, 1 when the command failed, 2 when the arguments are wrong; all is told on the terminal
 */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('npm run cli --')
    .description('Commands for operators of Rollcall.')
    .addHelpText('after', FOOTER)
    .exitOverride()
    .configureOutput({ writeOut: terminal.write, writeErr: terminal.writeError })
    .showHelpAfterError();
  addApplicationsCommand(program, terminal);
  addClientsCommand(program, terminal);
  addInspectCommand(program, terminal);
  addKeysCommand(program, terminal);
  addMigrateCommand(program, terminal);
  addRestoredCommand(program, terminal);
  addSmokeCommand(program, terminal);
  addDoctorCommand(program, terminal);
  try {
    await program.parseAsync(args, { from: 'user' });
    return SUCCEEDED;
  } catch (error) {
    // The library has told what is wrong with the arguments, and throws after the help, too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? SUCCEEDED : WRONG_USAGE;
    terminal.writeError(`${(error as Error).message}\n`);
    return FAILED;
  }
}
