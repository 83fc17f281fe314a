import { Injectable } from '@nestjs/common';
import type { JWK } from 'jose';
import { DataSource } from 'typeorm';

export interface StoredSigningKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly privateJwkSealed: string;
}

@Injectable()
export class SigningKeyRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** The key that signs now; made the first time. Instances that start together agree on one: the lock lets one make it. */
  findOrAdd(make: () => Promise<StoredSigningKey>): Promise<StoredSigningKey> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(`select pg_advisory_xact_lock(hashtext('access.signing_key'))`);
      const rows: { kid: string; public_jwk: JWK; private_jwk_sealed: string }[] = await manager.query(
        'select kid, public_jwk, private_jwk_sealed from access.signing_key where retired_at is null order by created_at desc limit 1',
      );
      const row = rows[0];
      if (row) return { kid: row.kid, publicJwk: row.public_jwk, privateJwkSealed: row.private_jwk_sealed };
      const made = await make();
      await manager.query('insert into access.signing_key (kid, public_jwk, private_jwk_sealed) values ($1, $2, $3)', [
        made.kid,
        made.publicJwk,
        made.privateJwkSealed,
      ]);
      return made;
    });
  }
}
