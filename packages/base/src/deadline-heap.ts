/**
 * The order in which deadlines fall due: a binary heap that can also drop an entry from its middle.
 *
 * Owns: order (earliest first, first come first served among equals) and cancellation in O(log n).
 * A wait with a long timeout is cancelled far more often than it expires, so a cancelled entry must not stay behind.
 * Must not know: what time it is.
 */

export interface Deadline {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
  /** Position in the heap, -1 once it has left. */
  slot: number;
}

export class DeadlineHeap {
  readonly #entries: Deadline[] = [];
  #order = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** Entries added from now on carry this order or a higher one. */
  get nextOrder(): number {
    return this.#order;
  }

  peek(): Deadline | undefined {
    return this.#entries[0];
  }

  add(at: number, fire: () => void): Deadline {
    if (Number.isNaN(at)) throw new RangeError('a deadline must be a number of nanoseconds');
    const entry: Deadline = { at, order: this.#order++, fire, slot: this.#entries.length };
    this.#entries.push(entry);
    this.#up(entry);
    return entry;
  }

  /** Takes an entry out; false when it had left already. */
  remove(entry: Deadline): boolean {
    const slot = entry.slot;
    if (slot < 0) return false;
    entry.slot = -1;
    const last = this.#entries.pop();
    if (last !== undefined && last !== entry) {
      this.#place(last, slot);
      this.#up(last);
      this.#down(last);
    }
    return true;
  }

  #place(entry: Deadline, slot: number): void {
    this.#entries[slot] = entry;
    entry.slot = slot;
  }

  #up(entry: Deadline): void {
    while (entry.slot > 0) {
      const slot = entry.slot;
      const parent = this.#entries[(slot - 1) >> 1];
      if (parent === undefined || !earlier(entry, parent)) return;
      const parentSlot = parent.slot;
      this.#place(parent, slot);
      this.#place(entry, parentSlot);
    }
  }

  #down(entry: Deadline): void {
    for (;;) {
      const slot = entry.slot;
      const left = this.#entries[2 * slot + 1];
      const right = this.#entries[2 * slot + 2];
      const child = left !== undefined && right !== undefined && earlier(right, left) ? right : left;
      if (child === undefined || !earlier(child, entry)) return;
      const childSlot = child.slot;
      this.#place(child, slot);
      this.#place(entry, childSlot);
    }
  }
}

function earlier(a: Deadline, b: Deadline): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
