/** Numbers as people read them. */
import { describe, expect, it } from 'vitest';
import { formatSize, formatValue } from './units.js';

describe('units', () => {
  it('three-digits-and-a-unit', () => {
    expect(formatValue(999, 'ns')).toBe('999 ns');
    expect(formatValue(74_300, 'ns')).toBe('74.3 us');
    expect(formatValue(5e12, 'ns')).toBe('5000 s');
    expect(formatValue(6_700_000_000, 'bytes/s')).toBe('6.70 GB/s');
    expect(formatValue(-2048, 'bytes')).toBe('-2.00 KiB');
    expect(formatValue(0, '1/s')).toBe('0 /s');
  });

  it('sizes-without-noughts', () => {
    expect([65_536, 2 ** 20, 2 ** 28, 1536].map(formatSize)).toEqual(['64 KiB', '1 MiB', '256 MiB', '1.50 KiB']);
  });
});
