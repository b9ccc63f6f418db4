/** Legal and illegal values of each kind, their text, and their bytes. */
import { HlError, Prng } from '@pedrera/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ALL_ONES_U64,
  bool8,
  bytes,
  choice,
  describeValue,
  flags,
  handle,
  type Kind,
  s32,
  string,
  u8,
  u16,
  u32,
  u53,
  u64,
} from './kinds.js';
import { sampleValue } from './sample.js';

const refusal = (kind: Kind<unknown>, value: unknown): HlError => {
  try {
    kind.check(value, 'field');
  } catch (error) {
    if (error instanceof HlError) return error;
  }
  return expect.unreachable(`${kind.label} accepts ${describeValue(value)}`);
};

const SCALARS: readonly Kind<unknown>[] = [u8, u16, u32, s32, u53, u64, handle('cb'), bool8, string(64), bytes(16)];

describe('scalar kinds', () => {
  it('edges of the integer ranges', () => {
    const ranges: readonly [Kind<number>, number, number][] = [
      [u8, 0, 0xff],
      [u16, 0, 0xffff],
      [u32, 0, 0xffff_ffff],
      [s32, -(2 ** 31), 2 ** 31 - 1],
      [u53, 0, ALL_ONES_U64],
    ];
    for (const [kind, least, most] of ranges) {
      expect(kind.check(least, 'x')).toBe(least);
      expect(kind.check(most, 'x')).toBe(most);
      expect(refusal(kind, least - 1).code).toBe('EINVAL');
      if (kind !== u53) expect(refusal(kind, most + 1).code).toBe('EINVAL');
    }
    expect(refusal(u53, 2 ** 65).code).toBe('EINVAL');
    expect(u64.check(2n ** 64n - 1n, 'x')).toBe(2n ** 64n - 1n);
    expect(refusal(u64, 2n ** 64n).code).toBe('EINVAL');
    expect(refusal(u64, -1n).code).toBe('EINVAL');
  });

  it('refuse what is of another type, and name the field and the value', () => {
    for (const kind of SCALARS) {
      for (const value of [undefined, null, Number.NaN, Number.POSITIVE_INFINITY, 1.5, {}, [], () => 0, Symbol('s')]) {
        const error = refusal(kind, value);
        expect(error.code, kind.label).toBe('EINVAL');
        expect(error.detail).toMatch(/^field: expected .+, got .+$/);
      }
    }
    expect(refusal(u32, 'four').detail).toBe('field: expected an integer from 0 to 4294967295, got "four"');
  });

  it('a strict check does not mix up number and bigint; the wire has one integer type', () => {
    expect(refusal(u32, 1n).code).toBe('EINVAL');
    expect(refusal(u64, 1).code).toBe('EINVAL');
    for (const kind of [u8, u16, u32, s32, u53]) expect(kind.fromWire(7n, 'x')).toBe(7);
    expect(s32.fromWire(-7n, 'x')).toBe(-7);
    expect(u64.fromWire(7, 'x')).toBe(7n);
    expect(u53.fromWire(2n ** 64n - 1n, 'x')).toBe(ALL_ONES_U64);
    for (const [kind, value] of [
      [u32, 2n ** 32n],
      [s32, 2n ** 31n],
      [u53, 2n ** 64n],
      [u53, -1n],
      [u64, -1],
    ] as const) {
      expect(() => (kind as Kind<unknown>).fromWire(value, 'x')).toThrow(HlError);
    }
  });

  it('text: bytes are counted, control characters refused', () => {
    expect(string(4).check('äö', 'x')).toBe('äö');
    expect(refusal(string(3), 'äö').code).toBe('EINVAL');
    for (const bad of ['a\u0000', '\u001b[31m', 'a\nb', '\u009b']) expect(refusal(string(64), bad).code).toBe('EINVAL');
    expect(refusal(string(4), 'x'.repeat(100_000)).message.length).toBeLessThan(200);
  });

  it('bytes: length is bounded', () => {
    expect(bytes(2).check(new Uint8Array(2), 'x')).toHaveLength(2);
    expect(refusal(bytes(2), new Uint8Array(3)).detail).toContain('3 bytes');
    expect(refusal(bytes(2), [1, 2]).code).toBe('EINVAL');
  });

  it('format', () => {
    const named = flags({ MAP: 1, GET_DEVICE_VA: 2 });
    expect([0, 1, 3, 0x82].map((value) => named.format(value))).toEqual([
      '0',
      'MAP',
      'MAP|GET_DEVICE_VA',
      'GET_DEVICE_VA|0x80',
    ]);
    expect(flags({ TOP: 0x8000_0000 }).format(0x8000_0001)).toBe('TOP|0x1');
    expect(choice({ BUSY: 1 }).format(1)).toBe('BUSY');
    expect(choice({ BUSY: 1 }).format(9)).toBe('9');
    expect([u53.format(4096), u53.format(0x1000_0000_0000), u53.format(ALL_ONES_U64)]).toEqual([
      '4096',
      '0x100000000000',
      '~0',
    ]);
    expect([u64.format(5n), u64.format(2n ** 64n - 1n)]).toEqual(['5', '~0']);
    expect(handle('cb').format(0x1000_0000_0000_1000n as never)).toBe('0x1000000000001000');
    expect(string(9).format('a"b')).toBe('"a\\"b"');
  });
});

describe('byte codecs', () => {
  it('what is written is read back, at any offset', () => {
    const withBytes = SCALARS.filter((kind) => kind.bytes !== undefined);
    fc.assert(
      fc.property(fc.constantFrom(...withBytes), fc.integer(), fc.nat(7), (kind, seed, at) => {
        const value = sampleValue(kind, new Prng(seed));
        const view = new DataView(new ArrayBuffer(at + (kind.bytes?.size ?? 0)));
        kind.bytes?.write(view, at, value);
        expect(kind.bytes?.read(view, at)).toEqual(value);
      }),
    );
  });

  it('u53: the nearest double of a value beyond, and all ones both ways', () => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, 2n ** 64n - 1n, true);
    expect(u53.bytes?.read(view, 0)).toBe(ALL_ONES_U64);
    u53.bytes?.write(view, 0, ALL_ONES_U64);
    expect(view.getBigUint64(0, true)).toBe(2n ** 64n - 1n);
    view.setBigUint64(0, 2n ** 60n + 1n, true);
    expect(u53.bytes?.read(view, 0)).toBe(2 ** 60);
  });

  it('text is cut before its NUL, and the rest of the array is cleared', () => {
    const codec = string(8).bytes;
    const view = new DataView(new ArrayBuffer(8));
    codec?.write(view, 0, 'longer than that');
    expect(codec?.read(view, 0)).toBe('longer ');
    codec?.write(view, 0, 'a');
    expect([...new Uint8Array(view.buffer)]).toEqual([97, 0, 0, 0, 0, 0, 0, 0]);
  });
});
