/**
 * How many bytes a DMA turn may move. Large moves are fast (from 64 MiB on, memcpy bypasses the caches), but memory that is
 * touched for the first time is filled page by page, twenty times slower, and everyone else waits for the turn to end. So the
 * size follows the time that turns take; on a virtual clock, where they take none, it is constant.
 */

const SHARED_MAX = 8 * 2 ** 20;
const ALONE_MAX = 64 * 2 ** 20;
const MIN = 2 ** 20;
const QUICK_NS = 5e6;
const SLOW_NS = 16e6;

export class SliceSize {
  #limit = ALONE_MAX;

  bytes(alone: boolean): number {
    return Math.min(this.#limit, alone ? ALONE_MAX : SHARED_MAX);
  }

  /** To be told after each move of a megabyte or more. */
  took(bytes: number, ns: number): void {
    if (ns > SLOW_NS) this.#limit = Math.max(MIN, Math.min(this.#limit, bytes) / 2);
    else if (ns < QUICK_NS && bytes >= this.#limit / 2) this.#limit = Math.min(ALONE_MAX, this.#limit * 2);
  }
}
