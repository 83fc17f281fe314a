import type { Bus, BusAssignmentOptions } from '#bus';
import { STATUS_CHANGED_TOPIC } from '#contracts';
import type { Pool, Sealer } from '#database';
import { retry, type Logger } from '#runtime';
import { WebhookClient, type AddressGuard } from '#webhook';
import { Attempts, VIEW_TTL_MS, type Budgets } from './attempt/attempts.js';
import { BatchedCache } from './attempt/batched-cache.js';
import type { Endpoint } from './attempt/delivery.js';
import { readEndpoints, readSigningKeys } from './attempt/endpoint.repository.js';
import { BacklogLoop } from './backlog/backlog.loop.js';
import { Commands } from './backlog/commands.js';
import { Redeliveries } from './backlog/redeliveries.js';
import { ReplayJobs } from './backlog/replay-jobs.js';
import { Intake } from './intake/intake.js';
import { hashOf } from './lanes/agent-work.js';
import { Deliveries } from './lanes/deliveries.js';
import { ShardLeases } from './lanes/shard-leases.js';
import type { DispatcherMetrics } from './metrics.js';
import { Notices } from './notices/notices.js';
import { Recorder } from './record/recorder.js';
import type { DispatcherSeries } from './series/series.js';

export interface DispatchOptions {
  readonly pool: Pool;
  readonly guard: AddressGuard;
  readonly sealer: Sealer;
  readonly schedule: readonly number[];
  readonly timeoutMs: number;
  readonly windowMs: number;
  readonly leaseMs: number;
  /** How long notices are kept, in milliseconds. */
  readonly retentionMs: number;
  readonly budgets: Budgets;
  readonly metrics: DispatcherMetrics;
  readonly series?: DispatcherSeries;
  readonly logger: Logger;
}

/** Longest that a stop waits for results to be written, in milliseconds. */
const DRAIN_MS = 5000;
/** Until a bus that does not tell how many partitions there are is asked again, in milliseconds. */
const ASK_AGAIN = { firstMs: 500, maxMs: 500 };

/** All that takes a status change to the third party, put together: two doors, one table of lanes, one pen. */
export class Dispatch {
  readonly leases: ShardLeases;
  readonly intake: Intake;
  private readonly client: WebhookClient;
  private readonly attempts: Attempts;
  private readonly deliveries: Deliveries;
  private readonly recorder: Recorder;
  private readonly backlog: BacklogLoop;
  private readonly redeliveries: Redeliveries;
  private readonly commands: Commands;
  private readonly notices: Notices;
  /** Of the partitions that the bus has given last. */
  private assigning = new AbortController();

  constructor(private readonly options: DispatchOptions) {
    const { pool, guard, sealer, timeoutMs, windowMs, budgets, metrics, logger } = options;
    this.client = new WebhookClient({ guard, timeoutMs, connectionsPerOrigin: budgets.perOrigin });
    const onUnreadable = (clientId: number, error: unknown): void =>
      logger.error({ err: error, client_id: clientId }, 'webhook_secret.unreadable');
    const endpoints = new BatchedCache<Endpoint | undefined>((ids) => readEndpoints(pool, ids), undefined, VIEW_TTL_MS);
    const keys = new BatchedCache((ids) => readSigningKeys(pool, sealer, ids, onUnreadable), [], VIEW_TTL_MS);
    const isForAll = (agentEventId: number): boolean => endpoints.latest(agentEventId)?.value?.isForAll ?? false;
    this.attempts = new Attempts({
      ...options,
      ...(options.series && { origins: options.series.origins }),
      client: this.client,
      endpoints,
      keys,
    });
    this.deliveries = new Deliveries({
      ...options,
      attempts: this.attempts,
      endpoints,
      leases: () => this.leases,
      onDirty: (agent) => this.recorder.add(agent),
      onRefused: (...refused) => this.backlog.pause(...refused),
      onAnswered: (...answered) => this.backlog.answered(...answered),
    });
    this.leases = new ShardLeases({
      ...options,
      onTaken: () => this.backlog.wakeIn(0),
      onEnding: async (lease, isLost) => {
        await Promise.all([this.deliveries.end(lease, isLost), this.redeliveries.ended(lease)]);
      },
      endMs: timeoutMs + DRAIN_MS,
    });
    this.recorder = new Recorder({
      ...{ pool, windowMs, endpoints, metrics, logger },
      owner: this.leases.owner,
      deliveries: this.deliveries,
      onRecorded: (clientId, records) => options.series?.note(clientId, records, isForAll),
      onTouched: (agent) => this.backlog.touch(agent),
      onDue: (delayMs) => this.backlog.wakeIn(delayMs),
    });
    this.backlog = new BacklogLoop({
      ...{ pool, windowMs, logger },
      leases: this.leases,
      deliveries: this.deliveries,
      capacity: budgets.inMemory / 2,
    });
    this.redeliveries = new Redeliveries({
      ...options,
      shards: this.leases,
      attempts: this.attempts,
      hashOf,
      onRecorded: ({ clientId, isForAll }, result) => options.series?.note(clientId, [result], () => isForAll),
    });
    this.commands = new Commands({
      ...{ pool, logger },
      replays: new ReplayJobs(pool, () => this.redeliveries.wake(), logger),
      onCommand: () => this.redeliveries.wake(),
      onWoken: (agentEventId) => this.backlog.woken(agentEventId),
    });
    this.notices = new Notices({ ...options, client: this.client, keys });
    this.intake = new Intake({
      ...{ pool, windowMs, endpoints, metrics, logger },
      deliveries: this.deliveries,
      waiting: () => this.attempts.waiting,
      sentWithin: (ms) => this.attempts.sentWithin(ms),
      capacity: budgets.inMemory,
    });
  }

  /** Returns how many deliveries are in memory: first attempts, and what is behind and due. */
  get inMemory(): number {
    return this.deliveries.inMemory + this.deliveries.rowsInHand;
  }

  start(): void {
    this.backlog.start();
    this.redeliveries.start();
    this.commands.start();
    this.notices.start();
  }

  /** Has the leases follow what a bus says of this instance's partitions. */
  assignmentOf(bus: Bus): BusAssignmentOptions {
    return {
      onAssigned: (partitions) => this.assign(bus, partitions.get(STATUS_CHANGED_TOPIC) ?? []),
      onRevoked: () => {
        this.assigning.abort();
        return this.leases.revoke();
      },
      shards: () => this.leases.base || undefined,
    };
  }

  /** Starts nothing more, lets what is out finish, records it, and gives the leases back. */
  async stop(): Promise<void> {
    this.assigning.abort();
    const notices = this.notices.stop();
    await this.commands.stop();
    await this.backlog.stop();
    await this.redeliveries.stop();
    await this.leases.stop();
    await this.attempts.stop();
    await Promise.all([this.recorder.drain(DRAIN_MS), this.redeliveries.drain(), notices]);
    await this.client.close();
  }

  /** Has the leases follow partitions, as soon as the bus tells how many there are; what came before is not gone on with. */
  private assign(bus: Bus, partitions: readonly number[]): void {
    this.assigning.abort();
    this.assigning = new AbortController();
    const { signal } = this.assigning;
    const assigned = retry(
      async () => {
        const count = await bus.partitionCount(STATUS_CHANGED_TOPIC);
        signal.throwIfAborted();
        await this.leases.assign(partitions, count);
      },
      {
        backoff: ASK_AGAIN,
        signal,
        onFailure: (error) => this.options.logger.warn({ err: error }, 'shards.assignment_failed'),
      },
    );
    assigned.catch(() => undefined); // it was aborted
  }
}
