/** What a decoder must take, and what it must refuse before it builds anything. */
import { describe, expect, it } from 'vitest';
import { decodeMessage } from './decode.js';
import { MAX_DEPTH, MAX_VALUES } from './dialect.js';
import { FrameError } from './frame.js';

function decode(...bytes: number[]): unknown[] {
  return decodeMessage(Buffer.from(bytes));
}

function refused(bytes: Buffer | number[]): string {
  try {
    decodeMessage(Buffer.from(bytes));
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
    expect((error as FrameError).code).toBe('EPROTO');
    return (error as FrameError).detail ?? '';
  }
  throw new Error('the message was accepted');
}

describe('decodeMessage', () => {
  it('numbers of every width', () => {
    expect(decode(0x92, 0x00, 0x7f)).toEqual([0, 127]);
    expect(decode(0x92, 0xe0, 0xff)).toEqual([-32, -1]);
    expect(decode(0x93, 0xcc, 0xff, 0xcd, 0xff, 0xff, 0xce, 0xff, 0xff, 0xff, 0xff)).toEqual([255, 65535, 4294967295]);
    expect(decode(0x93, 0xd0, 0x80, 0xd1, 0x80, 0x00, 0xd2, 0x80, 0, 0, 0)).toEqual([-128, -32768, -2147483648]);
    expect(decode(0x91, 0xca, 0x3f, 0xc0, 0, 0)).toEqual([1.5]);
    expect(decode(0x91, 0xcb, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18)).toEqual([Math.PI]);
  });

  it('64-bit integers are bigint, small ones too', () => {
    expect(decode(0x91, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)).toEqual([0xffff_ffff_ffff_ffffn]);
    expect(decode(0x91, 0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe)).toEqual([-2n]);
    expect(decode(0x91, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1)).toEqual([1n]);
  });

  it('nil, booleans, nested arrays, maps', () => {
    expect(decode(0x93, 0xc0, 0xc2, 0xc3)).toEqual([null, false, true]);
    expect(decode(0x92, 0x90, 0x91, 0x91, 0x05)).toEqual([[], [[5]]]);
    expect(decode(0x91, 0x82, 0xa1, 0x61, 0x01, 0xd9, 0x01, 0x62, 0x80)).toEqual([{ a: 1, b: {} }]);
  });

  it('strings of every header, ASCII and not', () => {
    for (const text of [
      '',
      'a',
      'hl0',
      'abcd',
      'hl_controlD0',
      'é',
      'naïve',
      '日本語',
      '😀',
      'x'.repeat(31),
      'ü'.repeat(40),
      'y'.repeat(70_000),
    ]) {
      const utf8 = Buffer.from(text);
      const headers = [[0xdb, utf8.length >>> 24, utf8.length >>> 16, utf8.length >>> 8, utf8.length]];
      if (utf8.length < 0x10000) headers.push([0xda, utf8.length >>> 8, utf8.length]);
      if (utf8.length < 0x100) headers.push([0xd9, utf8.length]);
      if (utf8.length < 32) headers.push([0xa0 | utf8.length]);
      for (const header of headers) {
        expect(decodeMessage(Buffer.concat([Buffer.from([0x91]), Buffer.from(header), utf8]))).toEqual([text]);
      }
    }
  });

  it('byte strings are copies', () => {
    const body = Buffer.from([0x91, 0xc4, 0x03, 1, 2, 3]);
    const [bytes] = decodeMessage(body) as [Uint8Array];
    body.fill(0);
    expect(bytes).toEqual(Uint8Array.of(1, 2, 3));
    const long = Buffer.concat([Buffer.from([0x91, 0xc5, 0x01, 0x00]), Buffer.alloc(256, 7)]);
    const [copy] = decodeMessage(long) as [Uint8Array];
    long.fill(0);
    expect(copy).toEqual(new Uint8Array(256).fill(7));
  });

  it('a-window of a longer buffer', () => {
    expect(decodeMessage(Buffer.from([0xff, 0xff, 0x91, 0x07, 0xff]), 2, 4)).toEqual([7]);
    expect(() => decodeMessage(Buffer.from([0x92, 0x07, 0x08]), 0, 2)).toThrow(FrameError);
  });

  it('not-an-array', () => {
    for (const body of [[], [0x01], [0xc0], [0x80], [0xa0], [0xc4, 0x00]]) {
      expect(refused(body)).toBe('malformed message at byte 0: a message is an array, this is not one');
    }
  });

  it('bytes-behind-the-message', () => {
    expect(refused([0x91, 0x01, 0x90])).toBe('malformed message at byte 2: 1 bytes behind the message');
  });

  it('counts-that-cannot-be', () => {
    expect(refused([0xdd, 0xff, 0xff, 0xff, 0xff])).toBe(
      'malformed message at byte 5: 4294967295 values announced and 0 bytes left',
    );
    expect(refused([0x91, 0xdf, 0xff, 0xff, 0xff, 0xff, 1])).toContain('8589934590 values announced and 1 bytes left');
    expect(refused([0x92, 0x01])).toContain('2 values announced and 1 bytes left');
    expect(refused([0x92, 0x92, 0x01, 0x01])).toContain('values are missing');
    expect(refused([0x91, 0x81, 0xa1, 0x61])).toContain('values are missing');
  });

  it('lengths-that-cannot-be', () => {
    expect(refused([0x91, 0xdb, 0xff, 0xff, 0xff, 0xff])).toContain('a value of 4294967295 bytes with 0 bytes left');
    expect(refused([0x91, 0xc6, 0x7f, 0xff, 0xff, 0xff, 1, 2])).toContain(
      'a value of 2147483647 bytes with 2 bytes left',
    );
    expect(refused([0x91, 0xa5, 0x61])).toContain('a value of 5 bytes with 1 bytes left');
  });

  it('truncated-at-every-byte', () => {
    const whole = [
      0x98, 0xcd, 1, 2, 0xcf, 1, 2, 3, 4, 5, 6, 7, 8, 0xa3, 1, 2, 3, 0xc5, 0, 2, 1, 2, 0xdc, 0, 1, 5, 0xde, 0, 1, 0xa1,
      97, 1, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0xdb, 0, 0, 0, 1, 98,
    ];
    expect(decode(...whole)).toHaveLength(8);
    for (let length = 0; length < whole.length; length++) refused(whole.slice(0, length));
  });

  it('extension-types-and-unused-token', () => {
    for (const token of [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) {
      expect(refused([0x91, token, 0, 0, 0, 0, 0, 0, 0, 0, 0])).toBe(
        `malformed message at byte 1: token 0x${token.toString(16)}: extension types are not part of the protocol`,
      );
    }
  });

  it('keys-that-are-no-strings', () => {
    expect(refused([0x91, 0x81, 0x01, 0x01])).toContain('the key of a map must be a string');
    expect(refused([0x91, 0x81, 0x90, 0x01])).toContain('the key of a map must be a string');
  });

  it('key-proto does not reach the prototype', () => {
    expect(refused([0x91, 0x81, 0xa9, ...Buffer.from('__proto__'), 0x80])).toContain('"__proto__" is no key of a map');
  });

  it('nesting-at-the-limit-and-beyond', () => {
    const nested = (depth: number): Buffer => Buffer.concat([Buffer.alloc(depth - 1, 0x91), Buffer.from([0x90])]);
    expect(decodeMessage(nested(MAX_DEPTH))).toHaveLength(1);
    expect(refused(nested(MAX_DEPTH + 1))).toContain(`nested deeper than ${MAX_DEPTH} levels`);
    expect(refused(Buffer.alloc(1_000_000, 0x91))).toContain(`nested deeper than ${MAX_DEPTH} levels`);
    // Depth is of the path, not of the message: siblings do not add up.
    expect(decodeMessage(Buffer.concat([Buffer.from([0xdc, 0x00, 0x40]), Buffer.alloc(64, 0x90)]))).toHaveLength(64);
  });

  it('more-values-than-the-limit', () => {
    const header = Buffer.from([0xdd, 0, 0, 0, 0]);
    header.writeUInt32BE(MAX_VALUES, 1);
    expect(decodeMessage(Buffer.concat([header, Buffer.alloc(MAX_VALUES, 0xc0)]))).toHaveLength(MAX_VALUES);
    header.writeUInt32BE(MAX_VALUES + 1, 1);
    expect(refused(Buffer.concat([header, Buffer.alloc(MAX_VALUES + 1, 0x80)]))).toContain(
      `more than ${MAX_VALUES} values`,
    );
  });

  it('goes-on after a refusal', () => {
    refused([0x91, 0x91, 0x91]);
    expect(decode(0x91, 0x01)).toEqual([1]);
  });
});
