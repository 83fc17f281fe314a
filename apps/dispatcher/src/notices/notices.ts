import { noticeViewOf } from '#contracts';
import type { Pool } from '#database';
import { PeriodicWork, type Logger } from '#runtime';
import { beginNoticeAttempt } from '#tracing';
import { buildNotice, type WebhookSigningKey, type WebhookClient } from '#webhook';
import { Attempts, VIEW_TTL_MS } from '../attempt/attempts.js';
import { BatchedCache } from '../attempt/batched-cache.js';
import type { Endpoint, SendOutcome } from '../attempt/delivery.js';
import { decideRetry, SUSPEND_AFTER_MS } from '../attempt/retry-policy.js';
import { ClientCount } from '../lanes/client-count.js';
import type { DispatcherMetrics } from '../metrics.js';
import { BatchWriter } from '../record/batch-writer.js';
import {
  claimNotices,
  forgetNotices,
  readNoticeEvents,
  recordNotices,
  type NoticeDelivery,
  type NoticeResult,
} from './notice.repository.js';

export interface NoticesOptions {
  readonly pool: Pool;
  readonly client: WebhookClient;
  readonly keys: BatchedCache<readonly WebhookSigningKey[]>;
  /** Delays of the retry schedule, in milliseconds. */
  readonly schedule: readonly number[];
  /** In milliseconds, from the notice on. */
  readonly windowMs: number;
  /** Of an attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** How long notices are kept, in milliseconds. */
  readonly retentionMs: number;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** A room of their own: notices are few, and take nothing from notifications. */
const BUDGETS = { inMemory: 1024, firstAttempts: 64, retries: 64, perOrigin: 16, perClientAtOrigin: 8 };
const MAX_OUT = 256;
const MAX_OUT_OF_CLIENT = 16;
/** Clients that have their turn at once. */
const CLIENTS = 64;
/** How often what is due is looked for, in milliseconds. */
const POLL_MS = 500;
/** Beyond the attempt's own time a delivery stays in one hand for so long, in milliseconds, so that its result can be written. */
const CLAIM_BEYOND_TIMEOUT_MS = 30_000;
/** Of that, so much is left when an attempt begins at the latest. */
const LEAST_LEFT_MS = 8000;
/** Until one is looked at again that was not sent, in milliseconds, at least. */
const MIN_PAUSE_MS = 200;
const BATCH = { name: 'notices', maxSize: 100, concurrency: 1, lingerMs: 5 };
const DRAIN_MS = 5000;
const CLEAN_UP_MS = 60_000;
/** Few enough that nothing that is due waits for it. */
const FORGET_AT_ONCE = 1000;

/**
 * Sends notices to where they are wanted, with the promises of notifications (contract §7): tried again on the schedule until the
 * window ends, in order for one agent event and one url, each client in its turn and with its own share of an origin. Any instance
 * takes what is due, for a while.
 */
export class Notices {
  /** By notice, notice event and claim: one whose claim has run out may be claimed again before it is written. */
  private readonly out = new Map<string, NoticeDelivery>();
  private readonly attempts: Attempts;
  private readonly results: BatchWriter<NoticeResult>;
  private readonly work: PeriodicWork;
  private after = -1;

  constructor(private readonly options: NoticesOptions) {
    const { pool, client, keys, metrics } = options;
    const logger = options.logger.child({ room: 'notices' });
    this.attempts = new Attempts({
      ...{ client, keys, logger, budgets: BUDGETS, build: buildNotice, begin: beginNoticeAttempt },
      endpoints: new BatchedCache<Endpoint | undefined>((ids) => readNoticeEvents(pool, ids), undefined, VIEW_TTL_MS),
      metrics: { inFlight: metrics.noticesInFlight, openBreakers: metrics.noticeBreakers },
    });
    this.results = new BatchWriter<NoticeResult>({
      ...BATCH,
      logger,
      write: (results) => this.record(results),
      onRefused: (result) => this.record([{ ...result, error: 'the answer could not be stored' }]),
    });
    this.work = new PeriodicWork((error) => logger.warn({ err: error }, 'notices.turn_failed'));
  }

  start(): void {
    this.work.every(POLL_MS, () => this.turn());
    this.work.every(CLEAN_UP_MS, () => this.cleanUp());
  }

  /** Starts nothing more, lets what is out finish, and records it. */
  async stop(): Promise<void> {
    await this.work.stop();
    await this.attempts.stop();
    await this.results.drain(DRAIN_MS);
  }

