/**
 * Holds what receivers got against what was accepted: contract §7.1 to §7.3. Pure, so that it can be shown to fail.
 */

/** One subscription of the run. */
export interface Subscriber {
  /** The path that its notifications go to; with the agent it is the lane. */
  readonly path: string;
  readonly agentId: number;
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
  /** Whether it was answered 2xx: until then the sender has to repeat it. */
  readonly acknowledged: boolean;
}

export interface Report {
  /** Notifications that had to arrive and be acknowledged. */
  readonly expected: number;
  readonly delivered: number;
  /** Accepted changes that a subscriber never acknowledged. */
  readonly lost: readonly string[];
  /** Arrivals of changes that there were not, or at a path that did not subscribe, or under a second webhook-id. */
  readonly invented: readonly string[];
  /** First arrivals that came before the acknowledgement of an earlier change of their lane. */
  readonly outOfOrder: readonly string[];
  /** Arrivals after their delivery had been acknowledged. */
  readonly duplicates: number;
}

interface Lane {
  readonly ids: Map<number, string>;
  readonly acknowledged: Set<number>;
}

/** Every violation in words that name the lane and the sequence. */
export function check(accepted: readonly Accepted[], subscribers: readonly Subscriber[], arrivals: readonly Arrival[]): Report {
  const changes = new Map(accepted.map(({ agentId, changes: count }) => [agentId, count]));
  const lanes = new Map<string, Lane>(
    subscribers.map((subscriber) => [laneOf(subscriber), { ids: new Map<number, string>(), acknowledged: new Set<number>() }]),
  );
  const invented: string[] = [];
  const outOfOrder: string[] = [];
  let duplicates = 0;

  for (const arrival of arrivals) {
    const name = `${laneOf(arrival)} sequence ${arrival.sequence}`;
    const lane = lanes.get(laneOf(arrival));
    if (!lane || arrival.sequence < 1 || arrival.sequence > (changes.get(arrival.agentId) ?? 0)) {
      invented.push(name);
      continue;
    }
    const id = lane.ids.get(arrival.sequence);
    if (id !== undefined && id !== arrival.webhookId) invented.push(`${name}: a second webhook-id`);
    const first = id === undefined;
    lane.ids.set(arrival.sequence, id ?? arrival.webhookId);
    if (first && !allBefore(lane.acknowledged, arrival.sequence)) outOfOrder.push(name);
    if (lane.acknowledged.has(arrival.sequence)) duplicates += 1;
    if (arrival.acknowledged) lane.acknowledged.add(arrival.sequence);
  }

  const lost: string[] = [];
  let expected = 0;
  for (const subscriber of subscribers) {
    const count = changes.get(subscriber.agentId) ?? 0;
    expected += count;
    const lane = lanes.get(laneOf(subscriber))!;
    for (let sequence = 1; sequence <= count; sequence++) {
      if (!lane.acknowledged.has(sequence)) lost.push(`${laneOf(subscriber)} sequence ${sequence}`);
    }
  }
  return { expected, delivered: expected - lost.length, lost, invented, outOfOrder, duplicates };
}

/** The table that a run prints. */
export function describe(report: Report): string {
  const share = report.expected === 0 ? 0 : (100 * report.duplicates) / report.expected;
  return [
    `expected      ${report.expected}`,
    `delivered     ${report.delivered}`,
    `lost          ${report.lost.length}${examples(report.lost)}`,
    `invented      ${report.invented.length}${examples(report.invented)}`,
    `out of order  ${report.outOfOrder.length}${examples(report.outOfOrder)}`,
    `duplicates    ${report.duplicates} (${share.toFixed(3)} %), all with the webhook-id of the first`,
  ].join('\n');
}

function examples(names: readonly string[]): string {
  return names.length === 0 ? '' : `  e.g. ${names.slice(0, 3).join('; ')}`;
}

function laneOf({ path, agentId }: { readonly path: string; readonly agentId: number }): string {
  return `${path} agent ${agentId}`;
}

/** Login and logout of an agent go to one URL here, so every change of the agent is a notification of the lane. */
function allBefore(acknowledged: ReadonlySet<number>, sequence: number): boolean {
  return sequence === 1 || acknowledged.has(sequence - 1);
}
