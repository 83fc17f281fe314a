import { NotificationListener, type Pool } from '#database';
import { Loop, type Logger } from '#runtime';
import type { ReplayJobs } from './replay-jobs.js';
import { stepWake, WAKE_AFTER_MS } from './wake.repository.js';

export interface CommandsOptions {
  readonly pool: Pool;
  readonly replays: Pick<ReplayJobs, 'step'>;
  /** Called on a command: redeliveries may be due. */
  readonly onCommand: () => void;
  /** Called when rows of an agent event that is behind became due; undefined: of any agent event. */
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
  private readonly loop: Loop;
  private later: NodeJS.Timeout | undefined;

  constructor(private readonly options: CommandsOptions) {
    const onNotification = (payload: string): void => (payload === '' ? this.told() : this.options.onWoken(Number(payload)));
    const onListening = (): void => {
      this.options.onWoken(undefined); // it may have been told while nobody listened
      this.told();
    };
    const listener = { rollcall_dispatch: { onNotification, onListening } };
    this.listener = new NotificationListener(options.pool, listener, options.logger);
    this.loop = new Loop({
      step: async () => ((await this.turn()) ? GO_ON_MS : POLL_MS),
      onError: (error) => this.noteFailure(error),
      backoff: { firstMs: POLL_MS, maxMs: POLL_MS },
    });
  }

  start(): void {
    this.listener.start();
    this.loop.start();
  }

  async stop(): Promise<void> {
    clearTimeout(this.later);
    await Promise.all([this.loop.stop(), this.listener.stop()]);
  }

  /** Replays begin at once; what is woken has to be old enough to be seen whole. */
  private told(): void {
    if (this.loop.signal.aborted) return;
    this.options.onCommand();
    this.loop.wakeIn(SOON_MS);
    clearTimeout(this.later);
    this.later = setTimeout(() => this.loop.wake(), WAKE_AFTER_MS);
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
      this.noteFailure(error);
      return false;
    }
  }

  private noteFailure(error: unknown): void {
    this.options.logger.warn({ err: error }, 'commands.step_failed');
  }

  private async wake(): Promise<boolean> {
    for (let step = 0; step < STEPS; step++) {
      const woken = await stepWake(this.options.pool);
      if (woken === undefined) return false;
    }
    return true;
  }
}
