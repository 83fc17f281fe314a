import { NotificationListener, type Pool } from '#database';
import type { Logger } from '#runtime';
import type { ReplayJobs } from './replay-jobs.js';
import { stepWake, WAKE_AFTER_MS } from './wake.repository.js';

export interface CommandsOptions {
  readonly pool: Pool;
  readonly replays: Pick<ReplayJobs, 'step'>;
  /** Something was commanded: what is sent again may be due. */
  readonly onCommand: () => void;
  /** Rows that are behind became due, by this instance or another. */
  readonly onWoken: () => void;
  readonly logger: Logger;
}

/** How often what was commanded is looked for while nobody says that something was, in milliseconds. */
const POLL_MS = 1000;
/** Commands that come together are looked at together: within this, in milliseconds. */
const SOON_MS = 20;
/** While a replay runs or wakes are left, they go on after this, in milliseconds. */
const GO_ON_MS = 100;
/** Steps of wakes that are done in one turn. */
const STEPS = 10;

/**
 * Works off what subscription-api has commanded: wakes what a change of an agent event concerns, and has replays go on, in bounded
 * steps. The database tells of commands (`rollcall_dispatch`); what is missed while nobody listens is found by a slow poll.
 */
export class Commands {
  private readonly listener: NotificationListener;
  private timer: NodeJS.Timeout | undefined;
  private later: NodeJS.Timeout | undefined;
  private dueAt = Infinity;
  private running: Promise<boolean> | undefined;
  private stopping = false;

  constructor(private readonly options: CommandsOptions) {
    const look = (): void => this.told();
    const listener = { rollcall_dispatch: { onNotification: look, onListening: look } };
    this.listener = new NotificationListener(options.pool, listener, options.logger);
  }

  start(): void {
    this.listener.start();
    this.lookIn(0);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    clearTimeout(this.later);
    await Promise.all([this.running, this.listener.stop()]);
  }

  /** Replays begin at once; what is woken has to be old enough to be seen whole. */
  private told(): void {
    if (this.stopping) return;
    this.options.onCommand();
    this.options.onWoken();
    this.lookIn(SOON_MS);
    clearTimeout(this.later);
    this.later = setTimeout(() => this.lookIn(0), WAKE_AFTER_MS);
  }

  private lookIn(ms: number): void {
    const at = performance.now() + ms;
    if (this.stopping || this.dueAt <= at) return;
    this.dueAt = at;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.run(), ms);
  }

  private async run(): Promise<void> {
    this.dueAt = Infinity;
    this.running ??= this.turn().finally(() => (this.running = undefined));
    const goesOn = await this.running;
    this.lookIn(goesOn ? GO_ON_MS : POLL_MS);
  }

  /** @returns whether there is more to do */
  private async turn(): Promise<boolean> {
    const { replays, logger } = this.options;
    try {
      const isReplaying = await replays.step();
      return (await this.wake()) || isReplaying;
    } catch (error) {
      logger.warn({ err: error }, 'commands.step_failed');
      return false;
    }
  }

  private async wake(): Promise<boolean> {
    for (let step = 0; step < STEPS; step++) {
      const woken = await stepWake(this.options.pool);
      if (woken === undefined) return false;
      if (woken > 0) this.options.onWoken();
    }
    return true;
  }
}
