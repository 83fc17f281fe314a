import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The row where it is now: one that was moved while it was leased is known to its leaser by the lane that it was in. */
const ROWS = `
  -- The lane that a leased row was moved to, and locks the row there; null: it was not moved, or is leased no more.
  create or replace function dispatch.lane_since(of_lane bigint, of_sequence bigint, of_event bigint, owner uuid) returns bigint
    language plpgsql volatile as $$
    declare moved dispatch.moved_lease;
    begin
      for attempt in 1..3 loop -- it may be moved again while the lock is waited for
        for moved in
          select * from dispatch.moved_lease m
          where m.lane = of_lane and m.sequence = of_sequence and m.agent_event_id = of_event and (owner is null or m.lease_owner = owner)
        loop
          perform from dispatch.queue q
            where q.lane = moved.now_in and q.sequence = of_sequence and q.agent_event_id = of_event and q.lease_owner = moved.lease_owner
            for update;
          if found then return moved.now_in; end if;
        end loop;
        exit when not found; -- there was none
      end loop;
      return null;
    end $$;

  -- Takes a row off, whoever leases it or, with an owner, only while it is theirs. Tells the lane that it was in, and whether
  -- something follows it there; nulls: it is not there.
  create or replace function dispatch.take_out(of_lane bigint, of_sequence bigint, of_event bigint, owner uuid,
                                    out in_lane bigint, out was_followed boolean)
    language plpgsql volatile as $$
    begin
      delete from dispatch.queue q
        where q.lane = of_lane and q.sequence = of_sequence and q.agent_event_id = of_event and (owner is null or q.lease_owner = owner)
        returning q.lane, q.followed into in_lane, was_followed;
      if found then return; end if;
      in_lane := dispatch.lane_since(of_lane, of_sequence, of_event, owner);
      if in_lane is null then return; end if;
      delete from dispatch.queue q
        where q.lane = in_lane and q.sequence = of_sequence and q.agent_event_id = of_event
        returning q.followed into was_followed;
      delete from dispatch.moved_lease m where m.lane = of_lane and m.sequence = of_sequence and m.agent_event_id = of_event;
    end $$;

  -- As versions before this one call it.
  create or replace function dispatch.take_off(of_lane bigint, of_sequence bigint, of_event bigint, owner uuid) returns boolean
    language plpgsql volatile as $$
    begin
      return (select t.was_followed from dispatch.take_out(of_lane, of_sequence, of_event, owner) t);
    end $$;

  -- Gives a leased row back, due at a moment but never later than its window ends, with so many attempts more. One that was
  -- moved meanwhile waits behind the other heads of its new lane. False: it is not the owner's.
  create or replace function dispatch.put_back(of_lane bigint, of_sequence bigint, of_event bigint, owner uuid, due timestamptz, attempts_more smallint)
    returns boolean language plpgsql volatile as $$
    declare
      in_lane bigint;
      waits boolean := false;
    begin
      update dispatch.queue
        set attempts = attempts + attempts_more, lease_owner = null, due_at = least(due, greatest(expires_at, now()))
        where lane = of_lane and sequence = of_sequence and agent_event_id = of_event and lease_owner = owner;
      if found then return true; end if;
      in_lane := dispatch.lane_since(of_lane, of_sequence, of_event, owner);
      if in_lane is null then return false; end if;
      -- Behind rows that wait already it would be behind the lane's tail, which only the fan-out may move.
      if not exists (select from dispatch.queue where lane = in_lane and due_at is null and sequence < of_sequence) then
        update dispatch.queue set followed = true
          where lane = in_lane and due_at is not null and (sequence, agent_event_id) <> (of_sequence, of_event);
        waits := found;
      end if;
      update dispatch.queue
        set attempts = attempts + attempts_more, lease_owner = null,
            due_at = case when not waits then least(due, greatest(expires_at, now())) end
        where lane = in_lane and sequence = of_sequence and agent_event_id = of_event;
      delete from dispatch.moved_lease where lane = of_lane and sequence = of_sequence and agent_event_id = of_event;
      return true;
    end $$;`;

