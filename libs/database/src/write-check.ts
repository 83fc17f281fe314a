import type { Pool } from 'pg';
import { explainDatabaseError } from './database-error.js';

/** Least time between two writes, in milliseconds, so that the number of those who ask does not matter. */
const INTERVAL_MS = 2000;

/**
 * Looks whether the database can be written, for whoever asks a service if it is ready: a standby, and a server whose disk is
 * full, answer reads as if nothing was wrong.
 */
export class WriteCheck {
  private current: Promise<void> | undefined;
  private writtenAt = -Infinity;

  /** @param service whose row it is that is written: instances of one service share it */
  constructor(
    private readonly pool: Pool,
    private readonly service: string,
  ) {}

  /**
   * Writes, or only reads where it could be written within the last two seconds; who asks meanwhile shares the answer.
   *
   * @throws Error that says in one line why it cannot be written
   */
  run(): Promise<void> {
    this.current ??= this.look().finally(() => (this.current = undefined));
    return this.current;
  }

  private async look(): Promise<void> {
    try {
      if (performance.now() - this.writtenAt < INTERVAL_MS) {
        await this.pool.query('select 1');
      } else {
        await this.pool.query('select public.rollcall_check_write($1)', [this.service]);
        this.writtenAt = performance.now();
      }
    } catch (error) {
      this.writtenAt = -Infinity;
      throw new Error(explainDatabaseError(error), { cause: error });
    }
  }
}
