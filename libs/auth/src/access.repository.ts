import type { JWK } from 'jose';
import type pg from 'pg';
import type { AccessLevel, Principal } from './principal.js';

/** The public half of a signing key. */
export interface PublicKey {
  readonly kid: string;
  readonly jwk: JWK;
}

/** Reads what tokens are checked against: the only tables of `access` that other services read. */
export class AccessRepository {
  constructor(private readonly pool: pg.Pool) {}

  /** Reads every key whose tokens may still be valid. */
  async readPublicKeys(): Promise<PublicKey[]> {
    const { rows } = await this.pool.query<{ kid: string; public_jwk: JWK }>(
      'select kid, public_jwk from access.signing_key order by created_at desc',
    );
    return rows.map(({ kid, public_jwk }) => ({ kid, jwk: public_jwk }));
  }

  /** Finds an application as it is now; undefined when it is gone or revoked. */
  async findActiveApplication(applicationId: number): Promise<Principal | undefined> {
    const { rows } = await this.pool.query<{ id: number; app_id: string; client_id: number; access: AccessLevel }>({
      name: 'find_active_application',
      text: 'select id, app_id, client_id, access from access.application where id = $1 and revoked_at is null',
      values: [applicationId],
    });
    const row = rows[0];
    return row && { applicationId: row.id, appId: row.app_id, clientId: row.client_id, access: row.access };
  }

  /** Finds a registered application of an external issuer; undefined where it was not seen before. */
  async findByName(appId: string): Promise<{ readonly id: number; readonly isRevoked: boolean } | undefined> {
    const { rows } = await this.pool.query<{ id: number; is_revoked: boolean }>({
      name: 'find_application_by_name',
      text: 'select id, revoked_at is not null as is_revoked from access.application where app_id = $1',
      values: [appId],
    });
    return rows[0] && { id: rows[0].id, isRevoked: rows[0].is_revoked };
  }
}
