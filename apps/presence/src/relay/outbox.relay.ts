import type { Pool } from '#database';
import type { BusMessage, BusProducer } from '#bus';
import { encodeStatusChange, partitionKey, STATUS_CHANGED_TOPIC, type StatusChange } from '#contracts';
import { waitBackoff, type Logger } from '#runtime';
import type { PresenceMetrics } from '../metrics.js';
import type { ChangeListener } from '../telemetry/telemetry.service.js';
import { OutboxListener } from './outbox-listener.repository.js';
import { advanceOutbox, countBacklog, deletePublished } from './outbox.repository.js';
import { DEFAULT_LEASE_TIMES, RelayLeases, type LeaseTimes } from './relay-leases.js';
import { traceparentOf } from './trace-context.js';
import { WakeSignal } from './wake-signal.js';

const BATCH_ROWS = 1000;
/** Finds what no notification told of. */
const POLL_MS = 500;
const BACKOFF = { firstMs: 100, maxMs: 5000 };
/** Longest that a stop waits for the batch that is on its way, in milliseconds. */
const STOP_MS = 5000;
const SAMPLE_MS = 5000;
const SAMPLE_LIMIT = 1_000_000;

export interface OutboxRelayOptions {
  readonly pool: Pool;
  readonly producer: BusProducer;
  /** UUID of this instance, never used before. */
  readonly instance: string;
  readonly metrics: PresenceMetrics;
  readonly logger: Logger;
  readonly leaseTimes?: LeaseTimes;
}

/**
 * Publishes the changes of the outbox: contract §5. A row is read, sent, acknowledged by the broker, and only then deleted,
 * in this order; a crash in between repeats it. One loop, one batch at a time: that is what keeps an agent's changes in order.
 */
export class OutboxRelay implements ChangeListener {
  private readonly signal = new WakeSignal();
  private readonly stopping = new AbortController();
  private readonly leases: RelayLeases;
  private readonly listener: OutboxListener;
  /** Acknowledged by the broker, and not yet deleted. */
  private published: readonly number[] = [];
  private loop: Promise<void> | undefined;
  private sampler: NodeJS.Timeout | undefined;

  constructor(private readonly options: OutboxRelayOptions) {
    const { pool, instance, metrics, logger } = options;
    const times = options.leaseTimes ?? DEFAULT_LEASE_TIMES;
    this.leases = new RelayLeases({ pool, instance, times, metrics, logger, onChange: () => this.wake() });
    this.listener = new OutboxListener(pool, () => this.wake(), logger);
  }

  /** Starts in the background; works as soon as the database and the broker can be reached. */
  start(): void {
    this.leases.start();
    this.listener.start();
    this.loop = this.publishForever();
    this.sampler = setInterval(() => void this.sampleBacklog(), SAMPLE_MS);
  }

  ownShards(): readonly number[] {
    return this.leases.shards();
  }

  wake(): void {
    this.signal.wake();
  }

  /** Finishes the batch that is on its way and gives the shards back; what is left is published by whoever comes next. */
  async stop(): Promise<void> {
    clearInterval(this.sampler);
    this.stopping.abort();
    this.wake();
    const [settled] = await Promise.all([isSettledWithin(STOP_MS, this.loop), this.listener.stop()]);
    await this.leases.stop(settled);
  }

  private async publishForever(): Promise<void> {
    const { logger } = this.options;
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.leases.settle();
        const count = await this.publishBatch();
        failures = 0;
        if (count === 0 && !signal.aborted) await this.signal.wait(POLL_MS);
      } catch (error) {
        failures += 1;
        logger.warn({ err: error, failures }, 'relay.publish_failed');
        await waitBackoff(failures, BACKOFF, signal);
      }
    }
    if (this.published.length === 0) return;
    try {
      await deletePublished(this.options.pool, this.published);
    } catch (error) {
      logger.warn({ err: error, rows: this.published.length }, 'relay.delete_failed'); // published once more, with the same id
    }
  }

  /** @returns how many rows were taken care of; 0: there is nothing to do now */
  private async publishBatch(): Promise<number> {
    const { pool, producer, metrics, logger } = this.options;
    const shards = this.leases.shards();
    if (shards.length === 0 && this.published.length === 0) return 0;
    const rows = await metrics.time('advance_outbox', () => advanceOutbox(pool, this.published, shards, BATCH_ROWS));
    this.published = [];
    if (rows.length === 0) return 0;
    // The read took time; whoever holds a shard by now may already be publishing these rows.
    const stillHeld = new Set(this.leases.shards());
    if (!shards.every((shard) => stillHeld.has(shard))) return rows.length;
    const changes = rows.flatMap(({ change }) => change ?? []);
    if (changes.length < rows.length) logger.error({ rows: rows.length - changes.length }, 'relay.change_expired');
    const startedAt = performance.now();
    if (changes.length > 0) await producer.send(STATUS_CHANGED_TOPIC, changes.map(toMessage));
    this.published = rows.map(({ position }) => position);
    metrics.countPublished(changes.length);
    logger.debug({ changes: changes.length, latency_ms: Math.round(performance.now() - startedAt) }, 'relay.published');
    return rows.length;
  }

  private async sampleBacklog(): Promise<void> {
    try {
      this.options.metrics.setBacklog(await countBacklog(this.options.pool, SAMPLE_LIMIT));
    } catch (error) {
      this.options.logger.debug({ err: error }, 'relay.sample_failed'); // readiness says that the database is away
    }
  }
}

function toMessage(change: StatusChange): BusMessage {
  const { value, headers } = encodeStatusChange(change, traceparentOf(change.id));
  return { key: partitionKey(change), value, headers };
}

async function isSettledWithin(ms: number, work: Promise<void> | undefined): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, ms, false)));
  const settled = await Promise.race([Promise.resolve(work).then(() => true), timeout]);
  clearTimeout(timer);
  return settled;
}
