import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Signing keys are published before they sign, and replaced in time: contract §2, ADR 0010. */
export class SigningKeyRotation1764000000008 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // No grants: subscription-api has the whole table, presence a list of columns that these do not belong to.
    await runner.query(`
      alter table access.signing_key
        add activates_at timestamptz not null default now(),
        add replacement_asked_at timestamptz,
        -- Never written: a key has been replaced when a later one is active, and its row is deleted when its tokens have expired.
        drop column retired_at;
      update access.signing_key set activates_at = created_at;
      comment on column access.signing_key.activates_at is
        'signs from then until a later key is active; stands in the JWKS from its creation on';
      comment on column access.signing_key.replacement_asked_at is 'an operator asked for a successor before its time';
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'alter table access.signing_key drop column activates_at, drop column replacement_asked_at, add retired_at timestamptz',
    );
  }
}
