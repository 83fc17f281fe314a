import { StartError } from '#runtime';
import { arrayOfPlain } from './array-literal.js';
import type { Sealer } from './sealing.js';

/** Signing secrets that these keys open, and one that was sealed with another. */
const FIND_KEYS = `
  select exists (select from subscription.webhook_secret where split_part(secret_sealed, '.', 2) = any ($1::text[])) as fits,
         (select split_part(secret_sealed, '.', 2) from subscription.webhook_secret where secret_sealed like 'v1.%' limit 1) as found`;

/**
 * Makes sure that the secrets in the database were sealed with our key: a service with another one would open none of them.
 *
 * @returns false where there is no secret yet, so that nothing can be said
 * @throws StartError when there are secrets, and none that this key opens
 */
export async function assertKeyFits(
  query: (sql: string, parameters: string[]) => Promise<{ fits: boolean; found: string | null }[]>,
  sealer: Pick<Sealer, 'keyId' | 'keyIds'>,
): Promise<boolean> {
  const [row] = await query(FIND_KEYS, [arrayOfPlain(sealer.keyIds, (id) => id)]);
  if (!row || row.fits || row.found === null) return row?.fits ?? false;
  throw new StartError(
    `ENCRYPTION_KEY: the signing secrets in the database were sealed with key ${row.found}, and this is key ${sealer.keyId}: give every service the same ENCRYPTION_KEY`,
  );
}
