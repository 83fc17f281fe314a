interface Group<T> {
  readonly items: T[];
  readonly groups: Map<string, Group<T>>;
  size: number;
}

/**
 * A bounded queue of nested groups that take turns, so that a group with many items delays only itself. When it is full, a new
 * item replaces the newest item of a group that has more.
 */
export class FairQueue<T> {
  private readonly root: Group<T> = emptyGroup();

  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.root.size;
  }

  /**
   * Adds an item.
   *
   * @param path the groups that it belongs to, the widest first; of the same length for all
   * @returns what there is no place for: the item itself, or another that had to give way; undefined: there was a place
   */
  push(path: readonly string[], item: T): T | undefined {
    const removed = this.root.size < this.capacity ? undefined : this.makeRoom(path);
    if (removed === undefined && this.root.size >= this.capacity) return item;
    let group = this.root;
    group.size++;
    for (const name of path) {
      let inner = group.groups.get(name);
      if (!inner) group.groups.set(name, (inner = emptyGroup()));
      inner.size++;
      group = inner;
    }
    group.items.push(item);
    return removed;
  }

  /** Takes out the oldest item of the group whose turn it is; undefined where nobody waits. */
  shift(): T | undefined {
    return this.root.size === 0 ? undefined : take(this.root, firstOf, (items) => items.shift()!);
  }

  /** Takes out the newest item of the largest group, where that has at least two more than the one that comes. */
  private makeRoom(path: readonly string[]): T | undefined {
    let group = this.root;
    const above: Group<T>[] = [];
    for (const name of path) {
      const own = group.groups.get(name);
      const largest = largestOf(group);
      if (largest && largest[1].size > (own?.size ?? 0) + 1) {
        const item = take(group, largestOf, (items) => items.pop()!);
        for (const outer of above) outer.size--;
        return item;
      }
      if (!own) return undefined;
      above.push(group);
      group = own;
    }
    return undefined;
  }
}

function emptyGroup<T>(): Group<T> {
  return { items: [], groups: new Map(), size: 0 };
}

type Choice = <T>(group: Group<T>) => [string, Group<T>] | undefined;

const firstOf: Choice = ({ groups }) => groups.entries().next().value;

const largestOf: Choice = ({ groups }) =>
  [...groups].reduce((largest, one) => (one[1].size > largest[1].size ? one : largest), [...groups][0]!);

/** Removes an item from the group chosen at each level, and moves that group behind the others. */
function take<T>(group: Group<T>, choose: Choice, from: (items: T[]) => T): T {
  group.size--;
  const chosen = choose(group);
  if (!chosen) return from(group.items);
  const [name, inner] = chosen;
  const item = take(inner, choose, from);
  group.groups.delete(name);
  if (inner.size > 0) group.groups.set(name, inner);
  return item;
}
