/** Whatever a C program passes, decoding yields a request that is valid for its kinds, or an error; it never throws. */
import { errno, HlError, Prng } from '@pedrera/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toWire } from './codec.js';
import { type Magic, magicOf } from './ioctl.js';
import { ABIS } from './layout.js';
import { commandNumber, decodeArgs, encodeArgs } from './raw.js';
import { encodeCall } from './raw-caller.js';
import { sampleFields } from './sample.js';
import { ENTRIES, entryOf } from './table.js';

function survives(cmd: number, block: Uint8Array, buffers: readonly (Uint8Array | null)[], magic?: Magic): void {
  const call = decodeArgs(cmd, block, buffers, magic);
  expect((call.req === null) !== (call.error === null)).toBe(true);
  if (call.req !== null && call.entry !== null) toWire(call.entry, call.req);
  const reply = encodeArgs(call, call.error ?? errno('EIO'));
  expect(reply.block).toHaveLength((cmd >>> 16) & 0x3fff);
  expect(call.error === null || call.error instanceof HlError).toBe(true);
}

describe('hostile arg blocks', () => {
  const buffer = fc.option(fc.uint8Array({ maxLength: 256 }), { nil: null });

  it('random bytes under any command', () => {
    const command = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 200 }));
    const input = fc.tuple(command, fc.uint8Array({ maxLength: 220 }), fc.array(buffer, { maxLength: 3 }));
    fc.assert(
      fc.property(input, ([[nr, size], block, buffers]) => survives(commandNumber(nr, size), block, buffers)),
      { numRuns: 5000 },
    );
  });

  it('valid calls with a few bytes changed', () => {
    const raw = ENTRIES.filter(({ abi }) => abi !== undefined).map(({ name }) => name);
    fc.assert(
      fc.property(fc.constantFrom(...raw), fc.integer(), fc.constantFrom(...ABIS), (name, seed, abi) => {
        const entry = entryOf(name);
        const prng = new Prng(seed);
        const call = encodeCall(entry, sampleFields(entry.req, prng), { abi });
        for (let i = prng.below(4); i > 0; i -= 1) call.block[prng.below(call.block.length)] = prng.below(256);
        const buffers = call.buffers.map((bytes) => (prng.below(5) === 0 ? null : bytes.subarray(prng.below(9))));
        survives(call.cmd, call.block, buffers, magicOf(entry.nr));
      }),
      { numRuns: 5000 },
    );
  });
});
