/**
 * Up to which position of the status-change log everything has been seen. A change gets its position before its
 * transaction commits, so a reader meets gaps that may yet be filled, and must not pass them. Pure; the clock is a
 * parameter.
 */
export interface HighWaterMark {
  /** Every change at or below it is either visible or will never be. */
  readonly position: number;
  /** Gaps below `upTo`, as they were found. */
  readonly probe: { readonly upTo: number; readonly xmax: bigint; readonly at: number } | undefined;
}

/** The transactions that were open when positions were read: of PostgreSQL's snapshot, the first open and the first future one. */
export interface OpenTransactions {
  readonly xmin: bigint;
  readonly xmax: bigint;
}

/**
 * A statement takes its position a moment before it gets a transaction id; until this has passed, in milliseconds, a gap
 * counts as open although no transaction that could fill it is known.
 */
export const GRACE_MS = 1000;
/** Longer than any writer's statement may take, in milliseconds: an unrelated transaction that stays open holds nobody up. */
export const GIVE_UP_MS = 20_000;

/**
 * Moves the mark over what has been read.
 *
 * @param positions above the mark, ascending, without omissions among those that are visible up to the last one
 * @param open in the same snapshot
 * @param now milliseconds
 */
export function advance(mark: HighWaterMark, positions: readonly number[], open: OpenTransactions, now: number): HighWaterMark {
  const { probe } = mark;
  const age = probe ? now - probe.at : 0;
  const settled = probe !== undefined && ((open.xmin >= probe.xmax && age >= GRACE_MS) || age >= GIVE_UP_MS);
  const passable = settled ? probe.upTo : Number.NEGATIVE_INFINITY;
  let { position } = mark;
  for (const next of positions) {
    if (next !== position + 1 && next > passable) break;
    position = next;
  }
  const last = positions.at(-1);
  if (last === undefined || last <= position) return { position, probe: undefined };
  if (probe && !settled && position < probe.upTo) return { position, probe };
  return { position, probe: { upTo: last, xmax: open.xmax, at: now } };
}
