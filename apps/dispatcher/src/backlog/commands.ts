import { NotificationListener, type Pool } from '#database';
import type { Logger } from '#runtime';
import type { ReplayJobs } from './replay-jobs.js';
import { stepWake, WAKE_AFTER_MS } from './wake.repository.js';

export interface CommandsOptions {
  readonly pool: Pool;
  readonly replays: Pick<ReplayJobs, 'step'>;
  /** Something was commanded: what is sent again may be due. */
  readonly onCommand: () => void;
  /** Rows of an agent event that is behind became due; undefined: of any. */
  readonly onWoken: (agentEventId: number | undefined) => void;
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
  private isMissed = false;
  private stopping = false;

  constructor(private readonly options: CommandsOptions) {
    const onNotification = (payload: string): void => (payload === '' ? this.told() : this.options.onWoken(Number(payload)));
    const onListening = (): void => {
      this.options.onWoken(undefined); // it may have been told while nobody listened
      this.told();
    };
    const listener = { rollcall_dispatch: { onNotification, onListening } };
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
    if (this.running) {
      this.isMissed = true; // the turn under way may have looked already
      return;
    }
    this.running = this.turn().finally(() => (this.running = undefined));
    const goesOn = await this.running;
    const nextMs = this.isMissed ? 0 : goesOn ? GO_ON_MS : POLL_MS;
    this.isMissed = false;
    this.lookIn(nextMs);
  }

  /** @returns whether there is more to do */
  private async turn(): Promise<boolean> {
    const areWakesLeft = await this.tried(() => this.wake());
    const isReplaying = await this.tried(() => this.options.replays.step());
    return areWakesLeft || isReplaying;
  }

  /** One failing is no reason to leave the other. */
  private async tried(step: () => Promise<boolean>): Promise<boolean> {
    try {
      return await step();
    } catch (error) {
      this.options.logger.warn({ err: error }, 'commands.step_failed');
      return false;
    }
  }

  private async wake(): Promise<boolean> {
    for (let step = 0; step < STEPS; step++) {
      const woken = await stepWake(this.options.pool);
      if (woken === undefined) return false;
    }
    return true;
  }
}
