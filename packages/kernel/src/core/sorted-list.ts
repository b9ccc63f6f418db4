/**
 * A list that keeps its items in order, with insertion, removal and search in far less than linear time: runs of at most
 * LEAF_LIMIT items behind a list of runs. Ten thousand items are some eighty runs.
 *
 * Owns: the runs. Must not know what the items are; the order comes from the caller and never calls two items equal.
 */

const LEAF_LIMIT = 256;

/** A run of items. `summary` is the caller's, to skip whole runs by; undefined after the run was split or joined. */
export interface Leaf<T> {
  readonly items: T[];
  summary: number | undefined;
}

export class SortedList<T> {
  /** None is empty. */
  readonly leaves: Leaf<T>[] = [];
  readonly #compare: (a: T, b: T) => number;
  #size = 0;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#size;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const { items } of this.leaves) {
      yield* items;
    }
  }

  /** Returns the run the item is now in. */
  insert(item: T): Leaf<T> {
    this.#size++;
    const last = this.leaves.length - 1;
    if (last < 0) {
      const leaf = { items: [item], summary: undefined };
      this.leaves.push(leaf);
      return leaf;
    }
    const index = Math.min(this.#leafFor(item), last);
    const leaf = this.leaves[index] as Leaf<T>;
    leaf.items.splice(this.#indexIn(leaf, item), 0, item);
    if (leaf.items.length <= LEAF_LIMIT) {
      return leaf;
    }
    // A list that only grows at its end fills its runs; elsewhere halves leave room on both sides.
    const keep = index === last && leaf.items.at(-1) === item ? LEAF_LIMIT : LEAF_LIMIT / 2;
    const right: Leaf<T> = { items: leaf.items.splice(keep), summary: undefined };
    leaf.summary = undefined;
    this.leaves.splice(index + 1, 0, right);
    return this.#compare(item, right.items[0] as T) < 0 ? leaf : right;
  }

  /** Preconditions: it is in the list. */
  remove(item: T): void {
    const index = this.#leafFor(item);
    const leaf = this.leaves[index];
    const at = leaf === undefined ? -1 : this.#indexIn(leaf, item);
    if (leaf === undefined || leaf.items[at] !== item) {
      throw new Error('an item to be removed is not in the list');
    }
    this.#size--;
    leaf.items.splice(at, 1);
    leaf.summary = undefined;
    if (leaf.items.length === 0) {
      this.leaves.splice(index, 1);
    }
  }

  /** The run an item of the list is in. */
  leafOf(item: T): Leaf<T> {
    return this.leaves[this.#leafFor(item)] as Leaf<T>;
  }

  /** The last item at or before the probe. */
  floor(probe: T): T | undefined {
    const index = this.#leafFor(probe);
    const leaf = this.leaves[index];
    if (leaf !== undefined) {
      const at = this.#indexIn(leaf, probe);
      const item = leaf.items[at];
      if (item !== undefined && this.#compare(item, probe) === 0) {
        return item;
      }
      if (at > 0) {
        return leaf.items[at - 1];
      }
    }
    return this.leaves[index - 1]?.items.at(-1);
  }

  /** The first item at or behind the probe. */
  ceiling(probe: T): T | undefined {
    const leaf = this.leaves[this.#leafFor(probe)];
    return leaf?.items[this.#indexIn(leaf, probe)];
  }

  /** Index of the first run whose last item is at or behind the probe; the number of runs if none is. */
  #leafFor(probe: T): number {
    let low = 0;
    let high = this.leaves.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare((this.leaves[middle] as Leaf<T>).items.at(-1) as T, probe) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** Index of the first item of a run that is at or behind the probe. */
  #indexIn({ items }: Leaf<T>, probe: T): number {
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(items[middle] as T, probe) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
