import type { JWK } from 'jose';
import type { DataSource, EntityManager } from 'typeorm';
import { isSettled, planRotation, type RotatingKey } from './key-rotation.js';

/** A signing key as it is kept; the private half is sealed. */
export interface StoredSigningKey extends RotatingKey {
  readonly publicJwk: JWK;
  readonly privateJwkSealed: string;
  /** In milliseconds since 1970. */
  readonly createdAt: number;
}

/** A key that was just made. */
export type NewSigningKey = Pick<StoredSigningKey, 'kid' | 'publicJwk' | 'privateJwkSealed'>;

/** What a rotation did. */
export interface KeyRotation {
  /** The keys as they are now. */
  readonly keys: StoredSigningKey[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

interface Row {
  readonly kid: string;
  readonly public_jwk: JWK;
  readonly private_jwk_sealed: string;
  readonly created_at: number;
  readonly activates_at: number;
  readonly is_replacement_asked: boolean;
  readonly now: number;
}

/**
 * Reads and rotates the signing keys in the database. Times are those of the database's clock, so that instances need not agree
 * on one.
 */
export class SigningKeyRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** Reads every key, and the time. */
  async read(): Promise<{ readonly keys: StoredSigningKey[]; readonly now: number }> {
    return readKeys(this.dataSource.manager);
  }

  /**
   * Executes {@link planRotation}. Of several instances at once, one rotates and the others find it done.
   *
   * @param lifetimeMs how long a key signs
   * @param make makes the key that is added; called only where one is
   */
  rotate(lifetimeMs: number, make: () => Promise<NewSigningKey>): Promise<KeyRotation> {
    return this.locked(async (manager) => {
      const before = await readKeys(manager);
      const plan = planRotation(before.keys, before.now, lifetimeMs);
      if (isSettled(plan)) return { keys: before.keys, added: [], removed: [] };
      if (plan.remove.length > 0) await manager.query('delete from access.signing_key where kid = any ($1)', [plan.remove]);
      const made = plan.addActivatingAt === undefined ? undefined : await make();
      if (made) {
        await manager.query(
          `insert into access.signing_key (kid, public_jwk, private_jwk_sealed, activates_at)
           values ($1, $2, $3, to_timestamp($4::float8 / 1000))`,
          [made.kid, made.publicJwk, made.privateJwkSealed, plan.addActivatingAt],
        );
      }
      return { keys: (await readKeys(manager)).keys, added: made ? [made.kid] : [], removed: plan.remove };
    });
  }

  /** Asks for a successor of the key that signs now, whatever its age; there is one already where the last key is yet to sign. */
  async askReplacement(): Promise<void> {
    await this.locked((manager) =>
      manager.query(
        `update access.signing_key set replacement_asked_at = now() where kid =
           (select kid from access.signing_key where activates_at <= now() order by activates_at desc, kid desc limit 1)`,
      ),
    );
  }

  /**
   * Deletes every key and thereby ends every token: whoever stole one key may have the others.
   *
   * @returns the ids of those that were deleted
   */
  deleteAll(): Promise<string[]> {
    return this.locked(async (manager) => {
      const { keys } = await readKeys(manager);
      await manager.query('delete from access.signing_key');
      return keys.map(({ kid }) => kid);
    });
  }

  private locked<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(`select pg_advisory_xact_lock(hashtext('access.signing_key'))`);
      return work(manager);
    });
  }
}

async function readKeys(manager: EntityManager): Promise<{ keys: StoredSigningKey[]; now: number }> {
  // The time comes along also where there is no key. clock_timestamp(): whoever waited for the lock reads the time after it.
  const rows: (Row | { readonly kid: null; readonly now: number })[] = await manager.query(
    `select kid, public_jwk, private_jwk_sealed, replacement_asked_at is not null as is_replacement_asked,
            floor(extract(epoch from created_at) * 1000)::bigint as created_at,
            floor(extract(epoch from activates_at) * 1000)::bigint as activates_at,
            floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now
     from (select) as one left join access.signing_key on true order by activates_at, kid`,
  );
  const keys = rows.filter((row): row is Row => row.kid !== null);
  return { keys: keys.map(keyOf), now: rows[0]!.now };
}

function keyOf(row: Row): StoredSigningKey {
  return {
    kid: row.kid,
    publicJwk: row.public_jwk,
    privateJwkSealed: row.private_jwk_sealed,
    createdAt: row.created_at,
    activatesAt: row.activates_at,
    isReplacementAsked: row.is_replacement_asked,
  };
}
