import { parseArgs } from 'node:util';
import { MAX_KEEP_PREVIOUS_SECONDS, newApplicationSchema, type NewApplication } from '#applications';
import { parseId } from '#contracts';
import { UsageError } from '#runtime';

export const USAGE = `Registers the applications that may ask for tokens.

  npm run app -- create <app_id> --client <id> --access call_api|all|platform
  npm run app -- list [--client <id>]
  npm run app -- rotate <app_id> [--keep-previous-for <seconds>]
  npm run app -- revoke <app_id>

create and rotate show the secret, once: only its hash is kept. A rotated secret is refused from then on, or after
--keep-previous-for (at most ${MAX_KEEP_PREVIOUS_SECONDS}). revoke is for good; the app_id stays taken.

  --json    the answer as JSON, as the REST API has it (npm run --silent app: nothing else)
  --help    this text

In the image: node dist/apps/app/main.js <command> ...
The database is that of DATABASE_URL; without it, that of the all-in-one which is running on DATA_DIR (.rollcall).
`;

/** What the command is to do. */
export type Command =
  | { readonly name: 'create'; readonly application: NewApplication; readonly json: boolean }
  | { readonly name: 'list'; readonly clientId: number | undefined; readonly json: boolean }
  | { readonly name: 'rotate'; readonly appId: string; readonly keepPreviousSeconds: number; readonly json: boolean }
  | { readonly name: 'revoke'; readonly appId: string; readonly json: boolean };

const text = { type: 'string' } as const;
const OPTIONS = {
  create: { client: text, access: text },
  list: { client: text },
  rotate: { 'keep-previous-for': text },
  revoke: {},
} as const;

/** How arguments are called that the schema of an application knows by the names of its fields. */
const SHOWN: Readonly<Record<string, string>> = { client_id: '--client', access: '--access' };

/**
 * Reads the command line. Pure.
 *
 * @param args without the program's name
 * @throws UsageError
 */
export function readCommand(args: readonly string[]): Command | { readonly name: 'help' } {
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError('a command is required');
  if (['help', '--help', '-h'].includes(name)) return { name: 'help' };
  if (!isCommandName(name)) throw new UsageError(`${name} is no command`);
  const { values, positionals } = parse(name, rest);
  if (values['help'] === true) return { name: 'help' };
  const json = values['json'] === true;
  const value = (option: string): string | undefined => values[option] as string | undefined;
  const [appId, ...more] = name === 'list' ? [undefined, ...positionals] : positionals;
  if (more.length > 0) throw new UsageError(`${more.join(' ')}: is too much`);
  switch (name) {
    case 'create':
      return { name, json, application: readApplication(appId, value('client'), value('access')) };
    case 'list':
      return { name, json, clientId: readClient(value('client')) };
    case 'rotate':
      return { name, json, appId: required(appId), keepPreviousSeconds: readSeconds(value('keep-previous-for')) };
    case 'revoke':
      return { name, json, appId: required(appId) };
  }
}

function isCommandName(name: string): name is keyof typeof OPTIONS {
  return Object.hasOwn(OPTIONS, name);
}

function parse(name: keyof typeof OPTIONS, args: string[]) {
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args,
      options: { ...OPTIONS[name], json: flag, help: { ...flag, short: 'h' } },
      allowPositionals: true,
    }) as { values: Record<string, string | boolean | undefined>; positionals: string[] };
  } catch (error) {
    throw new UsageError((error as Error).message); // node's own, which names the option
  }
}

function readApplication(app_id: string | undefined, client_id: string | undefined, access: string | undefined): NewApplication {
  const parsed = newApplicationSchema.safeParse({ app_id, client_id, access });
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(({ path, message }) => `${SHOWN[String(path[0])] ?? String(path[0])}: ${message}`);
  throw new UsageError(wrong.join('\n'));
}

function required(appId: string | undefined): string {
  if (appId === undefined) throw new UsageError('app_id: is required');
  return appId;
}

function readClient(client: string | undefined): number | undefined {
  if (client === undefined) return undefined;
  const id = parseId(client);
  if (id === undefined) throw new UsageError('--client: must be a whole number from 0 to 4294967295');
  return id;
}

function readSeconds(seconds: string | undefined): number {
  if (seconds === undefined) return 0;
  if (!/^\d{1,5}$/.test(seconds) || Number(seconds) > MAX_KEEP_PREVIOUS_SECONDS)
    throw new UsageError(`--keep-previous-for: must be a whole number from 0 to ${MAX_KEEP_PREVIOUS_SECONDS}`);
  return Number(seconds);
}
