/** The measurements run and give a rate; how high it is depends on the machine. And the slice size that follows the time. */
import { describe, expect, it } from 'vitest';
import { measureDmaRate, measureMonitorRoundTrips, measurePacketRate } from './measure.js';
import { SliceSize } from './slice-size.js';

describe('measure', () => {
  /** Every look at the clock is a millisecond after the last. */
  const clock = () => {
    let now = 0;
    return { nowNs: () => (now += 1e6) };
  };

  it('counts-what-was-done', () => {
    expect(measurePacketRate(10_000, clock())).toBe(10_000 * 1000);
    expect(measureMonitorRoundTrips(500, clock())).toBe(500 * 1000);
    expect(measureDmaRate(4096, 10, clock())).toBe(40_960 * 1000);
  });
});

describe('slice size', () => {
  const MIB = 2 ** 20;

  it('shrinks-when-turns-take-long-and-recovers', () => {
    const slice = new SliceSize();
    expect([slice.bytes(true), slice.bytes(false)]).toEqual([64 * MIB, 8 * MIB]);
    slice.took(64 * MIB, 160e6);
    expect(slice.bytes(true)).toBe(32 * MIB);
    for (let i = 0; i < 20; i++) slice.took(slice.bytes(true), 160e6);
    expect([slice.bytes(true), slice.bytes(false)]).toEqual([MIB, MIB]);
    for (let i = 0; i < 20; i++) slice.took(slice.bytes(true), 1e6);
    expect([slice.bytes(true), slice.bytes(false)]).toEqual([64 * MIB, 8 * MIB]);
  });

  it('keeps-what-takes-a-fair-time', () => {
    const slice = new SliceSize();
    slice.took(64 * MIB, 10e6);
    expect(slice.bytes(true)).toBe(64 * MIB);
  });
});
