import type { Command } from 'commander';
import { createSealer, resealAll } from '#database';
import { readSettings } from '#runtime';
import { signingKeyAt, SigningKeyRepository, type StoredSigningKey } from '#auth';
import { withDatabase, type Terminal } from './database.js';
import { asJson, asTable } from './output.js';

const HELP = `
Keys are replaced without this after SIGNING_KEY_LIFETIME. rotate asks for it before: a running subscription-api makes the
new key, which signs after ten minutes, when everybody has it; tokens stay good.
rotate --now is for keys that were stolen: all of them are deleted, and every token is refused within 3 seconds. A running
subscription-api makes a new key within seconds, and applications ask for new tokens.
reseal is for a new ENCRYPTION_KEY, with the one before in ENCRYPTION_KEY_PREVIOUS: docs/encryption-key.md.`;

/** A signing key as the command shows it; the private half is nobody's business. */
export interface ShownKey {
  readonly kid: string;
  readonly state: 'next' | 'signing' | 'replaced';
  readonly created_at: string;
  readonly activates_at: string;
}

/**
 * Adds `keys`: shows the keys that sign tokens, and has them replaced. Contract §2. It makes no key itself, so that for this it needs no
 * ENCRYPTION_KEY and no private key leaves the services: it leaves word in the database, which subscription-api acts on. And seals
 * what is stored with a new ENCRYPTION_KEY.
 */
export function addKeysCommand(program: Command, terminal: Terminal): void {
  const group = program
    .command('keys')
    .description('Shows and replaces the keys that sign tokens, and encrypts secrets with a new key.')
    .addHelpText('after', HELP);

  group
    .command('list')
    .description('lists the keys in the order in which they sign')
    .option('--json', 'answer as JSON')
    .action(async ({ json }: { json?: true }) => {
      const { keys, now } = await work(terminal, (repository) => repository.read());
      const shown = showKeys(keys, now);
      terminal.write(json ? asJson(shown) : list(shown));
    });

  group
    .command('rotate')
    .description('asks for a new key')
    .option('--now', 'delete the old keys at once, and with them every token')
    .action(async ({ now }: { now?: true }) => {
      if (!now) {
        await work(terminal, (repository) => repository.askReplacement());
        return terminal.write(
          'Asked for a new key. A running subscription-api makes it within seconds; it signs ten minutes later.\n',
        );
      }
      const deleted = await work(terminal, (repository) => repository.deleteAll());
      terminal.write(
        `Deleted ${deleted.length === 0 ? 'nothing: there was no key' : deleted.join(', ')}.\nEvery token is refused within 3 seconds; a running subscription-api makes a new key.\n`,
      );
    });

  group
    .command('reseal')
    .description('encrypts with ENCRYPTION_KEY what was encrypted with a key of ENCRYPTION_KEY_PREVIOUS')
    .action(() => reseal(terminal));
}

/** Seals with ENCRYPTION_KEY what was sealed with another. @throws Error in words for people, where something cannot be opened */
async function reseal(terminal: Terminal): Promise<void> {
  const { ENCRYPTION_KEY, ENCRYPTION_KEY_PREVIOUS } = readSettings(terminal.env, ['ENCRYPTION_KEY', 'ENCRYPTION_KEY_PREVIOUS']);
  if (ENCRYPTION_KEY === undefined)
    throw new Error('ENCRYPTION_KEY: set it to the new key, and ENCRYPTION_KEY_PREVIOUS to the one before');
  const sealer = createSealer(ENCRYPTION_KEY, ENCRYPTION_KEY_PREVIOUS);
  const { resealed, unreadable } = await withDatabase(terminal, { name: 'keys', holds: 'secrets' }, (dataSource) =>
    resealAll((sql, values) => dataSource.query(sql, values), sealer),
  );
  terminal.write(`Sealed ${resealed} secrets with key ${sealer.keyId}.\n`);
  if (unreadable.length > 0)
    throw new Error(
      `Left as they are, since no key at hand opens them: ${unreadable.join(', ')}. Name their key in ENCRYPTION_KEY_PREVIOUS.`,
    );
}

/** The keys in the order that they sign in. Pure. */
function showKeys(keys: readonly StoredSigningKey[], now: number): ShownKey[] {
  const current = signingKeyAt(keys, now);
  return keys.map((key) => ({
    kid: key.kid,
    state: key === current ? 'signing' : key.activatesAt > now ? 'next' : 'replaced',
    created_at: new Date(key.createdAt).toISOString(),
    activates_at: new Date(key.activatesAt).toISOString(),
  }));
}

function work<Result>(terminal: Terminal, ask: (repository: SigningKeyRepository) => Promise<Result>): Promise<Result> {
  return withDatabase(terminal, { name: 'keys', holds: 'keys' }, (dataSource) => ask(new SigningKeyRepository(dataSource)));
}

function list(keys: readonly ShownKey[]): string {
  return asTable(
    ['kid', 'state', 'created_at', 'activates_at'],
    keys.map(({ kid, state, created_at, activates_at }) => [kid, state, created_at, activates_at]),
  );
}
