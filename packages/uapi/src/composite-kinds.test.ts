/** Arity, bounds, optional fields and the paths in refusals. */
import { HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { array, document, optional, shapeCodec, struct } from './composite-kinds.js';
import { type Kind, u8, u32 } from './kinds.js';

const detailOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof HlError) return error.detail ?? '';
    throw error;
  }
  return expect.unreachable('nothing was refused');
};

const POINT = struct({ x: u8, y: u8, label: optional(u32) });
const PATH = struct({ points: array(POINT, 3), closed: u8 });

describe('struct', () => {
  it('is positional on the wire and loses nothing', () => {
    const value = {
      points: [
        { x: 1, y: 2 },
        { x: 3, y: 4, label: 5 },
      ],
      closed: 1,
    };
    const wire = PATH.toWire(value);
    expect(wire).toEqual([
      [
        [1, 2],
        [3, 4, 5],
      ],
      1,
    ]);
    expect(PATH.fromWire(wire, '')).toEqual(value);
    expect(PATH.check(value, '')).toBe(value);
  });

  it('an absent optional field is absent, not undefined', () => {
    expect(Object.keys(POINT.fromWire([1, 2], '') as object)).toEqual(['x', 'y']);
    expect(Object.keys(POINT.fromWire([1, 2, null], '') as object)).toEqual(['x', 'y']);
    expect(POINT.toWire({ x: 1, y: 2 })).toEqual([1, 2]);
  });

  it('wrong arity says what was expected', () => {
    expect(detailOf(() => POINT.fromWire([1], 'p'))).toBe('p: expected 2 to 3 fields, got an array of 1');
    expect(detailOf(() => POINT.fromWire([1, 2, 3, 4], 'p'))).toContain('got an array of 4');
    expect(detailOf(() => POINT.fromWire({ x: 1, y: 2 }, 'p'))).toBe('p: expected an array, got an object');
  });

  it('the path leads to the field, from both doors', () => {
    const bad = {
      points: [
        { x: 1, y: 2 },
        { x: 3, y: 999 },
      ],
      closed: 1,
    };
    expect(detailOf(() => PATH.check(bad, 'path'))).toBe(
      'path.points[1].y: expected an integer from 0 to 255, got 999',
    );
    expect(
      detailOf(() =>
        PATH.fromWire(
          [
            [
              [1, 2],
              [3, 999],
            ],
            1,
          ],
          'path',
        ),
      ),
    ).toMatch(/^path\.points\[1\]\.y: /);
    expect(detailOf(() => PATH.fromWire([[[1, 2], 7], 1], 'path'))).toBe('path.points[1]: expected an array, got 7');
  });

  it('optional fields come last', () => {
    expect(() => shapeCodec({ a: optional(u8), b: u8 })).toThrow('only trailing fields');
  });

  it('fields that the shape does not name are neither kept nor read', () => {
    const codec = shapeCodec({ a: u8 });
    expect(codec.toWire(codec.check({ a: 1, ['__proto__']: { b: 2 }, c: 3 }, ''))).toEqual([1]);
  });

  it('format', () => {
    expect(PATH.format({ points: [{ x: 1, y: 2, label: 3 }], closed: 0 })).toBe(
      '{points=[{x=1, y=2, label=3}], closed=0}',
    );
  });
});

describe('array', () => {
  it('is bounded', () => {
    const kind = array(u8, 2);
    expect(kind.fromWire([1, 2], 'a')).toEqual([1, 2]);
    expect(detailOf(() => kind.fromWire([1, 2, 3], 'a'))).toBe('a: expected an array of at most 2, got an array of 3');
    expect(detailOf(() => kind.check([1, 2, 3], 'a'))).toContain('at most 2');
    expect(detailOf(() => kind.check([1, -2], 'a'))).toMatch(/^a\[1\]: /);
  });

  it('a sparse array has no valid holes', () => {
    expect(detailOf(() => array(u8, 4).check(new Array(2), 'a'))).toMatch(/^a\[0\]: /);
  });

  it('format shows the beginning and the length', () => {
    expect(array(u8, 9).format([1, 2, 3, 4, 5, 6])).toBe('[1, 2, 3, 4, ... 6 in all]');
  });
});

describe('document', () => {
  const kind: Kind<{ schema: 's/1' }> = document<{ schema: 's/1' }>('s/1');

  it('passes plain data of its schema through', () => {
    const value = { schema: 's/1', list: [1, 'a', null, true, { deep: [] }] };
    expect(kind.fromWire(value, 'd')).toBe(value);
    expect(kind.format({ schema: 's/1' })).toBe('<s/1>');
  });

  it('refuses other schemas and anything that is not plain', () => {
    expect(detailOf(() => kind.fromWire({ schema: 's/2' }, 'd'))).toContain('schema s/1');
    expect(detailOf(() => kind.fromWire(null, 'd'))).toContain('got null');
    for (const bad of [1n, new Map(), new Uint8Array(1), Number.NaN, () => 0, undefined]) {
      expect(detailOf(() => kind.fromWire({ schema: 's/1', bad }, 'd'))).toContain('plain');
    }
    let deep: unknown = 0;
    for (let i = 0; i < 100; i += 1) deep = [deep];
    expect(detailOf(() => kind.fromWire({ schema: 's/1', deep }, 'd'))).toContain('plain');
  });
});
