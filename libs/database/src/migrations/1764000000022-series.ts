import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What charts and explanations are drawn from, so that nobody counts the logs for them: written from memory every few seconds,
 * beside the work. A crash loses a few seconds of a chart, never of a log. Owned by presence and by dispatcher: ADR 28.
 */
export class Series1764000000022 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table presence.change_series (
        client_id bigint not null,
        minute timestamptz not null,
        logins integer not null,
        logouts integer not null,
        -- Available agents at its end.
        available integer not null,
        primary key (client_id, minute)
      ) with (fillfactor = 70);
      comment on table presence.change_series is 'status changes by client and minute; kept for as long as status changes';
      -- Serves the clean-up; small, and no update touches it.
      create index change_series_by_minute on presence.change_series using brin (minute) with (autosummarize = on);

      create table presence.last_report (
        client_id bigint not null,
        agent_id bigint not null,
        agent_type text not null,
        reported_at timestamptz not null,
        -- As reported; null: it did not say.
        occurred_at timestamptz,
        agent_status text not null,
        event_source text not null,
        result text not null check (result in ('changed', 'unchanged', 'stale', 'rejected')),
        -- Reports since the last change that one instance has seen.
        since_change integer not null,
        primary key (client_id, agent_id)
      ) with (fillfactor = 70);
      comment on table presence.last_report is 'the last telemetry of each agent; written some seconds later, some thousand agents at a time';

      create table dispatch.delivery_series (
        client_id bigint not null,
        -- 0: of all its agent events together. One of a single agent has no rows of its own: its attempts are as few.
        agent_event_id bigint not null,
        -- Seconds: a minute for charts, an hour for sums over days.
        grain integer not null check (grain in (60, 3600)),
        at timestamptz not null,
        delivered integer not null,
        retry integer not null,
        failed integer not null,
        dropped integer not null,
        -- Attempts by how long they took: see LATENCY_BOUNDS_MS of the contracts.
        latency integer[] not null,
        primary key (client_id, agent_event_id, grain, at)
      ) with (fillfactor = 70);
      comment on table dispatch.delivery_series is 'attempts by minute and by hour, of an agent event and of a client; kept for as long as attempts';
      -- Serves the clean-up.
      create index delivery_series_by_at on dispatch.delivery_series using brin (at) with (autosummarize = on);

      create table subscription.removed_agent_event (
        client_id bigint not null,
        agent_event_id bigint not null,
        is_for_all boolean not null,
        removed_at timestamptz not null default now(),
        primary key (client_id, agent_event_id)
      );
      comment on table subscription.removed_agent_event is 'agent events that are gone, for as long as attempts are kept: whose those were';
      -- Serves what a client removed since a change.
      create index removed_agent_event_by_client on subscription.removed_agent_event (client_id, removed_at);
      -- Serves the clean-up.
      create index removed_agent_event_by_removed_at on subscription.removed_agent_event (removed_at);
      create function subscription.remember_removed() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
        begin
          insert into subscription.removed_agent_event (client_id, agent_event_id, is_for_all)
            select client_id, id, agent_id is null from gone on conflict do nothing;
          return null;
        end $$;
      create trigger remember_removed after delete on subscription.agent_event referencing old table as gone
        for each statement execute function subscription.remember_removed();

      create table dispatch.origin_state (
        client_id bigint not null,
        origin text not null,
        -- Each dispatcher has its own view of an origin.
        instance uuid not null,
        state text not null check (state in ('closed', 'open', 'probing')),
        since timestamptz not null,
        next_probe_at timestamptz,
        last_error text,
        -- Renewed while it is not closed: an instance that is gone says nothing any more.
        seen_at timestamptz not null,
        primary key (client_id, origin, instance)
      );
      comment on table dispatch.origin_state is 'origins that a client''s notifications are not sent to for now, and those that are again';

      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_presence') then
          grant select, insert, update, delete on presence.change_series, presence.last_report to rollcall_presence;
        end if;
        if exists (select from pg_roles where rolname = 'rollcall_dispatcher') then
          grant select, insert, update, delete on dispatch.delivery_series, dispatch.origin_state to rollcall_dispatcher;
        end if;
        if exists (select from pg_roles where rolname = 'rollcall_subscription_api') then
          grant select, delete on subscription.removed_agent_event to rollcall_subscription_api;
          grant select on presence.change_series, presence.last_report, dispatch.delivery_series, dispatch.origin_state
            to rollcall_subscription_api;
        end if;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop trigger remember_removed on subscription.agent_event;
      drop function subscription.remember_removed();
      drop table subscription.removed_agent_event;
      drop table presence.change_series, presence.last_report, dispatch.delivery_series, dispatch.origin_state;
    `);
  }
}
