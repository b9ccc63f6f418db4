/**
 * Hands out ranges of a number line: virtual addresses, memory pages, bus slots, sync objects, bytes of a segment.
 *
 * Owns: the free ranges, by address and, for best fit, by the room they offer. Must not know what the numbers mean.
 */
import { type Leaf, SortedList } from './sorted-list.js';

export type Fit = 'first' | 'best';

export interface AllocateOptions {
  /** The start is a multiple of this. */
  align?: number;
  /** Take exactly this start if it is free. */
  at?: number;
}

/** Start inclusive, end exclusive. */
export interface FreeRange {
  readonly start: number;
  readonly end: number;
}

interface Block {
  start: number;
  end: number;
}

const byAddress = (a: Block, b: Block): number => a.start - b.start;
/** What a block holds behind its aligned start; may be negative. */
const room = (block: Block, align: number): number => block.end - alignUp(block.start, align);

/** Neighbouring free ranges are always merged. */
export class RangeAllocator {
  readonly #blocks = new SortedList<Block>(byAddress);
  readonly #fit: Fit;
  /** For best fit: the same blocks by room, one order for each alignment that was ever asked for. There are few. */
  readonly #byRoom = new Map<number, SortedList<Block>>();
  #free: number;
  readonly total: number;

  /** Preconditions: bounds and sizes are never negative. */
  constructor(start: number, end: number, fit: Fit = 'first') {
    this.#fit = fit;
    this.total = end - start;
    this.#free = this.total;
    if (end > start) {
      this.#add({ start, end });
    }
  }

  get free(): number {
    return this.#free;
  }

  get used(): number {
    return this.total - this.#free;
  }

  /** The free ranges, by address. */
  freeRanges(): Iterable<FreeRange> {
    return this.#blocks;
  }

  /** The start of `size` free units, now taken; undefined when nothing fits. */
  allocate(size: number, { align = 1, at }: AllocateOptions = {}): number | undefined {
    if (at !== undefined) {
      const block = this.#atOrBefore(at);
      return block === undefined || block.end < at + size ? undefined : this.#take(block, at, size);
    }
    const block = this.#fit === 'first' ? this.#firstFit(size, align) : this.#bestFit(size, align);
    return block === undefined ? undefined : this.#take(block, alignUp(block.start, align), size);
  }

  /** True when [start, start + size) lies wholly in one free range. */
  isFree(start: number, size: number): boolean {
    return (this.#atOrBefore(start)?.end ?? Number.NEGATIVE_INFINITY) >= start + size;
  }

  /** The free range that holds a number. */
  rangeAt(number: number): FreeRange | undefined {
    const block = this.#atOrBefore(number);
    return block !== undefined && block.end > number ? block : undefined;
  }

  /** The largest free run, in units. */
  largestFree(): number {
    let largest = 0;
    for (const leaf of this.#blocks.leaves) {
      largest = Math.max(largest, longestIn(leaf));
    }
    return largest;
  }

  /** Gives a taken range back. A range that is already free is a bug of the caller, and throws. */
  release(start: number, size: number): void {
    const end = start + size;
    const before = this.#atOrBefore(start);
    const after = this.#blocks.ceiling({ start, end });
    if ((before !== undefined && before.end > start) || (after !== undefined && after.start < end)) {
      throw new Error(`range [${start}, ${end}) is released twice`);
    }
    const joinsAfter = after !== undefined && after.start === end;
    if (before !== undefined && before.end === start) {
      if (joinsAfter) {
        this.#drop(after);
      }
      this.#resize(before, before.start, joinsAfter ? after.end : end);
    } else if (joinsAfter) {
      this.#resize(after, start, after.end);
    } else {
      this.#add({ start, end });
    }
    this.#free += size;
  }

  /** The lowest block that holds `size` behind an aligned start. */
  #firstFit(size: number, align: number): Block | undefined {
    for (const leaf of this.#blocks.leaves) {
      if (longestIn(leaf) < size) {
        continue;
      }
      for (const block of leaf.items) {
        if (alignUp(block.start, align) + size <= block.end) {
          return block;
        }
      }
    }
    return undefined;
  }

  /** The block with the least room behind its aligned start that is still enough, the lowest address on a tie (uapi.md 5.4). */
  #bestFit(size: number, align: number): Block | undefined {
    let index = this.#byRoom.get(align);
    if (index === undefined) {
      index = new SortedList<Block>((a, b) => room(a, align) - room(b, align) || a.start - b.start);
      for (const block of this.#blocks) {
        index.insert(block);
      }
      this.#byRoom.set(align, index);
    }
    // No block starts below zero: the probe is before all of its room.
    const start = -align;
    return index.ceiling({ start, end: start + size });
  }

  #take(block: Block, start: number, size: number): number {
    const { start: freeStart, end: freeEnd } = block;
    const end = start + size;
    if (start === freeStart && end === freeEnd) {
      this.#drop(block);
    } else if (start === freeStart) {
      this.#resize(block, end, freeEnd);
    } else {
      this.#resize(block, freeStart, start);
      if (end < freeEnd) {
        this.#add({ start: end, end: freeEnd });
      }
    }
    this.#free -= size;
    return start;
  }

  #atOrBefore(start: number): Block | undefined {
    return this.#blocks.floor({ start, end: start });
  }

  #add(block: Block): void {
    const leaf = this.#blocks.insert(block);
    if (leaf.summary !== undefined) {
      leaf.summary = Math.max(leaf.summary, block.end - block.start);
    }
    this.#index(block);
  }

  #drop(block: Block): void {
    this.#blocks.remove(block);
    this.#unindex(block);
  }

  /** Moves a block's bounds. Preconditions: its place among the others stays the same. */
  #resize(block: Block, start: number, end: number): void {
    this.#unindex(block);
    this.#blocks.leafOf(block).summary = undefined;
    block.start = start;
    block.end = end;
    this.#index(block);
  }

  #index(block: Block): void {
    for (const index of this.#byRoom.values()) {
      index.insert(block);
    }
  }

  #unindex(block: Block): void {
    for (const index of this.#byRoom.values()) {
      index.remove(block);
    }
  }
}

function alignUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}

/** Length of the longest block of a run, remembered until the run changes. */
function longestIn(leaf: Leaf<Block>): number {
  if (leaf.summary === undefined) {
    let longest = 0;
    for (const block of leaf.items) {
      longest = Math.max(longest, block.end - block.start);
    }
    leaf.summary = longest;
  }
  return leaf.summary;
}
