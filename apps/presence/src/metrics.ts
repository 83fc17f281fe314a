import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { TelemetryResult } from './telemetry/agent-batch.js';

/** How telemetry comes in. */
export type WayIn = 'http' | 'kafka';

/** What waits in the outbox, of all instances. */
export interface OutboxSample {
  readonly rows: number;
  /** How long the oldest has waited, in seconds; 0 where there is none. */
  readonly oldestSeconds: number;
}

/** In seconds. */
const STATEMENT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** What an operator sees of presence: contract §8, `/metrics`. */
export class PresenceMetrics {
  private readonly items: Counter<'result' | 'via'>;
  private readonly waiting: Gauge<'via'>;
  private readonly batches: Histogram;
  private readonly statements: Histogram<'statement'>;
  private readonly deadLetters: Counter;
  private readonly published: Counter;
  private readonly backlog: Gauge;
  private readonly oldest: Gauge;
  private readonly shards: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.items = new Counter({
      name: 'rollcall_telemetry_items_total',
      help: 'Telemetry items by what became of them, and the way they came in.',
      labelNames: ['result', 'via'],
      registers,
    });
    this.waiting = new Gauge({
      name: 'rollcall_telemetry_waiting_items',
      help: 'Telemetry items that wait for their turn to be decided.',
      labelNames: ['via'],
      registers,
    });
    this.batches = new Histogram({
      name: 'rollcall_telemetry_decide_seconds',
      help: 'Time that it took to decide a batch of items, and to write what they changed.',
      buckets: STATEMENT_BUCKETS,
      registers,
    });
    this.statements = new Histogram({
      name: 'rollcall_presence_statement_seconds',
      help: 'Duration of the statements of the telemetry path and the relay.',
      labelNames: ['statement'],
      buckets: STATEMENT_BUCKETS,
      registers,
    });
    this.deadLetters = new Counter({
      name: 'rollcall_telemetry_dead_letters_total',
      help: 'Telemetry records that went to the dead-letter topic.',
      registers,
    });
    this.published = new Counter({
      name: 'rollcall_relay_published_total',
      help: 'Status changes that the broker has acknowledged.',
      registers,
    });
    this.backlog = new Gauge({
      name: 'rollcall_outbox_backlog',
      help: 'Status changes that wait to be published, of all instances; sampled by one of them.',
      registers,
    });
    this.oldest = new Gauge({
      name: 'rollcall_outbox_oldest_seconds',
      help: 'How long the oldest status change has waited to be published, of all instances; sampled by one of them.',
      registers,
    });
    this.setOutbox(undefined);
    for (const via of ['http', 'kafka'] as const) {
      this.setWaiting(via, 0);
      for (const result of ['changed', 'unchanged', 'stale', 'rejected']) this.items.inc({ result, via }, 0);
    }
    this.shards = new Gauge({
      name: 'rollcall_relay_shards',
      help: 'Shards of the outbox that this instance publishes.',
      registers,
    });
  }

  /** Counts the results of one request or batch. */
  countResults(results: readonly TelemetryResult[], via: WayIn): void {
    const counts = { changed: 0, unchanged: 0, stale: 0, rejected: 0 };
    for (const { result } of results) counts[result] += 1;
    for (const [result, count] of Object.entries(counts)) if (count > 0) this.items.inc({ result, via }, count);
  }

  /** Measures a statement, whether it succeeds or not. */
  async time<T>(statement: string, work: () => Promise<T>): Promise<T> {
    const stop = this.statements.startTimer({ statement });
    try {
      return await work();
    } finally {
      stop();
    }
  }

  countDeadLetters(count: number): void {
    this.deadLetters.inc(count);
  }

  countPublished(count: number): void {
    this.published.inc(count);
  }

  /** Tells what waits in the outbox; undefined: another instance does. */
  setOutbox(sample: OutboxSample | undefined): void {
    if (sample) {
      this.backlog.set(sample.rows);
      this.oldest.set(sample.oldestSeconds);
    } else {
      this.backlog.remove();
      this.oldest.remove();
    }
  }

  setWaiting(via: WayIn, items: number): void {
    this.waiting.set({ via }, items);
  }

  observeBatch(seconds: number): void {
    this.batches.observe(seconds);
  }

  setShards(count: number): void {
    this.shards.set(count);
  }
}
