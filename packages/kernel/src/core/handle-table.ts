/**
 * A handle table: of one open file, where command buffers and timestamp buffers share one numbering, or of a device.
 *
 * Owns: which id names which object. Ids are the lowest free one from 1 and are reused at once (uapi.md 2.9).
 * Must not know what the objects are; the table itself holds no reference, the callers do.
 */

export class HandleTable<T> {
  readonly #objects = new Map<number, T>();
  /** Freed ids below #next, kept as a binary min-heap, so that the lowest one comes back first. */
  readonly #freed: number[] = [];
  #next = 1;

  get size(): number {
    return this.#objects.size;
  }

  /** The id the next object gets. */
  get nextId(): number {
    return this.#freed[0] ?? this.#next;
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  ids(): IterableIterator<number> {
    return this.#objects.keys();
  }

  peek(id: number): T | undefined {
    return this.#objects.get(id);
  }

  add(object: T): number {
    const id = this.#freed.length > 0 ? this.#popLowest() : this.#next++;
    this.#objects.set(id, object);
    return id;
  }

  remove(id: number): void {
    if (!this.#objects.delete(id)) {
      throw new Error(`handle ${id} is not in the table`);
    }
    this.#push(id);
  }

  #push(id: number): void {
    const heap = this.#freed;
    let i = heap.length;
    heap.push(id);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((heap[parent] as number) <= id) {
        break;
      }
      heap[i] = heap[parent] as number;
      i = parent;
    }
    heap[i] = id;
  }

  #popLowest(): number {
    const heap = this.#freed;
    const lowest = heap[0] as number;
    const last = heap.pop() as number;
    const length = heap.length;
    if (length > 0) {
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= length) {
          break;
        }
        if (child + 1 < length && (heap[child + 1] as number) < (heap[child] as number)) {
          child++;
        }
        if ((heap[child] as number) >= last) {
          break;
        }
        heap[i] = heap[child] as number;
        i = child;
      }
      heap[i] = last;
    }
    return lowest;
  }
}
