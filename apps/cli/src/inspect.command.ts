import { Argument, InvalidArgumentError, type Command } from 'commander';
import { AGENT_TYPES, type AgentType } from '#contracts';
import { explainDatabaseError, poolOf } from '#database';
import { parseDeliveryId } from '#webhook';
import { decimalId } from './clients.command.js';
import { withDatabase, type Terminal } from './database.js';
import { InspectRepository, MOST_COUNTED, MOST_ROWS } from './inspect.repository.js';
import { asJson, asSections } from './output.js';

const HELP = `
Shows the rows of one moment, as docs/schema.md has them, and writes nothing. Lists end after ${MOST_ROWS} rows, counts at ${MOST_COUNTED}.
No secrets are shown; of a url with a user or a query only the origin.`;

interface JsonOption {
  readonly json?: true;
}

/** Adds `inspect`: shows what the tables have of a delivery, an agent or a shard. */
export function addInspectCommand(program: Command, terminal: Terminal): void {
  const group = program
    .command('inspect')
    .description('Shows what the database has of a delivery, an agent or a partition. Writes nothing.')
    .addHelpText('after', HELP);

  subcommand(group, 'delivery', 'shows the change, the agent event, and how far the delivery is')
    .argument('<delivery_id>', 'its `webhook-id`', deliveryKey)
    .action(async ({ changeId, agentEventId, id }: DeliveryKey, { json }: JsonOption) => {
      const found = await inspect(terminal, (repository) => repository.delivery(changeId, agentEventId));
      if (!found) throw new Error(`${id}: there is no such delivery`);
      show(terminal, found, json);
    });

  subcommand(group, 'agent', 'shows its state, its last changes, and what is behind for it')
    .argument('<client_id>', 'decimal id of its client', decimalId)
    .addArgument(new Argument('<type>', 'what it is').choices([...AGENT_TYPES]))
    .argument('<agent_id>', 'its decimal id', decimalId)
    .action(async (clientId: number, type: AgentType, agentId: number, { json }: JsonOption) => {
      const found = await inspect(terminal, (repository) => repository.agent({ clientId, agentId }, type));
      if (!found) throw new Error(`${type} ${agentId}: there is no such agent of client ${clientId}`);
      show(terminal, found, json);
    });

  subcommand(group, 'partition', 'shows who has the lease of a shard of the dispatcher, and what waits in it and in the outbox')
    .argument('<n>', 'number of the shard; that of a partition is its number modulo the number of shards', decimalId)
    .action(async (shard: number, { json }: JsonOption) => {
      const found = await inspect(terminal, (repository) => repository.partition(shard));
      if (found === 0) throw new Error(`${shard}: there are no shards yet: no dispatcher has worked on this database`);
      if (typeof found === 'number') throw new Error(`${shard}: there is no such shard: they are 0 to ${found - 1}`);
      show(terminal, found, json);
    });
}

function subcommand(group: Command, name: string, description: string): Command {
  return group.command(name).description(description).option('--json', 'answer as JSON');
}

function inspect<Result>(terminal: Terminal, ask: (repository: InspectRepository) => Promise<Result>): Promise<Result> {
  const use = { name: 'inspect', holds: 'deliveries' };
  return withDatabase(terminal, use, async (dataSource) => {
    try {
      return await ask(new InspectRepository(poolOf(dataSource)));
    } catch (cause) {
      throw new Error(`The database cannot be read: ${explainDatabaseError(cause)}`, { cause });
    }
  });
}

function show(terminal: Terminal, found: object, json?: true): void {
  terminal.write(json ? asJson(found) : asSections({ ...found }));
}

interface DeliveryKey {
  readonly id: string;
  readonly changeId: string;
  readonly agentEventId: number;
}

function deliveryKey(id: string): DeliveryKey {
  const key = parseDeliveryId(id);
  if (!key) throw new InvalidArgumentError('must be the id of a change, `_` and the id of an agent event');
  return { id, ...key };
}
