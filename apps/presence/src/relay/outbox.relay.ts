import { NotificationListener, type Pool } from '#database';
import type { BusMessage, BusProducer } from '#bus';
import { encodeStatusChange, partitionKey, STATUS_CHANGED_TOPIC, traceparentOf, type StatusChange } from '#contracts';
import { PeriodicWork, waitBackoff, type Logger } from '#runtime';
import type { CommittedChange } from '../log/agent-write.js';
import type { PresenceMetrics } from '../metrics.js';
import type { ChangeListener } from '../telemetry/telemetry.service.js';
import { Handover } from './handover.js';
import { advanceOutbox, deletePublished, sampleOutbox, type OutboxRow } from './outbox.repository.js';
import { Publications } from './publications.js';
import { SHARDS_CHANNEL } from './relay-lease.repository.js';
import { DEFAULT_LEASE_TIMES, RelayLeases, type LeaseTimes } from './relay-leases.js';
import { WakeSignal } from './wake-signal.js';

const BATCH_ROWS = 1000;
/** The table is read at least this often, in milliseconds: it finds what nobody told of. */
const POLL_MS = 500;
/** What is published durably is deleted this long after, in milliseconds, many rows at a time. A crash publishes that much again. */
const DELETE_DELAY_MS = 100;
const BACKOFF = { firstMs: 100, maxMs: 5000 };
/** Longest that a stop waits for the batch that is on its way, in milliseconds. */
const STOP_MS = 5000;
const SAMPLE_MS = 5000;
/** Who publishes this shard tells how much waits in all of them. */
const SAMPLER_SHARD = 0;

export interface OutboxRelayOptions {
  readonly pool: Pool;
  readonly producer: BusProducer;
  /** UUID of this instance, never used before. */
  readonly instance: string;
  readonly metrics: PresenceMetrics;
  readonly logger: Logger;
  readonly leaseTimes?: LeaseTimes;
  /** Told of changes once they are published. */
  readonly onPublished?: (changes: readonly StatusChange[]) => void;
}

/**
 * Publishes the changes of the outbox: contract §5. A row is read, or handed over by who has just committed it; sent;
 * durable on the bus; and only then deleted, in this order; a crash in between repeats it. One loop, which sends a batch when
 * the one before it is accepted: that is what keeps an agent's changes in order.
 */
export class OutboxRelay implements ChangeListener {
  private readonly signal = new WakeSignal();
  private readonly stopping = new AbortController();
  private readonly leases: RelayLeases;
  /** To what other processes put in the outbox; what it misses costs no more than the poll interval. */
  private readonly listener: NotificationListener;
  private readonly publications: Publications;
  private handover = new Handover();
  /** When the last read of the table began, on the same clock. */
  private readAt = 0;
  private loop: Promise<void> | undefined;
  private readonly samples: PeriodicWork;

  constructor(private readonly options: OutboxRelayOptions) {
    const { pool, producer, instance, metrics, logger } = options;
    const times = options.leaseTimes ?? DEFAULT_LEASE_TIMES;
    this.leases = new RelayLeases({ pool, instance, times, metrics, logger, onChange: () => this.startAfresh() });
    this.listener = new NotificationListener(
      pool,
      {
        rollcall_outbox: { onNotification: () => this.lookAgain() },
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
    this.loop = this.publishForever();
    this.samples.every(SAMPLE_MS, () => this.sample());
  }

  ownShards(): readonly number[] {
    return this.leases.shards();
  }

  hand(changes: readonly CommittedChange[]): void {
    const held = this.leases.shards();
    this.handover.hand(changes.filter(({ shard }) => held.includes(shard))); // others' are found by their next read
    this.signal.wake();
  }

  /** Finishes the batch that is on its way and gives the shards back; what is left is published by whoever comes next. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.signal.wake();
    const [settled] = await Promise.all([isSettledWithin(STOP_MS, this.loop), this.listener.stop(), this.samples.stop()]);
    await this.leases.stop(settled);
  }

  /** Others may have published meanwhile: what we know of the shards is no longer to be relied on. */
  private startAfresh(): void {
    this.handover = new Handover();
    this.signal.wake();
  }

  private lookAgain(): void {
    this.handover.askForRead();
    this.signal.wake();
  }

  private async publishForever(): Promise<void> {
    const { logger } = this.options;
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.leases.settle(() => this.finish());
        if (this.publications.durableFor >= DELETE_DELAY_MS) await this.deletePublished();
        const count = await this.publishBatch();
        failures = 0;
        if (count === 0 && !signal.aborted) await this.signal.wait(this.publications.isEmpty ? POLL_MS : DELETE_DELAY_MS);
      } catch (error) {
        failures += 1;
        this.handover.askForRead();
        logger.warn({ err: error, failures }, 'relay.publish_failed');
        await waitBackoff(failures, BACKOFF, signal);
      }
    }
    try {
      await this.finish();
    } catch (error) {
      const rows = this.publications.positionsDurable.length;
      logger.warn({ err: error, rows }, 'relay.delete_failed'); // published once more, with the same id
    }
  }

  /** @returns how many rows were taken care of; 0: there is nothing to do now */
  private async publishBatch(): Promise<number> {
    const { metrics, logger } = this.options;
    const { handover } = this;
    if (performance.now() - this.readAt >= POLL_MS) handover.askForRead();
    let rows: readonly OutboxRow[] = handover.take(BATCH_ROWS);
    if (rows.length === 0 && handover.needsRead) rows = await this.read(handover);
    if (rows.length === 0) return 0;
    // A read takes time, and leases end; whoever holds a shard by now may already be publishing these rows.
    if (handover !== this.handover || this.leases.shards().length === 0) {
      handover.askForRead();
      return rows.length;
    }
    const changes = rows.flatMap(({ change }) => change ?? []);
    if (changes.length < rows.length) logger.error({ rows: rows.length - changes.length }, 'relay.change_expired');
    const startedAt = performance.now();
    const positions = rows.map(({ position }) => position);
    await this.publications.send(changes.map(toMessage), positions, () => {
      metrics.countPublished(changes.length);
      this.options.onPublished?.(changes);
      logger.debug({ changes: changes.length, latency_ms: Math.round(performance.now() - startedAt) }, 'relay.published');
    });
    handover.acknowledge(changes);
    return rows.length;
  }

  /** Reads the table, and deletes what was published with it. */
  private async read(handover: Handover): Promise<OutboxRow[]> {
    const { pool, metrics } = this.options;
    const shards = this.leases.shards();
    if (shards.length === 0) return [];
    handover.beginRead();
    this.readAt = performance.now();
    const published = [...this.publications.positionsDurable];
    const underway = this.publications.positionsUnderway;
    const rows = await metrics.time('advance_outbox', () => advanceOutbox(pool, { published, underway, shards }, BATCH_ROWS));
    this.publications.forget(published);
    if (rows.length === BATCH_ROWS) handover.askForRead();
    return rows;
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
