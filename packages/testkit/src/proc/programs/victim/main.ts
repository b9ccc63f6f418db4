/**
 * A client process that does one thing over and over until it is killed, and tells each time it got one step further.
 *
 * Owns: the things that a client may be in the middle of. Must not know when it will be killed.
 */
import {
  type CommandBuffer,
  Dcore,
  type Device,
  HlError,
  type ImportedBuffer,
  openDevice,
  Queue,
} from '@pedrera/thunk';
import { endWithParent, serveSteps, tellNews } from '../../support/steps.js';
import { checkBytes, Mirror } from '../mirror.js';

export interface VictimOrders {
  readonly device: number;
  readonly seed: number;
  /** Of exporters, for importers. */
  readonly tokens?: readonly string[];
}

const SIZE = 64 * 1024;
const SEED_OF_EXPORTS = 7;
/** As much as is queued behind a fence: the ring must not get full. */
const QUEUED_BEHIND_FENCE = 256;

/** Uploads, downloads, compares. */
async function upload({ device, seed }: VictimOrders): Promise<never> {
  const mirror = await Mirror.make(await openDevice(device), SIZE);
  for (let i = seed; ; i++) {
    await mirror.roundTrip(i);
    tellNews('round trip');
  }
}

/** Is blocked on fences of two streams, with waits pending, and queues more behind them. */
async function fence({ device: index }: VictimOrders): Promise<never> {
  const device = await openDevice(index);
  const lease = await device.leaseSync({ dcore: Dcore.W_N, syncObjects: 8, monitors: 2 });
  for (const [i, queue] of [Queue.DMA_0_0, Queue.DMA_1_1].entries()) {
    const cb = await device.createCommandBuffer();
    cb.waitFor({ syncObject: lease.object(i), monitor: lease.monitor(i), value: 1, queue });
    const submission = await device.submit({ queue, cb });
    void submission.wait();
    tellNews('blocked');
  }
  const cb = await device.createCommandBuffer();
  cb.nop();
  for (let i = 0; i < QUEUED_BEHIND_FENCE; i++) {
    const submission = await device.submit({ queue: Queue.DMA_0_0, cb });
    void submission.wait();
    tellNews('queued more');
  }
  return await new Promise<never>(() => undefined);
}

/** Has memory and sync objects exported; makes and closes further exports. */
async function makeExports(device: Device): Promise<string[]> {
  const mirror = await Mirror.make(device, SIZE);
  await mirror.fill(SEED_OF_EXPORTS);
  const lease = await device.leaseSync({ dcore: Dcore.E_S, syncObjects: 8 });
  const exports = await Promise.all([device.exportDmaBuf(mirror.memory), device.exportSync(lease)]);
  const more = async () => {
    for (;;) {
      const shared = await device.exportDmaBuf(mirror.memory);
      tellNews('exported');
      await shared.close();
      tellNews('closed an export');
    }
  };
  void more();
  return exports.map(({ token }) => token);
}

/** Reads what it imported, and signals imported sync objects; imports again and again. */
async function importer({ device: index, tokens = [] }: VictimOrders): Promise<never> {
  const device = await openDevice(index);
  const [memory = '', objects = ''] = tokens;
  const host = await device.allocHost(SIZE);
  const kept = await device.importDmaBuf(memory);
  const signals = await device.importDmaBuf(objects);
  tellNews('imported');
  for (;;) {
    const again = await importWhileExported(device, memory);
    host.bytes.fill(0);
    const from = again ?? kept;
    const copy = await submitOnce(device, (cb) => cb.linDma({ from, to: host }).signal(signals.object(0), 0));
    await copy.wait();
    checkBytes(host.bytes, SEED_OF_EXPORTS);
    tellNews('read');
    await again?.close();
  }
}

/** Undefined once the exporter is dead, and its token with it. */
async function importWhileExported(device: Device, token: string): Promise<ImportedBuffer | undefined> {
  try {
    return await device.importDmaBuf(token);
  } catch (error) {
    if (error instanceof HlError && error.code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

/** Opens and closes, several at once: some are always under way. */
async function open({ device }: VictimOrders): Promise<never> {
  for (;;) {
    const opening = Array.from({ length: 4 }, () => openDevice(device));
    tellNews('opening');
    await (await opening[0])?.close();
    tellNews('closed one');
    await Promise.all(opening.map(async (opened) => (await opened).close()));
  }
}

/** Holds ever more mapped buffers of all kinds, up to a limit, then gives them back. */
async function mapped({ device: index }: VictimOrders): Promise<never> {
  const device = await openDevice(index);
  for (;;) {
    const held: { free(): Promise<void> }[] = [];
    for (let i = 0; i < 32; i++) {
      const cb = await device.createCommandBuffer();
      held.push(await device.allocHost(4096 * (1 + i)), await device.allocHbm(SIZE), { free: () => cb.destroy() });
      tellNews('mapped more');
    }
    // One that has a segment to itself.
    held.push(await device.allocHost(16 * 2 ** 20));
    tellNews('mapped a large one');
    await Promise.all(held.map((part) => part.free()));
  }
}

async function submitOnce(device: Device, write: (cb: CommandBuffer) => void) {
  await using cb = await device.createCommandBuffer();
  write(cb);
  return await device.submit({ queue: Queue.DMA_0_0, cb });
}

const habits = { upload, fence, importer, open, mapped };
export type Habit = keyof typeof habits;

const steps = {
  async exportThings({ device }: VictimOrders) {
    return { tokens: await makeExports(await openDevice(device)) };
  },
};
export type VictimSteps = typeof steps;

const [habit, orders] = process.argv.slice(2);
if (habit === 'exporter') {
  serveSteps(steps);
} else {
  endWithParent();
  await habits[habit as Habit](JSON.parse(orders ?? '{}') as VictimOrders);
}
