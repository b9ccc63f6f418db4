/** The typed spelling there and back, for every call, and what refusals say. */
import { HlError, Prng } from '@pedrera/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reqFromWire, resFromWire, resToWire, toWire } from './codec.js';
import { sampleFields } from './sample.js';
import { ENTRIES, entryOf, type Req } from './table.js';

const NAMES = ENTRIES.map(({ name }) => name);

const CS = entryOf('CS');
const REQUEST: Req<'CS'> = {
  chunksRestore: [],
  chunksExecute: [{ handle: 0x1000_0000_0000_1000n, queueIndex: 0, size: 64, flags: 0 }],
  seq: 0,
  timeoutSec: 0,
  flags: 0,
};

const errorOf = (run: () => unknown): HlError => {
  try {
    run();
  } catch (error) {
    if (error instanceof HlError) return error;
    throw error;
  }
  return expect.unreachable('nothing was refused');
};

describe('typed spelling', () => {
  it('is a positional array in table order', () => {
    expect(toWire(CS, REQUEST)).toEqual([[], [[0x1000_0000_0000_1000n, 0, 64, 0]], 0, 0, 0]);
  });

  it('every request and result of the table survives the way there and back', () => {
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), fc.integer(), (name, seed) => {
        const entry = entryOf(name);
        const prng = new Prng(seed);
        const req = sampleFields(entry.req, prng);
        expect(reqFromWire(entry, toWire(entry, req))).toEqual(req);
        const res = sampleFields(entry.res, prng);
        expect(resFromWire(entry, resToWire(entry, res))).toEqual(res);
      }),
      { numRuns: 500 },
    );
  });

  it('a refused request names the call, the field and the value', () => {
    const error = errorOf(() => reqFromWire(CS, [[], [[0n, 0, -1, 0]], 0, 0, 0]));
    expect(error.message).toBe('CS: EINVAL (chunksExecute[0].size: expected an integer from 0 to 4294967295, got -1)');
    expect(errorOf(() => reqFromWire(CS, 5)).message).toBe('CS: EINVAL (request: expected an array, got 5)');
    expect(errorOf(() => reqFromWire(CS, [])).message).toContain('expected 5 to 10 fields');
    const { seq: _, ...without } = REQUEST;
    expect(errorOf(() => toWire(CS, without)).detail).toBe('seq: expected an integer from 0 to 2^64, got undefined');
  });

  it('a result that does not fit is a bug of ours on the way out and a protocol error on the way in', () => {
    const entry = entryOf('CB_CREATE');
    expect(() => resToWire(entry, { handle: 5 })).toThrow(TypeError);
    expect(() => resToWire(entry, { handle: 5 })).toThrow(
      'the result of CB_CREATE does not fit the table: result.handle',
    );
    expect(errorOf(() => resFromWire(entry, ['x'])).code).toBe('EPROTO');
  });
});
