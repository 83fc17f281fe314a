import type { AgentStatus, StatusChange } from '../api/types';

/** When an agent was available. Pure. */

export interface Bar {
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
}

/**
 * Returns the times of availability within a span.
 *
 * @param changes newest first, as the history is asked for
 * @param before the status when the span began
 */
export function availableBars(changes: readonly StatusChange[], before: AgentStatus, from: number, to: number): Bar[] {
  const bars: Bar[] = [];
  let since = before === 'available' ? from : undefined;
  for (const change of [...changes].reverse()) {
    const at = Math.min(to, Math.max(from, Date.parse(change.changed_at)));
    if (change.agent_status === 'available') {
      since ??= at;
    } else if (since !== undefined) {
      bars.push({ from: since, to: at });
      since = undefined;
    }
  }
  if (since !== undefined) bars.push({ from: since, to });
  return bars;
}

/** Round steps of a time axis, in milliseconds. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360].map((minutes) => minutes * 60_000);

/**
 * Returns where the axis of a span is marked: on round times, at most `most` of them.
 *
 * @param offset of the reader's zone, in milliseconds
 */
export function ticksOf(from: number, to: number, most: number, offset: number): number[] {
  const step = STEPS.find((candidate) => (to - from) / candidate <= most) ?? 720 * 60_000;
  const ticks: number[] = [];
  for (let at = Math.ceil((from - offset) / step) * step + offset; at <= to; at += step) ticks.push(at);
  return ticks;
}
