/** Bytes a second between host memory and HBM, beside a plain copy in memory. */
import { PACKETS } from '@pedrera/hw';
import { type CommandBuffer, type Device, type Endpoint, openDevice, Queue } from '@pedrera/thunk';
import type { BenchContext, Benchmark, Findings } from '../benchmark.js';
import { compareRates } from '../latency.js';
import { type Figure, figure } from '../report.js';
import { formatSize } from '../units.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const SMALLEST = 64 * KIB;
/** The last one is the memory all of them walk through, in one submission: the cost of submitting disappears, and caches do not help. */
const SIZES = [SMALLEST, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB];
const QUICK_SIZES = [SMALLEST, MIB, 32 * MIB];
const LEAST_RATIO = 0.9;

export const dmaBandwidth: Benchmark = {
  name: 'dma-bandwidth',
  title: 'DMA between host memory and HBM (LIN_DMA)',
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const sizes = context.pick(SIZES, QUICK_SIZES);
  const total = sizes.at(-1) ?? 0;
  const device = await context.use(openDevice(0, { socketPath: (await context.daemon()).socketPath }));
  const [source, target, hbm] = await Promise.all([
    device.allocHost(total, { populate: true }),
    device.allocHost(total, { populate: true }),
    device.allocHbm(total),
  ]);
  fillWithNoise(source.bytes);
  const plain = { source: Uint8Array.from(source.bytes), target: new Uint8Array(total).fill(1) };
  const copier = new Copier(device, await device.createCommandBuffer((total / SMALLEST) * PACKETS.LIN_DMA.bytes));

  // Touches every page of HBM, and proves that the bytes really travel.
  await copier.copy(Queue.DMA_0_0, { from: source, to: hbm, size: total, total });
  await copier.copy(Queue.DMA_1_0, { from: hbm, to: target, size: total, total });
  if (Buffer.compare(source.bytes, target.bytes) !== 0)
    throw new Error('what came back from HBM differs from what was sent');

  const figures: Figure[] = [];
  for (const size of sizes) {
    const [up = Number.NaN, down = Number.NaN, memcpy = Number.NaN] = await compareRates(
      [
        { name: 'up', run: () => copier.copy(Queue.DMA_0_0, { from: source, to: hbm, size, total }) },
        { name: 'down', run: () => copier.copy(Queue.DMA_1_0, { from: hbm, to: target, size, total }) },
        { name: 'memcpy', run: async () => copyInMemory(plain, size) },
      ],
      context.pick({ rounds: 4, settleMs: 0, measureMs: 60 }, { rounds: 1, settleMs: 0, measureMs: 30 }),
    );
    for (const [direction, ours] of [
      ['host to HBM', up],
      ['HBM to host', down],
    ] as const) {
      figures.push(
        figure({
          name: `${formatSize(size)}, ${direction}`,
          unit: 'bytes/s',
          ours,
          reference: { name: 'memcpy', value: memcpy },
          target: { of: 'ratio', atLeast: LEAST_RATIO },
        }),
      );
    }
  }
  const notes = [
    `Each run moves ${formatSize(total)} in pieces of the size named: ours with as many packets of one submission, memcpy with Uint8Array.set between ordinary memory. All memory was touched before.`,
  ];
  return { figures, notes };
}

interface Copy {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Of one packet. */
  readonly size: number;
  readonly total: number;
}

class Copier {
  readonly #device: Device;
  readonly #cb: CommandBuffer;

  constructor(device: Device, cb: CommandBuffer) {
    this.#device = device;
    this.#cb = cb;
  }

  /** Returns the bytes moved. */
  async copy(queue: number, { from, to, size, total }: Copy): Promise<number> {
    const cb = this.#cb.reset();
    for (let offset = 0; offset < total; offset += size) {
      cb.linDma({ from, fromOffset: offset, to, toOffset: offset, size });
    }
    await (await this.#device.submit({ queue, cb })).wait();
    return total;
  }
}

interface PlainMemory {
  readonly source: Uint8Array;
  readonly target: Uint8Array;
}

function copyInMemory({ source, target }: PlainMemory, size: number): number {
  for (let offset = 0; offset < source.length; offset += size) {
    target.set(source.subarray(offset, offset + size), offset);
  }
  return source.length;
}

/** Every word differs from its neighbours, so that a page out of place is seen. */
function fillWithNoise(bytes: Uint8Array): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  for (let i = 0, x = 1; i < words.length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    words[i] = x;
  }
}
