/** Order and removal, against a sorted array. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Deadline, DeadlineHeap } from './deadline-heap.js';

describe('DeadlineHeap', () => {
  it('yields what was not removed in order of time, then of arrival', () => {
    const plan = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.boolean()), { maxLength: 200 });
    fc.assert(
      fc.property(plan, (steps) => {
        const heap = new DeadlineHeap();
        const kept: Deadline[] = [];
        const doomed: Deadline[] = [];
        for (const [at, keep] of steps) (keep ? kept : doomed).push(heap.add(at, () => {}));
        for (const entry of doomed) expect(heap.remove(entry)).toBe(true);
        for (const entry of doomed) expect(heap.remove(entry)).toBe(false);
        expect(heap.size).toBe(kept.length);
        const drained: Deadline[] = [];
        for (let next = heap.peek(); next !== undefined; next = heap.peek()) {
          heap.remove(next);
          drained.push(next);
        }
        expect(drained).toEqual(kept.sort((a, b) => a.at - b.at || a.order - b.order));
      }),
    );
  });

  it('refuses a deadline that is not a number', () => {
    expect(() => new DeadlineHeap().add(Number.NaN, () => {})).toThrow(RangeError);
  });
});
