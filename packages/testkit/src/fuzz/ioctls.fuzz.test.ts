/**
 * Every call of the table with anything for arguments, over a real socket: the daemon lives, never has to say "internal
 * error", and loses nothing.
 */
import { Prng } from '@pedrera/base';
import { type Device, openDevice } from '@pedrera/thunk';
import { ENTRIES, type Entry, type IoctlName, sampleFields, spoil, toWire } from '@pedrera/uapi';
import { encodeFrame } from '@pedrera/wire';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Mirror } from '../proc/programs/mirror.js';
import { effort, patience } from '../proc/support/effort.js';
import { fileDaemon } from '../proc/support/file-daemon.js';
import { RawPeer } from '../proc/support/raw-peer.js';
import { FuzzClient, type Memory } from './fuzz-client.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

/** A round is a client's life: it makes that many calls and goes. */
const CALLS = 250;
const ROUNDS = effort(16);

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

/** What breaks a device on purpose breaks it for everybody; inject.fuzz.test.ts does that to a daemon of its own. */
const CALLS_OF_CLIENTS = ENTRIES.filter(({ name }) => name !== 'INJECT');

/** Calls that open a conversation end one that has begun: most of the time something else is more interesting. */
const NAMES = CALLS_OF_CLIENTS.map(({ name }) => name);
const LASTING = NAMES.filter((name) => name !== 'HELLO' && name !== 'SIDE_CHANNEL');

/** Valid for their kinds, some of them values that mean something. */
function validArgs(entry: Entry, prng: Prng, memory: Memory): unknown[] {
  const fresh = toWire(entry, sampleFields(entry.req, prng));
  return memory.recall(fresh, prng) as unknown[];
}

function entryNamed(name: IoctlName): Entry {
  return ENTRIES.find((entry) => entry.name === name) as Entry;
}

/** Some values are beyond msgpack itself, such as integers of more than 64 bits. */
function canBeSaid(args: unknown): boolean {
  try {
    encodeFrame([args]);
    return true;
  } catch {
    return false;
  }
}

/** Runs one client's life for each seed, with `makeArgs` for its calls. */
async function live(makeArgs: (entry: Entry, prng: Prng, memory: Memory) => unknown): Promise<Map<string, number>> {
  const tally = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const prng = new Prng(seed);
      await using client = new FuzzClient(daemon().socketPath);
      for (let i = 0; i < CALLS; i++) {
        const name = prng.pick(prng.below(32) === 0 ? NAMES : LASTING);
        await client.call(name, makeArgs(entryNamed(name), prng, client.memory));
      }
      await other.roundTrip(seed);
      for (const [outcome, count] of client.tally) {
        tally.set(outcome, (tally.get(outcome) ?? 0) + count);
      }
    }),
    ROUNDS,
  );
  return tally;
}

describe('calls', () => {
  it('valid-arguments', { timeout: patience(60_000) }, async () => {
    const tally = await live(validArgs);
    // Were everything refused, nothing would have been tried.
    expect(tally.get('ok')).toBeGreaterThan(500);
  });

  it('one-spoiled-value', { timeout: patience(60_000) }, async () => {
    const tally = await live((entry, prng, memory) => {
      for (;;) {
        const args = spoil(validArgs(entry, prng, memory), prng);
        if (canBeSaid(args)) {
          return args;
        }
      }
    });
    expect(tally.get('EINVAL')).toBeGreaterThan(500);
  });

  it('arguments-of-another-call', { timeout: patience(60_000) }, async () => {
    await live((_, prng, memory) => validArgs(prng.pick(ENTRIES), prng, memory));
  });

  it('anything-at-all', { timeout: patience(60_000) }, async () => {
    const leaf = fc.oneof(
      fc.string(),
      fc.double(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      fc.uint8Array(),
      fc.constantFrom(null, true),
    );
    const anything = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('value')),
        fc.dictionary(
          fc.string().filter((key) => key !== '__proto__'),
          tie('value'),
        ),
      ),
    })).value;
    await using client = new FuzzClient(daemon().socketPath);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...LASTING), anything, (name, args) => client.call(name, args)),
      effort(2000),
    );
  });

  it('before-open-and-on-the-control-node', { timeout: patience(60_000) }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const prng = new Prng(seed);
        await using client = new FuzzClient(daemon().socketPath, 'hl_controlD1');
        for (const entry of CALLS_OF_CLIENTS) {
          await client.call(entry.name, validArgs(entry, prng, client.memory));
        }
      }),
      effort(8),
    );
  });
});

describe('bytes', () => {
  it('conversations-with-changed-bits', { timeout: patience(60_000) }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const prng = new Prng(seed);
        await using peer = await RawPeer.greeted(daemon().socketPath, 'hl0');
        const frames = Array.from({ length: 20 }, (_, i) => {
          const entry = entryNamed(prng.pick(LASTING));
          return encodeFrame([i + 1, entry.code, toWire(entry, sampleFields(entry.req, prng))]);
        });
        const bytes = Buffer.concat(frames);
        for (let flips = 1 + prng.below(4); flips > 0; flips--) {
          const at = prng.below(bytes.length);
          bytes[at] = (bytes[at] as number) ^ (1 << prng.below(8));
        }
        // In pieces of any size; whatever is unfinished when the peer hangs up is dropped.
        for (let at = 0; at < bytes.length; ) {
          const piece = 1 + prng.below(200);
          peer.send(bytes.subarray(at, at + piece));
          at += piece;
        }
        peer.socket.end();
        while ((await peer.next()) !== 'closed');
      }),
      effort(200),
    );
  });
});
