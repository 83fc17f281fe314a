import type { Logger } from '#runtime';
import { SUSPEND_AFTER_MS } from '../attempt/retry-policy.js';
import type { DispatcherMetrics } from '../metrics.js';
import { Batcher } from './batcher.js';
import type { QueueKey } from './job.js';
import { promoteLanes, release, type Claimed, type Lease, type Pool } from './queue.repository.js';
import {
  endUnstorable,
  finish,
  markFailing,
  postpone,
  suspendGone,
  type AttemptRecord,
  type Finish,
  type Postponement,
} from './results.repository.js';

export interface ResultWriterOptions {
  readonly pool: Pool;
  readonly lease: Lease;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
  /** Takes the deliveries whose predecessors were finished. */
  readonly onPromoted: (claimed: Claimed) => void;
  /** Something will be due after this delay, in milliseconds. */
  readonly onDue: (delayMs: number) => void;
}

const MAX_BATCH = 500;
/** Statements cost by the call as well as by the row, and nobody but a follower in the lane waits for a result. */
const LINGER_MS = 10;

type Failure = { readonly finish: Finish } | { readonly postpone: Postponement };
type Return = QueueKey & { readonly delayMs: number };

/** Writes what became of leased deliveries, many at a time, and promotes the lanes that were freed. */
export class ResultWriter {
  private readonly successes: Batcher<Finish>;
  private readonly failures: Batcher<Failure>;
  private readonly promotions: Batcher<string>;
  private readonly returns: Batcher<Return>;

  constructor(private readonly options: ResultWriterOptions) {
    const { logger } = options;
    const shared = { maxSize: MAX_BATCH, lingerMs: LINGER_MS, concurrency: 1, logger };
    const nothing = (): Promise<void> => Promise.resolve(); // keys that the database gave us: it refuses none of them
    this.successes = new Batcher<Finish>({
      ...shared,
      name: 'successes',
      concurrency: 2,
      write: (items) => this.writeFinished(items),
      onRefused: (item) => this.endUnstorable(item),
    });
    this.failures = new Batcher<Failure>({
      ...shared,
      name: 'failures',
      write: (items) => this.writeFailures(items),
      onRefused: (item) => this.endUnstorable('postpone' in item ? item.postpone : item.finish),
    });
    this.promotions = new Batcher<string>({
      ...shared,
      name: 'promotions',
      lingerMs: 0,
      write: (lanes) => this.promote(lanes),
      onRefused: nothing,
    });
    this.returns = new Batcher<Return>({
      ...shared,
      name: 'returns',
      write: (rows) => this.release(rows),
      onRefused: nothing,
    });
  }

  /** Results that are not written yet. */
  get backlog(): number {
    return this.successes.backlog + this.failures.backlog + this.returns.backlog;
  }

  finish(result: Finish): void {
    if (result.outcome === 'failed') this.failures.add({ finish: result });
    else this.successes.add(result);
  }

  postpone(result: Postponement): void {
    this.failures.add({ postpone: result });
  }

  giveBack({ lane, sequence, agentEventId }: QueueKey, delayMs: number): void {
    this.returns.add({ lane, sequence, agentEventId, delayMs });
  }

  /** Lanes that may be without a head: it is looked for. */
  addLanes(lanes: readonly string[]): void {
    for (const lane of lanes) this.promotions.add(lane);
  }

  /** Waits until all is written, but no longer than this, in milliseconds. */
  async drain(timeoutMs: number): Promise<void> {
    await Promise.all([this.successes.drain(timeoutMs), this.failures.drain(timeoutMs), this.returns.drain(timeoutMs)]);
    await this.promotions.drain(timeoutMs);
  }

  private async writeFinished(results: readonly Finish[]): Promise<void> {
    const { pool, lease } = this.options;
    for (const lane of await finish(pool, results, lease.owner)) this.promotions.add(lane);
  }

  /** A result that cannot be stored ends its delivery, visibly: otherwise it would be sent again for ever. */
  private async endUnstorable(result: AttemptRecord): Promise<void> {
    const { pool, metrics, logger } = this.options;
    const { agentEventId: agent_event_id, changeId: change_id, attempt } = result;
    for (const lane of await endUnstorable(pool, result)) this.promotions.add(lane);
    metrics.unstorable.inc();
    logger.error({ agent_event_id, change_id, attempt }, 'delivery.result_not_stored');
  }

  private async writeFailures(failures: readonly Failure[]): Promise<void> {
    const { pool, lease, metrics, logger, onDue } = this.options;
    const postponed = failures.flatMap((one) => ('postpone' in one ? [one.postpone] : []));
    const finished = failures.flatMap((one) => ('finish' in one ? [one.finish] : []));
    // Before the results: if this instance ends in between, the failure is only found again.
    const gone = idsOf(postponed.filter(({ delayMs }) => delayMs === undefined));
    if (gone.length > 0) {
      await suspendGone(pool, gone);
      metrics.suspended.inc({ reason: 'gone' }, gone.length);
      logger.info({ agent_event_ids: gone, reason: 'gone' }, 'agent_event.suspended');
    }
    const failing = idsOf([...postponed.filter(({ delayMs }) => delayMs !== undefined), ...finished]);
    const suspended = failing.length > 0 ? await markFailing(pool, failing, SUSPEND_AFTER_MS) : [];
    if (suspended.length > 0) {
      metrics.suspended.inc({ reason: 'failing' }, suspended.length);
      logger.info({ agent_event_ids: suspended, reason: 'failing' }, 'agent_event.suspended');
    }
    if (postponed.length > 0) {
      await postpone(pool, postponed, lease.owner);
      onDue(Math.min(...postponed.map(({ delayMs }) => delayMs ?? Infinity)));
    }
    if (finished.length > 0) await this.writeFinished(finished);
  }

  private async promote(lanes: readonly string[]): Promise<void> {
    const promoted = await promoteLanes(this.options.pool, lanes, this.options.lease);
    this.options.onPromoted(promoted);
    this.addLanes(promoted.contended);
  }

  private async release(rows: readonly Return[]): Promise<void> {
    await release(this.options.pool, rows, this.options.lease.owner);
    this.options.onDue(Math.min(...rows.map(({ delayMs }) => delayMs)));
  }
}

function idsOf(results: readonly { readonly agentEventId: number }[]): number[] {
  return [...new Set(results.map(({ agentEventId }) => agentEventId))];
}
