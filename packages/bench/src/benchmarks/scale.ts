/**
 * What a daemon must hold of everything, and that nothing gets dearer by being many.
 *
 * Owns: the figures of scale. Each cost is that of one of many, compared with one of a quarter as many.
 */
import { TestDaemon } from '@pedrera/testkit';
import { Dcore, type Device, openDevice, Queue, type Submission, type SubmitRequest } from '@pedrera/thunk';
import { MAX_PENDING, MEM_FLAGS, type Res } from '@pedrera/uapi';
import { type BenchContext, type Benchmark, DEVICES, type Findings } from '../benchmark.js';
import { median, nowNs } from '../latency.js';
import { type Figure, figure } from '../report.js';

const COMMAND_BUFFERS = 32_768;
const WAITS = 512;
const MAPPINGS = 10_000;
const PAGE = 4096;
const GIB = 2 ** 30;
const LAZY_MAP_BYTES = 8 * GIB;
/** Of the cost of one, for four times as many. Linear is 1; caches and collections take their part. */
const MOST_GROWTH = 1.5;
const MOST_IDLE_BYTES = 150 * 2 ** 20;
/** Of the lazy map: books, no pages. */
const MOST_LAZY_BYTES = 16 * 2 ** 20;
/** Calls under way at a time. */
const WINDOW = 256;
const ROUNDS = 5;
/** All queues but the last, whose only job is to let the others go. */
const BLOCKED_QUEUES = [Queue.DMA_0_0, Queue.DMA_0_1, Queue.DMA_0_2, Queue.DMA_0_3, Queue.DMA_1_0, Queue.DMA_1_1];
const RELEASING_QUEUE = Queue.DMA_1_3;

export const scale: Benchmark = {
  name: 'scale',
  title: 'As many as a daemon must hold',
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const idle = await context.use(TestDaemon.start({ devices: DEVICES }));
  // Until every device has powered up a client may wait for it; all four are up once each was open.
  for (let index = 0; index < DEVICES; index++) await (await openDevice(index, idle)).close();
  const idleBytes = await residentBytes(idle);
  const daemon = await context.daemon();
  const figures: Figure[] = [
    figure({
      name: `resident memory, idle, ${DEVICES} devices`,
      unit: 'bytes',
      ours: idleBytes,
      target: { of: 'value', atMost: MOST_IDLE_BYTES },
    }),
    ...(await growth(context, 'command buffer, made and destroyed', COMMAND_BUFFERS, daemon, commandBuffers)),
    ...(await growth(context, 'submission in flight, to its end', MAX_PENDING, daemon, submissionsInFlight)),
    ...(await growth(context, 'concurrent wait, to its answer', WAITS, daemon, concurrentWaits)),
    ...(await growth(context, 'mapping, made and taken away', MAPPINGS, daemon, mappings)),
    ...(await lazyMap(daemon)),
  ];
  const notes = [
    'Every count is of one client, all alive at the same time. The reference is the cost of one where there are a quarter as many; medians of several rounds.',
    `Submissions in flight: ${MAX_PENDING} unfinished ones behind fences on ${BLOCKED_QUEUES.length} queues, until all are complete. Waits: WAIT_CS calls that are all asleep when one sync object lets their submission go.`,
    'The lazy map: resident memory of the daemon after allocating and mapping it for a device and moving a word at each end, less what it was before.',
  ];
  return { figures, notes };
}

type Measure = (device: Device, count: number) => Promise<number>;

async function growth(
  context: BenchContext,
  name: string,
  most: number,
  { socketPath }: TestDaemon,
  measure: Measure,
): Promise<Figure[]> {
  const count = context.pick(most, most >> 3);
  const few = Math.floor(count / 4);
  const each = { many: [] as number[], few: [] as number[] };
  await inDevice(socketPath, (device) => measure(device, few));
  for (let round = 0; round < context.pick(ROUNDS, 1); round++) {
    each.few.push((await inDevice(socketPath, (device) => measure(device, few))) / few);
    each.many.push((await inDevice(socketPath, (device) => measure(device, count))) / count);
  }
  return [
    figure({
      name: `${name}, ${count}`,
      unit: 'ns',
      ours: median(each.many),
      reference: { name: `with ${few}`, value: median(each.few) },
      target: { of: 'ratio', atMost: MOST_GROWTH },
    }),
  ];
}

async function inDevice<T>(socketPath: string, use: (device: Device) => Promise<T>): Promise<T> {
  const device = await openDevice(0, { socketPath });
  try {
    return await use(device);
  } finally {
    await device.close();
  }
}

async function commandBuffers(device: Device, count: number): Promise<number> {
  const handles = new Array<Res<'CB_CREATE'>['handle']>(count);
  const start = nowNs();
  await eachOf(count, async (i) => {
    handles[i] = (await device.ioctl('CB_CREATE', { size: PAGE, flags: 0 })).handle;
  });
  await eachOf(count, (i) => device.ioctl('CB_DESTROY', { handle: handles[i] as Res<'CB_CREATE'>['handle'] }));
  return nowNs() - start;
}

