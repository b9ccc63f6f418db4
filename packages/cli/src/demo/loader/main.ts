/**
 * The loader's process: streams the file through command buffers into HBM, and counts the chunks that have arrived in a sync
 * object of somebody else, all from inside its command stream.
 *
 * Must not know: who waits for the count, or who reads the memory.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { type CommandBuffer, type Device, type DeviceMemory, type HostBuffer, openDevice, Queue } from '@pedrera/thunk';
import { PAGE_SIZE } from '@pedrera/uapi';
import type { LoaderCalls, UploadReport } from '../calls.js';
import { type Chunk, chunkAt, type Plan } from '../plan.js';
import { serveRole } from '../role-server.js';
import { completionMs, nowMs, STAGING_BUFFERS } from '../staging.js';

const QUEUE = Queue.DMA_0_0;

/** While one is on its way to the device, the other is filled from the file: memory is bounded, whatever the file's size. */
interface Slot {
  readonly staging: HostBuffer;
  readonly packets: CommandBuffer;
  /** Resolves when the device has read the staging buffer. */
  free: Promise<void>;
}

interface Loader {
  readonly device: Device;
  readonly plan: Plan;
  readonly file: string;
  readonly memory: DeviceMemory;
  readonly slots: readonly Slot[];
}

serveRole<LoaderCalls>(async ({ socketPath, device: index, plan, file }) => {
  const device = await openDevice(index, { socketPath, program: 'pedrera demo: loader' });
  const memory = await device.allocHbm(plan.memoryBytes);
  const { token } = await device.exportDmaBuf(memory);
  const slots = await Promise.all(Array.from({ length: STAGING_BUFFERS }, () => makeSlot(device, plan)));
  await clear(device, memory);
  const loader: Loader = { device, plan, file, memory, slots };
  let count: CountedIn | undefined;
  return {
    result: { memoryToken: token },
    calls: {
      connect: async ({ syncToken }) => {
        count = (await device.importDmaBuf(syncToken)).object(0);
        return { signalAddress: count.address };
      },
      upload: async () => {
        if (count === undefined) throw new Error('nothing to count in: connect first');
        return upload(loader, count);
      },
      close: async () => {
        await device.close();
        return null;
      },
    },
  };
});

/** A page, without contents: anything wrong with the way, and the costs of first use, show before the clock runs. */
async function clear(device: Device, memory: DeviceMemory): Promise<void> {
  await using packets = await device.createCommandBuffer();
  packets.memset({ to: memory, size: PAGE_SIZE, pattern: 0 });
  await (await device.submit({ queue: QUEUE, cb: packets })).wait();
}

type CountedIn = Parameters<CommandBuffer['signal']>[0];

async function makeSlot(device: Device, plan: Plan): Promise<Slot> {
  return {
    staging: await device.allocHost(plan.chunkBytes, { populate: true }),
    packets: await device.createCommandBuffer(),
    free: Promise.resolve(),
  };
}

async function upload({ device, plan, file: path, memory, slots }: Loader, count: CountedIn): Promise<UploadReport> {
  const doneMs: number[] = [];
  await using file = await open(path);
  const startMs = nowMs();
  for (let index = 0; index < plan.chunks; index++) {
    const slot = slots[index % slots.length] as Slot;
    await slot.free;
    const chunk = chunkAt(plan, index);
    const { staging, packets } = slot;
    await readFully(file, staging.bytes, chunk);
    // The count goes up when the copy is done: a signal waits for everything before it.
    packets.reset().linDma({ from: staging, to: memory, toOffset: chunk.offset, size: chunk.size }).signal(count);
    const submission = await device.submit({ queue: QUEUE, cb: packets, timestamp: true });
    slot.free = submission.wait().then((result) => {
      doneMs[index] = completionMs(result);
    });
    // A failure is for whoever waits for the slot next, not for the process.
    slot.free.catch(() => {});
  }
  await Promise.all(slots.map((slot) => slot.free));
  return { startMs, endMs: doneMs.at(-1) ?? startMs, doneMs };
}

async function readFully(file: FileHandle, into: Uint8Array, { offset, size }: Chunk): Promise<void> {
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await file.read(into, filled, size - filled, offset + filled);
    if (bytesRead === 0)
      throw new Error(`the file ended at byte ${offset + filled}; it became shorter while it was read`);
    filled += bytesRead;
  }
}
