import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * How far the dispatcher has compared the log of changes with the agents' cursors, to find what the topic never brought. What was
 * there before begins as compared. Owned by dispatcher.
 */
export class LogSweep1764000000018 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table dispatch.log_sweep (
        only_one boolean primary key default true check (only_one),
        position bigint not null
      );
      insert into dispatch.log_sweep (position) select case when is_called then last_value else 0 end from presence.status_change_position;
      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_dispatcher') then
          grant select, insert, update, delete on dispatch.log_sweep to rollcall_dispatcher;
        end if;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table dispatch.log_sweep');
  }
}
