/**
 * Command buffers with any packets in them, on real devices: whatever they do, they do it to their own context. Another client's
 * bytes stay as they are and its work gets done.
 */
import { Prng } from '@pedrera/base';
import {
  CFG_BASE,
  CFG_SIZE,
  DRAM_USER_BASE,
  type FieldSpec,
  fenceRdataAddress,
  OPCODE,
  PACKET_NAMES,
  PACKETS,
  type PacketName,
  SRAM_BASE,
} from '@pedrera/hw';
import { type CommandBuffer, Dcore, type Device, HlError, openDevice, Queue } from '@pedrera/thunk';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Mirror } from '../proc/programs/mirror.js';
import { effort, patience } from '../proc/support/effort.js';
import { fileDaemon } from '../proc/support/file-daemon.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

const BUFFERS = 24;
const PACKETS_EACH = 40;
const SMALL = 64 * 1024;
const BARRIERS = new Set(['eb', 'rb', 'mb', 'pred']);

let device: Device;
/** Somebody whose memory has to keep its bytes, and who goes on working. */
let other: Mirror;
let kept: Mirror;

beforeEach(async () => {
  device = await openDevice(0, { socketPath: daemon().socketPath });
  other = await Mirror.make(device, SMALL);
  kept = await Mirror.make(device, SMALL);
  await kept.fill(1);
});

afterEach(async () => {
  await kept.check(1);
  await other.roundTrip(2);
  await device.close();
});

/** A client of its own for each round, with a little of everything a packet may reach. */
async function scene() {
  const wild = await openDevice(0, { socketPath: daemon().socketPath, program: 'wild' });
  const [hbm, host, sram] = [await wild.allocHbm(SMALL), await wild.allocHost(SMALL), await wild.leaseSram(4096)];
  const leases = [];
  for (const dcore of [Dcore.W_S, Dcore.E_N]) {
    leases.push(await wild.leaseSync({ dcore, syncObjects: 8, monitors: 8 }));
  }
  const objects = leases.flatMap((lease) => Array.from({ length: 8 }, (_, i) => lease.object(i).address));
  const fences = Array.from({ length: 8 }, (_, queue) => fenceRdataAddress(queue, queue % 4));
  const memory = [hbm.address, host.deviceAddress, sram.address];
  return { wild, addresses: [...memory, ...memory, ...objects, ...objects, ...fences] };
}

function randomAddress(prng: Prng, addresses: readonly number[]): number {
  switch (prng.below(8)) {
    case 0:
      return CFG_BASE + 4 * prng.below(CFG_SIZE / 4);
    case 1:
      return prng.pick([0, DRAM_USER_BASE, SRAM_BASE, 2 ** 48, 2 ** 52, 0x7f00_0000_1000]) + prng.below(8192);
    case 2:
      return prng.pick(addresses) + prng.below(SMALL * 2);
    default:
      return prng.pick(addresses);
  }
}

/** A value for any field of the packet table: wild, but for sizes, which would only take time. */
function randomField(name: string, spec: FieldSpec, prng: Prng, addresses: readonly number[]): number {
  if (name === 'size') {
    return prng.below(8) === 0 ? prng.nextU32() % (16 * SMALL) : prng.below(4096);
  }
  if (spec.bits > 32) {
    return randomAddress(prng, addresses);
  }
  // Mostly true predicates and no stall at random fences: a stream that waits for ever tries nothing more.
  if (BARRIERS.has(name) || name === 'target') {
    return prng.below(6) === 0 ? prng.below(2) : 0;
  }
  return prng.nextU32() % 2 ** spec.bits;
}

function randomPacket(cb: CommandBuffer, prng: Prng, addresses: readonly number[]): void {
  const name: PacketName = prng.pick(PACKET_NAMES.filter((candidate) => PACKETS[candidate].userAllowed === 'yes'));
  const dwords = new Array<number>(PACKETS[name].bytes / 4).fill(0);
  dwords[1] = OPCODE[name] * 2 ** 24;
  for (const [field, spec] of Object.entries(PACKETS[name].fields as Record<string, FieldSpec>)) {
    const value = randomField(field, spec, prng, addresses);
    dwords[spec.word] = ((dwords[spec.word] as number) | ((value % 2 ** 32) << spec.low)) >>> 0;
    if (spec.bits > 32) {
      dwords[spec.word + 1] = ((dwords[spec.word + 1] as number) | Math.floor(value / 2 ** 32)) >>> 0;
    }
  }
  cb.append(dwords);
}

async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (error instanceof HlError) {
      expect(error.detail).not.toContain('internal error');
      return error.code;
    }
    throw error;
  }
}

/** Lives one client's life for each seed: buffers filled by `write`, submitted to any queue. */
async function live(
  write: (cb: CommandBuffer, prng: Prng, addresses: readonly number[]) => void,
): Promise<Map<string, number>> {
  const tally = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const prng = new Prng(seed);
      const { wild, addresses } = await scene();
      const cb = await wild.createCommandBuffer();
      const waits: Promise<string>[] = [];
      for (let i = 0; i < BUFFERS; i++) {
        write(cb.reset(), prng, addresses);
        const queue = Queue.DMA_0_0 + prng.below(8);
        const accepted = await wild.submit({ queue, cb }).then(
          (submission) => {
            waits.push(outcomeOf(submission.wait({ timeoutMs: 0 })), outcomeOf(submission.wait()));
            return 'accepted';
          },
          (error: unknown) => outcomeOf(Promise.reject(error)),
        );
        tally.set(accepted, (tally.get(accepted) ?? 0) + 1);
      }
      await other.roundTrip(seed);
      // Streams may stand at a fence for ever, so their waits end with the client.
      await wild.close();
      await Promise.all(waits);
    }),
    effort(24),
  );
  return tally;
}

describe('command buffers', () => {
  it('packets-with-random-fields', { timeout: patience(60_000) }, async () => {
    const tally = await live((cb, prng, addresses) => {
      for (let i = 1 + prng.below(PACKETS_EACH); i > 0; i--) {
        randomPacket(cb, prng, addresses);
      }
    });
    expect(tally.get('accepted')).toBeGreaterThan(100);
  });

  it('random-dwords', { timeout: patience(60_000) }, async () => {
    const tally = await live((cb, prng) => {
      cb.append(Array.from({ length: 2 * (1 + prng.below(64)) }, () => prng.nextU32()));
    });
    expect(tally.get('EINVAL')).toBeGreaterThan(100);
  });
});
