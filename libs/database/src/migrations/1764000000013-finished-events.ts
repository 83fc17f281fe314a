import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds the agent events of removed agents, of which there are few, without reading all the others each minute. Owned by subscription-api. */
export class FinishedEvents1764000000013 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Serves the deletion of what belongs to removed agents.
      create index agent_event_finished on subscription.agent_event (client_id, agent_id) where until_sequence is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index subscription.agent_event_finished');
  }
}
