/** Unit tests of the range allocator, with a bitmap as model. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RangeAllocator } from './range-allocator.js';

describe('RangeAllocator', () => {
  it('first-fit-takes-the-lowest', () => {
    const ranges = new RangeAllocator(0, 100);
    expect(ranges.allocate(10)).toBe(0);
    expect(ranges.allocate(10)).toBe(10);
    ranges.release(0, 10);
    expect(ranges.allocate(5)).toBe(0);
  });

  it('best-fit-takes-the-smallest-sufficient-then-the-lowest', () => {
    const ranges = new RangeAllocator(0, 100, 'best');
    ranges.allocate(100);
    ranges.release(0, 30);
    ranges.release(40, 10);
    ranges.release(60, 10);
    expect(ranges.allocate(8)).toBe(40);
    expect(ranges.allocate(8)).toBe(60);
    expect(ranges.allocate(8)).toBe(0);
  });

  it('alignment-counts-against-the-block', () => {
    const ranges = new RangeAllocator(1, 17);
    expect(ranges.allocate(9, { align: 8 })).toBe(8);
    expect(ranges.allocate(8, { align: 8 })).toBeUndefined();
  });

  it('at-takes-exactly-that-or-nothing', () => {
    const ranges = new RangeAllocator(0, 10);
    expect(ranges.allocate(4, { at: 3 })).toBe(3);
    expect(ranges.allocate(4, { at: 6 })).toBeUndefined();
    expect(ranges.isFree(7, 3)).toBe(true);
    expect(ranges.isFree(6, 1)).toBe(false);
  });

  it('double-release-throws', () => {
    const ranges = new RangeAllocator(0, 10);
    ranges.allocate(10);
    ranges.release(2, 3);
    expect(() => ranges.release(4, 2)).toThrow('released twice');
    expect(() => ranges.release(2, 3)).toThrow('released twice');
  });

  it('agrees-with-a-bitmap', () => {
    const step = fc.record({ size: fc.integer({ min: 1, max: 9 }), free: fc.boolean(), pick: fc.nat() });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 80 }),
        fc.constantFrom('first' as const, 'best' as const),
        (steps, fit) => {
          const ranges = new RangeAllocator(0, 64, fit);
          const taken = new Array<boolean>(64).fill(false);
          const live: { start: number; size: number }[] = [];
          for (const { size, free, pick } of steps) {
            if (free && live.length > 0) {
              const [block] = live.splice(pick % live.length, 1);
              if (block !== undefined) {
                ranges.release(block.start, block.size);
                taken.fill(false, block.start, block.start + block.size);
              }
            } else {
              const start = ranges.allocate(size);
              const fits = taken.some((_, i) => i + size <= 64 && !taken.slice(i, i + size).includes(true));
              expect(start !== undefined).toBe(fits);
              if (start !== undefined) {
                expect(taken.slice(start, start + size)).not.toContain(true);
                taken.fill(true, start, start + size);
                live.push({ start, size });
              }
            }
            expect(ranges.used).toBe(taken.filter(Boolean).length);
          }
        },
      ),
    );
  });
});
