import type { MigrationInterface, QueryRunner } from 'typeorm';
import { onlyCallableBy } from './only-callable-by.js';

const TABLES = `
  create table access.client_removal (
    client_id bigint primary key,
    requested_at timestamptz not null default now(),
    requested_by text not null,
    -- What is being removed: see the stages of ClientRemovalRepository.
    stage smallint not null default 0,
    -- Agents up to this one are removed.
    reached bigint not null default -1,
    -- Its agent events, those that were deleted before as well: attempts are found by them.
    agent_event_ids bigint[] not null,
    -- What the log has up to here goes; null: not known yet.
    until_position bigint,
    -- When it was gone on with, or from when on it may be again.
    stepped_at timestamptz not null default now(),
    finished_at timestamptz
  );
  comment on table access.client_removal is 'clients that are being removed, in steps, and those that were';
  -- Serves the steps.
  create index client_removal_running on access.client_removal (stepped_at) where finished_at is null;

  create table access.audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    client_id bigint not null,
    -- The application, or what else did it.
    by text not null,
    action text not null,
    -- The id of what was changed.
    subject text not null,
    detail jsonb not null
  );
  comment on table access.audit is 'who changed which agent event, secret and application; kept for 90 days';
  -- Serves the list, newest first.
  create index audit_by_client on access.audit (client_id, id);
  -- Serves the clean-up.
  create index audit_by_at on access.audit (at);`;

