import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  ApplicationRepository,
  Applications,
  MAX_KEEP_PREVIOUS_SECONDS,
  newApplicationSchema,
  type Application,
  type ApplicationWithSecret,
} from '#applications';
import { ACCESS_LEVELS } from '#auth';
import { ApplicationEntity } from '#database';
import { howToRun } from '#runtime';
import { COMMAND_LINE, decimalId } from './clients.command.js';
import { withDatabase, type Terminal } from './database.js';
import { asFields, asJson, asTable } from './output.js';

const HELP = `
create and rotate show the secret, once: only its hash is kept. A rotated secret is refused from then on, or after
--keep-previous-for. revoke is for good; the app_id stays taken.`;

interface JsonOption {
  readonly json?: true;
}

/** Adds `applications`: registers the applications that may ask for tokens, lists them, rotates and revokes. Contract §2. */
export function addApplicationsCommand(program: Command, terminal: Terminal): void {
  const group = program
    .command('applications')
    .description('Registers the applications that may ask for tokens.')
    .addHelpText('after', HELP);
  const show = (application: Application, { json }: JsonOption): void =>
    terminal.write(json ? asJson(application) : describe(application));

  subcommand(group, 'create <app_id>', 'registers an application and shows its secret')
    .addOption(new Option('--client <id>', 'client that it belongs to').argParser(decimalId).makeOptionMandatory())
    .addOption(new Option('--access <level>', 'what it may do').choices([...ACCESS_LEVELS]).makeOptionMandatory())
    .action(async (appId: string, options: JsonOption & { client: number; access: string }) => {
      const parsed = newApplicationSchema.safeParse({ app_id: appId, client_id: options.client, access: options.access });
      if (!parsed.success)
        return group.error(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
      const registered = await work(terminal, (applications) => applications.register(parsed.data, COMMAND_LINE));
      if (!registered) throw new Error(`${appId}: is taken`);
      show(registered, options);
    });

  subcommand(group, 'list', 'lists applications, also revoked ones')
    .option('--client <id>', 'only those of one client', decimalId)
    .action(async ({ client, json }: JsonOption & { client?: number }) => {
      const found = await work(terminal, (applications) => applications.list(client));
      terminal.write(json ? asJson(found) : list(found));
    });

  subcommand(group, 'rotate <app_id>', 'gives an application a new secret and shows it')
    .option(
      '--keep-previous-for <seconds>',
      `how long the old secret still works, at most ${MAX_KEEP_PREVIOUS_SECONDS}`,
      seconds,
      0,
    )
    .action(async (appId: string, options: JsonOption & { keepPreviousFor: number }) => {
      const rotated = await work(terminal, (applications) =>
        applications.rotateSecret(appId, options.keepPreviousFor, COMMAND_LINE),
      );
      show(rotated ?? missing(appId), options);
    });

  subcommand(group, 'revoke <app_id>', 'ends an application: its tokens are refused within 3 seconds').action(
    async (appId: string, options: JsonOption) => {
      show((await work(terminal, (applications) => applications.revoke(appId, COMMAND_LINE))) ?? missing(appId), options);
    },
  );
}

function subcommand(group: Command, usage: string, description: string): Command {
  return group.command(usage).description(description).option('--json', 'answer as JSON, as the REST API has it');
}

function work<Result>(terminal: Terminal, ask: (applications: Applications) => Promise<Result>): Promise<Result> {
  const use = { name: 'applications', holds: 'applications', entities: [ApplicationEntity] };
  return withDatabase(terminal, use, (dataSource) => ask(new Applications(new ApplicationRepository(dataSource))));
}

function seconds(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > MAX_KEEP_PREVIOUS_SECONDS)
    throw new InvalidArgumentError(`must be a whole number from 0 to ${MAX_KEEP_PREVIOUS_SECONDS}`);
  return Number(text);
}

function missing(appId: string): never {
  throw new Error(`${appId}: there is no such application, or it is revoked`);
}

function describe(application: Application | ApplicationWithSecret): string {
  return `${asFields(application)}${'secret' in application ? '\nKeep the secret: it is not shown again.\n' : ''}`;
}

function list(applications: readonly Application[]): string {
  if (applications.length === 0)
    return `There are no applications yet. The first one: ${howToRun('applications')} create <app_id> --client <client_id> --access platform\n`;
  const titles = ['app_id', 'client_id', 'access', 'created_at', 'revoked_at'];
  return asTable(
    titles,
    applications.map((one) => [one.app_id, String(one.client_id), one.access, one.created_at, one.revoked_at ?? '-']),
  );
}
