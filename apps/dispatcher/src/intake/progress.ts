/** A change's place among its agent's. */
interface Sequenced {
  readonly sequence: number;
}

/** How what was brought joins on to what is planned. */
export interface Joined<C extends Sequenced> {
  /** What is new, by sequence, each at most once. */
  readonly fresh: readonly C[];
  /** Parts of the log that lie before or between them, above `after` and below `before`. */
  readonly gaps: readonly { readonly after: number; readonly before: number }[];
}

/**
 * Says which of an agent's changes are new, and what is missing before or between them: the topic may lack changes, or bring them
 * late, twice or backwards. Pure.
 *
 * @param taken everything up to this sequence is planned
 */
export function joinOn<C extends Sequenced>(taken: number, changes: readonly C[]): Joined<C> {
  const bySequence = new Map<number, C>();
  for (const change of changes) if (change.sequence > taken) bySequence.set(change.sequence, change);
  const fresh = [...bySequence.values()].sort((one, other) => one.sequence - other.sequence);
  const gaps: { after: number; before: number }[] = [];
  let last = taken;
  for (const { sequence } of fresh) {
    if (sequence > last + 1) gaps.push({ after: last, before: sequence });
    last = sequence;
  }
  return { fresh, gaps };
}
