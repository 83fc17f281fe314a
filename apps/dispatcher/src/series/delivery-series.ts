import { LATENCY_BUCKETS, latencyBucketOf } from '#contracts';
import type { Pool } from '#database';
import { Tally } from '#runtime';
import { addDeliveryCounts, OF_ALL, type DeliveryCount } from './series.repository.js';

/** Minutes and hours of agent events that wait to be written while the database is away. */
const MAX_KEYS = 100_000;
const ROWS_AT_ONCE = 5000;
/** Seconds: a minute for charts, an hour for sums over days. */
const GRAINS = [60, 3600] as const;

/** What became of an attempt, or of a delivery that ended without one. */
export interface CountedAttempt {
  readonly agentEventId: number;
  /** `gone`: it was answered 410, and is tried again after a resume. */
  readonly outcome: 'delivered' | 'retry' | 'failed' | 'dropped' | 'gone';
  /** Milliseconds; 0: nothing was sent. */
  readonly latencyMs: number;
}

/**
 * Counts attempts by minute and hour, beside the work: of each client, and of each agent event for all agents. An agent event of a
 * single agent would have about as many counts as attempts; its attempts are counted in the log when somebody asks: ADR 28.
 */
export class DeliverySeries {
  private readonly counts = new Tally<DeliveryCount>(MAX_KEYS, (into, older) => {
    for (const outcome of ['delivered', 'retry', 'failed', 'dropped'] as const) into[outcome] += older[outcome];
    older.latency.forEach((count, bucket) => (into.latency[bucket]! += count));
  });

  constructor(private readonly pool: Pool) {}

  /**
   * @param isForAll whether the agent event is for all agents
   * @param now milliseconds since the epoch
   */
  note(clientId: number, attempt: CountedAttempt, isForAll: boolean, now = Date.now()): void {
    for (const agentEventId of isForAll ? [OF_ALL, attempt.agentEventId] : [OF_ALL]) {
      for (const grain of GRAINS) this.count(clientId, attempt, agentEventId, grain, Math.floor(now / 1000 / grain) * grain);
    }
  }

  /** Writes what was counted since; what cannot be written is kept for the next time. */
  flush(): Promise<void> {
    return this.counts.flush(ROWS_AT_ONCE, (counts) => addDeliveryCounts(this.pool, counts));
  }

  private count(clientId: number, { outcome, latencyMs }: CountedAttempt, agentEventId: number, grain: number, at: number): void {
    const count = this.counts.of(`${clientId}:${agentEventId}:${grain}:${at}`, () => ({
      clientId,
      agentEventId,
      grain,
      at,
      delivered: 0,
      retry: 0,
      failed: 0,
      dropped: 0,
      latency: new Array<number>(LATENCY_BUCKETS).fill(0),
    }));
    if (!count) return;
    count[outcome === 'gone' ? 'retry' : outcome] += 1;
    if (latencyMs > 0) count.latency[latencyBucketOf(latencyMs)]! += 1;
  }
}
