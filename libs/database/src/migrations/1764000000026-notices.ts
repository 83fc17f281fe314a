import type { MigrationInterface, QueryRunner } from 'typeorm';
import { onlyCallableBy } from './only-callable-by.js';

const TABLES = `
  create table subscription.notice_event (
    id bigint generated always as identity (minvalue 1 maxvalue 4294967295) primary key,
    client_id bigint not null,
    application_id bigint not null,
    url text not null,
    types text[] not null,
    created_at timestamptz not null default now()
  );
  comment on table subscription.notice_event is 'where notices are sent: contract §3';
  -- Serves the list, and who is told of a notice.
  create index notice_event_by_client on subscription.notice_event (client_id, id);

  create table dispatch.notice (
    id bigint generated always as identity (minvalue 1 maxvalue 4294967295) primary key,
    -- What its webhook-ids begin with.
    key uuid not null default gen_random_uuid(),
    client_id bigint not null,
    type text not null check (type in ('endpoint.suspended', 'endpoint.recovered', 'replay.finished', 'limit.near')),
    at timestamptz not null default now(),
    -- Null: it is about the client.
    agent_event_id bigint,
    -- What it says beside, by its type.
    data jsonb not null
  );
  comment on table dispatch.notice is 'what people who look after notifications are told; kept for as long as status changes';
  -- Serves the list, newest first.
  create index notice_by_client on dispatch.notice (client_id, id);
  -- Serves the clean-up.
  create index notice_by_at on dispatch.notice (at);

  create table dispatch.notice_delivery (
    notice_id bigint not null references dispatch.notice on delete cascade,
    notice_event_id bigint not null,
    client_id bigint not null,
    -- The notice's; 0: it is about the client. Notices about one agent event are sent to one url in their order.
    agent_event_id bigint not null,
    status text not null default 'waiting' check (status in ('waiting', 'delivered', 'failed', 'dropped')),
    attempts smallint not null default 0,
    due_at timestamptz not null default now(),
    -- Until then a dispatcher has it in hand.
    leased_until timestamptz,
    -- Raised whenever one takes it: what an earlier one writes of it counts no more.
    claim integer not null default 0,
    last_error text,
    primary key (notice_id, notice_event_id)
  );
  comment on table dispatch.notice_delivery is 'a notice on its way to one url, and what became of it';
  -- Serves what is due, client by client.
  create index notice_delivery_due on dispatch.notice_delivery (client_id, due_at) where status = 'waiting';
  -- Serves what must be sent before.
  create index notice_delivery_in_order on dispatch.notice_delivery (notice_event_id, agent_event_id, notice_id) where status = 'waiting';

  create table dispatch.notice_event_health (
    notice_event_id bigint primary key,
    failing_since timestamptz not null,
    suspended_at timestamptz,
    suspended_reason text check (suspended_reason in ('gone', 'failing'))
  );
  comment on table dispatch.notice_event_health is 'notice events that do not answer well';`;

const FUNCTIONS = `
  -- Writes a notice down, and has it sent to whoever wants its type, in the transaction of what it tells of.
  create function dispatch.add_notice(p_client_id bigint, p_type text, p_agent_event_id bigint, p_data jsonb) returns void
    language plpgsql as $$
    declare added bigint;
    begin
      insert into dispatch.notice (client_id, type, agent_event_id, data)
        values (p_client_id, p_type, p_agent_event_id, p_data) returning id into added;
      -- Whoever pauses and resumes without end fills nobody's line: of those of an agent event that were not tried yet, the newest stay.
      if p_type in ('endpoint.suspended', 'endpoint.recovered') then
        update dispatch.notice_delivery d set status = 'dropped', last_error = 'newer notices of the agent event took its place'
          from subscription.notice_event e
          cross join lateral (
            select w.notice_id from dispatch.notice_delivery w join dispatch.notice n on n.id = w.notice_id
            where w.status = 'waiting' and w.notice_event_id = e.id and w.agent_event_id = p_agent_event_id
              and w.attempts = 0 and coalesce(w.leased_until, now()) <= now() and n.type in ('endpoint.suspended', 'endpoint.recovered')
            order by w.notice_id desc offset 9 for update of w skip locked) old
          where e.client_id = p_client_id and p_type = any (e.types)
            and d.notice_id = old.notice_id and d.notice_event_id = e.id;
      end if;
      insert into dispatch.notice_delivery (notice_id, notice_event_id, client_id, agent_event_id)
        select added, e.id, p_client_id, coalesce(p_agent_event_id, 0)
        from subscription.notice_event e where e.client_id = p_client_id and p_type = any (e.types);
    end $$;

  -- Has what waits for a notice event looked at now: its url was changed, or it is gone. With p_resume it may be sent to again.
  create function dispatch.wake_notices(p_notice_event_id bigint, p_resume boolean) returns void
    language plpgsql as $$
    begin
      if p_resume then
        delete from dispatch.notice_event_health where notice_event_id = p_notice_event_id;
      end if;
      update dispatch.notice_delivery set due_at = now()
        where notice_event_id = p_notice_event_id and status = 'waiting' and coalesce(leased_until, now()) <= now();
    end $$;

  -- Whoever suspends or resumes an agent event, and by which statement: it is told.
  create function dispatch.note_suspension() returns trigger language plpgsql as $$
    declare health dispatch.event_health := case when tg_op = 'DELETE' then old else new end;
    begin
      -- What of its url is no secret.
      perform dispatch.add_notice(e.client_id,
          case when tg_op = 'DELETE' then 'endpoint.recovered' else 'endpoint.suspended' end, e.id,
          jsonb_build_object('reason', health.suspended_reason, 'event_type', e.event_type,
                             'origin', lower(substring(e.url from '^[A-Za-z]+://[^/?#\\\\]+'))))
        from subscription.agent_event e where e.id = health.agent_event_id;
      return null;
    end $$;

  create function dispatch.note_finished_replay() returns trigger language plpgsql as $$
    begin
      perform dispatch.add_notice(new.client_id, 'replay.finished', new.agent_event_id,
        jsonb_build_object('replay_id', new.id, 'total', new.total, 'delivered', new.delivered, 'failed', new.failed));
      return null;
    end $$;

  -- The limit that a client's use has come near to: nine tenths of it, until it is below eight tenths again; null: it is not near.
  create function subscription.near_limit(used bigint, agent_event_limit bigint, was_near bigint) returns integer
    language sql immutable parallel safe
    return case when used > 0 and used * 10 >= agent_event_limit * case when was_near is null then 9 else 8 end
                then agent_event_limit::integer end;

  create function subscription.note_near_limit() returns trigger language plpgsql as $$
    begin
      perform dispatch.add_notice(new.client_id, 'limit.near', null,
        jsonb_build_object('agent_event', new.near_limit, 'agent_event_used', new.agent_event_used));
      return null;
    end $$;`;

