import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What agents do: their state, the log of their changes, and the outbox that is published from. Owned by presence. */
export class Presence1764000000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema presence;

      -- Clients that telemetry has named; the others are known by their applications.
      create table presence.client (
        client_id bigint primary key,
        created_at timestamptz not null default now()
      );

      create table presence.agent (
        client_id bigint not null check (client_id between 0 and 4294967295),
        agent_id bigint not null check (agent_id between 0 and 4294967295),
        agent_type text not null check (agent_type in ('local', 'remote')),
        name text not null,
        agent_status text not null default 'logged_out' check (agent_status in ('available', 'logged_out')),
        -- Counts the changes. Every write compares and sets it, which is what makes concurrent writers safe.
        sequence bigint not null default 0,
        -- occurred_at of the last change; null while there was none. What is older is stale.
        changed_at timestamptz,
        created_at timestamptz not null default now(),
        -- A removed agent keeps its row, so that its sequence goes on where it ended if the id comes back.
        deleted_at timestamptz,
        primary key (client_id, agent_id)
      ) with (fillfactor = 70); -- room for in-page (HOT) updates: no index holds a column that changes

      -- A sequence of its own, since identity columns on partitioned tables need PostgreSQL 17.
      create sequence presence.status_change_position;

      create table presence.status_change (
        id uuid not null, -- UUIDv7: time-ordered, so ranges of it are the partitions
        -- Order of insertion; per agent the same order as sequence. The cursor of history and stream.
        position bigint not null default nextval('presence.status_change_position'),
        client_id bigint not null,
        agent_id bigint not null,
        agent_type text not null,
        name text not null,
        agent_status text not null,
        event_source text not null,
        sequence bigint not null,
        occurred_at timestamptz not null,
        changed_at timestamptz not null,
        primary key (id)
      ) partition by range (id);
      -- Serves an agent's history and explain.
      create index status_change_by_agent on presence.status_change (client_id, agent_id, position);
      -- Serves "what came after this cursor": rows lie in that order, so a block range index is enough and costs nothing.
      create index status_change_by_position on presence.status_change using brin (position) with (pages_per_range = 16, autosummarize = on);

      -- Changes that are not yet published; the row is deleted when the broker has acknowledged the change.
      create table presence.outbox (
        position bigint primary key,
        shard smallint not null,
        change_id uuid not null
      ) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);

      -- The shard of an agent: one instance at a time publishes a shard, so an agent's changes leave in order.
      create function presence.shard_of(client_id bigint, agent_id bigint) returns smallint
        language sql immutable parallel safe
        return (((hashint8extended(client_id, agent_id) % 16) + 16) % 16)::smallint;

      create table presence.relay_shard (
        shard smallint primary key,
        owner uuid,
        lease_until timestamptz
      );
      insert into presence.relay_shard (shard) select generate_series(0, 15);

      -- Live relay instances, so that each takes its share of the shards and no more.
      create table presence.relay_instance (
        instance uuid primary key,
        seen_until timestamptz not null
      );

      create function presence.uuid_v7_floor(at timestamptz) returns uuid
        language sql immutable parallel safe
        return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
      comment on function presence.uuid_v7_floor is 'the smallest UUID that a UUIDv7 made at that time can be';

      -- Makes the day partitions from yesterday to a week ahead, and drops those that ended before the retention.
      create function presence.maintain_partitions(retention interval) returns void
        language plpgsql as $$
        declare
          day date;
          part record;
        begin
          perform pg_advisory_xact_lock(hashtext('presence.maintain_partitions'));
          for day in select generate_series((now() at time zone 'utc')::date - 1, (now() at time zone 'utc')::date + 7, '1 day')::date loop
            execute format(
              'create table if not exists presence.%I partition of presence.status_change for values from (%L) to (%L)',
              'status_change_' || to_char(day, 'YYYYMMDD'),
              presence.uuid_v7_floor(day::timestamp at time zone 'utc'),
              presence.uuid_v7_floor((day + 1)::timestamp at time zone 'utc'));
          end loop;
          for part in
            select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'presence.status_change'::regclass
              -- CASE, since the planner may look at the names of all tables before it joins.
              and case when c.relname ~ '^status_change_[0-9]{8}$' then to_date(right(c.relname, 8), 'YYYYMMDD') + 1 end
                < ((now() - retention) at time zone 'utc')::date
          loop
            execute format('drop table presence.%I', part.relname);
          end loop;
        end $$;
      select presence.maintain_partitions('30 days');

      -- Creates or renames an agent: contract §3, PUT /agent/{type}/{agent_id}. False: the agent is of the other type.
      create function presence.put_agent(p_client_id bigint, p_agent_type text, p_agent_id bigint, p_name text) returns boolean
        language plpgsql as $$
        begin
          insert into presence.client (client_id) values (p_client_id) on conflict do nothing;
          insert into presence.agent as a (client_id, agent_id, agent_type, name)
            values (p_client_id, p_agent_id, p_agent_type, p_name)
            on conflict (client_id, agent_id) do update
              set name = excluded.name, agent_type = excluded.agent_type, deleted_at = null
              where a.agent_type = excluded.agent_type or a.deleted_at is not null;
          return found;
        end $$;

      -- Removes an agent, logging it out first where it is available: contract §3, DELETE /agent/{type}/{agent_id}.
      -- Returns its last sequence, or null where there is no such agent of that type.
      create function presence.remove_agent(p_client_id bigint, p_agent_type text, p_agent_id bigint, p_change_id uuid) returns bigint
        language plpgsql as $$
        declare
          gone presence.agent;
          logged_out_position bigint;
        begin
          select * into gone from presence.agent
            where client_id = p_client_id and agent_id = p_agent_id and agent_type = p_agent_type and deleted_at is null
            for update;
          if not found then
            return null;
          end if;
          if gone.agent_status = 'available' then
            gone.sequence := gone.sequence + 1;
            -- Never before the change it follows, so that telemetry with a fast clock does not make this one stale.
            gone.changed_at := greatest(now(), gone.changed_at);
            insert into presence.status_change
                (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
              values (p_change_id, p_client_id, p_agent_id, gone.agent_type, gone.name, 'logged_out', 'api', gone.sequence,
                      gone.changed_at, clock_timestamp())
              returning position into logged_out_position;
            insert into presence.outbox (position, shard, change_id)
              values (logged_out_position, presence.shard_of(p_client_id, p_agent_id), p_change_id);
            perform pg_notify('rollcall_outbox', '');
          end if;
          update presence.agent
            set agent_status = 'logged_out', sequence = gone.sequence, changed_at = gone.changed_at, deleted_at = now()
            where client_id = p_client_id and agent_id = p_agent_id;
          return gone.sequence;
        end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema presence cascade');
  }
}
