import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a change's trace goes on from stands with it, where somebody else began the trace. Owned by presence. */
export class Traceparent1764000000031 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table presence.status_change add column traceparent text;
      comment on column presence.status_change.traceparent is
        'W3C trace context that the relay, or a dispatcher that reads the log, goes on from; null: the change''s own, which follows from its id';
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table presence.status_change drop column traceparent');
  }
}