const FUNCTIONS = `
  -- Removes a client's agents after an agent, so many at a time, as DELETE /agent/{type}/{agent_id} does, and forgets their names.
  -- What stays is an agent's number and how many changes it had, so that it counts on if the number comes back.
  -- Returns the last agent; null: there are no more.
  create function presence.forget_agents(p_client_id bigint, p_after bigint, p_most integer) returns bigint
    language plpgsql as $$
    declare
      found_agent presence.agent;
      last bigint;
    begin
      for found_agent in
        select * from presence.agent where client_id = p_client_id and agent_id > p_after order by agent_id limit p_most
      loop
        last := found_agent.agent_id;
        if found_agent.deleted_at is null then
          perform presence.remove_agent(p_client_id, found_agent.agent_type, found_agent.agent_id,
            (left(replace(presence.uuid_v7_floor(clock_timestamp())::text, '-', ''), 12) || '7'
             || right(replace(gen_random_uuid()::text, '-', ''), 19))::uuid);
        end if;
        update presence.agent set name = '' where client_id = p_client_id and agent_id = found_agent.agent_id and deleted_at is not null;
      end loop;
      return last;
    end $$;

  -- Has a client that an agent is added to stay, or come back, whoever adds it and whoever is just removing the client.
  create function presence.keep_client() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform from presence.client where client_id = new.client_id for key share;
      if not found then
        insert into presence.client (client_id) values (new.client_id) on conflict do nothing;
      end if;
      return null;
    end $$;
  create trigger keep_client after insert on presence.agent for each row execute function presence.keep_client();
  create trigger keep_client_of_returned after update on presence.agent
    for each row when (old.deleted_at is not null and new.deleted_at is null) execute function presence.keep_client();

  -- Deletes what is logged of a client up to a position, so many rows at a time, but no change that is still to be published.
  -- Returns whether there may be more; null: what is left is still to be published.
  create function presence.forget_log(p_client_id bigint, p_until bigint, p_before timestamptz, p_most integer) returns boolean
    language plpgsql set enable_seqscan = off as $$
    declare
      gone integer;
      sum integer := 0;
    begin
      delete from presence.status_change where id in (
        select s.id from presence.status_change s
        where s.client_id = p_client_id and s.position <= p_until
          and not exists (select from presence.outbox o where o.position = s.position)
        limit p_most);
      get diagnostics gone = row_count;
      sum := sum + gone;
      delete from presence.directory_change where position in (
        select position from presence.directory_change where client_id = p_client_id and position <= p_until limit p_most);
      get diagnostics gone = row_count;
      sum := sum + gone;
      delete from presence.change_series where (client_id, minute) in (
        select client_id, minute from presence.change_series where client_id = p_client_id and minute <= p_before limit p_most);
      get diagnostics gone = row_count;
      sum := sum + gone;
      delete from presence.last_report where (client_id, agent_id) in (
        select r.client_id, r.agent_id from presence.last_report r
        join presence.agent a on a.client_id = r.client_id and a.agent_id = r.agent_id and a.deleted_at is not null
        where r.client_id = p_client_id limit p_most);
      get diagnostics gone = row_count;
      sum := sum + gone;
      if sum > 0 then
        return true;
      end if;
      if exists (select from presence.status_change where client_id = p_client_id and position <= p_until) then
        return null;
      end if;
      -- Whoever is adding an agent has the row, and is waited for: the next statement sees the agent.
      perform from presence.client where client_id = p_client_id for update;
      delete from presence.client c where c.client_id = p_client_id
        and not exists (select from presence.agent a where a.client_id = p_client_id and a.deleted_at is null);
      return false;
    end $$;

  -- Deletes what is kept of a client's notifications and notices, so many rows at a time. Its agent events are deleted already.
  -- Returns whether there may be more.
  create function dispatch.forget_client(p_client_id bigint, p_agent_event_ids bigint[], p_before timestamptz, p_most integer)
    returns boolean
    language plpgsql set enable_seqscan = off as $$
    declare
      again bigint;
      agent_events bigint[];
      agents bigint[];
      gone integer;
      sum integer := 0;
    begin
      select agent_event_id into again from dispatch.redelivery_lane where agent_event_id = any (p_agent_event_ids) limit 1;
      if found then
        perform dispatch.forget_redeliveries(again, p_most);
        return true;
      end if;
      -- The agents' cursors first, as whoever moves what is behind does.
      select array_agg(agent_event_id), array_agg(agent_id) into agent_events, agents from (
        select agent_event_id, agent_id from dispatch.behind
        where client_id = p_client_id and agent_event_id = any (p_agent_event_ids) limit p_most) b;
      if agents is not null then
        perform from (select distinct unnest(agents) as agent_id order by 1) a
          cross join lateral (
            select from dispatch.agent_cursor c where c.client_id = p_client_id and c.agent_id = a.agent_id for no key update) c;
        delete from dispatch.behind b using unnest(agent_events, agents) as found (agent_event_id, agent_id)
          where b.client_id = p_client_id and b.agent_event_id = found.agent_event_id and b.agent_id = found.agent_id;
        return true;
      end if;
      delete from dispatch.attempt where (agent_event_id, change_id, attempt) in (
        select agent_event_id, change_id, attempt from dispatch.attempt where agent_event_id = any (p_agent_event_ids) limit p_most);
      get diagnostics gone = row_count;
      sum := sum + gone;
      delete from dispatch.delivery_series where (client_id, agent_event_id, grain, at) in (
        select client_id, agent_event_id, grain, at from dispatch.delivery_series
        where client_id = p_client_id and at <= p_before limit p_most);
      get diagnostics gone = row_count;
      sum := sum + gone;
      -- Each with a delivery for each of up to a hundred notice events.
      delete from dispatch.notice where id in (
        select id from dispatch.notice where client_id = p_client_id and at <= p_before limit greatest(1, p_most / 100));
      get diagnostics gone = row_count;
      sum := sum + gone;
      delete from dispatch.replay where agent_event_id = any (p_agent_event_ids);
      delete from dispatch.event_health where agent_event_id = any (p_agent_event_ids);
      delete from dispatch.origin_state where client_id = p_client_id;
      return sum > 0;
    end $$;`;

const CALLERS: Readonly<Record<string, readonly string[]>> = {
  'presence.forget_agents(bigint, bigint, integer)': ['rollcall_subscription_api'],
  'presence.forget_log(bigint, bigint, timestamptz, integer)': ['rollcall_subscription_api'],
  'dispatch.forget_client(bigint, bigint[], timestamptz, integer)': ['rollcall_subscription_api'],
};

/**
 * The removal of a client with all that is kept of it: jobs are subscription-api's, and what others keep goes by functions of theirs.
 * And the log of who changed what. Owned by subscription-api.
 */
export class ClientRemoval1764000000027 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES);
    await runner.query(FUNCTIONS);
    await onlyCallableBy(runner, CALLERS);
    await runner.query(`
      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_subscription_api') then
          grant select, insert, update, delete on access.client_removal, access.audit to rollcall_subscription_api;
        end if;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop trigger keep_client on presence.agent;
      drop trigger keep_client_of_returned on presence.agent;
      drop function presence.keep_client();
    `);
    for (const command of Object.keys(CALLERS)) await runner.query(`drop function ${command}`);
    await runner.query('drop table access.client_removal, access.audit');
  }
}
