import type { Pool } from '#database';
import { findRunningReplays, stepReplay } from './replay.repository.js';

/** Deliveries of a replay that wait at most before more of them are taken, and how many are taken then. */
const PAGE = 500;
/** Replays that go on in one turn. */
const JOBS = 50;

/** Takes the deliveries of replays in bounded steps, each job in its turn; any instance may. */
export class ReplayJobs {
  private after = 0;

  /** @param onStep something may be due */
  constructor(
    private readonly pool: Pool,
    private readonly onStep: () => void,
  ) {}

  /** Has each running replay go on by one step. @returns whether there are any @throws when the database cannot be asked; the next call goes on */
  async step(): Promise<boolean> {
    const ids = await findRunningReplays(this.pool, this.after, JOBS);
    this.after = ids.length === JOBS ? ids.at(-1)! : 0;
    for (const id of ids) await stepReplay(this.pool, id, PAGE);
    if (ids.length > 0) this.onStep();
    return ids.length > 0;
  }
}