  private async turn(): Promise<void> {
    if (this.out.size >= MAX_OUT) return;
    const { pool, timeoutMs, windowMs } = this.options;
    const { claimed, last } = await claimNotices(pool, {
      after: this.after,
      clients: CLIENTS,
      full: this.fullClients(),
      perClient: MAX_OUT_OF_CLIENT,
      leaseMs: timeoutMs + CLAIM_BEYOND_TIMEOUT_MS,
      windowMs,
    });
    this.after = last ?? -1;
    for (const delivery of claimed) {
      this.out.set(keyOf({ ...delivery, noticeId: delivery.notice.id }), delivery);
      void this.send(delivery);
    }
  }

  private async send(delivery: NoticeDelivery): Promise<void> {
    const { url, suspended, expiresAt, claimedAt, clientId, attempts, notice } = delivery;
    if (url === undefined) return this.conclude(delivery, { outcome: 'dropped', delayMs: null });
    const leftMs = expiresAt - performance.now();
    if (leftMs <= 0) {
      return this.conclude(delivery, {
        outcome: 'failed',
        delayMs: null,
        error: suspended ? 'suspended until the retry window ended' : 'the retry window ended',
      });
    }
    if (suspended) return this.conclude(delivery, { outcome: 'wait', delayMs: leftMs });
    const outcome = await this.attempts.attempt({
      changeId: delivery.key,
      clientId,
      agentEventId: delivery.noticeEventId,
      sequence: notice.id,
      change: { pairs: JSON.stringify({ ...noticeViewOf(notice), client_id: clientId }), occurredAt: notice.at.getTime() },
      attemptsBefore: attempts,
      isRetry: attempts > 0,
      endpoint: { value: { url, method: 'POST', suspended }, readAt: claimedAt },
      startBy: Math.min(expiresAt, claimedAt + CLAIM_BEYOND_TIMEOUT_MS - LEAST_LEFT_MS),
    });
    if (outcome.kind === 'attempted') return this.judge(delivery, outcome);
    this.conclude(delivery, { outcome: 'wait', delayMs: Math.max(MIN_PAUSE_MS, outcome.delayMs) });
  }

  private judge(delivery: NoticeDelivery, { result }: SendOutcome & { kind: 'attempted' }): void {
    const { schedule, metrics } = this.options;
    const leftMs = delivery.expiresAt - performance.now();
    const attempts = delivery.attempts + 1;
    const verdict = decideRetry(schedule, { result, attempts, leftMs, now: Date.now(), random: Math.random() });
    metrics.notices.inc({ outcome: verdict.kind === 'gone' ? 'retry' : verdict.kind });
    this.conclude(delivery, {
      outcome: verdict.kind,
      delayMs: verdict.kind === 'retry' ? verdict.delayMs : verdict.kind === 'gone' ? leftMs : null,
      ...(verdict.kind !== 'delivered' && { error: 'error' in result ? result.error : `HTTP ${result.status}` }),
      attempted: true,
    });
  }

  private conclude(
    { notice, noticeEventId, claim }: NoticeDelivery,
    result: Pick<NoticeResult, 'outcome' | 'delayMs'> & Partial<NoticeResult>,
  ): void {
    this.results.add({ attempted: false, error: null, ...result, noticeId: notice.id, noticeEventId, claim });
  }

  private async record(results: readonly NoticeResult[]): Promise<void> {
    const { pool, logger } = this.options;
    const suspended = await recordNotices(pool, results, SUSPEND_AFTER_MS);
    if (suspended.length > 0) logger.info({ notice_event_ids: suspended }, 'notice_event.suspended');
    for (const result of results) {
      const { noticeId, noticeEventId, outcome, error } = result;
      if (outcome === 'failed') logger.warn({ notice_id: noticeId, notice_event_id: noticeEventId, error }, 'notice.failed');
      this.out.delete(keyOf(result));
    }
  }

  private fullClients(): number[] {
    const counts = new ClientCount();
    for (const { clientId } of this.out.values()) counts.add(clientId, 1);
    return counts.withAtLeast(MAX_OUT_OF_CLIENT);
  }

  private async cleanUp(): Promise<void> {
    await forgetNotices(this.options.pool, this.options.retentionMs, FORGET_AT_ONCE);
  }
}

function keyOf({ noticeId, noticeEventId, claim }: Pick<NoticeResult, 'noticeId' | 'noticeEventId' | 'claim'>): string {
  return `${noticeId}:${noticeEventId}:${claim}`;
}
