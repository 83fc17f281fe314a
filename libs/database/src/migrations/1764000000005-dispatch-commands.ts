import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What subscription-api asks of the queue, as functions that the queue's owner keeps right: they are called in the
 * transaction of the change that they belong to. All of them take the agents' cursors before they touch lanes, in the
 * order of the key, as the fan-out does.
 */
export class DispatchCommands1764000000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Stops the fan-out of these agents until the transaction ends, and has one that is under way start again: it has
      -- chosen lanes by what was before.
      create function dispatch.hold_agents(p_client_id bigint, p_agent_ids bigint[]) returns void
        language plpgsql as $$
        begin
          insert into dispatch.agent_cursor (client_id, agent_id, last_sequence)
            select p_client_id, a, 0 from unnest(p_agent_ids) as a group by a order by a
            on conflict do nothing;
          perform from dispatch.agent_cursor
            where client_id = p_client_id and agent_id = any (p_agent_ids)
            order by client_id, agent_id for update;
          update dispatch.agent_cursor set version = version + 1
            where client_id = p_client_id and agent_id = any (p_agent_ids);
        end $$;

      -- Makes lanes whole after rows were moved or added: one that has rows has a head, and what stands before another row
      -- says so. The agents are held.
      create function dispatch.settle_lanes(p_lanes bigint[]) returns void
        language plpgsql as $$
        begin
          perform from dispatch.queue where lane = any (p_lanes)
            order by lane, sequence, agent_event_id for update;
          update dispatch.queue q set due_at = now()
            from (select lane, min(sequence) as sequence, bool_or(due_at is not null) as has_head
                  from dispatch.queue where lane = any (p_lanes) group by lane) l
            where q.lane = l.lane and q.sequence = l.sequence and not l.has_head;
          update dispatch.queue q set followed = s.followed
            from (select q.lane, q.sequence, q.agent_event_id,
                         coalesce(l.last_waiting > q.sequence or (q.due_at is not null and l.last_waiting is not null), false) as followed
                  from dispatch.queue q
                  join (select lane, max(sequence) filter (where due_at is null) as last_waiting
                        from dispatch.queue where lane = any (p_lanes) group by lane) l using (lane)) s
            where q.lane = s.lane and q.sequence = s.sequence and q.agent_event_id = s.agent_event_id and q.followed <> s.followed;
        end $$;

      -- The agent event's url has changed: what waits for it moves to the lanes of the new one. What is being sent stays,
      -- and moves when it is claimed for its next attempt.
      create function dispatch.rehome(p_agent_event_id bigint) returns void
        language plpgsql as $$
        declare
          event subscription.agent_event;
          lanes bigint[];
        begin
          select * into event from subscription.agent_event where id = p_agent_event_id;
          if not found then
            return;
          end if;
          perform dispatch.hold_agents(event.client_id, case when event.agent_id is not null then array[event.agent_id]
            else (select coalesce(array_agg(agent_id), '{}') from dispatch.agent_cursor where client_id = event.client_id) end);
          with stray as (
            select lane, sequence, agent_event_id, dispatch.lane_of(client_id, agent_id, event.url) as home
            from dispatch.queue
            where agent_event_id = p_agent_event_id and lease_owner is null
              and lane <> dispatch.lane_of(client_id, agent_id, event.url)
            order by lane, sequence, agent_event_id for update),
          moved as (
            update dispatch.queue q set lane = stray.home, due_at = null, followed = false
            from stray
            where q.lane = stray.lane and q.sequence = stray.sequence and q.agent_event_id = stray.agent_event_id
              and q.lease_owner is null
            returning stray.lane, stray.home)
          select array_agg(distinct l) into lanes from moved, unnest(array[moved.lane, moved.home]) as l;
          if lanes is not null then
            perform dispatch.settle_lanes(lanes);
          end if;
        end $$;

      -- Lifts a suspension: contract §3, POST /event/{event_id}/resume. The heads of its lanes are due now, and what waits
      -- behind them follows in order.
      create function dispatch.resume(p_agent_event_id bigint) returns void
        language plpgsql as $$
        begin
          delete from dispatch.event_health where agent_event_id = p_agent_event_id;
          with head as (
            select lane, sequence, agent_event_id from dispatch.queue
            where agent_event_id = p_agent_event_id and lease_owner is null and due_at is not null
            order by lane, sequence, agent_event_id for update)
          update dispatch.queue q set due_at = now()
            from head
            where q.lane = head.lane and q.sequence = head.sequence and q.agent_event_id = head.agent_event_id
              and q.lease_owner is null and q.due_at is not null;
        end $$;

      -- Queues finished deliveries of one agent event again, with the full schedule. Those that are still queued are left
      -- as they are. Returns how many were queued.
      create function dispatch.requeue(p_agent_event_id bigint, p_change_ids uuid[], p_window interval) returns integer
        language plpgsql as $$
        declare
          event subscription.agent_event;
          lanes bigint[];
          queued integer;
        begin
          select * into event from subscription.agent_event where id = p_agent_event_id;
          if not found then
            return 0;
          end if;
          perform dispatch.hold_agents(event.client_id, (
            select coalesce(array_agg(distinct agent_id), '{}') from presence.status_change where id = any (p_change_ids)));
          with finished as (
            select c.id, c.client_id, c.agent_id, c.sequence, dispatch.lane_of(c.client_id, c.agent_id, event.url) as lane,
                   (select max(a.attempt) from dispatch.attempt a
                    where a.agent_event_id = p_agent_event_id and a.change_id = c.id) as attempts
            from presence.status_change c
            where c.id = any (p_change_ids) and c.client_id = event.client_id
              and not exists (select from dispatch.queue q
                              where q.agent_event_id = p_agent_event_id and q.change_id = c.id and q.lease_owner is null)),
          added as (
            insert into dispatch.queue (lane, sequence, agent_event_id, change_id, client_id, agent_id, attempts_before, expires_at)
            select lane, sequence, p_agent_event_id, id, client_id, agent_id, attempts, now() + p_window
            from finished where attempts is not null
            on conflict do nothing
            returning lane)
          select array_agg(distinct lane), count(*) into lanes, queued from added;
          if lanes is not null then
            perform dispatch.settle_lanes(lanes);
          end if;
          return queued;
        end $$;

      -- Sends one delivery again: contract §3, POST /delivery/{delivery_id}/redeliver. One that is still queued is due now,
      -- unless it waits behind an earlier one of its lane. False: there was no such delivery.
      create function dispatch.redeliver(p_agent_event_id bigint, p_change_id uuid, p_window interval) returns boolean
        language plpgsql as $$
        begin
          if dispatch.requeue(p_agent_event_id, array[p_change_id], p_window) > 0 then
            return true;
          end if;
          update dispatch.queue set due_at = now()
            where agent_event_id = p_agent_event_id and change_id = p_change_id and lease_owner is null and due_at is not null;
          return found
            or exists (select from dispatch.queue where agent_event_id = p_agent_event_id and change_id = p_change_id)
            or exists (select from dispatch.attempt where agent_event_id = p_agent_event_id and change_id = p_change_id);
        end $$;

      -- Sends again what was finished of the changes of a span of time: contract §3, POST /event/{event_id}/replay.
      -- Returns how many deliveries were queued.
      create function dispatch.replay(p_agent_event_id bigint, p_since timestamptz, p_until timestamptz, p_window interval) returns integer
        language plpgsql as $$
        declare
          change_ids uuid[];
        begin
          -- The ids are made shortly before the change is, so the span of ids, which spares looking through the whole log
          -- of attempts, is a little wider.
          select array_agg(distinct a.change_id) into change_ids
            from dispatch.attempt a
            join presence.status_change c on c.id = a.change_id
            where a.agent_event_id = p_agent_event_id
              and a.change_id >= presence.uuid_v7_floor(p_since - interval '1 hour')
              and a.change_id < presence.uuid_v7_floor(coalesce(p_until, now()) + interval '1 hour')
              and c.changed_at >= p_since and c.changed_at < coalesce(p_until, 'infinity');
          return case when change_ids is null then 0 else dispatch.requeue(p_agent_event_id, change_ids, p_window) end;
        end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function dispatch.replay(bigint, timestamptz, timestamptz, interval);
      drop function dispatch.redeliver(bigint, uuid, interval);
      drop function dispatch.requeue(bigint, uuid[], interval);
      drop function dispatch.resume(bigint);
      drop function dispatch.rehome(bigint);
      drop function dispatch.settle_lanes(bigint[]);
      drop function dispatch.hold_agents(bigint, bigint[]);
    `);
  }
}
