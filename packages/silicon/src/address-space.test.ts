/** Translations against a plain model, and many of them. */
import { HOST_WINDOW_BASE } from '@pedrera/hw';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressSpace } from './address-space.js';

const at = (unit: number) => HOST_WINDOW_BASE + unit * 16;

function mapping(unit: number, units: number, address: number, writable = true) {
  return { va: at(unit), size: units * 16, target: { space: 'bus', address }, writable } as const;
}

describe('AddressSpace', () => {
  it('agrees-with-a-model', () => {
    const step = fc.record({
      map: fc.boolean(),
      unit: fc.integer({ min: 0, max: 400 }),
      units: fc.integer({ min: 1, max: 12 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const space = new AddressSpace();
        const model = new Map<number, number>();
        for (const [n, { map, unit, units }] of steps.entries()) {
          const range = Array.from({ length: units }, (_, i) => unit + i);
          if (!map) {
            space.unmap(at(unit), units * 16);
            for (const i of range) model.delete(i);
          } else if (range.some((i) => model.has(i))) {
            expect(() => space.map(mapping(unit, units, 0))).toThrow('mapped already');
          } else {
            space.map(mapping(unit, units, 100_000 * n));
            for (const i of range) model.set(i, 100_000 * n + 16 * (i - unit));
          }
          for (const i of [unit - 1, unit, unit + units - 1, unit + units]) {
            const piece = space.find(at(i) + 3, n % 2 === 0);
            expect(piece === undefined ? undefined : piece.target + (at(i) - piece.start)).toBe(model.get(i));
          }
        }
      }),
    );
  });

  it('ten-thousand-pieces-in-any-order', () => {
    const count = 10_007;
    const space = new AddressSpace();
    for (let i = 0; i < count; i++) space.map(mapping((i * 7919) % count, 1, i));
    expect(space.pieces).toBe(count);
    for (let i = 0; i < count; i++) expect(space.find(at((i * 7919) % count), false)?.target).toBe(i);
    for (let i = 0; i < count; i += 2) space.unmap(at(i), 16);
    expect(space.pieces).toBe((count - 1) / 2);
    space.unmap(at(0), count * 16);
    expect(space.pieces).toBe(0);
    space.map(mapping(0, 1, 5));
    space.clear();
    expect(space.find(at(0), false)).toBeUndefined();
  });

  it('what-was-found-last-is-forgotten-when-it-goes', () => {
    const space = new AddressSpace();
    space.map(mapping(0, 2, 0));
    expect(space.find(at(1), true)).toBeDefined();
    expect(space.find(at(1), false)).toBeDefined();
    space.unmap(at(1), 16);
    expect(space.find(at(1), true)).toBeUndefined();
    expect(space.find(at(1), false)).toBeUndefined();
    expect(space.find(at(0), true)).toMatchObject({ start: at(0), end: at(1) });
  });
});
