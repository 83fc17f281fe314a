import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { createSealer } from '#database';
import { PeriodicWork } from '#runtime';
import { AddressGuard, WebhookClient } from '#webhook';
import { Attempts, DEFAULT_BUDGETS, VIEW_TTL_MS } from '../../apps/dispatcher/src/attempt/attempts.js';
import { BatchedCache } from '../../apps/dispatcher/src/attempt/batched-cache.js';
import { readEndpoints, readSigningKeys } from '../../apps/dispatcher/src/attempt/endpoint.repository.js';
import { Redeliveries, type OwnedShards, type ShardEpoch } from '../../apps/dispatcher/src/backlog/redeliveries.js';
import { ReplayJobs } from '../../apps/dispatcher/src/backlog/replay-jobs.js';
import { DispatcherMetrics } from '../../apps/dispatcher/src/metrics.js';

export interface SenderOptions {
  readonly pool: pg.Pool;
  readonly logger: Logger;
  /** Delays of the retry schedule, in milliseconds. */
  readonly schedule: readonly number[];
  /** Shards of this sender, of so many; all of one by default. */
  readonly shards?: readonly number[];
  readonly base?: number;
}

/** The part of a dispatcher that sends again what was finished, on leases that it simply has. */
export class RedeliverySender implements OwnedShards {
  readonly owner = randomUUID();
  readonly base: number;
  held: ShardEpoch[];
  private readonly redeliveries: Redeliveries;
  private readonly attempts: Attempts;
  private readonly client: WebhookClient;
  private readonly steps = new PeriodicWork((error) => this.options.logger.warn({ err: error }, 'replays.step_failed'));

  private constructor(private readonly options: SenderOptions) {
    const { pool, logger, schedule, shards = [0], base = 1 } = options;
    this.base = base;
    this.held = shards.map((shard) => ({ shard, epoch: 1 }));
    this.client = new WebhookClient({
      guard: new AddressGuard(['127.0.0.0/8'], [{ from: 1, to: 65_535 }]),
      timeoutMs: 500,
      connectionsPerOrigin: 64,
    });
    const metrics = new DispatcherMetrics(new Registry());
    const throwOn = (_clientId: number, error: unknown): never => {
      throw error;
    };
    this.attempts = new Attempts({
      client: this.client,
      endpoints: new BatchedCache((ids) => readEndpoints(pool, ids), undefined, VIEW_TTL_MS),
      keys: new BatchedCache((ids) => readSigningKeys(pool, createSealer(undefined), ids, throwOn), [], VIEW_TTL_MS),
      budgets: DEFAULT_BUDGETS,
      metrics,
      logger,
    });
    const hashOf = ({ clientId, agentId }: { readonly clientId: number; readonly agentId: number }): number => clientId + agentId;
    this.redeliveries = new Redeliveries({ pool, shards: this, attempts: this.attempts, hashOf, schedule, metrics, logger });
    const jobs = new ReplayJobs(pool, () => this.redeliveries.wake(), logger);
    this.steps.every(50, async () => void (await jobs.step()));
  }

  static async start(options: SenderOptions): Promise<RedeliverySender> {
    const sender = new RedeliverySender(options);
    await options.pool.query(
      `insert into dispatch.shard_lease (shard, owner, epoch, until) select s, $1, 1, now() + interval '1 hour' from unnest($2::int[]) s
       on conflict (shard) do update set owner = excluded.owner, epoch = 1, until = excluded.until`,
      [sender.owner, sender.held.map(({ shard }) => shard)],
    );
    sender.redeliveries.start();
    return sender;
  }

  leaseOf(hash: number): ShardEpoch | undefined {
    return this.held.find(({ shard }) => shard === hash % this.base);
  }

  startBy(): number {
    return performance.now() + 10_000;
  }

  async stop(): Promise<void> {
    await this.steps.stop();
    await this.redeliveries.stop();
    await this.attempts.stop();
    await this.redeliveries.drain();
    await this.client.close();
  }
}
