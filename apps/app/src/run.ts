import { ApplicationRepository, Applications, type Application } from '#applications';
import { ApplicationEntity, runOperatorCommand } from '#database';
import type { Surroundings } from '#runtime';
import { readCommand, USAGE, type Command } from './arguments.js';
import { describe, table } from './output.js';

/** What went wrong, in words for the person who typed the command. */
class CommandError extends Error {}

/** Runs one command on the applications of a database: see {@link runOperatorCommand}. */
export function run(args: readonly string[], surroundings: Surroundings): Promise<number> {
  return runOperatorCommand<Command>(
    args,
    {
      name: 'app',
      holds: 'applications',
      entities: [ApplicationEntity],
      usage: USAGE,
      read: readCommand,
      carryOut: (command, dataSource) => carryOut(command, new Applications(new ApplicationRepository(dataSource))),
    },
    surroundings,
  );
}

async function carryOut(command: Command, applications: Applications): Promise<string> {
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
