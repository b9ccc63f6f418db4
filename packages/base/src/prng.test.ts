/** Repeatable, in range, and evenly spread. */
import { describe, expect, it } from 'vitest';
import { Prng } from './prng.js';

describe('Prng', () => {
  it('the same seed gives the same sequence, neighbours differ', () => {
    const take = (seed: number): number[] => {
      const prng = new Prng(seed);
      return Array.from({ length: 8 }, () => prng.nextU32());
    };
    expect(take(1)).toEqual(take(1));
    expect(take(1)).not.toEqual(take(2));
    expect(new Set(take(0)).size).toBe(8);
  });

  it('the sequence is fixed for ever: recorded seeds must stay reproducible', () => {
    const prng = new Prng(42);
    expect(Array.from({ length: 4 }, () => prng.nextU32())).toMatchInlineSnapshot(`
      [
        660444221,
        3652823732,
        77678286,
        922035873,
      ]
    `);
  });

  it('below() stays in range and reaches every value', () => {
    const prng = new Prng(7);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i += 1) {
      const value = prng.below(10);
      counts[value] = (counts[value] ?? Number.NaN) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(850);
    expect(prng.below(1)).toBe(0);
    expect(prng.below(2 ** 32)).toBeLessThan(2 ** 32);
    for (const bad of [0, -1, 1.5, 2 ** 32 + 1]) expect(() => prng.below(bad)).toThrow(RangeError);
  });

  it('pick() and bytes()', () => {
    const prng = new Prng(9);
    expect(['a', 'b']).toContain(prng.pick(['a', 'b']));
    expect(() => prng.pick([])).toThrow(RangeError);
    expect(prng.bytes(0)).toHaveLength(0);
    const bytes = prng.bytes(1001);
    expect(bytes).toHaveLength(1001);
    expect(new Set(bytes).size).toBeGreaterThan(200);
  });
});
