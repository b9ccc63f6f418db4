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

  it('best-fit-measures-behind-the-aligned-start', () => {
    const ranges = new RangeAllocator(0, 200, 'best');
    ranges.allocate(200);
    // Of 24 units, but 20 of them behind a multiple of 8; of 22 at a multiple of 8; of 30, 20 behind one.
    ranges.release(100, 24);
    ranges.release(40, 22);
    ranges.release(6, 22);
    expect(ranges.allocate(18, { align: 8 })).toBe(8);
    expect(ranges.allocate(18, { align: 8 })).toBe(104);
    expect(ranges.allocate(18, { align: 8 })).toBe(40);
    expect(ranges.allocate(18, { align: 8 })).toBeUndefined();
  });

  it('best-fit-agrees-with-a-plain-search', () => {
    const block = fc.record({ gap: fc.integer({ min: 1, max: 5 }), size: fc.integer({ min: 1, max: 12 }) });
    const wanted = fc.record({ size: fc.integer({ min: 1, max: 10 }), align: fc.constantFrom(1, 2, 4, 8) });
    fc.assert(
      fc.property(fc.array(block, { maxLength: 40 }), fc.array(wanted, { maxLength: 40 }), (blocks, sizes) => {
        const ranges = new RangeAllocator(0, 2000, 'best');
        ranges.allocate(2000);
        let at = 0;
        for (const { gap, size } of blocks) {
          at += gap;
          ranges.release(at, size);
          at += size;
        }
        for (const { size, align } of sizes) {
          let best: { start: number; room: number } | undefined;
          for (const { start, end } of ranges.freeRanges()) {
            const aligned = Math.ceil(start / align) * align;
            if (end - aligned >= size && (best === undefined || end - aligned < best.room)) {
              best = { start: aligned, room: end - aligned };
            }
          }
          expect(ranges.allocate(size, { align })).toBe(best?.start);
        }
      }),
    );
  });

  it('ten-thousand-holes-cost-no-walk', () => {
    const count = 20_000;
    for (const fit of ['first', 'best'] as const) {
      const ranges = new RangeAllocator(0, 4 * count, fit);
      ranges.allocate(4 * count);
      for (let i = 0; i < count; i++) {
        ranges.release(4 * ((i * 7919) % count), 1 + (i % 2));
      }
      // Every second hole is of two units; the pieces come back lowest first.
      for (let i = 0; i < count / 2; i++) {
        expect(ranges.allocate(2)).toBeDefined();
      }
      expect(ranges.allocate(2)).toBeUndefined();
      expect(ranges.free).toBe(count / 2);
    }
  });

  it('free-ranges-are-listed-by-address', () => {
    const ranges = new RangeAllocator(0, 100);
    ranges.allocate(10, { at: 20 });
    ranges.allocate(10, { at: 50 });
    expect([...ranges.freeRanges()]).toEqual([
      { start: 0, end: 20 },
      { start: 30, end: 50 },
      { start: 60, end: 100 },
    ]);
    expect(ranges.rangeAt(30)).toEqual({ start: 30, end: 50 });
    expect(ranges.rangeAt(29)).toBeUndefined();
    expect(ranges.rangeAt(50)).toBeUndefined();
    expect(ranges.largestFree()).toBe(40);
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
