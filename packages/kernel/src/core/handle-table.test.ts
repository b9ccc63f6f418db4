/** Unit tests of the handle numbering (uapi.md 2.9). */
import { describe, expect, it } from 'vitest';
import { HandleTable } from './handle-table.js';

describe('HandleTable', () => {
  it('numbers-from-one', () => {
    const table = new HandleTable<string>();
    expect([table.add('a'), table.add('b')]).toEqual([1, 2]);
    expect(table.peek(2)).toBe('b');
    expect(table.peek(3)).toBeUndefined();
  });

  it('lowest-free-id-comes-back-first', () => {
    const table = new HandleTable<number>();
    for (let i = 0; i < 20; i++) {
      table.add(i);
    }
    for (const id of [7, 3, 19, 11, 4]) {
      table.remove(id);
    }
    expect([0, 0, 0, 0, 0, 0].map(() => table.add(0))).toEqual([3, 4, 7, 11, 19, 21]);
  });

  it('removing-an-unknown-id-throws', () => {
    const table = new HandleTable<number>();
    expect(() => table.remove(1)).toThrow('not in the table');
  });
});