const REHOME = `
  -- The agent event's url has changed: what waits for it moves to the lanes of the new one, and so does what is being sent to
  -- the url before, so that everything else stays behind it. Without that url, what is leased stays where it is.
  -- The planner may have seen the queue empty: it shall not read it whole for each agent.
  create or replace function dispatch.rehome(p_agent_event_id bigint, p_from_url text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
    declare
      event subscription.agent_event;
      agents bigint[];
      lanes bigint[];
      left_while_sending bigint[];
    begin
      select * into event from subscription.agent_event where id = p_agent_event_id;
      if not found then
        return;
      end if;
      agents := case when event.agent_id is not null then array[event.agent_id]
        else (select coalesce(array_agg(agent_id), '{}') from dispatch.agent_cursor where client_id = event.client_id) end;
      perform dispatch.hold_agents(event.client_id, agents);
      with queued as materialized (
        select q.lane, q.sequence from dispatch.queue q
        where q.agent_event_id = p_agent_event_id and q.lease_owner is null
          and q.lane <> dispatch.lane_of(q.client_id, q.agent_id, event.url)
        union
        select q.lane, q.sequence from unnest(agents) as a (agent_id)
        cross join lateral (
          select q.lane, q.sequence from dispatch.queue q
          where q.lane = dispatch.lane_of(event.client_id, a.agent_id, p_from_url) and q.agent_event_id = p_agent_event_id
          offset 0) q),
      stray as materialized (
        select q.* from (select * from queued order by lane, sequence) k
        cross join lateral (
          select q.lane, q.sequence, q.agent_event_id, q.lease_owner, dispatch.lane_of(q.client_id, q.agent_id, event.url) as home
          from dispatch.queue q
          where q.lane = k.lane and q.sequence = k.sequence and q.agent_event_id = p_agent_event_id
            and (q.lease_owner is null or p_from_url is not null)
            and q.lane <> dispatch.lane_of(q.client_id, q.agent_id, event.url)
          for update) q),
      moved as (
        update dispatch.queue q
        set lane = stray.home, due_at = case when q.lease_owner is not null then q.due_at end, followed = false
        from stray
        where q.lane = stray.lane and q.sequence = stray.sequence and q.agent_event_id = stray.agent_event_id
        returning stray.lane, stray.sequence, stray.agent_event_id, stray.lease_owner, stray.home),
      moved_again as (
        update dispatch.moved_lease l set now_in = moved.home
        from moved
        where l.now_in = moved.lane and l.sequence = moved.sequence and l.agent_event_id = moved.agent_event_id
          and l.lease_owner = moved.lease_owner
        returning moved.lane, moved.sequence),
      noted as (
        insert into dispatch.moved_lease (lane, sequence, agent_event_id, lease_owner, now_in)
        select lane, sequence, agent_event_id, lease_owner, home from moved
        where lease_owner is not null and (lane, sequence) not in (select lane, sequence from moved_again)
        on conflict (lane, sequence, agent_event_id, lease_owner) do update set now_in = excluded.now_in)
      select array_agg(distinct l), array_agg(distinct moved.lane) filter (where moved.lease_owner is not null)
        into lanes, left_while_sending
        from moved, unnest(array[moved.lane, moved.home]) as l;
      if lanes is null then
        return;
      end if;
      perform dispatch.settle_lanes(lanes);
      delete from dispatch.moved_lease where agent_event_id = p_agent_event_id and now_in = lane; -- back where it was
      -- A request that is under way to the url before may still be written for half a second: contract §3. What follows it there
      -- comes after that.
      update dispatch.queue set due_at = now() + interval '500 ms'
        where lane = any (left_while_sending) and lease_owner is null and due_at = now();
    end $$;

  create or replace function dispatch.rehome(p_agent_event_id bigint) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform dispatch.rehome(p_agent_event_id, null);
    end $$;
  revoke execute on function dispatch.rehome(bigint, text) from public;`;

/**
 * Rows move to the lanes of a new url also while they are leased, so that what comes after them stays behind them. Owned by
 * dispatcher.
 */
export class MovedLease1764000000019 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table if not exists dispatch.moved_lease (
        -- The row as its leaser knows it: what became of it is told by this name.
        lane bigint not null,
        sequence bigint not null,
        agent_event_id bigint not null,
        lease_owner uuid not null,
        now_in bigint not null,
        primary key (lane, sequence, agent_event_id, lease_owner)
      );
      comment on table dispatch.moved_lease is 'rows of the queue that were moved to another lane while they were leased; few, and not for long';
    `);
    await runner.query(ROWS);
    await runner.query(REHOME);
    await runner.query(`
      do $$ begin
        if exists (select from pg_roles where rolname = 'rollcall_dispatcher') then
          grant select, insert, update, delete on dispatch.moved_lease to rollcall_dispatcher;
          grant select on presence.status_change_position to rollcall_dispatcher; -- it compares the log as far as it goes
        end if;
        if exists (select from pg_roles where rolname = 'rollcall_subscription_api') then
          grant execute on function dispatch.rehome(bigint, text) to rollcall_subscription_api;
        end if;
      end $$;
    `);
  }

  /** Leaves all of it: the version before runs on it as well, and a row that was moved is still told by its old name. */
  async down(): Promise<void> {}
}
