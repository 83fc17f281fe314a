import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who may call: applications and the keys that sign their tokens. Owned by subscription-api. */
export class Access1764000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema access;

      create table access.application (
        id bigint generated always as identity primary key,
        app_id text not null unique,
        client_id bigint not null check (client_id between 0 and 4294967295),
        access text not null check (access in ('call_api', 'all', 'platform')),
        secret_hash text not null,
        created_at timestamptz not null default now(),
        revoked_at timestamptz
      );
      comment on column access.application.secret_hash is 'memory-hard hash (scrypt), never the secret';
      -- Serves "does this client exist", asked for every call of a platform application.
      create index application_client on access.application (client_id);

      create table access.signing_key (
        kid text primary key,
        public_jwk jsonb not null,
        private_jwk_sealed text not null,
        created_at timestamptz not null default now(),
        -- Signs until then; verifies (stands in the JWKS) until the row is deleted, a token's life later.
        retired_at timestamptz
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema access cascade');
  }
}
