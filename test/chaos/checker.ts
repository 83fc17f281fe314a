/**
 * Holds what receivers got against what was accepted: contract §7.1 to §7.3. Pure, so that it can be shown to fail.
 */

/** Who is notified of an agent at one path. */
export interface Subscriber {
  /** The path that its notifications go to; with the agent it is the lane. */
  readonly path: string;
  readonly agentId: number;
  /** Agent events of the lane that each change matches, each of which is notified. Default: one. */
  readonly agentEvents?: number;
}

/** What was accepted for an agent: its changes are numbered 1 … `changes`. */
export interface Accepted {
  readonly agentId: number;
  readonly changes: number;
}

/** One request as a receiver recorded it, in order of arrival. */
export interface Arrival {
  readonly path: string;
  readonly agentId: number;
  readonly sequence: number;
  readonly webhookId: string;
  /** What the sender says the number of its attempt is. Default: 1. */
  readonly attempt?: number;
  /** Whether it was answered 2xx: until then the sender has to repeat it. */
  readonly acknowledged: boolean;
  /** How many arrivals there were, this one among them, when that answer was sent. Absent: it was sent at once. */
  readonly acknowledgedAfter?: number | undefined;
  /** When that was, in milliseconds since the epoch. */
  readonly acknowledgedAt?: number | undefined;
}

export interface Report {
  /** Notifications that had to arrive and be acknowledged. */
  readonly expected: number;
  readonly delivered: number;
  /** Requests in all. */
  readonly arrivals: number;
  /** Accepted changes that a subscriber never acknowledged. */
  readonly lost: readonly string[];
  /** Arrivals of changes that there were not, or at a path that did not subscribe, or under one webhook-id too many. */
  readonly invented: readonly string[];
  /** First arrivals that came before the acknowledgement of the change before it in their lane. */
  readonly outOfOrder: readonly string[];
  /** Arrivals that came after a later change of their lane was acknowledged, under a webhook-id that had not come before. */
  readonly late: readonly string[];
  /** Arrivals after their delivery had been acknowledged. */
  readonly repeats: readonly Repeat[];
}

export interface Repeat {
  /** When its delivery had been acknowledged, in milliseconds since the epoch. */
  readonly acknowledgedAt: number;
  /** The sender has recorded the attempt that was acknowledged, as one that failed: the answer was lost, or came too late. */
  readonly wasAnswerLost: boolean;
}

/** What has come in one lane, and what of it was acknowledged. */
class Lane {
  /** By sequence, each webhook-id that came, and as what it was acknowledged. */
  private readonly changes = new Map<number, Map<string, Arrival | undefined>>();
  private latest = 0;

  constructor(readonly agentEvents: number) {}

  has({ sequence, webhookId }: Arrival): boolean {
    return this.changes.get(sequence)?.has(webhookId) ?? false;
  }

  acknowledged({ sequence, webhookId }: Arrival): Arrival | undefined {
    return this.changes.get(sequence)?.get(webhookId);
  }

  /** The latest change of which something was acknowledged. */
  get latestAcknowledged(): number {
    return this.latest;
  }

  /** Notifications of a change that are not acknowledged. */
  missing(sequence: number): number {
    const acknowledged = [...(this.changes.get(sequence)?.values() ?? [])].filter((arrival) => arrival !== undefined).length;
    return Math.max(0, this.agentEvents - acknowledged);
  }

  /** @returns whether the lane has as many agent events as the change has webhook-ids now */
  take({ sequence, webhookId }: Arrival): boolean {
    const ids = this.changes.get(sequence) ?? new Map<string, Arrival | undefined>();
    this.changes.set(sequence, ids.set(webhookId, ids.get(webhookId)));
    return ids.size <= this.agentEvents;
  }

  acknowledge(arrival: Arrival): void {
    const { sequence, webhookId } = arrival;
    const ids = this.changes.get(sequence)!;
    ids.set(webhookId, ids.get(webhookId) ?? arrival);
    this.latest = Math.max(this.latest, sequence);
  }
}

