import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Who was written of late, so that what an instance of presence remembers can be believed again: ADR 15. Noted by triggers,
 * since every writer counts: other instances, older versions among them, the directory's commands, an operator's statement.
 * Owned by presence.
 */
export class RecentWrite1764000000012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Unlogged: kept for a minute or two. A crash of the database empties it and the horizon, which says so.
      create unlogged table presence.recent_write (
        xid xid8 not null, -- the transaction that wrote
        client_ids bigint[] not null,
        agent_ids bigint[] not null -- of the clients at the same places
      ) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
      create index recent_write_by_xid on presence.recent_write (xid);
      comment on table presence.recent_write is 'agents whose rows were written, a row a statement; old ones are deleted';

      create unlogged table presence.recent_write_horizon (
        only_one boolean primary key default true check (only_one),
        kept_from xid8 not null, -- the writes of older transactions may be gone
        next_kept_from xid8 not null,
        moved_at timestamptz not null
      );
      comment on table presence.recent_write_horizon is 'how far back presence.recent_write goes; no row: nobody knows';

      create function presence.note_write() returns trigger language plpgsql as $$
        begin
          insert into presence.recent_write (xid, client_ids, agent_ids)
            select pg_current_xact_id(), array_agg(client_id), array_agg(agent_id) from touched having count(*) > 0;
          return null;
        end $$;
      create trigger note_insert after insert on presence.agent
        referencing new table as touched for each statement execute function presence.note_write();
      create trigger note_update after update on presence.agent
        referencing new table as touched for each statement execute function presence.note_write();
      create trigger note_delete after delete on presence.agent
        referencing old table as touched for each statement execute function presence.note_write();

      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_presence') then
          grant select, insert, update, delete on presence.recent_write, presence.recent_write_horizon to rollcall_presence;
        end if;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop trigger note_insert on presence.agent;
      drop trigger note_update on presence.agent;
      drop trigger note_delete on presence.agent;
      drop function presence.note_write();
      drop table presence.recent_write, presence.recent_write_horizon;
    `);
  }
}
