/**
 * The reader's process: brings memory that another process exported back to the host, and hashes it on the way.
 *
 * Must not know: what the bytes should be.
 */
import { createHash } from 'node:crypto';
import {
  type CommandBuffer,
  type Device,
  type HostBuffer,
  type ImportedBuffer,
  openDevice,
  Queue,
  type Submission,
} from '@pedrera/thunk';
import type { ReaderCalls, ReadReport } from '../calls.js';
import { chunkAt, type Plan } from '../plan.js';
import { serveRole } from '../role-server.js';
import { nowMs, STAGING_BUFFERS } from '../staging.js';

interface Slot {
  readonly staging: HostBuffer;
  readonly packets: CommandBuffer;
}

serveRole<ReaderCalls>(async ({ socketPath, device: index, plan }) => {
  const device = await openDevice(index, { socketPath, program: 'pedrera demo: reader' });
  const slots = await Promise.all(
    Array.from({ length: STAGING_BUFFERS }, async () => ({
      staging: await device.allocHost(plan.chunkBytes, { populate: true }),
      packets: await device.createCommandBuffer(),
    })),
  );
  return {
    result: null,
    calls: {
      read: async ({ sourceToken }) => read({ device, plan, slots, source: await device.importDmaBuf(sourceToken) }),
      close: async () => {
        await device.close();
        return null;
      },
    },
  };
});

interface Reader {
  readonly device: Device;
  readonly plan: Plan;
  readonly slots: readonly Slot[];
  readonly source: ImportedBuffer;
}

/** The device copies one chunk while the chunk before it is hashed. */
async function read(reader: Reader): Promise<ReadReport> {
  const { plan, slots } = reader;
  const hash = createHash('sha256');
  const startMs = nowMs();
  let before: { submission: Submission; slot: Slot; size: number } | undefined;
  for (let index = 0; index <= plan.chunks; index++) {
    const slot = slots[index % slots.length] as Slot;
    const current = index < plan.chunks ? await request(reader, slot, index) : undefined;
    if (before !== undefined) {
      await before.submission.wait();
      hash.update(before.slot.staging.bytes.subarray(0, before.size));
    }
    before = current;
  }
  return { startMs, endMs: nowMs(), sha256: hash.digest('hex') };
}

async function request({ device, plan, source }: Reader, slot: Slot, index: number) {
  const { offset, size } = chunkAt(plan, index);
  slot.packets.reset().linDma({ from: source, fromOffset: offset, to: slot.staging, size });
  const submission = await device.submit({ queue: Queue.DMA_1_1, cb: slot.packets });
  return { submission, slot, size };
}
