import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * One row of the queue at a time, by its key: what a batch does with the queue's rows goes through these. In a join the planner
 * is free to go through the batch for each row of the queue, and does once the queue was analyzed while it was empty, as it
 * mostly is: a thousand results then took half a minute. Owned by dispatcher; ADR 12.
 */
export class DispatchRows1764000000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Takes a row off, whoever leases it or, with an owner, only while it is theirs. Whether something follows it; null: it is not there.
      create function dispatch.take_off(of_lane bigint, of_sequence bigint, of_event bigint, owner uuid) returns boolean
        language plpgsql volatile as $$
        declare was_followed boolean;
        begin
          delete from dispatch.queue
          where lane = of_lane and sequence = of_sequence and agent_event_id = of_event and (owner is null or lease_owner = owner)
          returning followed into was_followed;
          return was_followed;
        end $$;

      -- Gives a leased row back, due at a moment but never later than its window ends, with so many attempts more. False: it is not the owner's.
      create function dispatch.put_back(of_lane bigint, of_sequence bigint, of_event bigint, owner uuid, due timestamptz, attempts_more smallint)
        returns boolean language plpgsql volatile as $$
        begin
          update dispatch.queue
          set attempts = attempts + attempts_more, lease_owner = null, due_at = least(due, greatest(expires_at, now()))
          where lane = of_lane and sequence = of_sequence and agent_event_id = of_event and lease_owner = owner;
          return found;
        end $$;

      -- Has a row be due at a moment, leased by an owner or by nobody.
      create function dispatch.lease(of_lane bigint, of_sequence bigint, of_event bigint, owner uuid, due timestamptz) returns boolean
        language plpgsql volatile as $$
        begin
          update dispatch.queue set due_at = due, lease_owner = owner
          where lane = of_lane and sequence = of_sequence and agent_event_id = of_event;
          return found;
        end $$;

      -- Says that something follows a row.
      create function dispatch.follow(of_lane bigint, of_sequence bigint, of_event bigint) returns boolean
        language plpgsql volatile as $$
        begin
          update dispatch.queue set followed = true
          where lane = of_lane and sequence = of_sequence and agent_event_id = of_event;
          return found;
        end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function dispatch.take_off(bigint, bigint, bigint, uuid);
      drop function dispatch.put_back(bigint, bigint, bigint, uuid, timestamptz, smallint);
      drop function dispatch.lease(bigint, bigint, bigint, uuid, timestamptz);
      drop function dispatch.follow(bigint, bigint, bigint);
    `);
  }
}
