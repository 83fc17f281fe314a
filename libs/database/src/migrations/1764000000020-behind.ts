import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the dispatcher's second design keeps: who works for which agents, and what is behind. The topic is the queue of first
 * attempts, so a delivery that succeeds at once has no row here. Owned by dispatcher; ADR 25.
 */
export class Behind1764000000020 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table dispatch.shard_base (
        only_row boolean primary key default true check (only_row),
        -- Partitions of the topic; an agent's shard is its hash modulo this.
        partitions integer not null check (partitions > 0),
        changed_at timestamptz not null default now()
      );
      comment on table dispatch.shard_base is 'how many shards there are';

      create table dispatch.shard_lease (
        shard integer primary key,
        -- Whoever has the lease, or had it last.
        owner uuid,
        -- Raised whenever the lease goes to another owner.
        epoch bigint not null default 0,
        -- Null: given back.
        until timestamptz
      ) with (fillfactor = 50);
      comment on table dispatch.shard_lease is 'which instance works for the agents of a shard';

      -- Apart from the leases, whose rows every record locks.
      create table dispatch.shard_sweep (
        shard integer primary key,
        -- Of the log of changes: up to here it was compared with the cursors of this shard's agents.
        position bigint not null default 0
      ) with (fillfactor = 50);
      comment on table dispatch.shard_sweep is 'how far the log was looked through for changes that the topic never brought';

      create table dispatch.behind (
        agent_event_id bigint not null,
        client_id bigint not null,
        agent_id bigint not null,
        -- Of the agent; modulo the number of shards it is the shard.
        hash integer not null,
        -- The head: the next change that is sent is the first one that matches from here on, up to the agent's cursor.
        next_sequence bigint not null,
        version integer not null default 0,
        -- Of the head, made.
        attempts smallint not null default 0,
        -- Null: sleeps until it is woken, since its head waits for a delivery of another agent event to the same url.
        due_at timestamptz,
        -- Its head was out when it fell behind, and may be until then.
        sending_until timestamptz,
        -- The head, once it is known, and the end of its window.
        head_change_id uuid,
        head_expires_at timestamptz,
        -- The delivery that it sleeps for.
        blocked_by uuid,
        blocked_by_event bigint,
        -- When it fell behind.
        since timestamptz not null default now(),
        primary key (agent_event_id, agent_id)
      ) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
      comment on table dispatch.behind is 'agent events that are behind for an agent: one row, whatever waits';
      -- Serves what is due.
      create index behind_due on dispatch.behind (due_at) where due_at is not null;
      -- Serves the plan, and the waking of what sleeps.
      create index behind_by_agent on dispatch.behind (client_id, agent_id);
      -- Serves the age of the oldest, which is asked for every few seconds, however much is behind.
      create index behind_since on dispatch.behind (since);

      create table dispatch.wake (
        id bigint generated always as identity primary key,
        agent_event_id bigint not null,
        client_id bigint not null,
        -- Rows of agents up to this one are woken.
        reached_agent bigint not null default -1,
        created_at timestamptz not null default now()
      );
      comment on table dispatch.wake is 'agent events that were changed: what is behind for them, and what sleeps beside it, becomes due';

      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_dispatcher') then
          grant select, insert, update, delete
            on dispatch.shard_base, dispatch.shard_lease, dispatch.shard_sweep, dispatch.behind, dispatch.wake to rollcall_dispatcher;
          grant select on presence.status_change_position to rollcall_dispatcher;
        end if;
        if exists (select from pg_roles where rolname = 'rollcall_subscription_api') then
          grant select on dispatch.behind, dispatch.wake, dispatch.shard_base to rollcall_subscription_api;
        end if;
      end $$;

      -- Last, since these are written all day; the checks of what is there already come with 1764000000030.
      alter table dispatch.agent_cursor add column ahead boolean not null default false;
      comment on column dispatch.agent_cursor.ahead is 'successes beyond the cursor are in dispatch.attempt';
      alter table dispatch.attempt add column trigger text,
        add constraint attempt_trigger_check check (trigger in ('redeliver', 'replay')) not valid;
      comment on column dispatch.attempt.trigger is 'what asked for it; null: the first attempt, or a retry';
      alter table dispatch.event_health alter column failing_since drop not null,
        drop constraint event_health_suspended_reason_check,
        add constraint event_health_suspended_reason_check check (suspended_reason in ('gone', 'failing', 'paused')) not valid;
      comment on column dispatch.event_health.failing_since is 'null: it was paused while it was well';
    `);
  }

  /** Leaves all of it: the version before runs on it as well. */
  async down(): Promise<void> {}
}
