/**
 * Puts items in turns: the first of each owner, then the second of each, and so on, so that nobody's come after all of another's. In each
 * round the owners have the order of their first items; the items of one owner stay in their order. Pure.
 *
 * @param ownerOf whose an item is
 */
export function inTurns<T>(items: readonly T[], ownerOf: (item: T) => unknown): T[] {
  const byOwner = new Map<unknown, T[]>();
  for (const item of items) {
    const owner = ownerOf(item);
    const own = byOwner.get(owner);
    if (own) own.push(item);
    else byOwner.set(owner, [item]);
  }
  const rounds: T[][] = [];
  for (const own of byOwner.values()) for (const [round, item] of own.entries()) (rounds[round] ??= []).push(item);
  return rounds.flat();
}
