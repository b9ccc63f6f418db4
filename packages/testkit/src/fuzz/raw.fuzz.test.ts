/** The spelling of C programs with any bytes in it: for each command number, in both generations of the structs. */
import { Prng } from '@pedrera/base';
import { type Device, openDevice } from '@pedrera/thunk';
import { ABIS, commandNumber, ENTRIES, type Entry, encodeCall, NR, sampleFields } from '@pedrera/uapi';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Mirror } from '../proc/programs/mirror.js';
import { effort, patience } from '../proc/support/effort.js';
import { fileDaemon } from '../proc/support/file-daemon.js';
import { FuzzClient } from './fuzz-client.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1 });

const RAW_ENTRIES = ENTRIES.filter(({ abi }) => abi !== undefined);
/** Bounds of the byte that says which op of a number is meant. */
const OPS = 40;

let device: Device;
let other: Mirror;

beforeEach(async () => {
  device = await openDevice(0, { socketPath: daemon().socketPath });
  other = await Mirror.make(device, 16 * 1024);
});

afterEach(async () => {
  await other.roundTrip(1);
  await device.close();
});

function randomBuffers(prng: Prng): (Uint8Array | null)[] {
  return Array.from({ length: prng.below(4) }, () => (prng.below(4) === 0 ? null : prng.bytes(prng.below(256))));
}

describe('arg blocks', () => {
  it.each(Object.entries(NR))('random-bytes-%s', { timeout: patience(60_000) }, async (_, nr) => {
    await using client = new FuzzClient(daemon().socketPath);
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const prng = new Prng(seed);
        const size = prng.below(8) === 0 ? prng.below(300) : prng.pick([24, 40, 48, 56]);
        // Sometimes fewer or more bytes than the command announces.
        const block = prng.bytes(prng.below(16) === 0 ? prng.below(300) : size);
        if (prng.below(2) === 0) {
          plantOp(block, prng);
        }
        await client.rawCall(commandNumber(nr, size), block, randomBuffers(prng));
      }),
      effort(400),
    );
  });

  it('random-commands', { timeout: patience(60_000) }, async () => {
    await using client = new FuzzClient(daemon().socketPath);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 0xffff_ffff }), fc.uint8Array({ maxLength: 200 }), (cmd, block) =>
        client.rawCall(cmd, block, []),
      ),
      effort(1000),
    );
  });

  it.each(ABIS)('valid-blocks-with-changed-bytes-%s', { timeout: patience(60_000) }, async (abi) => {
    const client = new FuzzClient(daemon().socketPath);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...RAW_ENTRIES), fc.integer(), async (entry: Entry, seed) => {
        const prng = new Prng(seed);
        const { cmd, block, buffers } = encodeCall(entry, sampleFields(entry.req, prng), { abi });
        for (let i = prng.below(3); i > 0; i--) {
          block[prng.below(block.length)] = prng.below(256);
        }
        const passed = buffers.map((bytes) => (prng.below(5) === 0 ? null : bytes.subarray(prng.below(9))));
        await client.rawCall(cmd, block, passed);
      }),
      effort(2000),
    );
    expect(client.tally.get('ok')).toBeGreaterThan(100);
    await client[Symbol.asyncDispose]();
  });
});

/** A small number where an op may lie, so that not every call ends at an unknown one. */
function plantOp(block: Uint8Array, prng: Prng): void {
  const at = prng.pick([8, 12, 16, 20, 24, 32]);
  if (at + 4 <= block.length) {
    new DataView(block.buffer, block.byteOffset).setUint32(at, prng.below(OPS), true);
  }
}
