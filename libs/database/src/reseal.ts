import type { Sealer } from './sealing.js';

/** Where sealed texts are: a key that they can be walked by, and the text. */
const SEALED = [
  { table: 'subscription.webhook_secret', key: 'id::text', order: 'id', start: '-1', type: 'bigint', column: 'secret_sealed' },
  { table: 'access.signing_key', key: 'kid', order: 'kid', start: '', type: 'text', column: 'private_jwk_sealed' },
] as const;
const ROWS = 200;

type Query = (sql: string, parameters: unknown[]) => Promise<{ key: string; sealed: string }[]>;

/** What came of sealing anew. */
interface Resealed {
  readonly resealed: number;
  /** Sealed with a key that is not at hand, or damaged: they are left as they are. Such as `subscription.webhook_secret 7 (…)`. */
  readonly unreadable: readonly string[];
}

/**
 * Seals with the current key all that was sealed with another, so many rows at a time: nobody is held up, and what is changed
 * meanwhile is left to whoever changed it. It may be cut off, and done again.
 *
 * @throws the database's error
 */
export async function resealAll(query: Query, sealer: Sealer): Promise<Resealed> {
  let resealed = 0;
  const unreadable: string[] = [];
  for (const { table, key, order, start, type, column } of SEALED) {
    let after: string = start;
    for (;;) {
      const rows = await query(
        `select ${key} as key, ${column} as sealed from ${table} where ${order} > $1::${type} order by ${order} limit ${ROWS}`,
        [after],
      );
      for (const row of rows) {
        if (row.sealed.split('.')[1] === sealer.keyId) continue;
        let secret: string;
        try {
          secret = sealer.open(row.sealed);
        } catch (error) {
          unreadable.push(`${table} ${row.key} (${(error as Error).message})`);
          continue;
        }
        await query(`update ${table} set ${column} = $3 where ${order} = $1::${type} and ${column} = $2`, [
          row.key,
          row.sealed,
          sealer.seal(secret),
        ]);
        resealed += 1;
      }
      if (rows.length < ROWS) break;
      after = rows.at(-1)!.key;
    }
  }
  return { resealed, unreadable };
}
