/** When a rule strikes: what passes first, what is struck then, and that chance repeats itself. */
import { describe, expect, it } from 'vitest';
import { CERTAIN, FaultCounter, type FaultLimits } from './fault-counter.js';

const EVERY: FaultLimits = { after: 0, times: null, perMillion: CERTAIN };

function strikes(counter: FaultCounter, limits: FaultLimits, matches: number): string {
  return Array.from({ length: matches }, () => (counter.strikes(limits) ? 'x' : '.')).join('');
}

describe('FaultCounter', () => {
  it('after, times and both', () => {
    const pattern = (limits: Partial<FaultLimits>) => strikes(new FaultCounter(0), { ...EVERY, ...limits }, 5);
    expect(pattern({})).toBe('xxxxx');
    expect(pattern({ after: 2 })).toBe('..xxx');
    expect(pattern({ times: 2 })).toBe('xx...');
    expect(pattern({ after: 1, times: 2 })).toBe('.xx..');
    expect(pattern({ times: 0 })).toBe('.....');
  });

  it('counts what matched, struck or not', () => {
    const counter = new FaultCounter(0);
    strikes(counter, { ...EVERY, after: 1, times: 2 }, 5);
    expect([counter.matched, counter.struck]).toEqual([5, 2]);
  });

  it('what could not be carried out comes again, and counts once', () => {
    const counter = new FaultCounter(0);
    const once = { ...EVERY, times: 1 };
    expect(counter.strikes(once)).toBe(true);
    counter.takeBack();
    expect([counter.matched, counter.struck]).toEqual([0, 0]);
    expect(strikes(counter, once, 2)).toBe('x.');
  });

  it('chance is that of the seed, and matches that pass first take none of it', () => {
    const third = { ...EVERY, perMillion: 300_000 };
    const of = (seed: number, limits: FaultLimits) => strikes(new FaultCounter(seed), limits, 1000);
    expect(of(1, third)).toBe(of(1, third));
    expect(of(1, third)).not.toBe(of(2, third));
    expect(of(1, { ...third, after: 3 }).slice(3)).toBe(of(1, third).slice(0, -3));
    const struck = of(1, third).replaceAll('.', '').length;
    expect(struck).toBeGreaterThan(250);
    expect(struck).toBeLessThan(350);
  });
});
