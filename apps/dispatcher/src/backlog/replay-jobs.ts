import type { Pool } from '#database';
import type { Logger } from '#runtime';
import { findRunningReplays, stepReplay } from './replay.repository.js';

/** Deliveries of a replay that wait at most before more of them are taken, and how many are taken then. */
const PAGE = 500;
/** Replays that go on in one turn. */
const JOBS = 50;

/** Takes the deliveries of replays in bounded steps, each job in its turn; any instance may. */
export class ReplayJobs {
  private after = 0;

  /** @param onStep something may be due @param logger told of a replay that could not go on; the others do */
  constructor(
    private readonly pool: Pool,
    private readonly onStep: () => void,
    private readonly logger: Logger,
  ) {}

  /** Has each running replay go on by one step. @returns whether there are any @throws when the database cannot be asked; the next call goes on */
  async step(): Promise<boolean> {
    const ids = await findRunningReplays(this.pool, this.after, JOBS);
    this.after = ids.length === JOBS ? ids.at(-1)! : 0;
    for (const id of ids) {
      try {
        await stepReplay(this.pool, id, PAGE);
      } catch (error) {
        this.logger.warn({ err: error, replay_id: id }, 'replay.step_failed');
      }
    }
    if (ids.length > 0) this.onStep();
    return ids.length > 0;
  }
}
