/**
 * One DMA transfer on its way: how far source and destination have got. Knows the walk over up to five dimensions
 * (device.md 5.3), not the memory behind the addresses.
 */

import { OUTER_DIMENSIONS } from './dma-core.js';

/** One side of a transfer: contiguous runs, repeated over the outer dimensions with a stride each. */
class Walk {
  #base = 0;
  #run = 0;
  #outer = 1;
  readonly #counts = new Float64Array(OUTER_DIMENSIONS);
  readonly #strides = new Float64Array(OUTER_DIMENSIONS);
  readonly #position = new Float64Array(OUTER_DIMENSIONS);
  #rowStart = 0;
  #inRun = 0;

  linear(base: number, size: number): void {
    this.#base = base;
    this.#run = size;
    this.#outer = 1;
    this.#counts.fill(1);
    this.#rewind();
  }

  strided(base: number, run: number, counts: Float64Array, strides: Float64Array): void {
    this.#base = base;
    this.#run = run;
    this.#counts.set(counts);
    this.#strides.set(strides);
    this.#outer = counts.reduce((product, count) => product * count, 1);
    this.#rewind();
  }

  #rewind(): void {
    this.#position.fill(0);
    this.#rowStart = this.#base;
    this.#inRun = 0;
  }

  get total(): number {
    return this.#run * this.#outer;
  }
  get isLinear(): boolean {
    return this.#outer === 1;
  }
  get base(): number {
    return this.#base;
  }
  /** Address of the next byte, and how many follow it in the same run. */
  get address(): number {
    return this.#rowStart + this.#inRun;
  }
  get left(): number {
    return this.#run - this.#inRun;
  }

  /** Precondition: count <= left. */
  advance(count: number): void {
    this.#inRun += count;
    if (this.#inRun < this.#run) return;
    this.#inRun = 0;
    for (let dimension = 0; dimension < OUTER_DIMENSIONS; dimension++) {
      this.#rowStart += this.#strides[dimension] as number;
      const position = (this.#position[dimension] as number) + 1;
      if (position < (this.#counts[dimension] as number)) {
        this.#position[dimension] = position;
        return;
      }
      this.#rowStart -= (this.#strides[dimension] as number) * position;
      this.#position[dimension] = 0;
    }
  }
}

export interface TransferStart {
  readonly memSet: boolean;
  /** WR_AWUSER_31_11 when what is written combines with what is there, else 0. */
  readonly reduction: number;
  readonly patternLow: number;
  readonly patternHigh: number;
  readonly completion: boolean;
  readonly completionAddress: number;
  readonly completionData: number;
}

export class Transfer {
  active = false;
  readonly source = new Walk();
  readonly destination = new Walk();
  memSet = false;
  reduction = 0;
  patternLow = 0;
  patternHigh = 0;
  /** Whether a word is to be written at the end, where, and which: the core's registers as they were when it began. */
  completion = false;
  completionAddress = 0;
  completionData = 0;
  /** Bytes still to move, and moved. */
  remaining = 0;
  done = 0;
  /** Whether the copy runs from the end: the destination overlaps the source further up. */
  backward = false;
  readonly counts = new Float64Array(OUTER_DIMENSIONS);
  readonly strides = new Float64Array(OUTER_DIMENSIONS);

  /** Precondition: both walks are set. Source and destination are walked in lockstep; the shorter one ends the transfer. */
  start(how: TransferStart): void {
    const { source, destination } = this;
    const { memSet, patternLow, patternHigh, completion } = how;
    this.active = true;
    this.memSet = memSet;
    this.reduction = how.reduction;
    this.patternLow = patternLow;
    this.patternHigh = patternHigh;
    this.completion = completion;
    this.completionAddress = how.completionAddress;
    this.completionData = how.completionData;
    this.done = 0;
    this.remaining = memSet ? destination.total : Math.min(source.total, destination.total);
    this.backward =
      !memSet &&
      how.reduction === 0 &&
      source.isLinear &&
      destination.isLinear &&
      destination.base > source.base &&
      destination.base < source.base + this.remaining;
  }

  /** Abandons what is left. */
  abandon(): void {
    this.remaining = 0;
  }
}
