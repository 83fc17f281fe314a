import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What an operator sees of the dispatcher: contract §8, `/metrics`. */
export class DispatcherMetrics {
  /** Deliveries by what became of an attempt: delivered, retry, failed, dropped. */
  readonly attempts: Counter<'outcome'>;
  readonly latency: Histogram;
  readonly inFlight: Gauge;
  /** Deliveries in memory, in flight or waiting for a slot. */
  readonly held: Gauge;
  readonly openBreakers: Gauge;
  /** Agent events that are behind for an agent, by all instances; an estimate. */
  readonly behind: Gauge;
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
      help: 'Attempts by their outcome.',
      labelNames: ['outcome'],
      registers,
    });
    this.latency = new Histogram({
      name: 'rollcall_delivery_attempt_seconds',
      help: 'Duration of attempts, from the request to the end of the answer.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.inFlight = new Gauge({ name: 'rollcall_deliveries_in_flight', help: 'Requests in flight.', registers });
    this.held = new Gauge({
      name: 'rollcall_deliveries_held',
      help: 'Deliveries in memory: first attempts, and what is behind and due.',
      registers,
    });
    this.openBreakers = new Gauge({ name: 'rollcall_breakers_open', help: 'Origins that are not sent to for now.', registers });
    this.behind = new Gauge({
      name: 'rollcall_behind_rows',
      help: 'Agent events that are behind for an agent, by all instances; an estimate.',
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
  }
}
