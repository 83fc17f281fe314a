/** Deliveries of a span of time that are sent again: contract §3, `…/replay`. */
export const REPLAYS = `
  -- Attempts are kept from this moment on: where the oldest day of their log begins.
  create function dispatch.attempts_since() returns timestamptz
    language sql stable as $$
      select min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamp at time zone 'utc'
      from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'dispatch.attempt'::regclass and c.relname ~ '_[0-9]{8}$'
    $$;

  -- Of the deliveries of an agent event that were attempted, those of a span of changes that a replay sends again: the first so
  -- many after a change, in the order of ids. Ids are made shortly before or after the change is, so a span of time is a span of
  -- ids that is ten minutes wider, and what lies within ten minutes of its ends is looked up in the log. There are no ids of
  -- before 1970. What does not match is listed as well, so that whoever asks knows how far it has got.
  create function dispatch.replayable(p_agent_event_id bigint, p_since timestamptz, p_until timestamptz, p_only_failed boolean,
      p_after uuid, p_most integer)
    returns table (change_id uuid, attempts smallint, matches boolean)
    language sql stable set enable_seqscan = off as $$
      with ends as materialized (
        select presence.uuid_v7_floor(since - interval '10 minutes') as first, presence.uuid_v7_floor(since + interval '10 minutes') as surely_from,
               presence.uuid_v7_floor(p_until - interval '10 minutes') as surely_to, presence.uuid_v7_floor(p_until + interval '10 minutes') as last
        from (select greatest(p_since, '2000-01-01Z') as since) s)
      select d.change_id, d.attempt,
             case when p_only_failed
                    -- One that was delivered before, and failed when it was sent again, has arrived.
                    then d.outcome = 'failed' and not exists (
                      select from dispatch.attempt t
                      where t.agent_event_id = p_agent_event_id and t.change_id = d.change_id and t.outcome = 'delivered')
                    else d.outcome in ('failed', 'delivered', 'dropped') end
             and case when d.change_id >= (select surely_from from ends) and d.change_id < (select surely_to from ends) then true
                      else coalesce((select c.changed_at >= p_since and c.changed_at < p_until
                                     from presence.status_change c where c.id = d.change_id), false) end
             and d.change_id not in (select r.change_id from dispatch.redelivery r where r.agent_event_id = p_agent_event_id)
      from (
        select distinct on (a.change_id) a.change_id, a.attempt, a.outcome
        from dispatch.attempt a
        where a.agent_event_id = p_agent_event_id and a.change_id > p_after
          and a.change_id >= (select first from ends) and a.change_id < (select last from ends)
        order by a.change_id, a.attempt desc
        limit p_most) d
    $$;

  -- How many deliveries a replay would send, and when the first and the last of their changes were made.
  create function dispatch.count_replay(p_agent_event_id bigint, p_since timestamptz, p_until timestamptz, p_only_failed boolean,
      out count integer, out first timestamptz, out last timestamptz)
    language plpgsql stable as $$
    declare ends uuid[];
    begin
      -- There is no min(uuid) before PostgreSQL 18; the text of a uuid sorts the same.
      select pg_catalog.count(*), array[min(d.change_id::text), max(d.change_id::text)]::uuid[] into count, ends
        from dispatch.replayable(p_agent_event_id, p_since, p_until, p_only_failed, '00000000-0000-0000-0000-000000000000', 100000) d
        where d.matches;
      select c.changed_at into first from presence.status_change c where c.id = ends[1];
      select c.changed_at into last from presence.status_change c where c.id = ends[2];
    end $$;

  -- Asks for a replay; its deliveries are taken in steps.
  create function dispatch.start_replay(p_agent_event_id bigint, p_since timestamptz, p_until timestamptz, p_only_failed boolean,
      p_window interval) returns dispatch.replay
    language plpgsql as $$
    declare
      job dispatch.replay;
      counted integer := (dispatch.count_replay(p_agent_event_id, p_since, p_until, p_only_failed)).count;
    begin
      insert into dispatch.replay (agent_event_id, client_id, since, until, only_failed, total, expires_at)
        select e.id, e.client_id, p_since, p_until, p_only_failed, counted, now() + p_window
        from subscription.agent_event e where e.id = p_agent_event_id
        returning * into job;
      perform pg_notify('rollcall_dispatch', '');
      return job;
    end $$;

  -- Takes the next deliveries of a replay, while few of them wait, and ends it when all are done. Jobs of one agent event come
  -- one after another. Nothing is done where somebody else is at it.
  create function dispatch.step_replay(p_id bigint, p_most integer) returns void
    language plpgsql as $$
    declare
      job dispatch.replay;
      page record;
      more integer := 0;
    begin
      if not pg_try_advisory_xact_lock(hashtext('dispatch.replay'), (p_id % 2147483648)::integer) then
        return;
      end if;
      select * into job from dispatch.replay where id = p_id and status = 'running';
      if not found or exists (select from dispatch.replay o
                              where o.agent_event_id = job.agent_event_id and o.id < p_id and o.status = 'running') then
        return;
      end if;
      if not exists (select from subscription.agent_event where id = job.agent_event_id) then
        update dispatch.replay set status = 'cancelled', finished_at = now() where id = p_id;
        return;
      end if;
      if job.all_taken then
        update dispatch.replay set status = 'finished', finished_at = now()
          where id = p_id and not exists (select from dispatch.redelivery where replay_id = p_id);
        return;
      end if;
      if (select count(*) from dispatch.redelivery where replay_id = p_id) >= p_most then
        return;
      end if;
      select count(*) as read, (max(d.change_id::text))::uuid as reached, count(*) filter (where d.matches) as found,
             array_agg(d.change_id order by d.change_id) filter (where d.matches) as change_ids,
             array_agg(c.agent_id order by d.change_id) filter (where d.matches) as agent_ids,
             array_agg(c.sequence order by d.change_id) filter (where d.matches) as sequences,
             array_agg(d.attempts order by d.change_id) filter (where d.matches) as attempts
        into page
        from dispatch.replayable(job.agent_event_id, job.since, job.until, job.only_failed, job.reached, p_most) d
        left join lateral (
          select s.agent_id, s.sequence from presence.status_change s where s.id = d.change_id offset 0) c on true;
      if page.found > 0 then
        more := dispatch.send_again(job.agent_event_id, job.client_id, page.change_ids, page.agent_ids, page.sequences,
                                    page.attempts, p_id, job.expires_at);
      end if;
      update dispatch.replay
        set taken = taken + more, reached = coalesce(page.reached, reached), all_taken = page.read < p_most,
            total = case when page.read < p_most then taken + more else greatest(total, taken + more) end
        where id = p_id;
    end $$;

  -- Cancels what is not sent yet of a replay: contract §3. What was attempted and waits for its next attempt has failed
  -- in this run; one that was delivered before stays delivered, as its attempts say.
  -- Of a job there are never many rows, whatever its size.
  create function dispatch.cancel_replay(p_id bigint) returns void
    language plpgsql as $$
    declare
      job dispatch.replay;
      agents bigint[];
      given_up integer;
    begin
      perform pg_advisory_xact_lock(hashtext('dispatch.replay'), (p_id % 2147483648)::integer);
      select * into job from dispatch.replay where id = p_id and status = 'running';
      if not found then
        return;
      end if;
      select array_agg(distinct agent_id) into agents from dispatch.redelivery where replay_id = p_id;
      if agents is not null then
        perform dispatch.lock_redeliveries(job.agent_event_id, job.client_id, agents);
        with gone as (
          delete from dispatch.redelivery where replay_id = p_id
          returning agent_event_id, change_id, (attempts_before + attempts)::smallint as attempt, attempts > 0 as attempted)
        update dispatch.attempt a set outcome = 'failed'
          from gone where gone.attempted and a.agent_event_id = gone.agent_event_id and a.change_id = gone.change_id
            and a.attempt = gone.attempt;
        get diagnostics given_up = row_count;
        perform dispatch.settle_redeliveries(job.agent_event_id, agents);
      end if;
      update dispatch.replay
        set status = 'cancelled', finished_at = now(), failed = failed + coalesce(given_up, 0) where id = p_id;
    end $$;`;
