/**
 * How long things took, in buckets whose bounds are powers of two: counting one costs a few integer operations.
 *
 * Owns: the bounds. Must not know: what took long.
 */

/** Upper bounds 1 us, 2 us ... 2^26 us (67 s), and one bucket for what took longer. */
const BOUNDED = 27;
const LONGEST_US = 2 ** 31;

export class DurationHistogram {
  /** Bucket i: at most 2^i us, and more than the bucket before. */
  readonly counts: Float64Array = new Float64Array(BOUNDED + 1);
  sumNs = 0;

  add(ns: number): void {
    this.sumNs += ns;
    const us = Math.min(LONGEST_US, Math.max(1, Math.ceil(ns / 1000)));
    const bucket = Math.min(BOUNDED, 32 - Math.clz32(us - 1));
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
  }
}
