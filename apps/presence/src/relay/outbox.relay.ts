import { NotificationListener, type Pool } from '#database';
import type { BusProducer } from '#bus';
import { encodeStatusChange, STATUS_CHANGED_TOPIC, type StatusChange } from '#contracts';
import { Loop, PeriodicWork, settledWithin, type Logger } from '#runtime';
import { beginPublish, traceIdsOf } from '#tracing';
import type { OutboxEntry } from '../log/agent-write.js';
import type { PresenceMetrics } from '../metrics.js';
import type { ChangeListener } from '../telemetry/telemetry.service.js';
import { Handover } from './handover.js';
import { advanceOutbox, deletePublished, sampleOutbox, type OutboxPage } from './outbox.repository.js';
import { Publications } from './publications.js';
import { SHARDS_CHANNEL } from './relay-lease.repository.js';
import { DEFAULT_LEASE_TIMES, RelayLeases, type LeaseTimes } from './relay-leases.js';

const BATCH_ROWS = 1000;
/** How often the table is read at least, in milliseconds: that finds changes of which no notification came. */
const POLL_MS = 500;
/** Published rows are deleted this long after, in milliseconds, many at a time. A crash publishes that much again. */
const DELETE_DELAY_MS = 100;
/** Work goes on within seconds of an outage's end, however long that was. */
const BACKOFF = { firstMs: 100, maxMs: 1000 };
/** Longest that a stop waits for the batch that is on its way, in milliseconds. */
const STOP_MS = 5000;
const SAMPLE_MS = 5000;
/** The instance with this shard measures how much waits in all of them. */
const SAMPLER_SHARD = 0;

export interface OutboxRelayOptions {
  readonly pool: Pool;
  readonly producer: BusProducer;
  /** UUID of this instance, never used before. */
  readonly instance: string;
  readonly metrics: PresenceMetrics;
  readonly logger: Logger;
  readonly leaseTimes?: LeaseTimes;
  /** Called with changes once they are published. */
  readonly onPublished?: (changes: readonly StatusChange[]) => void;
}

/**
 * Publishes the changes of the outbox: contract §5. An entry is read, or offered by the code that has just committed it; then sent;
 * then durable on the bus; and only then deleted. A crash in between repeats it. One loop sends a batch when the one before it is
 * accepted: that keeps an agent's changes in order.
 */
export class OutboxRelay implements ChangeListener {
  private readonly loop: Loop;
  private readonly leases: RelayLeases;
  /** Wakes the relay when other processes write to the outbox; a missed notification costs no more than the poll interval. */
  private readonly listener: NotificationListener;
  private readonly publications: Publications;
  private handover = new Handover();
  /** When the last read of the table began, on the same clock. */
  private readAt = 0;
  private readonly samples: PeriodicWork;

  constructor(private readonly options: OutboxRelayOptions) {
    const { pool, producer, instance, metrics, logger } = options;
    this.loop = new Loop({
      step: () => this.step(),
      onError: (error, failures) => this.noteFailure(error, failures),
      backoff: BACKOFF,
    });
    const times = options.leaseTimes ?? DEFAULT_LEASE_TIMES;
    this.leases = new RelayLeases({ pool, instance, times, metrics, logger, onChange: () => this.startAfresh() });
    this.listener = new NotificationListener(
      pool,
      {
        rollcall_outbox: { onNotification: () => this.readAgain() },
        // Others have come or gone, or given shards back; or may have, since nobody listened for a while.
        [SHARDS_CHANNEL]: {
          onNotification: (by) => by !== instance && this.leases.renewSoon(),
          onListening: () => this.leases.renewSoon(),
        },
      },
      logger,
    );
    this.publications = new Publications(producer, STATUS_CHANGED_TOPIC, (error) => {
      logger.warn({ err: error }, 'relay.publication_lost');
      this.startAfresh();
    });
    // Readiness says that the database is away.
    this.samples = new PeriodicWork((error) => logger.debug({ err: error }, 'relay.sample_failed'));
  }

  /** Starts in the background; works as soon as the database and the broker can be reached. */
  start(): void {
    this.leases.start();
    this.listener.start();
    this.loop.start();
    this.samples.every(SAMPLE_MS, () => this.sample());
  }

  ownShards(): readonly number[] {
    return this.leases.shards();
  }

  offer(changes: readonly OutboxEntry[]): void {
    const held = this.leases.shards();
    this.handover.offer(changes.filter(({ shard }) => held.includes(shard))); // others' are found by their next read
    this.loop.wake();
  }

