import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostLoop } from '../limits/post-loop.process.js';
import type { Load, LoadResult } from '../load/http.process.js';
import type { Measurement } from '../row.js';
import { Child } from './child.js';
import { metered, type Metered } from './meter.js';
import type { Note, ReceiverQuestion } from './receiver.process.js';
import { until } from './target.js';

/** Third parties, in a process of their own. */
export class Receivers {
  private constructor(
    readonly child: Child,
    readonly origins: readonly string[],
  ) {}

  static async start(child: Child, count: number): Promise<Receivers> {
    return new Receivers(child, await child.ask<string[]>({ do: 'listen', origins: count } satisfies ReceiverQuestion));
  }

  async reset(options: { readonly note?: boolean; readonly hang?: number } = {}): Promise<void> {
    await this.child.ask({ do: 'reset', ...options } satisfies ReceiverQuestion);
  }

  notes(): Promise<Note[]> {
    return this.child.ask({ do: 'notes' } satisfies ReceiverQuestion);
  }

  /** Waits until so many requests have come in all. */
  async until(expected: number): Promise<void> {
    const total = async (): Promise<number> => {
      const counts = await this.child.ask<number[]>({ do: 'count' } satisfies ReceiverQuestion);
      return counts.reduce((sum, count) => sum + count, 0);
    };
    await until(
      async () => (await total()) >= expected,
      async () => `${await total()} of ${expected} notified`,
    );
  }
}

/** What targets and limits are measured with: receivers, a load generator and the bare loop. Ends whatever was started with it. */
export class Lab {
  private stopping: Promise<void> | undefined;

  private constructor(
    private readonly stops: (() => Promise<void>)[],
    readonly receivers: Receivers,
    private readonly loadGenerator: Child,
    private readonly postLoop: Child,
    private readonly loopRequests: number,
  ) {}

  /** @param loopRequests requests of the bare loop */
  static async start(loopRequests = 40_000): Promise<Lab> {
    const stops: (() => Promise<void>)[] = [];
    const child = async (script: string): Promise<Child> => {
      const started = await Child.start(script);
      stops.push(() => started.stop());
      return started;
    };
    try {
      const receivers = await Receivers.start(await child('lab/receiver.process'), 5);
      const [load, postLoop] = [await child('load/http.process'), await child('limits/post-loop.process')];
      const lab = new Lab(stops, receivers, load, postLoop, loopRequests);
      await lab.bareLoop(); // a loop that has not run yet makes half of what it makes then
      return lab;
    } catch (error) {
      await stopInReverse(stops);
      throw error;
    }
  }

  /** Stops what was started, the last first. Safe to call twice. */
  stop(): Promise<void> {
    return (this.stopping ??= stopInReverse(this.stops));
  }

  /** Has something done when the lab stops, the last first. */
  onStop(stop: () => Promise<void>): void {
    this.stops.push(stop);
  }

  /** Starts a part of the bench in a process of its own. */
  async child(script: string): Promise<Child> {
    const child = await Child.start(script);
    this.onStop(() => child.stop());
    return child;
  }

  /** Makes an empty directory, which a server may enter that runs as another user. */
  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-bench-'));
    this.onStop(() => rm(directory, { recursive: true, force: true }));
    await chmod(directory, 0o755);
    return directory;
  }

  /** Sends requests, and gives back when all are answered. */
  load(load: Load): Promise<LoadResult> {
    return this.loadGenerator.ask(load);
  }

  /** Measures as {@link metered} does, with the load generator and the receivers. */
  metered(
    { processes, pool }: Metered,
    items: number,
    work: () => Promise<void>,
    settled?: () => Promise<void>,
  ): Promise<Measurement> {
    const all = { ...processes, receiver: [this.receivers.child], load: [this.loadGenerator] };
    return metered({ processes: all, ...(pool && { pool }) }, items, work, settled);
  }

  /** Posts to the first receiver in a loop, and nothing else. */
  bareLoop(): Promise<Measurement> {
    const requests = this.loopRequests;
    return this.metered({ processes: { limit: [this.postLoop] } }, requests, async () => {
      await this.postLoop.ask({ origin: this.receivers.origins[0]!, requests } satisfies PostLoop);
    });
  }
}

async function stopInReverse(stops: (() => Promise<void>)[]): Promise<void> {
  for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
}
