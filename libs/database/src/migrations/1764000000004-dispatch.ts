import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is on its way: the queue of deliveries in lanes, and the log of attempts. Owned by dispatcher. */
export class Dispatch1764000000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema dispatch;

      -- How far each agent's changes have been fanned out. A change at or below it is a repeat and inserts nothing.
      create table dispatch.agent_cursor (
        client_id bigint not null,
        agent_id bigint not null,
        last_sequence bigint not null,
        -- Raised by who rearranges the agent's lanes. The fan-out compares it, so that one that began before starts again.
        version integer not null default 0,
        primary key (client_id, agent_id)
      ) with (fillfactor = 70);

      -- One agent and one url are a lane; deliveries of a lane are made in sequence: contract §7.3.
      create function dispatch.lane_of(client_id bigint, agent_id bigint, url text) returns bigint
        language sql immutable parallel safe
        return hashtextextended(url, hashint8extended(client_id, agent_id));

      -- Deliveries that are not finished. Rows leave a lane only at its head, so a lane with rows always has a tail.
      create table dispatch.queue (
        lane bigint not null,
        sequence bigint not null,
        agent_event_id bigint not null,
        change_id uuid not null,
        client_id bigint not null,
        agent_id bigint not null,
        -- Attempts made in this run of the retry schedule.
        attempts smallint not null default 0,
        -- Attempts made in earlier runs: this one is a redelivery, and the numbers of its attempts go on.
        attempts_before smallint not null default 0,
        -- Null: waits behind an earlier one of its lane. Else the head's next moment: an attempt, the end of a lease
        -- (lease_owner is set), or, while its agent event is suspended, the next look at it.
        due_at timestamptz,
        lease_owner uuid,
        -- Something waits behind this row; who finishes it must look for the next of the lane.
        followed boolean not null default false,
        -- The retry window ends: contract §7.4.
        expires_at timestamptz not null,
        primary key (lane, sequence, agent_event_id)
      ) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
      -- Serves the claim of what is due.
      create index queue_due on dispatch.queue (due_at) where due_at is not null;
      -- Serves an agent event's backlog, its resume and its change of url. Rows that are sent at once are never in it.
      create index queue_unleased on dispatch.queue (agent_event_id) where lease_owner is null;

      -- Every attempt that was made. A delivery's outcome is its last attempt's.
      create table dispatch.attempt (
        agent_event_id bigint not null,
        change_id uuid not null,
        attempt smallint not null,
        attempted_at timestamptz not null,
        latency_ms integer not null,
        -- delivered: 2xx; retry: failed and tried again; failed: the window ended; dropped: the agent event was deleted.
        outcome text not null check (outcome in ('delivered', 'retry', 'failed', 'dropped')),
        http_status smallint,
        error text,
        -- At most the first 4 KiB of the answer.
        response text,
        primary key (agent_event_id, change_id, attempt)
      ) partition by range (change_id);
      -- Attempts of changes whose ids are of no time that is kept: redeliveries of what is older than the log.
      create table dispatch.attempt_other partition of dispatch.attempt default;

      -- Agent events that are failing or suspended; those that are well have no row.
      create table dispatch.event_health (
        agent_event_id bigint primary key,
        failing_since timestamptz not null,
        suspended_at timestamptz,
        suspended_reason text check (suspended_reason in ('gone', 'failing'))
      );

      -- The rows of a batch for the fan-out. As unnest alone the planner takes them for ten, and joins them row by row.
      create function dispatch.changes(ids uuid[], client_ids bigint[], agent_ids bigint[], agent_types text[],
                                       sequences bigint[], event_types text[], expires_ats timestamptz[])
        returns table (id uuid, client_id bigint, agent_id bigint, agent_type text, sequence bigint, event_type text, expires_at timestamptz)
        language sql volatile rows 1000 -- volatile: not inlined, which would bring the ten back
        as 'select * from unnest(ids, client_ids, agent_ids, agent_types, sequences, event_types, expires_ats)';

      create function dispatch.maintain_partitions(retention interval) returns void
        language plpgsql as $$
        declare
          day date;
          part record;
        begin
          perform pg_advisory_xact_lock(hashtext('dispatch.maintain_partitions'));
          -- A delivery may be attempted for days after its change, so partitions reach back as far as the log does.
          for day in select generate_series(((now() - retention) at time zone 'utc')::date - 1, (now() at time zone 'utc')::date + 7, '1 day')::date loop
            execute format(
              'create table if not exists dispatch.%I partition of dispatch.attempt for values from (%L) to (%L)',
              'attempt_' || to_char(day, 'YYYYMMDD'),
              presence.uuid_v7_floor(day::timestamp at time zone 'utc'),
              presence.uuid_v7_floor((day + 1)::timestamp at time zone 'utc'));
          end loop;
          for part in
            select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'dispatch.attempt'::regclass
              -- CASE, since the planner may look at the names of all tables before it joins.
              and case when c.relname ~ '^attempt_[0-9]{8}$' then to_date(right(c.relname, 8), 'YYYYMMDD') + 1 end
                < ((now() - retention) at time zone 'utc')::date
          loop
            execute format('drop table dispatch.%I', part.relname);
          end loop;
        end $$;
      select dispatch.maintain_partitions('30 days');
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema dispatch cascade');
  }
}