  /** Finishes the batch that is on its way and releases the shards; the next owner publishes what is left. */
  async stop(): Promise<void> {
    const finished = this.loop.stop().then(() => this.finishAtEnd());
    const [settled] = await Promise.all([settledWithin(STOP_MS, [finished]), this.listener.stop(), this.samples.stop()]);
    await this.leases.stop(settled);
  }

  /** Forgets what was offered and published: others may have published meanwhile. */
  private startAfresh(): void {
    this.handover = new Handover();
    this.loop.wake();
  }

  private readAgain(): void {
    this.handover.askForRead();
    this.loop.wake();
  }

  /** @returns how long there is nothing to do, unless it is woken, in milliseconds */
  private async step(): Promise<number> {
    await this.leases.settle(() => this.finish());
    if (this.publications.durableFor >= DELETE_DELAY_MS) await this.deletePublished();
    if ((await this.publishBatch()) > 0) return 0;
    return this.publications.isEmpty ? POLL_MS : DELETE_DELAY_MS;
  }

  private noteFailure(error: unknown, failures: number): void {
    this.handover.askForRead();
    this.options.logger.warn({ err: error, failures }, 'relay.publish_failed');
  }

  private async finishAtEnd(): Promise<void> {
    try {
      await this.finish();
    } catch (error) {
      const rows = this.publications.positionsDurable.length;
      this.options.logger.warn({ err: error, rows }, 'relay.delete_failed'); // published once more, with the same id
    }
  }

  /** @returns how many rows were taken care of; 0: there is nothing to do now */
  private async publishBatch(): Promise<number> {
    const { metrics, logger } = this.options;
    const { handover } = this;
    if (performance.now() - this.readAt >= POLL_MS) handover.askForRead();
    let changes = handover.take(BATCH_ROWS);
    let expired: readonly number[] = [];
    if (changes.length === 0 && handover.needsRead) ({ entries: changes, expired } = await this.read(handover));
    const positions = [...expired, ...changes.map(({ position }) => position)];
    if (positions.length === 0) return 0;
    // A read takes time, and leases end; whoever holds a shard by now may already be publishing these rows.
    if (handover !== this.handover || this.leases.shards().length === 0) {
      handover.askForRead();
      return positions.length;
    }
    if (expired.length > 0) logger.error({ rows: expired.length }, 'relay.change_expired');
    const startedAt = performance.now();
    const hops = changes.map((change) => beginPublish(change, STATUS_CHANGED_TOPIC));
    const messages = changes.map((change, index) => encodeStatusChange(change, hops[index]!.traceparent));
    await this.publications.send(messages, positions, () => {
      for (const hop of hops) hop.end();
      metrics.countPublished(changes.length);
      this.options.onPublished?.(changes);
      if (!logger.isLevelEnabled('debug')) return;
      const traceIds = traceIdsOf(changes, (change) => change);
      const latencyMs = Math.round(performance.now() - startedAt);
      logger.debug({ changes: changes.length, trace_ids: traceIds, latency_ms: latencyMs }, 'relay.published');
    });
    handover.acknowledge(changes);
    return positions.length;
  }

  /** Reads the table, and deletes what was published with it. */
  private async read(handover: Handover): Promise<OutboxPage> {
    const { pool, metrics } = this.options;
    const shards = this.leases.shards();
    if (shards.length === 0) return { entries: [], expired: [] };
    handover.beginRead();
    this.readAt = performance.now();
    const published = [...this.publications.positionsDurable];
    const underway = this.publications.positionsUnderway;
    const page = await metrics.time('advance_outbox', () => advanceOutbox(pool, { published, underway, shards }, BATCH_ROWS));
    this.publications.forget(published);
    if (page.entries.length + page.expired.length === BATCH_ROWS) handover.askForRead();
    return page;
  }

  /** Waits for what is on its way, and deletes it. */
  private async finish(): Promise<void> {
    await this.publications.settled();
    await this.deletePublished();
  }

  private async deletePublished(): Promise<void> {
    const published = [...this.publications.positionsDurable];
    if (published.length === 0) return;
    await this.options.metrics.time('delete_published', () => deletePublished(this.options.pool, published));
    this.publications.forget(published);
  }

  private async sample(): Promise<void> {
    const isSampler = this.leases.shards().includes(SAMPLER_SHARD);
    this.options.metrics.setOutbox(isSampler ? await sampleOutbox(this.options.pool) : undefined);
  }
}
