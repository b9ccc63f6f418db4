/** One readable line per call. */
import { errno, Prng } from '@pedrera/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleFields } from './sample.js';
import { formatCall } from './strace.js';
import { ENTRIES, entryOf } from './table.js';

const NAMES = ENTRIES.map(({ name }) => name);

describe('formatCall', () => {
  it('arguments and result', () => {
    expect(formatCall(entryOf('CB_CREATE'), { size: 4096, flags: 0 }, { handle: 0x1000_0000_0000_1000n })).toBe(
      'CB_CREATE(size=4096, flags=0) = 0 {handle=0x1000000000001000}',
    );
    expect(formatCall(entryOf('MEMORY_UNMAP'), { deviceVirtAddr: 2 ** 48 }, {})).toBe(
      'MEMORY_UNMAP(deviceVirtAddr=0x1000000000000) = 0',
    );
  });

  it('an error with its reason, and a call under way', () => {
    const wait = { seq: 17, timeoutUs: 1_000_000n, flags: 4 };
    expect(formatCall(entryOf('WAIT_CS'), wait, errno('ETIMEDOUT', 'stopped after 1 s'))).toBe(
      'WAIT_CS(seq=17, timeoutUs=1000000, flags=MULTI_CS) = -1 ETIMEDOUT (stopped after 1 s)',
    );
    expect(formatCall(entryOf('WAIT_CS'), wait, errno('EIO'))).toMatch(/= -1 EIO$/);
    expect(formatCall(entryOf('WAIT_CS'), wait)).toMatch(/= \?$/);
  });

  it('is one line of bounded length for every valid call', () => {
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), fc.integer(), (name, seed) => {
        const entry = entryOf(name);
        const prng = new Prng(seed);
        const line = formatCall(entry, sampleFields(entry.req, prng), sampleFields(entry.res, prng));
        expect(line.startsWith(`${entry.name}(`)).toBe(true);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        expect(line.length).toBeLessThan(2000);
      }),
    );
  });
});
