import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The log of the directory: which agents were created, renamed and removed, among the status changes by one order of
 * positions: ADR 21. Written by triggers, since every writer counts: telemetry, the directory's commands, an older version,
 * an operator's statement. Owned by presence.
 */
export class DirectoryChange1764000000016 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table presence.directory_change (
        -- Of the same sequence as status_change.position: one cursor for both.
        position bigint primary key,
        client_id bigint not null,
        change text not null check (change in ('created', 'renamed', 'removed')),
        -- The agent as it was when its directory entry changed, between the status changes before and after.
        agent_id bigint not null,
        agent_type text not null,
        name text not null,
        agent_status text not null,
        status_since timestamptz not null,
        sequence bigint not null,
        changed_at timestamptz not null default clock_timestamp()
      );
      comment on table presence.directory_change is 'agents created, renamed and removed; kept for as long as status changes';
      -- Serves a client's streams.
      create index directory_change_by_client on presence.directory_change (client_id, position);

      -- A statement inserts agents before it logs their first changes, but what an insert has really done is known only at the
      -- end of the statement. So the position is taken with the row, and logged by a trigger when the row is there.
      alter table presence.agent add column entry_position bigint;
      alter table presence.agent alter column entry_position set default nextval('presence.status_change_position');
      comment on column presence.agent.entry_position is 'position in the log of the directory of the first entry; null: older than that log';

      create function presence.log_new_agent() returns trigger
        language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
        begin
          -- A new agent counts as logged out; a status that came along is a change of its own, and comes after this.
          insert into presence.directory_change
              (position, client_id, change, agent_id, agent_type, name, agent_status, status_since, sequence)
            values (new.entry_position, new.client_id, 'created', new.agent_id, new.agent_type, new.name, 'logged_out', new.created_at, 0);
          return null;
        end $$;
      create trigger log_new_agent after insert on presence.agent
        for each row when (new.entry_position is not null and new.deleted_at is null) execute function presence.log_new_agent();

      -- Before the row is written, and so before the status changes that the same statement logs for it.
      create function presence.log_directory_change() returns trigger
        language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
        declare
          -- A removal comes after the last change; what creates or renames comes before those of the same statement.
          shown presence.agent := case when new.deleted_at is null then old else new end;
        begin
          insert into presence.directory_change
              (position, client_id, change, agent_id, agent_type, name, agent_status, status_since, sequence)
            values (
              nextval('presence.status_change_position'), new.client_id,
              case when new.deleted_at is not null then 'removed' when old.deleted_at is not null then 'created' else 'renamed' end,
              new.agent_id, new.agent_type, new.name, shown.agent_status, coalesce(shown.changed_at, shown.created_at), shown.sequence);
          return new;
        end $$;
      create trigger log_directory_change before update on presence.agent
        for each row when (
          (old.deleted_at is null) <> (new.deleted_at is null)
          or new.deleted_at is null and (old.name, old.agent_type) is distinct from (new.name, new.agent_type))
        execute function presence.log_directory_change();

      -- As before, but an agent that is there is not inserted first, which would take a position for nothing, and what
      -- changes nothing writes nothing.
      create or replace function presence.put_agent(p_client_id bigint, p_agent_type text, p_agent_id bigint, p_name text) returns boolean
        language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
        declare
          known presence.agent;
        begin
          insert into presence.client (client_id) values (p_client_id) on conflict do nothing;
          -- Again where somebody else has inserted it in between.
          for attempt in 1..2 loop
            select * into known from presence.agent where client_id = p_client_id and agent_id = p_agent_id for update;
            exit when found;
            insert into presence.agent (client_id, agent_id, agent_type, name)
              values (p_client_id, p_agent_id, p_agent_type, p_name)
              on conflict do nothing;
            if found then
              return true;
            end if;
          end loop;
          if known.agent_type <> p_agent_type and known.deleted_at is null then
            return false;
          end if;
          update presence.agent
            set name = p_name, agent_type = p_agent_type, deleted_at = null
            where client_id = p_client_id and agent_id = p_agent_id
              and (name <> p_name or agent_type <> p_agent_type or deleted_at is not null);
          return true;
        end $$;

      -- Deletes, of the oldest so many rows, those that ended before the retention as days of status changes do, but none that
      -- stands among status changes that are still kept. Returns how many.
      create function presence.drop_directory_changes(retention interval, at_most integer) returns integer
        language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
        declare
          dropped integer;
        begin
          delete from presence.directory_change where position in (
            select position
            from (select position, changed_at from presence.directory_change order by position limit at_most) oldest
            where changed_at < ((now() - retention) at time zone 'utc')::date::timestamp at time zone 'utc'
              and position < coalesce(
                (select min(position) from (select position from presence.status_change order by id limit 100) first),
                9223372036854775807));
          get diagnostics dropped = row_count;
          return dropped;
        end $$;
      revoke execute on function presence.drop_directory_changes(interval, integer) from public;

      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_presence') then
          grant select, insert, update, delete on presence.directory_change to rollcall_presence;
          grant execute on function presence.drop_directory_changes(interval, integer) to rollcall_presence;
        end if;
        if exists (select from pg_roles where rolname = 'rollcall_subscription_api') then
          grant select on presence.directory_change, presence.status_change_position to rollcall_subscription_api;
        end if;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function presence.drop_directory_changes(interval, integer);
      drop trigger log_directory_change on presence.agent;
      drop trigger log_new_agent on presence.agent;
      drop function presence.log_directory_change();
      drop function presence.log_new_agent();
      alter table presence.agent drop column entry_position;
      drop table presence.directory_change;
      create or replace function presence.put_agent(p_client_id bigint, p_agent_type text, p_agent_id bigint, p_name text) returns boolean
        language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
        begin
          insert into presence.client (client_id) values (p_client_id) on conflict do nothing;
          insert into presence.agent as a (client_id, agent_id, agent_type, name)
            values (p_client_id, p_agent_id, p_agent_type, p_name)
            on conflict (client_id, agent_id) do update
              set name = excluded.name, agent_type = excluded.agent_type, deleted_at = null
              where a.agent_type = excluded.agent_type or a.deleted_at is not null;
          return found;
        end $$;
    `);
  }
}
