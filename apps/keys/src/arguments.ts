import { parseArgs } from 'node:util';
import { UsageError } from '#runtime';

export const USAGE = `Shows and replaces the keys that sign tokens.

  npm run keys -- list
  npm run keys -- rotate
  npm run keys -- rotate --now

Keys are replaced without this after SIGNING_KEY_LIFETIME. rotate asks for it before: a running subscription-api makes the
new key, which signs after ten minutes, when everybody has it; tokens stay good.
rotate --now is for keys that were stolen: all of them are deleted, and every token is refused within 3 seconds. A running
subscription-api makes a new key within seconds, and applications ask for new tokens.

  --json    list as JSON
  --help    this text

In the image: node dist/apps/keys/main.js <command> ...
The database is that of DATABASE_URL; without it, that of the all-in-one which is running on DATA_DIR (.rollcall).
`;

/** What the command is to do. */
export type Command = { readonly name: 'list'; readonly json: boolean } | { readonly name: 'rotate'; readonly now: boolean };

const flag = { type: 'boolean' } as const;
const help = { ...flag, short: 'h' } as const;

/**
 * Reads the command line. Pure.
 *
 * @param args without the program's name
 * @throws UsageError
 */
export function readCommand([name, ...args]: readonly string[]): Command | { readonly name: 'help' } {
  if (name === undefined) throw new UsageError('a command is required');
  try {
    switch (name) {
      case 'help':
      case '--help':
      case '-h':
        return { name: 'help' };
      case 'list': {
        const { values } = parseArgs({ args, options: { json: flag, help } });
        return values.help ? { name: 'help' } : { name, json: values.json ?? false };
      }
      case 'rotate': {
        const { values } = parseArgs({ args, options: { now: flag, help } });
        return values.help ? { name: 'help' } : { name, now: values.now ?? false };
      }
    }
  } catch (error) {
    throw new UsageError((error as Error).message); // node's own, which names the option
  }
  throw new UsageError(`${name} is no command`);
}
