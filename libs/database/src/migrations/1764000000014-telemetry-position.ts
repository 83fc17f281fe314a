import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * How far each partition of telemetry has been decided, so that a record that is consumed again is known by its partition and
 * offset: ADR 19. Owned by presence.
 */
export class TelemetryPosition1764000000014 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table presence.telemetry_position (
        topic_id uuid not null, -- of a topic that was made anew there is another, whose offsets begin anew
        partition integer not null,
        -- Counts the writes, each of which compares and sets it: two consumers, as there may be for a moment, cannot both decide.
        version bigint not null default 0,
        next_offset bigint not null default 0, -- the records before it were decided, but for what is undecided
        as_of timestamptz, -- the latest time of what came before: a record without a time of its own is not older
        -- Agents of whom the records from an offset on were not decided with the others', as somebody else wrote the agent.
        undecided jsonb,
        rejected jsonb, -- why records of the last batch were rejected, by offset: their dead letters may not be written yet
        primary key (topic_id, partition)
      ) with (fillfactor = 50); -- room for in-page (HOT) updates, of which there is one a batch
      comment on table presence.telemetry_position is 'how far the partitions of telemetry have been decided';

      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_presence') then
          grant select, insert, update, delete on presence.telemetry_position to rollcall_presence;
        end if;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table presence.telemetry_position');
  }
}
