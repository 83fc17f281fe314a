import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Positions of the log that a restore of the database to an earlier moment undid: ADR 35. Owned by presence. */
export class Restores1764000000028 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table presence.restore (
        -- The last change that was restored has the first position; the next one has one above the second. Between them are positions
        -- that may have been given out for changes that are undone: no reader continues from there.
        after_position bigint not null,
        until_position bigint primary key,
        restored_at timestamptz not null default now(),
        check (after_position < until_position)
      );
      comment on table presence.restore is 'restores to an earlier moment, and the positions that they undid';

      do $$ declare
        reader text;
      begin
        foreach reader in array array['rollcall_subscription_api', 'rollcall_dispatcher'] loop
          if exists (select from pg_roles where rolname = reader) then
            execute format('grant select on presence.restore to %I', reader);
          end if;
        end loop;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table presence.restore');
  }
}
