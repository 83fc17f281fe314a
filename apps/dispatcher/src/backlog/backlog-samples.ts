import type { Pool } from '#database';
import { PeriodicWork, type Logger } from '#runtime';
import type { DispatcherMetrics } from '../metrics.js';
import { sampleBacklog } from './backlog-sample.repository.js';

/** From one sample to the next, in milliseconds. */
const SAMPLE_MS = 10_000;
/** Who has this shard tells what is of all instances. */
const SAMPLER_SHARD = 0;

export interface BacklogSamplesOptions {
  readonly pool: Pool;
  readonly dispatch: {
    readonly leases: { readonly held: readonly { readonly shard: number }[] };
    /** Deliveries in memory. */
    readonly inMemory: number;
  };
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** Samples for gauges what is behind; what is of all instances is told by one of them alone. */
export class BacklogSamples {
  private readonly work: PeriodicWork;

  constructor(private readonly options: BacklogSamplesOptions) {
    // Readiness says that the database is away.
    this.work = new PeriodicWork((error) => {
      options.metrics.setBacklog(undefined); // rather nothing than what was
      options.logger.debug({ err: error }, 'backlog.sample_failed');
    });
    this.work.every(SAMPLE_MS, () => this.sample());
  }

  stop(): Promise<void> {
    return this.work.stop();
  }

  private async sample(): Promise<void> {
    const { pool, dispatch, metrics } = this.options;
    metrics.inMemory.set(dispatch.inMemory);
    const isSampler = dispatch.leases.held.some(({ shard }) => shard === SAMPLER_SHARD);
    metrics.setBacklog(isSampler ? await sampleBacklog(pool) : undefined);
  }
}
