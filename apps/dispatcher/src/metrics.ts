import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AttemptResult } from '#webhook';
import type { Verdict } from './attempt/retry-policy.js';

/** Sample of what is behind, of all instances. */
export interface BacklogSample {
  /** Agent events that are behind for an agent, as the planner takes it. */
  readonly rows: number;
  /** How long the one has been behind that is longest, in seconds; 0 where none is. */
  readonly oldestSeconds: number;
  /** Agent events that are suspended now, by reason. */
  readonly suspended: readonly { readonly reason: string; readonly count: number }[];
}

/** Metrics of the dispatcher: contract §8, `/metrics`. */
export class DispatcherMetrics {
  /** By what became of an attempt (delivered, retry, failed, dropped) and why. */
  private readonly attempts: Counter<'outcome' | 'reason'>;
  private readonly latency: Histogram;
  /** The one figure that says how late we are. */
  private readonly lateness: Histogram;
  readonly inFlight: Gauge;
  /** Deliveries in memory, in flight or waiting for a slot. */
  readonly inMemory: Gauge;
  readonly openBreakers: Gauge;
  private readonly behind: Gauge;
  private readonly oldest: Gauge;
  private readonly suspendedNow: Gauge<'reason'>;
  readonly planned: Counter;
  readonly spilt: Counter;
  readonly unknown: Counter;
  readonly changes: Counter;
  readonly gaps: Counter;
  readonly filled: Counter;
  readonly undecodable: Counter;
  readonly givenBack: Counter<'reason'>;
  readonly suspended: Counter<'reason'>;
  readonly unstorable: Counter;
  /** Attempts to tell notices. */
  readonly notices: Counter<'outcome'>;
  readonly noticesInFlight: Gauge;
  readonly noticeBreakers: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.attempts = new Counter({
      name: 'rollcall_delivery_attempts_total',
      help: 'Attempts by their outcome and the reason for it, and deliveries that ended without one.',
      labelNames: ['outcome', 'reason'],
      registers,
    });
    this.lateness = new Histogram({
      name: 'rollcall_notification_lateness_seconds',
      help: 'From the moment at which a change was committed to the first attempt to notify of it, where its receiver did not keep it waiting.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
      registers,
    });
    this.latency = new Histogram({
      name: 'rollcall_delivery_attempt_seconds',
      help: 'Duration of attempts, from the request to the end of the answer.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.inFlight = new Gauge({ name: 'rollcall_deliveries_in_flight', help: 'Requests in flight.', registers });
    this.inMemory = new Gauge({
      name: 'rollcall_deliveries_held',
      help: 'Deliveries in memory: first attempts, and what is behind and due.',
      registers,
    });
    this.openBreakers = new Gauge({ name: 'rollcall_breakers_open', help: 'Origins that are not sent to for now.', registers });
    this.behind = new Gauge({
      name: 'rollcall_behind_rows',
      help: 'Pairs of an agent event and an agent with notifications that wait, of all instances; an estimate of one of them.',
      registers,
    });
    this.oldest = new Gauge({
      name: 'rollcall_oldest_waiting_seconds',
      help: 'How long the agent event and agent have been behind that are so for longest, of all instances; sampled by one of them.',
      registers,
    });
    this.suspendedNow = new Gauge({
      name: 'rollcall_agent_events_suspended_now',
      help: 'Agent events that are suspended, of all instances; sampled by one of them.',
      labelNames: ['reason'],
      registers,
    });
    this.planned = new Counter({ name: 'rollcall_deliveries_planned_total', help: 'First attempts planned.', registers });
    this.spilt = new Counter({
      name: 'rollcall_deliveries_spilt_total',
      help: 'First attempts that fell behind while their request was out, at an origin that is slow.',
      registers,
    });
    this.unknown = new Counter({
      name: 'rollcall_status_records_unknown_total',
      help: 'Status changes of the topic that the log does not have, as after a restored database; they are passed over.',
      registers,
    });
    this.changes = new Counter({ name: 'rollcall_fan_out_changes_total', help: 'Status changes fanned out.', registers });
    this.gaps = new Counter({
      name: 'rollcall_sequence_gaps_total',
      help: 'Agents of which neither the topic nor the log had a change that was to be notified.',
      registers,
    });
    this.filled = new Counter({
      name: 'rollcall_fan_out_changes_from_log_total',
      help: 'Status changes that the topic lacked, or brought late, and that were taken from the log.',
      registers,
    });
    this.undecodable = new Counter({
      name: 'rollcall_status_records_undecodable_total',
      help: 'Records of the status topic that are no status changes.',
      registers,
    });
    this.givenBack = new Counter({
      name: 'rollcall_deliveries_given_back_total',
      help: 'Deliveries that were due and not sent for now.',
      labelNames: ['reason'],
      registers,
    });
    this.unstorable = new Counter({
      name: 'rollcall_delivery_results_unstorable_total',
      help: 'Deliveries that were ended since the database refused what became of them.',
      registers,
    });
    this.suspended = new Counter({
      name: 'rollcall_agent_events_suspended_total',
      help: 'Agent events that were suspended.',
      labelNames: ['reason'],
      registers,
    });
    this.notices = new Counter({
      name: 'rollcall_notice_attempts_total',
      help: 'Attempts to tell a notice, by their outcome.',
      labelNames: ['outcome'],
      registers,
    });
    this.noticesInFlight = new Gauge({
      name: 'rollcall_notices_in_flight',
      help: 'Requests in flight that tell a notice.',
      registers,
    });
    this.noticeBreakers = new Gauge({
      name: 'rollcall_notice_breakers_open',
      help: 'Origins that no notices are sent to for now.',
      registers,
    });
    this.setBacklog(undefined);
    // There from the start: of a series that begins with its first event, Prometheus counts that one as no increase.
    for (const [outcome, reasons] of Object.entries(REASONS))
      for (const reason of reasons) this.attempts.inc({ outcome, reason }, 0);
  }

  /** Counts an attempt that was made, by what follows from it; after a 410 it is tried again once the agent event is resumed. */
  countAttempt(verdict: Verdict['kind'], result: AttemptResult): void {
    this.latency.observe(result.latencyMs / 1000);
    this.attempts.inc({ outcome: verdict === 'gone' ? 'retry' : verdict, reason: attemptReason(result) });
  }

  /**
   * Notes how late a first attempt was that has just ended, and that did not wait for its receiver.
   *
   * @param committedAt when its change was committed, in milliseconds of `performance.now()`
   */
  noteFirst(committedAt: number, { latencyMs }: AttemptResult): void {
    this.lateness.observe(Math.max(0, performance.now() - committedAt - latencyMs) / 1000);
  }

  /** Counts a delivery that ended without a further attempt. */
  countEnd(outcome: 'failed' | 'dropped'): void {
    this.attempts.inc({ outcome, reason: 'none' });
  }

  /** Tells what is behind; undefined: another instance does. */
  setBacklog(sample: BacklogSample | undefined): void {
    this.suspendedNow.reset();
    if (sample) {
      this.behind.set(sample.rows);
      this.oldest.set(sample.oldestSeconds);
      const counts = new Map(sample.suspended.map(({ reason, count }) => [reason, count]));
      for (const reason of SUSPENSIONS) this.suspendedNow.set({ reason }, counts.get(reason) ?? 0);
    } else {
      this.behind.remove();
      this.oldest.remove();
    }
  }
}

const SUSPENSIONS = ['gone', 'failing', 'paused'];
const FAILURES = ['timeout', 'refused', 'closed', 'unreachable', 'dns', 'tls', 'address', 'protocol', 'other'];
/** By outcome. */
const REASONS = {
  delivered: ['2xx'],
  retry: [...FAILURES, '3xx', '4xx', '410', '429', '5xx'],
  failed: [...FAILURES, '3xx', '4xx', '429', '5xx', 'none'],
  dropped: ['none'],
};

/** Why an attempt came to its outcome, in a few words: a label. */
function attemptReason(result: AttemptResult): string {
  if (!('status' in result)) return result.kind;
  const { status } = result;
  if (status === 410 || status === 429) return String(status);
  return `${Math.floor(status / 100)}xx`;
}
