/** Frames out: the smallest spelling of each value, growth, and what cannot be sent. */
import { isDeepStrictEqual } from 'node:util';
import { HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { decodeMessage } from './decode.js';
import { MAX_DEPTH, MAX_VALUES } from './dialect.js';
import { encodeFrame, FrameWriter } from './encode.js';

function body(...message: unknown[]): number[] {
  return [...encodeFrame(message).subarray(4)];
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof HlError) return error.code;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('encodeFrame', () => {
  it('header is the length of the body, little endian', () => {
    expect([...encodeFrame([1]).subarray(0, 4)]).toEqual([2, 0, 0, 0]);
    expect(encodeFrame([new Uint8Array(70_000)]).readUInt32LE(0)).toBe(70_000 + 6);
  });

  it('numbers in their smallest spelling', () => {
    expect(body(0, 127, -1, -32)).toEqual([0x94, 0, 127, 0xff, 0xe0]);
    expect(body(128, 255)).toEqual([0x92, 0xcc, 128, 0xcc, 255]);
    expect(body(256, 65535)).toEqual([0x92, 0xcd, 1, 0, 0xcd, 255, 255]);
    expect(body(65536, 0xffff_ffff)).toEqual([0x92, 0xce, 0, 1, 0, 0, 0xce, 255, 255, 255, 255]);
    expect(body(-33, -129, -32769)).toEqual([0x93, 0xd0, 0xdf, 0xd1, 0xff, 0x7f, 0xd2, 0xff, 0xff, 0x7f, 0xff]);
    expect(body(1.5)).toEqual([0x91, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]);
  });

  it('numbers beyond 32 bits travel as doubles, 64-bit handles as integers', () => {
    expect(body(2 ** 40)[1]).toBe(0xcb);
    expect(body(5n)).toEqual([0x91, 0xd3, 0, 0, 0, 0, 0, 0, 0, 5]);
    expect(body(-1n)).toEqual([0x91, 0xd3, 255, 255, 255, 255, 255, 255, 255, 255]);
    expect(body(0xffff_ffff_ffff_ffffn)).toEqual([0x91, 0xcf, 255, 255, 255, 255, 255, 255, 255, 255]);
  });

  it('everything-back', () => {
    const message = [
      1,
      0xdead_beef,
      2 ** 53,
      -(2 ** 53),
      -0.5,
      Number.MAX_VALUE,
      Number.POSITIVE_INFINITY,
      2n ** 63n,
      -(2n ** 63n),
      true,
      false,
      null,
      '',
      'hl0',
      'a longer sentence that is all ASCII letters',
      'Größe ½ 😀',
      'é',
      'x'.repeat(300),
      'ß'.repeat(40_000),
      new Uint8Array(0),
      Uint8Array.of(1, 2, 3),
      new Uint8Array(300).fill(5),
      new Uint8Array(66_000).fill(6),
      [],
      [[], [1, [2]]],
      new Array(20).fill(1),
      new Array(70_000).fill(null),
      {},
      { index: 3, name: 'DMA_0_0', of: { list: [1] } },
      Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i])),
    ];
    // Not toEqual: it takes seconds for this many members.
    expect(isDeepStrictEqual(decodeMessage(encodeFrame(message), 4), message)).toBe(true);
  });

  it('undefined is nil', () => {
    expect(decodeMessage(encodeFrame([undefined, { a: undefined }]), 4)).toEqual([null, { a: null }]);
  });

  it('not-a-number survives', () => {
    expect(decodeMessage(encodeFrame([Number.NaN]), 4)).toEqual([Number.NaN]);
  });

  it('what-cannot-be-sent is a TypeError', () => {
    class Point {
      x = 1;
    }
    for (const value of [new Map(), new Set(), new Date(0), new Point(), new Float32Array(1), () => 1, Symbol('s')]) {
      expect(() => encodeFrame([value])).toThrow(TypeError);
    }
    const knot: unknown[] = [];
    knot.push(knot);
    expect(() => encodeFrame(knot)).toThrow(`nested deeper than ${MAX_DEPTH} levels`);
  });

  it('integer-beyond-64-bits', () => {
    expect(codeOf(() => encodeFrame([2n ** 64n]))).toBe('EOVERFLOW');
    expect(codeOf(() => encodeFrame([-(2n ** 63n) - 1n]))).toBe('EOVERFLOW');
  });

  it('more-values-than-the-receiver-takes', () => {
    expect(codeOf(() => encodeFrame([new Array(MAX_VALUES + 1).fill(0)]))).toBe('EMSGSIZE');
  });
});

describe('FrameWriter', () => {
  it('gathers-frames one behind the other, across growth', () => {
    const writer = new FrameWriter(Buffer.alloc(16));
    const messages = Array.from({ length: 100 }, (_, i) => [i, 'x'.repeat(i), 2n ** 40n + BigInt(i)]);
    for (const message of messages) writer.append(message, 10_000);
    let at = 0;
    for (const message of messages) {
      const length = writer.buffer.readUInt32LE(at);
      expect(decodeMessage(writer.buffer, at + 4, at + 4 + length)).toEqual(message);
      at += 4 + length;
    }
    expect(at).toBe(writer.length);
  });

  it('appends-whole-messages-or-nothing', () => {
    const writer = new FrameWriter(Buffer.alloc(16));
    writer.append([1], 100);
    expect(codeOf(() => writer.append(['y'.repeat(200)], 100))).toBe('EMSGSIZE');
    expect(() => writer.append(['z'.repeat(50), Symbol('s')], 100)).toThrow(TypeError);
    writer.append([2], 100);
    expect([...writer.buffer.subarray(0, writer.length)]).toEqual([2, 0, 0, 0, 0x91, 1, 2, 0, 0, 0, 0x91, 2]);
  });

  it('the-limit is inclusive', () => {
    const writer = new FrameWriter(Buffer.alloc(64));
    writer.append([new Uint8Array(97)], 100);
    expect(codeOf(() => writer.append([new Uint8Array(98)], 100))).toBe('EMSGSIZE');
  });
});
