import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Checks that were added without a look at what was there, which would have held writers up. */
const CHECKS = [
  { table: 'dispatch.attempt', check: 'attempt_trigger_check' },
  { table: 'dispatch.event_health', check: 'event_health_suspended_reason_check' },
] as const;

/** Only vacuums and other changes of the schema wait for who waits here. */
const PATIENCE = '1min';

/** Looks at the rows that were there before the checks, beside the writers. Owned by dispatcher. */
export class ValidChecks1764000000030 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    const [session] = (await runner.query('show lock_timeout')) as { lock_timeout: string }[];
    await runner.query(`set lock_timeout = '${PATIENCE}'`);
    try {
      for (const { table, check } of CHECKS) await runner.query(`alter table ${table} validate constraint ${check}`);
    } finally {
      await runner.query(`set lock_timeout = '${session!.lock_timeout}'`);
    }
  }

  /** Leaves them: what is there is as they say. */
  async down(): Promise<void> {}
}
