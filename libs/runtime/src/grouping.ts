/** Groups items by a key; groups in the order of their first items, and the items of one in theirs. (Node.js 20 has no `Map.groupBy`.) Pure. */
export function groupBy<T, Key>(items: readonly T[], keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/**
 * Puts items in turns: the first of each owner, then the second of each, and so on, so that nobody's come after all of another's. In each
 * round the owners have the order of their first items; the items of one owner stay in their order. Pure.
 *
 * @param ownerOf whose an item is
 */
export function inTurns<T>(items: readonly T[], ownerOf: (item: T) => unknown): T[] {
  const rounds: T[][] = [];
  for (const own of groupBy(items, ownerOf).values())
    for (const [round, item] of own.entries()) (rounds[round] ??= []).push(item);
  return rounds.flat();
}
