/** A list in order, against a plain array. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SortedList } from './sorted-list.js';

const compare = (a: { n: number }, b: { n: number }) => a.n - b.n;

describe('SortedList', () => {
  it('agrees-with-a-sorted-array', () => {
    const step = fc.record({ add: fc.boolean(), n: fc.integer({ min: 0, max: 2000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 0, max: 2000 }), (steps, probe) => {
        const list = new SortedList<{ n: number }>(compare);
        const model = new Map<number, { n: number }>();
        for (const { add, n } of steps) {
          const known = model.get(n);
          if (known !== undefined && !add) {
            list.remove(known);
            model.delete(n);
          } else if (known === undefined) {
            const item = { n };
            list.insert(item);
            model.set(n, item);
          }
        }
        const sorted = [...model.values()].sort(compare);
        expect([...list]).toEqual(sorted);
        expect(list.size).toBe(sorted.length);
        expect(list.floor({ n: probe })).toBe(sorted.filter(({ n }) => n <= probe).at(-1));
        expect(list.ceiling({ n: probe })).toBe(sorted.find(({ n }) => n >= probe));
      }),
    );
  });

  it('many-items-in-any-order', () => {
    for (const stride of [1, 7919, -1]) {
      const list = new SortedList<{ n: number }>(compare);
      const items = Array.from({ length: 10_000 }, (_, i) => ({ n: (((i * stride) % 10_007) + 10_007) % 10_007 }));
      for (const item of items) {
        list.insert(item);
      }
      expect([...list].every((item, i, all) => i === 0 || (all[i - 1]?.n as number) < item.n)).toBe(true);
      for (const item of items) {
        list.remove(item);
      }
      expect(list.leaves).toEqual([]);
    }
  });

  it('an-item-that-is-not-there-cannot-be-removed', () => {
    const list = new SortedList<{ n: number }>(compare);
    expect(() => list.remove({ n: 1 })).toThrow('not in the list');
    list.insert({ n: 1 });
    expect(() => list.remove({ n: 1 })).toThrow('not in the list');
  });
});
