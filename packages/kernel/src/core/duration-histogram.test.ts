/** Which bucket a duration is counted in. */
import { describe, expect, it } from 'vitest';
import { DurationHistogram } from './duration-histogram.js';

describe('DurationHistogram', () => {
  it.each([
    [0, 0],
    [1, 0],
    [1000, 0],
    [1001, 1],
    [2000, 1],
    [2001, 2],
    [4000, 2],
    [4001, 3],
    [1_024_000, 10],
    [1_024_001, 11],
    [2 ** 26 * 1000, 26],
    [2 ** 26 * 1000 + 1, 27],
    [1e18, 27],
  ])('%d ns are in bucket %d', (ns, bucket) => {
    const histogram = new DurationHistogram();
    histogram.add(ns);
    expect([...histogram.counts].map((count, i) => [i, count]).filter(([, count]) => count !== 0)).toEqual([
      [bucket, 1],
    ]);
    expect(histogram.sumNs).toBe(ns);
  });
});
