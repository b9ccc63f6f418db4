/**
 * Ten thousand dma-bufs alive at once, with a hundred thousand attachments: what one more costs among so many.
 *
 * Owns: the counts. Each cost is compared with that among a quarter as many.
 */
import { type Device, openDevice } from '@pedrera/thunk';
import type { BenchContext } from '../benchmark.js';
import { median, nowNs } from '../latency.js';
import { type Figure, figure } from '../report.js';

const BUFFERS = 10_000;
/** Who has them, and who attaches to all of them: that many open files each. */
const FILES = 10;
const SIZE = 2 * 2 ** 20;
/** Of the cost of one, for four times as many. Linear is 1; caches and collections take their part. */
const MOST_GROWTH = 1.5;
const ROUNDS = 3;
/** Calls under way at a time, on each open file. */
const WINDOW = 32;

/** Closed before they are let go of: what holds the memory then is its users, and the last of them frees it. */
const STEPS = ['exported', 'attached and mapped', 'closed', 'unmapped and detached'] as const;
type Step = (typeof STEPS)[number];
type Costs = Record<Step, number>;

export async function manyFigures(context: BenchContext): Promise<Figure[]> {
  const { socketPath } = await context.daemon();
  const buffers = context.pick(BUFFERS, BUFFERS / 10);
  const few = buffers / 4;
  const found: { many: Costs[]; few: Costs[] } = { many: [], few: [] };
  await measure(socketPath, few);
  for (let round = 0; round < context.pick(ROUNDS, 1); round++) {
    found.few.push(await measure(socketPath, few));
    found.many.push(await measure(socketPath, buffers));
  }
  const attachments = buffers * FILES;
  return STEPS.map((step) =>
    figure({
      name: `dma-buf ${step}, among ${buffers} with ${attachments} attachments`,
      unit: 'ns',
      ours: median(found.many.map((costs) => costs[step])),
      reference: { name: `among ${few} with ${few * FILES}`, value: median(found.few.map((costs) => costs[step])) },
      target: { of: 'ratio', atMost: MOST_GROWTH },
    }),
  );
}

/** Nanoseconds for one of each step. */
async function measure(socketPath: string, buffers: number): Promise<Costs> {
  const open = (_: unknown, i: number) => openDevice(i % 2, { socketPath });
  const exporters = await Promise.all(Array.from({ length: FILES }, open));
  const importers = await Promise.all(Array.from({ length: FILES }, open));
  try {
    const memories = await Promise.all(exporters.map((device) => device.allocHbm(SIZE)));
    const each = buffers / FILES;
    const exported: { device: Device; fd: number; token: string }[] = [];
    const attached: { device: Device; address: number }[] = [];
    const steps: Record<Step, () => Promise<number>> = {
      exported: () =>
        onAll(exporters, each, async (device, _i, file) => {
          const shared = await device.exportDmaBuf(memories[file] as (typeof memories)[number]);
          exported.push({ device, fd: shared.fd, token: shared.token });
        }),
      'attached and mapped': () =>
        onAll(importers, buffers, async (device, i) => {
          const { address } = await device.ioctl('DMABUF_IMPORT', { token: exported[i]?.token ?? '' });
          attached.push({ device, address });
        }),
      'unmapped and detached': () =>
        onAll(importers, buffers, async (_device, i, file) => {
          const mapping = attached[file * buffers + i];
          await mapping?.device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: mapping.address });
        }),
      closed: () =>
        onAll(exporters, each, async (_device, i, file) => {
          const buffer = exported[file * each + i];
          await buffer?.device.ioctl('DMABUF_CLOSE', { fd: buffer.fd });
        }),
    };
    const costs: Partial<Costs> = {};
    for (const step of STEPS) {
      const start = nowNs();
      const done = await steps[step]();
      costs[step] = (nowNs() - start) / done;
    }
    return costs as Costs;
  } finally {
    await Promise.all([...exporters, ...importers].map((device) => device.close()));
  }
}

/** `call` for 0..count-1 on each of the devices, a window of them under way at a time. Returns how many that were. */
async function onAll(
  devices: readonly Device[],
  count: number,
  call: (device: Device, i: number, file: number) => Promise<unknown>,
): Promise<number> {
  await Promise.all(
    devices.map(async (device, file) => {
      let next = 0;
      const worker = async () => {
        while (next < count) await call(device, next++, file);
      };
      await Promise.all(Array.from({ length: WINDOW }, worker));
    }),
  );
  return devices.length * count;
}
