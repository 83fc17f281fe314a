/**
 * Puts items in turns: the first of each of those whose they are, then the second of each, and so on, so that nobody's comes after all
 * of another's. Those of one stay in their order. Pure.
 *
 * @param turnOf whose an item is
 */
export function inTurns<T>(items: readonly T[], turnOf: (item: T) => unknown): T[] {
  const counts = new Map<unknown, number>();
  const rounds: T[][] = [];
  for (const item of items) {
    const turn = turnOf(item);
    const round = counts.get(turn) ?? 0;
    counts.set(turn, round + 1);
    (rounds[round] ??= []).push(item);
  }
  return rounds.flat();
}
