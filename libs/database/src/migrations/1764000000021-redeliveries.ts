/** Deliveries that are sent again, in the order of their sequences within a lane: an agent event and an agent. */
export const REDELIVERIES = `
  -- Has each of these lanes be due when its first redelivery is, or ends it where there is none. They are locked.
  create function dispatch.settle_redeliveries(p_agent_event_id bigint, p_agent_ids bigint[]) returns void
    language plpgsql as $$
    begin
      delete from dispatch.redelivery_lane l
        where l.agent_event_id = p_agent_event_id and l.agent_id = any (p_agent_ids)
          and not exists (select from dispatch.redelivery r
                          where r.agent_event_id = l.agent_event_id and r.agent_id = l.agent_id);
      update dispatch.redelivery_lane l
        set due_at = (select r.due_at from dispatch.redelivery r
                      where r.agent_event_id = l.agent_event_id and r.agent_id = l.agent_id
                      order by r.agent_event_id, r.agent_id, r.sequence limit 1)
        where l.agent_event_id = p_agent_event_id and l.agent_id = any (p_agent_ids);
    end $$;

  -- Locks these lanes, which need not be there, in the order of their key; from here on a snapshot shows all that is in them.
  create function dispatch.lock_redeliveries(p_agent_event_id bigint, p_client_id bigint, p_agent_ids bigint[]) returns void
    language plpgsql as $$
    begin
      insert into dispatch.redelivery_lane as l (agent_event_id, agent_id, client_id, due_at)
        select p_agent_event_id, a, p_client_id, now() from (select distinct unnest(p_agent_ids) as a) d order by a
        on conflict (agent_event_id, agent_id) do update set due_at = l.due_at;
    end $$;

  -- Has deliveries of one agent event sent again, each with so many attempts before. Those that are being sent again already
  -- stay as they are. Returns how many there are more.
  create function dispatch.send_again(p_agent_event_id bigint, p_client_id bigint, p_change_ids uuid[], p_agent_ids bigint[],
      p_sequences bigint[], p_attempts smallint[], p_replay_id bigint, p_expires_at timestamptz) returns integer
    language plpgsql as $$
    declare added integer;
    begin
      perform dispatch.lock_redeliveries(p_agent_event_id, p_client_id, p_agent_ids);
      insert into dispatch.redelivery
          (agent_event_id, change_id, client_id, agent_id, sequence, replay_id, attempts_before, expires_at)
        select p_agent_event_id, change_id, p_client_id, agent_id, sequence, p_replay_id, attempts, p_expires_at
        from unnest(p_change_ids, p_agent_ids, p_sequences, p_attempts) as d (change_id, agent_id, sequence, attempts)
        on conflict do nothing;
      get diagnostics added = row_count;
      perform dispatch.settle_redeliveries(p_agent_event_id, p_agent_ids);
      return added;
    end $$;

  -- Agent events that have just failed: the first failure since a success begins their bad time, and one that has lasted long
  -- enough suspends them; those that answered 410 are suspended at once. What sleeps behind them is woken.
  create function dispatch.note_failures(p_failing bigint[], p_gone bigint[], p_suspend_after interval) returns void
    language plpgsql as $$
    declare suspended bigint[];
    begin
      with changed as (
        insert into dispatch.event_health as h (agent_event_id, failing_since, suspended_at, suspended_reason)
          select id, now(), case when is_gone then now() end, case when is_gone then 'gone' end
          from (select id, id = any (p_gone) as is_gone from unnest(p_failing || p_gone) as f (id) group by id) f
          order by id
          on conflict (agent_event_id) do update
            set suspended_at = now(), suspended_reason = coalesce(excluded.suspended_reason, 'failing')
            where h.suspended_at is null
              and (excluded.suspended_reason is not null or h.failing_since <= now() - p_suspend_after)
        returning agent_event_id, suspended_at)
      select array_agg(agent_event_id) into suspended from changed where suspended_at is not null;
      perform dispatch.wake_event(id) from unnest(suspended) as s (id);
    end $$;

  -- Writes what became of redeliveries, of those whose shard the owner has still: their last attempts, when they are due again
  -- (retry) or that they are over, and how the agent events are. Returns how many were written; the others are another's now.
  -- Lanes are locked in the order of their key, and replays after them.
  create function dispatch.record_redeliveries(p_owner uuid, p_agent_event_ids bigint[], p_agent_ids bigint[], p_change_ids uuid[],
      p_shards integer[], p_epochs bigint[], p_attempts smallint[], p_triggers text[], p_attempted_ats timestamptz[], p_latencies integer[],
      p_outcomes text[], p_statuses smallint[], p_errors text[], p_responses text[], p_delays double precision[],
      p_suspend_after interval) returns integer
    language plpgsql as $$
    declare
      r record;
      of_replay bigint;
      replays bigint[] := '{}';
      delivered_of bigint[] := '{}';
      well bigint[] := '{}';
      failing bigint[] := '{}';
      gone bigint[] := '{}';
      written integer := 0;
    begin
      for r in
        select * from unnest(p_agent_event_ids, p_agent_ids, p_change_ids, p_shards, p_epochs, p_attempts, p_triggers,
                             p_attempted_ats, p_latencies, p_outcomes, p_statuses, p_errors, p_responses, p_delays)
          as d (agent_event_id, agent_id, change_id, shard, epoch, attempt, trigger, attempted_at, latency_ms, outcome, http_status, error,
                response, delay_ms)
        order by agent_event_id, agent_id
      loop
        perform from dispatch.shard_lease s
          where s.shard = r.shard and s.owner = p_owner and s.epoch = r.epoch and s.until > clock_timestamp()
          for share;
        continue when not found;
        perform from dispatch.redelivery_lane l
          where l.agent_event_id = r.agent_event_id and l.agent_id = r.agent_id for update;
        case r.outcome
          when 'delivered' then well := well || r.agent_event_id;
          when 'gone' then gone := gone || r.agent_event_id;
          else if r.http_status is not null or r.latency_ms > 0 then failing := failing || r.agent_event_id; end if;
        end case;
        if r.outcome in ('retry', 'gone') then
          r.outcome := 'retry';
          update dispatch.redelivery d
            set attempts = d.attempts + 1,
                due_at = least(now() + r.delay_ms * interval '1 ms', greatest(d.expires_at, now()))
            where d.agent_event_id = r.agent_event_id and d.change_id = r.change_id;
          if not found then
            r.outcome := 'failed'; -- it was cancelled meanwhile
          end if;
        else
          delete from dispatch.redelivery d
            where d.agent_event_id = r.agent_event_id and d.change_id = r.change_id
            returning d.replay_id into of_replay;
          if of_replay is not null then
            replays := replays || of_replay;
            if r.outcome = 'delivered' then
              delivered_of := delivered_of || of_replay;
            end if;
          end if;
        end if;
        insert into dispatch.attempt as a
            (agent_event_id, change_id, attempt, trigger, attempted_at, latency_ms, outcome, http_status, error, response)
          values (r.agent_event_id, r.change_id, r.attempt, r.trigger, r.attempted_at, r.latency_ms, r.outcome, r.http_status, r.error,
                  r.response)
          on conflict (agent_event_id, change_id, attempt) do update
            set outcome = excluded.outcome, http_status = excluded.http_status, error = excluded.error, response = excluded.response;
        perform dispatch.settle_redeliveries(r.agent_event_id, array[r.agent_id]);
        written := written + 1;
      end loop;
      if well <> '{}' then
        delete from dispatch.event_health where agent_event_id = any (well) and suspended_at is null;
      end if;
      if failing <> '{}' or gone <> '{}' then
        perform dispatch.note_failures(failing, gone, p_suspend_after);
      end if;
      if replays <> '{}' then
        perform from dispatch.replay where id = any (replays) order by id for update;
        update dispatch.replay j
          set delivered = j.delivered + n.delivered, failed = j.failed + n.ended - n.delivered
          from (select e.id, count(*) as ended,
                       (select count(*) from unnest(delivered_of) as d where d = e.id) as delivered
                from unnest(replays) as e (id) group by e.id) n
          where j.id = n.id;
      end if;
      return written;
    end $$;

  -- Lets the redeliveries of an agent event go, in bounded steps: it was deleted. Returns how many lanes went.
  create function dispatch.forget_redeliveries(p_agent_event_id bigint, p_most integer) returns integer
    language plpgsql as $$
    declare agents bigint[];
    begin
      select array_agg(agent_id) into agents from (
        select agent_id from dispatch.redelivery_lane where agent_event_id = p_agent_event_id
        order by agent_event_id, agent_id limit p_most for update) l;
      if agents is null then
        return 0;
      end if;
      delete from dispatch.redelivery where agent_event_id = p_agent_event_id and agent_id = any (agents);
      perform dispatch.settle_redeliveries(p_agent_event_id, agents);
      return cardinality(agents);
    end $$;`;
