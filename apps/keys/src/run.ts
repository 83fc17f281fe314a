import { SigningKeyRepository } from '#auth';
import { runOperatorCommand } from '#database';
import type { Surroundings } from '#runtime';
import { readCommand, USAGE, type Command } from './arguments.js';
import { showKeys, table } from './output.js';

/**
 * Runs one command on the signing keys of a database: see {@link runOperatorCommand}. It makes no key itself, so that it needs no
 * ENCRYPTION_KEY and no private key leaves the services: it leaves word in the database, which subscription-api acts on.
 */
export function run(args: readonly string[], surroundings: Surroundings): Promise<number> {
  return runOperatorCommand<Command>(
    args,
    {
      name: 'keys',
      holds: 'keys',
      usage: USAGE,
      read: readCommand,
      carryOut: (command, dataSource) => carryOut(command, new SigningKeyRepository(dataSource)),
    },
    surroundings,
  );
}

async function carryOut(command: Command, repository: SigningKeyRepository): Promise<string> {
  if (command.name === 'list') {
    const { keys, now } = await repository.read();
    const shown = showKeys(keys, now);
    return command.json ? `${JSON.stringify(shown, null, 2)}\n` : table(shown);
  }
  if (command.now) {
    const deleted = await repository.deleteAll();
    return `Deleted ${deleted.length === 0 ? 'nothing: there was no key' : deleted.join(', ')}.\nEvery token is refused within 3 seconds; a running subscription-api makes a new key.\n`;
  }
  await repository.askReplacement();
  return 'Asked for a new key. A running subscription-api makes it within seconds; it signs ten minutes later.\n';
}
