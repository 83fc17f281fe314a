import type { AttemptResult } from '#webhook';

/** `Retry-After` is honoured up to this long, in milliseconds: contract §7.4. */
export const MAX_RETRY_AFTER_MS = 3_600_000;
/** An agent event that has only failed for this long is suspended, in milliseconds: contract §7.4. */
export const SUSPEND_AFTER_MS = 5 * 24 * 3_600_000;
/** Each delay of the schedule is this much longer or shorter at random. */
const JITTER = 0.2;
/** A delay that leads out of the window is cut to this long before its end, so that there is one last attempt inside. */
const LAST_CHANCE_MS = 1000;

/** Decision after an attempt. */
export type Verdict =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly delayMs: number }
  /** The agent event is to be suspended, and this delivery waits until it is resumed: 410, contract §7.4. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed' };

export interface Situation {
  readonly result: AttemptResult;
  /** Attempts made in this run of the schedule, this one included. */
  readonly attempts: number;
  /** Until the window ends, in milliseconds; negative when it has ended. */
  readonly leftMs: number;
  /** Milliseconds since the epoch, for a `Retry-After` that is a date. */
  readonly now: number;
  /** From 0 to 1. */
  readonly random: number;
}

/**
 * Decides what follows from an attempt: contract §7.4. Pure.
 *
 * @param schedule delays after the first, second, … failed attempt, in milliseconds; when it is used up the delivery failed
 */
export function decideRetry(schedule: readonly number[], { result, attempts, leftMs, now, random }: Situation): Verdict {
  const status = 'status' in result ? result.status : undefined;
  if (status !== undefined && status >= 200 && status < 300) return { kind: 'delivered' };
  if (leftMs <= 0) return { kind: 'failed' };
  if (status === 410) return { kind: 'gone' };
  const step = schedule[attempts - 1];
  if (step === undefined) return { kind: 'failed' };
  const asked = 'retryAfter' in result && result.retryAfter !== undefined ? parseRetryAfter(result.retryAfter, now) : undefined;
  const delayMs = Math.max(Math.round(step * (1 - JITTER + 2 * JITTER * random)), Math.min(asked ?? 0, MAX_RETRY_AFTER_MS));
  if (delayMs <= leftMs) return { kind: 'retry', delayMs };
  return leftMs > LAST_CHANCE_MS ? { kind: 'retry', delayMs: leftMs - LAST_CHANCE_MS } : { kind: 'failed' };
}

/** Between two values, not within a date: `Sun, 22 Nov 2026 10:00:00 GMT`. */
const BETWEEN_VALUES = /(?<!\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*),/;
const SECONDS = /^\d+(?:\.\d+)?$/;

/**
 * Reads a `Retry-After` header: seconds, of which a part counts as a whole one, or an HTTP date, in any of its three forms.
 * Of several the longest counts.
 *
 * @returns milliseconds from now, at least 0; undefined when nothing of it is either
 */
export function parseRetryAfter(text: string, now: number): number | undefined {
  const delays = text
    .split(BETWEEN_VALUES)
    .map((one) => parseOne(one.trim(), now))
    .filter((delay) => delay !== undefined);
  return delays.length === 0 ? undefined : Math.max(...delays);
}

function parseOne(text: string, now: number): number | undefined {
  if (SECONDS.test(text)) return Math.ceil(Number(text)) * 1000;
  if (!/^[A-Z][a-z]{2}/.test(text)) return undefined;
  const date = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
