import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The cursors of a batch one by one, by their key, as the queue's rows are: ADR 12. In a join the planner takes a batch for a
 * thousand changes, and reads the whole table of some ten thousand agents to fan a single change out. Owned by dispatcher.
 */
export class DispatchCursor1764000000011 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Moves an agent's cursor on, if it still is as it was seen. Waits for whoever else holds it; false: it was moved meanwhile.
      create function dispatch.move_cursor(of_client bigint, of_agent bigint, seen_sequence bigint, seen_version integer, newest bigint)
        returns boolean language plpgsql volatile as $$
        begin
          if newest <= seen_sequence then return true; end if; -- there is nothing to queue
          update dispatch.agent_cursor set last_sequence = newest
          where client_id = of_client and agent_id = of_agent and last_sequence = seen_sequence and version = seen_version;
          return found;
        end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop function dispatch.move_cursor(bigint, bigint, bigint, integer, bigint)');
  }
}
