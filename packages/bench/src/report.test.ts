/** The arithmetic of a report. */
import { describe, expect, it } from 'vitest';
import { figure } from './report.js';

const echo = { name: 'echo', value: 50 };

describe('figure', () => {
  it('ratio-is-ours-by-reference', () => {
    expect(figure({ name: 'f', unit: 'ns', ours: 75, reference: echo })).toEqual({
      name: 'f',
      unit: 'ns',
      ours: 75,
      reference: echo,
      ratio: 1.5,
      target: null,
    });
  });

  it('target-of-ratio', () => {
    const judge = (ours: number) =>
      figure({ name: 'f', unit: 'ns', ours, reference: echo, target: { of: 'ratio', atMost: 1.5 } }).target?.met;
    expect([judge(75), judge(76)]).toEqual([true, false]);
  });

  it('target-of-value', () => {
    const judge = (ours: number) =>
      figure({ name: 'f', unit: '1/s', ours, target: { of: 'value', atLeast: 100 } }).target?.met;
    expect([judge(100), judge(99)]).toEqual([true, false]);
  });

  it('not-a-number-meets-nothing', () => {
    const target = { of: 'ratio', atMost: 1 } as const;
    expect(figure({ name: 'f', unit: 'ns', ours: Number.NaN, reference: echo, target }).target?.met).toBe(false);
  });
});