const TRIGGERS = `
  create trigger event_suspended after insert on dispatch.event_health
    for each row when (new.suspended_at is not null) execute function dispatch.note_suspension();
  create trigger event_suspended_now after update on dispatch.event_health
    for each row when (new.suspended_at is not null and new.suspended_reason is distinct from old.suspended_reason)
    execute function dispatch.note_suspension();
  create trigger event_resumed after delete on dispatch.event_health
    for each row when (old.suspended_at is not null) execute function dispatch.note_suspension();
  create trigger replay_finished after update of status on dispatch.replay
    for each row when (new.status = 'finished' and old.status <> 'finished') execute function dispatch.note_finished_replay();

  alter table subscription.client_usage add column near_limit integer;
  comment on column subscription.client_usage.near_limit is 'the limit that the use has come near to, told once; null: it is not near';
  create trigger limit_near after update on subscription.client_usage
    for each row when (new.near_limit is not null and old.near_limit is null) execute function subscription.note_near_limit();`;

/** With their owner's rights, since they write another schema than their callers do; and who may call them, where there are roles. */
const CALLERS: Readonly<Record<string, readonly string[]>> = {
  'dispatch.add_notice(bigint, text, bigint, jsonb)': [],
  'dispatch.wake_notices(bigint, boolean)': ['rollcall_subscription_api'],
  'dispatch.note_suspension()': [],
  'dispatch.note_finished_replay()': [],
  'subscription.note_near_limit()': [],
};

/**
 * Notices: what people who look after notifications are told, and where it is sent. Written by triggers, so that a suspension is
 * told whoever suspends. Notices are dispatcher's, notice events subscription-api's.
 */
export class Notices1764000000026 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES);
    await runner.query(FUNCTIONS);
    await onlyCallableBy(runner, CALLERS);
    await runner.query(TRIGGERS);
    await runner.query(`
      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_dispatcher') then
          grant select, insert, update, delete on dispatch.notice, dispatch.notice_delivery, dispatch.notice_event_health
            to rollcall_dispatcher;
          grant select on subscription.notice_event to rollcall_dispatcher;
        end if;
        if exists (select from pg_roles where rolname = 'rollcall_subscription_api') then
          grant select, insert, update, delete on subscription.notice_event to rollcall_subscription_api;
          grant select on dispatch.notice, dispatch.notice_delivery, dispatch.notice_event_health to rollcall_subscription_api;
        end if;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop trigger limit_near on subscription.client_usage;
      drop trigger replay_finished on dispatch.replay;
      drop trigger event_resumed on dispatch.event_health;
      drop trigger event_suspended_now on dispatch.event_health;
      drop trigger event_suspended on dispatch.event_health;
      alter table subscription.client_usage drop column near_limit;
      drop function subscription.note_near_limit();
      drop function subscription.near_limit(bigint, bigint, bigint);
      drop function dispatch.note_finished_replay();
      drop function dispatch.note_suspension();
      drop function dispatch.wake_notices(bigint, boolean);
      drop function dispatch.add_notice(bigint, text, bigint, jsonb);
      drop table dispatch.notice_event_health, dispatch.notice_delivery, dispatch.notice, subscription.notice_event;
    `);
  }
}
