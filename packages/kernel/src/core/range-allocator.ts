/**
 * Hands out ranges of a number line: virtual addresses, memory pages, bus slots, sync objects, bytes of a segment.
 *
 * Owns: the sorted list of free ranges. Must not know what the numbers mean.
 */

export type Fit = 'first' | 'best';

export interface AllocateOptions {
  /** The start is a multiple of this. */
  align?: number;
  /** Take exactly this start if it is free. */
  at?: number;
}

/** Free ranges as parallel sorted arrays: start inclusive, end exclusive. Neighbours are always merged. */
export class RangeAllocator {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #fit: Fit;
  #free: number;
  readonly total: number;

  constructor(start: number, end: number, fit: Fit = 'first') {
    this.#fit = fit;
    this.total = end - start;
    this.#free = this.total;
    if (end > start) {
      this.#starts.push(start);
      this.#ends.push(end);
    }
  }

  get free(): number {
    return this.#free;
  }

  get used(): number {
    return this.total - this.#free;
  }

  /** The start of `size` free units, now taken; undefined when nothing fits. */
  allocate(size: number, { align = 1, at }: AllocateOptions = {}): number | undefined {
    if (at !== undefined) {
      return this.#allocateAt(at, size);
    }
    let chosen = -1;
    let chosenStart = 0;
    let chosenLength = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#starts.length; i++) {
      const start = this.#starts[i] as number;
      const end = this.#ends[i] as number;
      const aligned = Math.ceil(start / align) * align;
      if (aligned + size > end) {
        continue;
      }
      if (this.#fit === 'first') {
        chosen = i;
        chosenStart = aligned;
        break;
      }
      // Smallest sufficient block wins, the lowest address on a tie (uapi.md 5.4).
      if (end - start < chosenLength) {
        chosen = i;
        chosenStart = aligned;
        chosenLength = end - start;
      }
    }
    if (chosen < 0) {
      return undefined;
    }
    this.#take(chosen, chosenStart, chosenStart + size);
    return chosenStart;
  }

  /** True when [start, start + size) lies wholly in one free range. */
  isFree(start: number, size: number): boolean {
    const i = this.#rangeAtOrBefore(start);
    return i >= 0 && (this.#ends[i] as number) >= start + size;
  }

  /** The largest free run, in units. */
  largestFree(): number {
    let largest = 0;
    for (let i = 0; i < this.#starts.length; i++) {
      largest = Math.max(largest, (this.#ends[i] as number) - (this.#starts[i] as number));
    }
    return largest;
  }

  /** Gives a taken range back. A range that is already free is a bug of the caller, and throws. */
  release(start: number, size: number): void {
    const end = start + size;
    const before = this.#rangeAtOrBefore(start);
    const after = before + 1;
    if (
      (before >= 0 && (this.#ends[before] as number) > start) ||
      (after < this.#starts.length && (this.#starts[after] as number) < end)
    ) {
      throw new Error(`range [${start}, ${end}) is released twice`);
    }
    const joinsBefore = before >= 0 && this.#ends[before] === start;
    const joinsAfter = after < this.#starts.length && this.#starts[after] === end;
    if (joinsBefore && joinsAfter) {
      this.#ends[before] = this.#ends[after] as number;
      this.#starts.splice(after, 1);
      this.#ends.splice(after, 1);
    } else if (joinsBefore) {
      this.#ends[before] = end;
    } else if (joinsAfter) {
      this.#starts[after] = start;
    } else {
      this.#starts.splice(after, 0, start);
      this.#ends.splice(after, 0, end);
    }
    this.#free += size;
  }

  #allocateAt(start: number, size: number): number | undefined {
    const i = this.#rangeAtOrBefore(start);
    if (i < 0 || (this.#ends[i] as number) < start + size) {
      return undefined;
    }
    this.#take(i, start, start + size);
    return start;
  }

  #take(i: number, start: number, end: number): void {
    const freeStart = this.#starts[i] as number;
    const freeEnd = this.#ends[i] as number;
    if (start === freeStart && end === freeEnd) {
      this.#starts.splice(i, 1);
      this.#ends.splice(i, 1);
    } else if (start === freeStart) {
      this.#starts[i] = end;
    } else if (end === freeEnd) {
      this.#ends[i] = start;
    } else {
      this.#ends[i] = start;
      this.#starts.splice(i + 1, 0, end);
      this.#ends.splice(i + 1, 0, freeEnd);
    }
    this.#free -= end - start;
  }

  /** Index of the last free range that starts at or below `start`, or -1. */
  #rangeAtOrBefore(start: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] as number) <= start) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low - 1;
  }
}
