import { signingKeyAt, type StoredSigningKey } from '#auth';

/** A signing key as the command shows it; the private half is nobody's business. */
export interface ShownKey {
  readonly kid: string;
  readonly state: 'next' | 'signing' | 'replaced';
  readonly created_at: string;
  readonly activates_at: string;
}

/** The keys in the order that they sign in. Pure. */
export function showKeys(keys: readonly StoredSigningKey[], now: number): ShownKey[] {
  const current = signingKeyAt(keys, now);
  return keys.map((key) => ({
    kid: key.kid,
    state: key === current ? 'signing' : key.activatesAt > now ? 'next' : 'replaced',
    created_at: new Date(key.createdAt).toISOString(),
    activates_at: new Date(key.activatesAt).toISOString(),
  }));
}

/** Keys, a line each, in columns. */
export function table(keys: readonly ShownKey[]): string {
  const line = ({ kid, state, created_at, activates_at }: Readonly<Record<keyof ShownKey, string>>): string =>
    `${kid.padEnd(43)}  ${state.padEnd(8)}  ${created_at.padEnd(24)}  ${activates_at}\n`;
  const title = { kid: 'kid', state: 'state', created_at: 'created_at', activates_at: 'activates_at' };
  return [title, ...keys].map(line).join('');
}
