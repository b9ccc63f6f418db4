/** Numbers as people read them. */
import { describe, expect, it } from 'vitest';
import { formatCount, formatDuration, formatNumber, formatRate, formatSize, orDash, plural } from './units.js';

describe('formatSize', () => {
  it.each([
    [0, '0 B'],
    [512, '512 B'],
    [1024, '1 KiB'],
    [1536, '1.50 KiB'],
    [10_237, '10.0 KiB'],
    [1023.6 * 1024, '1024 KiB'],
    [715_758, '699 KiB'],
    [4 * 2 ** 20, '4 MiB'],
    [31.5 * 2 ** 30, '31.5 GiB'],
    [5 * 2 ** 50, '5120 TiB'],
  ])('%d bytes', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0.0 ms'],
    [9.94, '9.9 ms'],
    [9.96, '10 ms'],
    [350, '350 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [1234, '1.2 s'],
    [59_940, '59.9 s'],
    [59_960, '0m59s'],
    [123_000, '2m03s'],
    [3_900_000, '1h05m'],
    [3 * 86_400_000 + 4 * 3_600_000, '3d04h'],
  ])('%d ms', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});

describe('formatNumber', () => {
  it.each([
    [0, '0'],
    [3.14, '3.1'],
    [950, '950'],
    [12_345, '12.3k'],
    [999_700, '1.00M'],
    [4.5e6, '4.50M'],
  ])('%d', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});

describe('other units', () => {
  it('what there is none of is a dash, and nought is not', () => {
    expect([orDash(null), orDash(undefined), orDash(0), orDash(7)]).toEqual(['-', '-', '0', '7']);
  });

  it('rate of no time at all', () => {
    expect(formatRate(1024, 0)).toBe('-');
  });

  it('rate', () => {
    expect(formatRate(2 ** 20, 500)).toBe('2 MiB/s');
  });

  it('counts have separators', () => {
    expect([999, 1000, 715_758, 1_000_000].map(formatCount)).toEqual(['999', '1,000', '715,758', '1,000,000']);
  });

  it('plural', () => {
    expect([plural(1, 'chunk'), plural(0, 'chunk'), plural(2, 'entry', 'entries')]).toEqual([
      '1 chunk',
      '0 chunks',
      '2 entries',
    ]);
  });
});
