import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { TelemetryResult } from './telemetry/agent-work.js';

/** What an operator sees of presence: contract §8, `/metrics`. */
export class PresenceMetrics {
  private readonly items: Counter<'result'>;
  private readonly statements: Histogram<'statement'>;
  private readonly deadLetters: Counter;
  private readonly published: Counter;
  private readonly backlog: Gauge;
  private readonly shards: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.items = new Counter({
      name: 'rollcall_telemetry_items_total',
      help: 'Telemetry items by what became of them.',
      labelNames: ['result'],
      registers,
    });
    this.statements = new Histogram({
      name: 'rollcall_presence_statement_seconds',
      help: 'Duration of the statements of the telemetry path and the relay.',
      labelNames: ['statement'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
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
      help: 'Status changes that wait to be published, by all instances; sampled.',
      registers,
    });
    this.shards = new Gauge({
      name: 'rollcall_relay_shards',
      help: 'Shards of the outbox that this instance publishes.',
      registers,
    });
  }

  /** Counts the results of one request or batch. */
  countResults(results: readonly TelemetryResult[]): void {
    const counts = { changed: 0, unchanged: 0, stale: 0, rejected: 0 };
    for (const { result } of results) counts[result] += 1;
    for (const [result, count] of Object.entries(counts)) if (count > 0) this.items.inc({ result }, count);
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

  setBacklog(rows: number): void {
    this.backlog.set(rows);
  }

  setShards(count: number): void {
    this.shards.set(count);
  }
}
