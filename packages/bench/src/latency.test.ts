/** Turns, and what is made of the samples. */
import { describe, expect, it } from 'vitest';
import { compareLatencies, compareRates, Latencies, median } from './latency.js';

function tracing(order: string[]) {
  return (name: string) => ({
    name,
    run: async (lap: () => void) => {
      order.push(name);
      if (name === 'a') lap();
      return 10;
    },
  });
}

/** A turn of no length is one call that does not count and one that does. */
const BRIEFLY = { settleMs: 0, measureMs: 0 };

describe('compareLatencies', () => {
  it('each-round-starts-with-another-side', async () => {
    const order: string[] = [];
    await compareLatencies(['a', 'b', 'c'].map(tracing(order)), { ...BRIEFLY, rounds: 2 });
    expect(order.join('')).toBe('aabbcc' + 'bbccaa');
  });

  it('one-sample-a-call-but-none-while-settling', async () => {
    const [a, b] = await compareLatencies(['a', 'b'].map(tracing([])), { ...BRIEFLY, rounds: 3 });
    expect([a?.whole.count, b?.whole.count]).toEqual([3, 3]);
    expect([a?.lap.count, b?.lap.count]).toEqual([3, 0]);
  });
});

describe('compareRates', () => {
  it('amount-by-time', async () => {
    const rates = await compareRates(['a', 'b'].map(tracing([])), { ...BRIEFLY, rounds: 3 });
    expect(rates).toHaveLength(2);
    for (const rate of rates) expect(rate).toBeGreaterThan(0);
  });
});

describe('Latencies', () => {
  it('percentiles', () => {
    const latencies = new Latencies();
    for (let us = 1; us <= 100; us++) latencies.record(us * 1000);
    expect(latencies.percentile(50) / 1000).toBeCloseTo(50, 0);
    expect(latencies.percentile(99) / 1000).toBeCloseTo(99, 0);
  });

  it('absurd-values-are-clipped', () => {
    const latencies = new Latencies();
    for (const ns of [-1, 0, 1e30]) latencies.record(ns);
    expect(latencies.count).toBe(3);
  });
});

describe('median', () => {
  it('of-odd-and-even-numbers', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });
});