/** Reports every violation in words that name the lane and the sequence. */
export function check(accepted: readonly Accepted[], subscribers: readonly Subscriber[], arrivals: readonly Arrival[]): Report {
  const changes = new Map(accepted.map(({ agentId, changes: count }) => [agentId, count]));
  const lanes = new Map(subscribers.map((subscriber) => [laneOf(subscriber), new Lane(subscriber.agentEvents ?? 1)]));
  const [invented, outOfOrder, late, lost]: [string[], string[], string[], string[]] = [[], [], [], []];
  const answers = new Map<number, (() => void)[]>();
  const repeats: Repeat[] = [];

  for (const [index, arrival] of arrivals.entries()) {
    for (const answer of answers.get(index) ?? []) answer();
    answers.delete(index);
    const name = `${laneOf(arrival)} sequence ${arrival.sequence}`;
    const lane = lanes.get(laneOf(arrival));
    if (!lane || arrival.sequence < 1 || arrival.sequence > (changes.get(arrival.agentId) ?? 0)) {
      invented.push(name);
      continue;
    }
    const acknowledged = lane.acknowledged(arrival);
    if (acknowledged) {
      const { acknowledgedAt = 0, attempt = 1 } = acknowledged;
      repeats.push({ acknowledgedAt, wasAnswerLost: (arrival.attempt ?? 1) > attempt });
    }
    if (!lane.has(arrival)) {
      if (arrival.sequence > 1 && lane.missing(arrival.sequence - 1) > 0) outOfOrder.push(name);
      if (arrival.sequence < lane.latestAcknowledged) late.push(name);
      if (!lane.take(arrival)) invented.push(`${name}: one webhook-id too many`);
    }
    if (!arrival.acknowledged) continue;
    const answered = arrival.acknowledgedAfter ?? index + 1;
    answers.set(answered, [...(answers.get(answered) ?? []), () => lane.acknowledge(arrival)]);
  }
  for (const answer of [...answers.values()].flat()) answer();

  let [expected, missing] = [0, 0];
  for (const subscriber of subscribers) {
    const count = changes.get(subscriber.agentId) ?? 0;
    const lane = lanes.get(laneOf(subscriber))!;
    expected += count * lane.agentEvents;
    for (let sequence = 1; sequence <= count; sequence++) {
      if (lane.missing(sequence) > 0) lost.push(`${laneOf(subscriber)} sequence ${sequence}`);
      missing += lane.missing(sequence);
    }
  }
  return {
    expected,
    delivered: expected - missing,
    arrivals: arrivals.length,
    lost,
    invented,
    outOfOrder,
    late,
    repeats,
  };
}

/** Writes the table that a run prints. */
export function describe(report: Report): string {
  return [
    `expected      ${report.expected}`,
    `delivered     ${report.delivered}`,
    `arrivals      ${report.arrivals}`,
    `lost          ${report.lost.length}${examples(report.lost)}`,
    `invented      ${report.invented.length}${examples(report.invented)}`,
    `out of order  ${report.outOfOrder.length}${examples(report.outOfOrder)}`,
    `late          ${report.late.length}${examples(report.late)}`,
    `repeats       ${shareOf(report, report.repeats.length)}, all with the webhook-id of the first`,
  ].join('\n');
}

/** Writes a number of notifications, and what part it is of those that had to arrive. */
export function shareOf({ expected }: Report, count: number): string {
  return `${count} (${(expected === 0 ? 0 : (100 * count) / expected).toFixed(3)} %)`;
}

function examples(names: readonly string[]): string {
  return names.length === 0 ? '' : `  e.g. ${names.slice(0, 3).join('; ')}`;
}

function laneOf({ path, agentId }: { readonly path: string; readonly agentId: number }): string {
  return `${path} agent ${agentId}`;
}
