import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What each instance of subscription-api counted, so that a rate limit holds over all of them: contract §1. */
export class RequestCount1764000000009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Unlogged: written twice a second and worth nothing after its window; a crash of the database may empty it.
      create unlogged table access.request_count (
        -- Milliseconds since 1970, aligned to the length of the window.
        window_start bigint not null,
        application_id bigint not null,
        instance_id uuid not null,
        requests bigint not null,
        -- Led by the window: a sync reads one whole, and old ones are deleted together.
        primary key (window_start, application_id, instance_id)
      );
      comment on table access.request_count is 'requests of an application in a window, as each instance counted them';

      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_subscription_api') then
          grant select, insert, update, delete on access.request_count to rollcall_subscription_api;
        end if;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table access.request_count');
  }
}
