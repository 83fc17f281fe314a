import { setTimeout as delay } from 'node:timers/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { ClientRemovalRepository } from '#applications';
import { parseId } from '#contracts';
import { withDatabase, type Terminal } from './database.js';

/** Who has done it, for the audit log, when it was done by a command. */
export const COMMAND_LINE = 'command line';

const HELP = `
remove takes away a client with all that is kept of it: agent events, agents, logs, deliveries, notices, secrets, applications.
Its applications can do nothing any more within 3 seconds. It goes on in small steps, which hold nobody up; one that was cut off is
gone on with by a running subscription-api, or by the same command. Of an agent its number stays, and how many changes it had.`;

/** Between two steps, in milliseconds: others have their turn. */
const STEP_MS = 5;
/** Until it is looked again how far a running service has got, in milliseconds. */
const ELSEWHERE_MS = 200;

/** Adds `clients`: removes a client with all that is kept of it, as docs/applications.md says. */
export function addClientsCommand(program: Command, terminal: Terminal): void {
  const group = program.command('clients').description('Removes clients.').addHelpText('after', HELP);

  group
    .command('remove')
    .argument('<client_id>', 'its decimal id', decimalId)
    .description('removes a client with all that is kept of it, for good')
    .action(async (id: number) => {
      const use = { name: 'clients', holds: 'clients' };
      await withDatabase(terminal, use, async (dataSource) => {
        const removals = new ClientRemovalRepository(dataSource);
        if (!(await removals.request(id, COMMAND_LINE))) throw new Error(`${id}: there is no such client`);
        while (await removals.isRunning(id)) await delay((await removals.step()) ? STEP_MS : ELSEWHERE_MS);
      });
      terminal.write(`Client ${id} is removed.\n`);
    });
}

/** Reads a decimal id out of an argument. @throws InvalidArgumentError when it is none */
export function decimalId(text: string): number {
  const id = parseId(text);
  if (id === undefined) throw new InvalidArgumentError('must be a whole number from 0 to 4294967295');
  return id;
}
