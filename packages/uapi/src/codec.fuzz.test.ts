/** Whatever arrives in place of a request, the validator either returns a valid request or throws EINVAL. */
import { HlError, Prng } from '@pedrera/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reqFromWire, toWire } from './codec.js';
import { sampleFields, spoil } from './sample.js';
import { ENTRIES, type Entry, entryOf } from './table.js';

const NAMES = ENTRIES.map(({ name }) => name);

function survives(entry: Entry, message: unknown): void {
  let req: object;
  try {
    req = reqFromWire(entry, message);
  } catch (error) {
    expect(error).toBeInstanceOf(HlError);
    expect((error as HlError).code).toBe('EINVAL');
    expect((error as HlError).ioctl).toBe(entry.name);
    expect((error as HlError).message.length).toBeLessThan(600);
    return;
  }
  expect(() => toWire(entry, req)).not.toThrow();
}

describe('hostile requests', () => {
  it('one spoiled value in an otherwise valid request', () => {
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), fc.integer(), (name, seed) => {
        const entry = entryOf(name);
        const prng = new Prng(seed);
        survives(entry, spoil(toWire(entry, sampleFields(entry.req, prng)), prng));
      }),
      { numRuns: 20_000 },
    );
  });

  it('anything at all', () => {
    const anything = fc.anything({
      withBigInt: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true,
    });
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), anything, (name, message) => survives(entryOf(name), message)),
      { numRuns: 5000 },
    );
  });
});
