import type { Sealer } from '#database';
import type { Logger } from '#runtime';
import { WebhookClient, type AddressGuard } from '#webhook';
import { Attempts, VIEW_TTL_MS, type Budgets } from '../attempt/attempts.js';
import { BatchedCache } from '../attempt/batched-cache.js';
import { readEndpoints, readSigningKeys } from '../attempt/endpoint.repository.js';
import type { DispatcherMetrics } from '../metrics.js';
import type { Series } from '../series/series.js';
import { ClaimLoop } from './claim-loop.js';
import { releaseAll, type Claimed, type Lease, type Pool } from './queue.repository.js';
import { QueuedDeliveries } from './queued-deliveries.js';
import { ResultWriter } from './result-writer.js';

export interface DeliveryOptions {
  readonly pool: Pool;
  readonly lease: Lease;
  readonly guard: AddressGuard;
  readonly sealer: Sealer;
  readonly schedule: readonly number[];
  readonly timeoutMs: number;
  readonly budgets: Budgets;
  readonly metrics: DispatcherMetrics;
  readonly series?: Series;
  readonly logger: Logger;
}

/** Longest that a stop waits for results to be written, in milliseconds. */
const DRAIN_MS = 5000;

/** All that takes a delivery from the queue to the third party and back, put together. */
export class Delivery {
  readonly deliveries: QueuedDeliveries;
  private readonly client: WebhookClient;
  private readonly results: ResultWriter;
  private readonly claims: ClaimLoop;

  constructor(private readonly options: DeliveryOptions) {
    const { pool, lease, guard, sealer, timeoutMs, budgets, metrics, logger } = options;
    this.client = new WebhookClient({ guard, timeoutMs, connectionsPerOrigin: budgets.perOrigin });
    const onUnreadable = (clientId: number, error: unknown): void =>
      logger.error({ err: error, client_id: clientId }, 'webhook_secret.unreadable');
    this.results = new ResultWriter({
      pool,
      lease,
      metrics,
      logger,
      onPromoted: (claimed) => this.take(claimed),
      onDue: (delayMs) => this.claims.wakeIn(delayMs),
    });
    const attempts = new Attempts({
      ...options,
      ...(options.series && { origins: options.series.origins }),
      client: this.client,
      endpoints: new BatchedCache((ids) => readEndpoints(pool, ids), undefined, VIEW_TTL_MS),
      keys: new BatchedCache((ids) => readSigningKeys(pool, sealer, ids, onUnreadable), [], VIEW_TTL_MS),
    });
    this.deliveries = new QueuedDeliveries({ ...options, attempts, results: this.results });
    this.claims = new ClaimLoop({
      pool,
      lease,
      logger,
      room: () => this.deliveries.room,
      onClaimed: ({ jobs }) => this.deliveries.accept(jobs),
      onOrphans: (lanes) => this.results.addLanes(lanes),
    });
  }

  start(): void {
    this.claims.start();
  }

  /** Claims nothing more, lets what is in flight finish, writes the results, and gives the leases back. */
  async stop(): Promise<void> {
    const { pool, lease, logger } = this.options;
    await this.claims.stop();
    await this.deliveries.stop();
    await this.results.drain(DRAIN_MS);
    await this.client.close();
    try {
      await releaseAll(pool, lease.owner);
    } catch (error) {
      logger.warn({ err: error }, 'queue.leases_not_given_back'); // they end by themselves
    }
  }

  private take(claimed: Claimed): void {
    this.deliveries.accept(claimed.jobs);
    if (claimed.strayed.length === 0) return;
    this.claims.moveStrayed(claimed).catch((error: unknown) => {
      this.options.logger.warn({ err: error }, 'queue.move_failed'); // their leases end, and the claim finds them
    });
  }
}