async function submissionsInFlight(device: Device, count: number): Promise<number> {
  const gate = await makeGate(device);
  const start = nowNs();
  const perQueue = Math.floor((count - 1) / gate.blocked.length);
  const submissions: Submission[] = [];
  for (const request of gate.blocked) {
    submissions.push(...(await device.submitBatch([request, ...new Array(perQueue - 1).fill(gate.nop(request))])));
  }
  submissions.push(await device.submit(gate.release));
  await Promise.all(submissions.map((submission) => submission.wait()));
  return nowNs() - start;
}

async function concurrentWaits(device: Device, count: number): Promise<number> {
  const gate = await makeGate(device);
  const blocked = await device.submit(gate.blocked[0] as SubmitRequest);
  const start = nowNs();
  const waits = Array.from({ length: count }, () =>
    device.ioctl('WAIT_CS', { seq: blocked.seq, timeoutUs: 2n ** 63n - 1n, flags: 0 }),
  );
  await device.submit(gate.release);
  await Promise.all(waits);
  return nowNs() - start;
}

async function mappings(device: Device, count: number): Promise<number> {
  const buffer = await device.allocHost(PAGE, { mapForDevice: false });
  const addresses = new Array<number>(count);
  const start = nowNs();
  await eachOf(count, async (i) => {
    const request = { hostVirtAddr: buffer.address, hintAddr: 0, size: PAGE, flags: MEM_FLAGS.USERPTR };
    addresses[i] = (await device.ioctl('MEMORY_MAP_HOST', request)).deviceVirtAddr;
  });
  await eachOf(count, (i) => device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: addresses[i] as number }));
  return nowNs() - start;
}

/** Streams that all stand at a fence until one sync object is set. */
interface Gate {
  readonly blocked: readonly SubmitRequest[];
  nop(like: SubmitRequest): SubmitRequest;
  readonly release: SubmitRequest;
}

async function makeGate(device: Device): Promise<Gate> {
  const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 8, monitors: BLOCKED_QUEUES.length });
  const syncObject = lease.object(0);
  const blocked = await Promise.all(
    BLOCKED_QUEUES.map(async (queue, i) => {
      const cb = await device.createCommandBuffer();
      cb.waitFor({ syncObject, monitor: lease.monitor(i), value: 1, queue });
      return { queue, cb };
    }),
  );
  const [nop, release] = await Promise.all([device.createCommandBuffer(), device.createCommandBuffer()]);
  nop.nop();
  release.signal(syncObject);
  return {
    blocked,
    nop: (like) => ({ queue: (like as { queue: number }).queue, cb: nop }),
    release: { queue: RELEASING_QUEUE, cb: release },
  };
}

async function lazyMap(daemon: TestDaemon): Promise<Figure[]> {
  const before = await residentBytes(daemon);
  const start = nowNs();
  const [tookNs, bytes] = await inDevice(daemon.socketPath, async (device) => {
    const { address } = await device.ioctl('HOST_ALLOC', { size: LAZY_MAP_BYTES });
    const request = { hostVirtAddr: address, hintAddr: 0, size: LAZY_MAP_BYTES, flags: MEM_FLAGS.USERPTR };
    const { deviceVirtAddr } = await device.ioctl('MEMORY_MAP_HOST', request);
    const mappedNs = nowNs() - start;
    const ends = await device.allocHost(PAGE);
    const cb = await device.createCommandBuffer();
    ends.bytes.fill(0xa5, 0, 8);
    const last = deviceVirtAddr + LAZY_MAP_BYTES - 8;
    cb.linDma({ from: ends.deviceAddress, to: deviceVirtAddr, size: 8 })
      .linDma({ from: deviceVirtAddr, to: last, size: 8 })
      .linDma({ from: last, to: ends.deviceAddress + 8, size: 8 });
    await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
    if (ends.bytes[15] !== 0xa5) throw new Error('what was moved through both ends of the map did not arrive');
    return [mappedNs, (await residentBytes(daemon)) - before] as const;
  });
  return [
    figure({ name: `map of ${LAZY_MAP_BYTES / GIB} GiB, allocated and mapped`, unit: 'ns', ours: tookNs }),
    figure({
      name: 'memory it takes while untouched',
      unit: 'bytes',
      ours: Math.max(0, bytes),
      target: { of: 'value', atMost: MOST_LAZY_BYTES },
    }),
  ];
}

async function residentBytes({ client }: TestDaemon): Promise<number> {
  return (await client.inspectDaemon()).residentBytes;
}

/** `call` for 0..count-1, a window of them under way at a time. */
async function eachOf(count: number, call: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const i = next++;
      await call(i);
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, worker));
}
