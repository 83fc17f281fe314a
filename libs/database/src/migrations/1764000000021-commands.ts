/** What subscription-api asks of the dispatcher in the transaction of the change that it belongs to. */
export const COMMANDS = `
  -- The agent event was changed, deleted, suspended or resumed: what is behind for it, and what sleeps beside it, is looked at
  -- again, in bounded steps. One row, however much that is. Before a deletion, in its transaction.
  create function dispatch.wake_event(p_agent_event_id bigint) returns void
    language plpgsql as $$
    begin
      insert into dispatch.wake (agent_event_id, client_id)
        select e.id, e.client_id from subscription.agent_event e where e.id = p_agent_event_id;
      perform pg_notify('rollcall_dispatch', '');
    end $$;

  -- Works off a bounded part of a wake: of the agents that its agent event is behind for, in the order of their ids. A wake that
  -- is not done goes to the end, so that one with a million rows holds nobody's up. Rows of an agent event that is gone go;
  -- those of one that is suspended sleep on. The agents' cursors are locked first: who decides that a row sleeps holds its
  -- agent's, so either the decision is seen here or it was made of what is so now. A row that was being written when the agent
  -- event was changed is seen a little later, so it is waited for.
  -- Returns how many rows became due or went; null: there is nothing to wake.
  create function dispatch.step_wake(p_most integer) returns integer
    language plpgsql set enable_seqscan = off as $$
    declare
      job dispatch.wake;
      agents bigint[];
      gone integer := 0;
      woken integer;
      is_there boolean;
      is_suspended boolean;
    begin
      select * into job from dispatch.wake
        where created_at <= now() - interval '250 ms' or reached_agent >= 0 order by id limit 1 for update skip locked;
      if not found then
        return null;
      end if;
      select array_agg(agent_id) into agents from (
        select agent_id from dispatch.behind
        where agent_event_id = job.agent_event_id and agent_id > job.reached_agent
        order by agent_event_id, agent_id limit p_most) b;
      delete from dispatch.wake where id = job.id;
      if agents is null then
        return 0;
      end if;
      perform from (select unnest(agents) as agent_id order by 1) a
        cross join lateral (
          select from dispatch.agent_cursor c where c.client_id = job.client_id and c.agent_id = a.agent_id for no key update) c;
      is_there := exists (select from subscription.agent_event where id = job.agent_event_id);
      is_suspended := exists (select from dispatch.event_health
                              where agent_event_id = job.agent_event_id and suspended_at is not null);
      if not is_there then
        delete from dispatch.behind where agent_event_id = job.agent_event_id and agent_id = any (agents);
        get diagnostics gone = row_count;
      end if;
      update dispatch.behind b
        set due_at = now()
        from unnest(agents) as a (agent_id)
        cross join lateral (
          select s.agent_event_id from dispatch.behind s
          where s.client_id = job.client_id and s.agent_id = a.agent_id
            and case when s.agent_event_id = job.agent_event_id then not is_suspended and (s.due_at is null or s.due_at > now())
                     else s.due_at is null end
          offset 0) s
        where b.agent_event_id = s.agent_event_id and b.agent_id = a.agent_id;
      get diagnostics woken = row_count;
      if cardinality(agents) = p_most then
        insert into dispatch.wake (agent_event_id, client_id, reached_agent, created_at)
          values (job.agent_event_id, job.client_id, agents[p_most], job.created_at);
      end if;
      if woken > 0 then
        perform pg_notify('rollcall_dispatch', job.agent_event_id::text);
      end if;
      return gone + woken;
    end $$;

  -- Holds an agent event's notifications: contract §3, POST /event/{event_id}/pause. One that is suspended for another reason
  -- is paused from now on.
  create function dispatch.pause(p_agent_event_id bigint) returns void
    language plpgsql as $$
    begin
      insert into dispatch.event_health as h (agent_event_id, suspended_at, suspended_reason)
        values (p_agent_event_id, now(), 'paused')
        on conflict (agent_event_id) do update set suspended_at = now(), suspended_reason = 'paused'
          where h.suspended_reason is distinct from 'paused';
      if found then
        perform dispatch.wake_event(p_agent_event_id);
      end if;
    end $$;

  -- Lifts a suspension or a pause: contract §3, POST /event/{event_id}/resume. What waited is sent, in order.
  create or replace function dispatch.resume(p_agent_event_id bigint) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      delete from dispatch.event_health where agent_event_id = p_agent_event_id;
      perform dispatch.wake_event(p_agent_event_id);
    end $$;

  -- The agent event's url has changed: as versions before this one ask for it.
  create or replace function dispatch.rehome(p_agent_event_id bigint, p_from_url text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform dispatch.wake_event(p_agent_event_id);
    end $$;
  create or replace function dispatch.rehome(p_agent_event_id bigint) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform dispatch.wake_event(p_agent_event_id);
    end $$;

  -- Sends one delivery again: contract §3, POST /delivery/{delivery_id}/redeliver. A finished one is sent with the full schedule;
  -- the next attempt of one that is tried again comes now; of one that is on its way nothing is asked.
  create function dispatch.request_redelivery(p_agent_event_id bigint, p_change_id uuid, p_window interval,
      out answer text) -- queued, brought_forward, already_waiting, not_found
    language plpgsql as $$
    declare
      event subscription.agent_event;
      change presence.status_change;
      suspended boolean := exists (select from dispatch.event_health
                                   where agent_event_id = p_agent_event_id and suspended_at is not null);
      again dispatch.redelivery;
      row_behind dispatch.behind;
      last_attempt smallint;
      last_outcome text;
    begin
      answer := 'not_found';
      select * into event from subscription.agent_event where id = p_agent_event_id;
      select * into change from presence.status_change where id = p_change_id and client_id = event.client_id;
      if change.id is null or change.agent_id <> event.agent_id then
        return;
      end if;
      select * into again from dispatch.redelivery where agent_event_id = p_agent_event_id and change_id = p_change_id;
      if found then
        answer := 'already_waiting';
        if again.attempts > 0 and not suspended then
          perform dispatch.lock_redeliveries(p_agent_event_id, event.client_id, array[change.agent_id]);
          update dispatch.redelivery set due_at = least(due_at, now())
            where agent_event_id = p_agent_event_id and change_id = p_change_id;
          perform dispatch.settle_redeliveries(p_agent_event_id, array[change.agent_id]);
          answer := 'brought_forward';
        end if;
      else
        select a.attempt, a.outcome into last_attempt, last_outcome from dispatch.attempt a
          where a.agent_event_id = p_agent_event_id and a.change_id = p_change_id order by a.attempt desc limit 1;
        if last_outcome <> 'retry' then
          perform dispatch.send_again(p_agent_event_id, event.client_id, array[p_change_id], array[change.agent_id],
                                      array[change.sequence], array[last_attempt], null, now() + p_window);
          answer := 'queued';
        else
          select * into row_behind from dispatch.behind b
            where b.agent_event_id = p_agent_event_id and b.agent_id = change.agent_id
              and b.next_sequence <= change.sequence;
          if row_behind.head_change_id = p_change_id and row_behind.attempts > 0 and not suspended then
            update dispatch.behind set due_at = least(due_at, now())
              where agent_event_id = p_agent_event_id and agent_id = change.agent_id and head_change_id = p_change_id;
            answer := 'brought_forward';
          elsif last_outcome = 'retry' or dispatch.is_on_its_way(event, change, row_behind) then
            answer := 'already_waiting';
          end if;
        end if;
      end if;
      perform pg_notify('rollcall_dispatch', case answer when 'brought_forward' then p_agent_event_id::text else '' end);
    end $$;

  -- Whether a change that was never attempted is to be notified to an agent event: it is behind, or not planned yet.
  create function dispatch.is_on_its_way(event subscription.agent_event, change presence.status_change, row_behind dispatch.behind)
    returns boolean language plpgsql stable as $$ -- not in SQL: the functions of subscription come with the next migration but one
    begin
      return subscription.event_type_at(event.event_type, event.former_types, change.changed_at)
               = case change.agent_status when 'available' then 'agent-login' else 'agent-logout' end
             and change.agent_type
               = coalesce(subscription.agent_type_at(event.agent_type, event.former_types, change.changed_at), change.agent_type)
             and change.sequence > event.after_sequence
             and (row_behind.agent_event_id is not null
                  or change.sequence > coalesce((select c.last_sequence from dispatch.agent_cursor c
                                                 where c.client_id = change.client_id and c.agent_id = change.agent_id), 0)
                     and change.sequence > coalesce((select s.after_sequence from subscription.client_event_start s
                                                     where s.agent_event_id = event.id and s.agent_id = change.agent_id), 0));
    end $$;

  -- As versions before this one ask. False: there is no such delivery.
  create or replace function dispatch.redeliver(p_agent_event_id bigint, p_change_id uuid, p_window interval) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      return (select r.answer <> 'not_found' from dispatch.request_redelivery(p_agent_event_id, p_change_id, p_window) r);
    end $$;

  -- As versions before this one ask. Returns how many deliveries are sent again.
  create or replace function dispatch.replay(p_agent_event_id bigint, p_since timestamptz, p_until timestamptz, p_window interval)
    returns integer
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      return coalesce((dispatch.start_replay(p_agent_event_id, p_since, coalesce(p_until, now()), false, p_window)).total, 0);
    end $$;`;
