import type { MigrationInterface, QueryRunner } from 'typeorm';
import { COMMANDS } from './1764000000021-commands.js';
import { REDELIVERIES } from './1764000000021-redeliveries.js';
import { REPLAYS } from './1764000000021-replays.js';
import { onlyCallableBy } from './only-callable-by.js';

const TABLES = `
  create table dispatch.replay (
    id bigint generated always as identity (minvalue 1 maxvalue 4294967295) primary key,
    agent_event_id bigint not null,
    client_id bigint not null,
    -- Of the changes.
    since timestamptz not null,
    until timestamptz not null,
    only_failed boolean not null,
    status text not null default 'running' check (status in ('running', 'finished', 'cancelled')),
    -- Deliveries in all; counted when it was asked for, and exact once all of them are taken.
    total integer not null,
    -- Deliveries that became redeliveries so far, and what came of them.
    taken integer not null default 0,
    delivered integer not null default 0,
    failed integer not null default 0,
    -- Changes up to this one are taken, in the order of their ids.
    reached uuid not null default '00000000-0000-0000-0000-000000000000',
    all_taken boolean not null default false,
    -- The window of all its deliveries ends.
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    finished_at timestamptz
  );
  comment on table dispatch.replay is 'deliveries of a span of time that are sent again: jobs, worked off in steps';
  -- Serves the list of an agent event, and what must come before a job of it.
  create index replay_by_event on dispatch.replay (agent_event_id, id);
  -- Serves the steps.
  create index replay_running on dispatch.replay (id) where status = 'running';

  create table dispatch.redelivery (
    agent_event_id bigint not null,
    change_id uuid not null,
    client_id bigint not null,
    agent_id bigint not null,
    sequence bigint not null,
    -- Null: it was asked for by itself.
    replay_id bigint,
    -- Attempts made in this run of the retry schedule, and in those before.
    attempts smallint not null default 0,
    attempts_before smallint not null,
    due_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (agent_event_id, change_id)
  ) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
  comment on table dispatch.redelivery is 'finished deliveries that are sent again';
  -- Serves the head of a lane.
  create index redelivery_in_order on dispatch.redelivery (agent_event_id, agent_id, sequence);
  -- Serves the progress of a replay, and its end.
  create index redelivery_by_replay on dispatch.redelivery (replay_id) where replay_id is not null;

  create table dispatch.redelivery_lane (
    agent_event_id bigint not null,
    agent_id bigint not null,
    client_id bigint not null,
    -- Of the agent; modulo the number of shards it is the shard. Null until a dispatcher has filled it in.
    hash integer,
    -- When the first of its redeliveries, by sequence, is due.
    due_at timestamptz not null,
    primary key (agent_event_id, agent_id)
  ) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
  comment on table dispatch.redelivery_lane is 'one row an agent event and agent with redeliveries: they are sent one after another. Whoever changes them locks it first';
  -- Serves what is due, agent event by agent event.
  create index redelivery_lane_due on dispatch.redelivery_lane (agent_event_id, due_at);
  create index redelivery_lane_unhashed on dispatch.redelivery_lane (agent_event_id, agent_id) where hash is null;`;

/** Who may call what, where there are roles: ADR 9. */
const CALLERS: Readonly<Record<string, readonly string[]>> = {
  'dispatch.wake_event(bigint)': ['rollcall_subscription_api', 'rollcall_dispatcher'],
  'dispatch.pause(bigint)': ['rollcall_subscription_api'],
  'dispatch.request_redelivery(bigint, uuid, interval)': ['rollcall_subscription_api'],
  'dispatch.count_replay(bigint, timestamptz, timestamptz, boolean)': ['rollcall_subscription_api'],
  'dispatch.start_replay(bigint, timestamptz, timestamptz, boolean, interval)': ['rollcall_subscription_api'],
  'dispatch.cancel_replay(bigint)': ['rollcall_subscription_api'],
  'dispatch.attempts_since()': ['rollcall_subscription_api'],
};

/**
 * What is sent again, and what subscription-api asks of the dispatcher: redeliveries and replays as rows and jobs of their own,
 * pauses, and waking. The commands of versions before this one keep their names, arguments and results. Owned by dispatcher.
 */
export class SentAgain1764000000021 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES);
    await runner.query(REDELIVERIES);
    await runner.query(REPLAYS);
    await runner.query(COMMANDS);
    await onlyCallableBy(runner, CALLERS);
    await runner.query(`
      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_dispatcher') then
          grant select, insert, update, delete on dispatch.replay, dispatch.redelivery, dispatch.redelivery_lane to rollcall_dispatcher;
        end if;
        if exists (select from pg_roles where rolname = 'rollcall_subscription_api') then
          grant select on dispatch.replay, dispatch.redelivery to rollcall_subscription_api;
        end if;
      end $$;
    `);
  }

  /** Leaves all of it: the version before runs on it as well. */
  async down(): Promise<void> {}
}
