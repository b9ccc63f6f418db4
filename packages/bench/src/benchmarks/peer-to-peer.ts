/** Bytes a second from one device's HBM to another's: by a device's own DMA, and by a network card; beside a plain copy in memory. */
import { PACKETS } from '@pedrera/hw';
import { type CommandBuffer, type Device, type MemoryRegion, openDevice, openNetworkCard, Queue } from '@pedrera/thunk';
import type { BenchContext, Benchmark, Findings } from '../benchmark.js';
import { compareRates } from '../latency.js';
import { type Figure, figure } from '../report.js';
import { formatSize } from '../units.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const SMALLEST = 64 * KIB;
/** The last one is the memory all of them walk through. */
const SIZES = [SMALLEST, MIB, 16 * MIB, 256 * MIB];
const QUICK_SIZES = [SMALLEST, 32 * MIB];
const LEAST_RATIO = 0.9;

export const peerToPeer: Benchmark = {
  name: 'peer-to-peer',
  title: "Between two devices' HBM (LIN_DMA through an import, RDMA write)",
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const sizes = context.pick(SIZES, QUICK_SIZES);
  const total = sizes.at(-1) ?? 0;
  const { socketPath } = await context.daemon();
  const [from, to, card] = await Promise.all([
    context.use(openDevice(0, { socketPath })),
    context.use(openDevice(1, { socketPath })),
    context.use(openNetworkCard({ socketPath })),
  ]);
  const [source, target] = await Promise.all([from.allocHbm(total), to.allocHbm(total)]);
  const [here, there] = await Promise.all([from.exportDmaBuf(source), to.exportDmaBuf(target)]);
  const peer = await from.importDmaBuf(there.token);
  const cb = await from.createCommandBuffer((total / SMALLEST) * PACKETS.LIN_DMA.bytes);
  const local = await card.register(here.token, { remote: 'none' });
  const remote = await card.register(there.token, { remote: 'write' });
  const key = await remote.key();

  const dma = async (size: number) => {
    cb.reset();
    for (let offset = 0; offset < total; offset += size) {
      cb.linDma({ from: source, fromOffset: offset, to: peer, toOffset: offset, size });
    }
    await submit(from, cb);
    return total;
  };
  const rdma = async (size: number) => {
    const writes: Promise<number>[] = [];
    for (let offset = 0; offset < total; offset += size) {
      writes.push(local.write({ key, offset, remoteOffset: offset, size }));
      // As many as the card takes at once.
      if (writes.length === MOST_AT_ONCE) await Promise.all(writes.splice(0));
    }
    await Promise.all(writes);
    return total;
  };
  await prove({ local, remote, total }, [dma, rdma]);

  const plain = { source: new Uint8Array(total).fill(3), target: new Uint8Array(total).fill(1) };
  const figures: Figure[] = [];
  for (const size of sizes) {
    const [byDma = Number.NaN, byCard = Number.NaN, memcpy = Number.NaN] = await compareRates(
      [
        { name: 'dma', run: () => dma(size) },
        { name: 'rdma', run: () => rdma(size) },
        { name: 'memcpy', run: async () => copyInMemory(plain, size) },
      ],
      context.pick({ rounds: 4, settleMs: 0, measureMs: 60 }, { rounds: 1, settleMs: 0, measureMs: 30 }),
    );
    const reference = { name: 'memcpy', value: memcpy };
    figures.push(
      figure({
        name: `${formatSize(size)}, DMA`,
        unit: 'bytes/s',
        ours: byDma,
        reference,
        target: { of: 'ratio', atLeast: LEAST_RATIO },
      }),
      figure({ name: `${formatSize(size)}, RDMA write`, unit: 'bytes/s', ours: byCard, reference }),
    );
  }
  const notes = [
    `Each run moves ${formatSize(total)} in pieces of the size named: DMA with as many packets of one submission on the first device, RDMA with as many transfers of one open file, memcpy with Uint8Array.set. All memory was touched before.`,
    'A transfer of the card is a request and its completion each; the copy itself runs in the daemon, 4 MiB at a time.',
  ];
  return { figures, notes };
}

const MOST_AT_ONCE = 512;

async function submit(device: Device, cb: CommandBuffer): Promise<void> {
  await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
}

interface Ends {
  readonly local: MemoryRegion;
  readonly remote: MemoryRegion;
  readonly total: number;
}

/** Touches every page, and makes sure that each way really moves the bytes. */
async function prove(
  { local, remote, total }: Ends,
  ways: readonly ((size: number) => Promise<number>)[],
): Promise<void> {
  for (const [i, move] of ways.entries()) {
    await local.put(total - 1, Uint8Array.of(i + 1));
    await move(total);
    const [last] = await remote.get(total - 1, 1);
    if (last !== i + 1) throw new Error(`the other device has ${last} where ${i + 1} was sent`);
  }
}

function copyInMemory(
  { source, target }: { readonly source: Uint8Array; readonly target: Uint8Array },
  size: number,
): number {
  for (let offset = 0; offset < source.length; offset += size) {
    target.set(source.subarray(offset, offset + size), offset);
  }
  return source.length;
}
