/** Encoder and decoder against an independent implementation of msgpack, and the decoder against hostile bytes. */
import fc from 'fast-check';
import { Packr, Unpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeMessage } from './decode.js';
import { encodeFrame } from './encode.js';
import { FrameError, FrameReader } from './frame.js';

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint', copyBuffers: true });
const packr = new Packr({ useRecords: false, int64AsType: 'bigint', variableMapSize: true });

const key = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => text !== '__proto__');
const message = fc.array(
  fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.oneof(
        fc.integer(),
        fc.maxSafeInteger(),
        fc.nat({ max: 0xffff_ffff }),
        fc.double({ noNaN: true }).map((x) => x + 0),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
        fc.string({ unit: 'grapheme', maxLength: 80 }),
        fc.boolean(),
        fc.constant(null),
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.from(bytes)),
      ),
      fc.array(tie('value'), { maxLength: 8 }),
      fc.dictionary(key, tie('value'), { maxKeys: 6, noNullPrototype: true }),
    ),
  })).value,
  { maxLength: 8 },
);

/** Byte strings come back as Buffers from the other implementation, and broken UTF-8 with another number of replacement characters. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll(/\uFFFD+/g, '\uFFFD');
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [plain(name), plain(member)]));
  }
  // -0 has no spelling of its own among the integers.
  return value === 0 ? 0 : value;
}

describe('codec', () => {
  it('round-trip', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(decodeMessage(encodeFrame(sent), 4)).toEqual(plain(sent));
      }),
      { numRuns: 500 },
    );
  });

  it('what-we-write the other implementation reads, and the reverse', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(plain(unpackr.unpack(encodeFrame(sent).subarray(4)))).toEqual(plain(sent));
        expect(decodeMessage(Buffer.from(packr.pack(sent)))).toEqual(plain(sent));
      }),
      { numRuns: 500 },
    );
  });

  it('what-we-accept of damaged messages the other implementation accepts with the same meaning', () => {
    let accepted = 0;
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(message, damage, (sent, changes) => {
        const body = Buffer.from(encodeFrame(sent).subarray(4));
        for (const [at, byte] of changes) body[at % body.length] = byte;
        let received: unknown[];
        try {
          received = decodeMessage(body);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
          return;
        }
        accepted++;
        expect(plain(unpackr.unpack(body))).toEqual(plain(received));
      }),
      { numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(30);
  });

  it('random-bytes are refused readably or are a message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(Array.isArray(decodeMessage(Buffer.from(bytes)))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
          expect((error as FrameError).detail).toMatch(/^malformed message at byte \d+: /);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('streams of frames cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (sent, cuts) => {
          const stream = Buffer.concat(sent.map((one) => encodeFrame(one)));
          const reader = new FrameReader(1 << 20);
          const received: unknown[][] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length] as number;
            reader.push(stream.subarray(at, at + size));
            while (reader.next()) received.push(decodeMessage(reader.bytes, reader.start, reader.end));
            at += size;
          }
          expect(received).toEqual(sent.map(plain));
          expect(reader.unfinishedBytes).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});
