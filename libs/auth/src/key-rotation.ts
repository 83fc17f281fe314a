import { JWKS_MAX_AGE_SECONDS, TOKEN_LIFETIME_SECONDS } from './token.js';

/**
 * When signing keys come and go, as rules without I/O or clock. A key is published before it signs, signs until its
 * successor does, and stays published until every token that it signed has expired.
 */

/** Allows for clocks that differ, instances that see a change seconds late, and key sets that were fetched just before. */
const MARGIN_MS = 5 * 60_000;
/** A key stands in the key set for this long before it signs, in milliseconds: whoever kept an older set has fetched it anew. */
export const PUBLISHED_BEFORE_MS = JWKS_MAX_AGE_SECONDS * 1000 + MARGIN_MS;
/** A key stays in the key set for this long after its successor began to sign, in milliseconds. */
export const PUBLISHED_AFTER_MS = TOKEN_LIFETIME_SECONDS * 1000 + MARGIN_MS;

/** What the rules need of a signing key. */
export interface RotatingKey {
  readonly kid: string;
  /** Signs from then on, in milliseconds since 1970. */
  readonly activatesAt: number;
  /** Somebody asked for a successor before this key's time is over. */
  readonly isReplacementAsked: boolean;
}

/** What is to be done to the keys. */
export interface RotationPlan {
  /** When a key that is to be made now shall begin to sign; undefined: none is to be made. */
  readonly addActivatingAt: number | undefined;
  /** Keys whose tokens have all expired. */
  readonly remove: readonly string[];
}

/**
 * Finds the key that signs at a time: of those that are active the one that was activated last. Where none is yet (the clock that
 * activated it is ahead of this one), the next to be.
 *
 * @returns undefined only where there is no key at all
 */
export function signingKeyAt<K extends RotatingKey>(keys: readonly K[], now: number): K | undefined {
  const sorted = inOrder(keys);
  return sorted.findLast(({ activatesAt }) => activatesAt <= now) ?? sorted[0];
}

/**
 * Plans which keys to add and remove now. Where no key can sign, one is added that signs at once: no tokens depend on it yet. The
 * successor is made early enough to be published before the current key's lifetime ends.
 *
 * @param lifetimeMs how long a key signs
 */
export function planRotation(keys: readonly RotatingKey[], now: number, lifetimeMs: number): RotationPlan {
  const sorted = inOrder(keys);
  const current = sorted.findLast(({ activatesAt }) => activatesAt <= now);
  const isPending = sorted.some(({ activatesAt }) => activatesAt > now);
  return { addActivatingAt: activationOfNext(current, isPending, now, lifetimeMs), remove: expiredOf(sorted, now) };
}

/** Tells whether a plan changes nothing. */
export function isSettled({ addActivatingAt, remove }: RotationPlan): boolean {
  return addActivatingAt === undefined && remove.length === 0;
}

function activationOfNext(
  current: RotatingKey | undefined,
  isPending: boolean,
  now: number,
  lifetimeMs: number,
): number | undefined {
  if (!current) return now;
  const isDue = current.isReplacementAsked || now >= current.activatesAt + lifetimeMs - PUBLISHED_BEFORE_MS;
  return isDue && !isPending ? now + PUBLISHED_BEFORE_MS : undefined;
}

function expiredOf(sorted: readonly RotatingKey[], now: number): string[] {
  return sorted.filter((_key, at) => now >= (sorted[at + 1]?.activatesAt ?? Infinity) + PUBLISHED_AFTER_MS).map(({ kid }) => kid);
}

/** Sorts keys by activation; the id breaks ties, so that all instances agree. */
function inOrder<K extends RotatingKey>(keys: readonly K[]): K[] {
  return [...keys].sort((a, b) => a.activatesAt - b.activatesAt || (a.kid < b.kid ? -1 : 1));
}
