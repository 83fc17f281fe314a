import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A rotated application secret may go on for a while, so that an application can be given the new one without a gap. */
export class ApplicationRotation1764000000007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Only subscription-api sees them: presence was granted columns, not the table.
    await runner.query(`
      alter table access.application
        add previous_secret_hash text,
        add previous_secret_expires_at timestamptz,
        add constraint application_previous_secret
          check ((previous_secret_hash is null) = (previous_secret_expires_at is null));
      comment on column access.application.previous_secret_hash is
        'the secret before the last rotation; good until previous_secret_expires_at';
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table access.application drop column previous_secret_hash, drop column previous_secret_expires_at');
  }
}
