/**
 * A bounded first-in first-out of fixed-size entries of dwords in shared memory, for one producer and one consumer on
 * different threads. The interrupt, doorbell and fabric FIFOs are made of it. Knows nothing of what an entry means.
 */

const HEAD = 0;
const TAIL = 1;
const FIFO_HEADER_WORDS = 16;

/** Head and tail count freely modulo 2^32; the capacity is a power of two, so their difference is always the fill. */
export class SpscFifo {
  readonly capacity: number;
  readonly entryWords: number;
  readonly #header: Int32Array;
  readonly #entries: Uint32Array;

  static bytes(capacity: number, entryWords: number): number {
    return (FIFO_HEADER_WORDS + capacity * entryWords) * 4;
  }

  constructor(buffer: SharedArrayBuffer, entryWords: number) {
    const capacity = (buffer.byteLength / 4 - FIFO_HEADER_WORDS) / entryWords;
    if (!Number.isInteger(capacity) || capacity < 1 || (capacity & (capacity - 1)) !== 0)
      throw new RangeError(`a FIFO of ${capacity} entries: the capacity must be a power of two`);
    this.capacity = capacity;
    this.entryWords = entryWords;
    this.#header = new Int32Array(buffer, 0, FIFO_HEADER_WORDS);
    this.#entries = new Uint32Array(buffer, FIFO_HEADER_WORDS * 4);
  }

  /** Entries in the FIFO. */
  get size(): number {
    return (Atomics.load(this.#header, TAIL) - Atomics.load(this.#header, HEAD)) >>> 0;
  }

  get free(): number {
    return this.capacity - this.size;
  }

  get isEmpty(): boolean {
    return Atomics.load(this.#header, TAIL) === Atomics.load(this.#header, HEAD);
  }

  /** Number of the next entry to be taken; entry numbers count modulo 2^32. */
  get head(): number {
    return Atomics.load(this.#header, HEAD) >>> 0;
  }

  /** Number the next entry to be put in will get. */
  get tail(): number {
    return Atomics.load(this.#header, TAIL) >>> 0;
  }

  /** Producer: index of the entry to fill into `words`, or -1 when full. Nothing is visible before commit(). */
  reserve(): number {
    const tail = Atomics.load(this.#header, TAIL);
    if ((tail - Atomics.load(this.#header, HEAD)) >>> 0 >= this.capacity) return -1;
    return (tail & (this.capacity - 1)) * this.entryWords;
  }

  commit(): void {
    Atomics.add(this.#header, TAIL, 1);
  }

  /** Consumer: index of the oldest entry in `words`, or -1 when empty. It stays the consumer's until release(). */
  peek(): number {
    const head = Atomics.load(this.#header, HEAD);
    if (head === Atomics.load(this.#header, TAIL)) return -1;
    return (head & (this.capacity - 1)) * this.entryWords;
  }

  release(): void {
    Atomics.add(this.#header, HEAD, 1);
  }

  get words(): Uint32Array {
    return this.#entries;
  }
}
