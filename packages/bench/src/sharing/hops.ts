/** One device's stream lets another device's stream go on: through imported sync objects, and through the host. */
import { SOB_MAX } from '@pedrera/hw';
import { type CommandBuffer, Dcore, type Device, openDevice, Queue, type Submission, waitAll } from '@pedrera/thunk';
import { MAX_CB_SIZE } from '@pedrera/uapi';
import type { BenchContext } from '../benchmark.js';
import { compareRates } from '../latency.js';
import { type Figure, figure } from '../report.js';

const NS_PER_S = 1e9;
const QUEUE = Queue.DMA_0_0;
/** A wait in E_N (40 bytes) and a message to the other device (16). */
const BYTES_PER_TRIP = 64;
const HOST_HOPS = 64;
/** Signals of one queue in one go, each with a queue that waits for it: a few of what a queue holds. */
const SIGNALS = 1000;
/** An in-graph hop is there to be much cheaper than one through the host. */
const LEAST_RATIO_TO_HOST = 10;

export async function hopFigures(context: BenchContext): Promise<Figure[]> {
  const { socketPath } = await context.daemon();
  const sides = await Promise.all([0, 1].map((index) => makeSide(context, index, socketPath)));
  const [first, second] = sides as [Side, Side];
  const most = Math.min(SOB_MAX, Math.floor(MAX_CB_SIZE / BYTES_PER_TRIP));
  const trips = context.pick(most, 2000);
  await encodeTrips(first, second, trips, true);
  await encodeTrips(second, first, trips, false);
  const rates = await compareRates(
    [
      { name: 'streams', run: () => runTrips(first, second, trips) },
      { name: 'host', run: () => throughHost(first, second) },
      { name: 'signals', run: () => signalsAndWaits(first.device) },
    ],
    context.turns,
  );
  const [inGraph = Number.NaN, throughTheHost = Number.NaN, signals = Number.NaN] = rates;
  const host = { name: 'through the host', value: throughTheHost };
  return [
    figure({
      name: 'hops between streams of two devices',
      unit: '1/s',
      ours: inGraph,
      reference: host,
      target: { of: 'ratio', atLeast: LEAST_RATIO_TO_HOST },
    }),
    figure({
      name: 'one such hop',
      unit: 'ns',
      ours: NS_PER_S / inGraph,
      reference: { name: host.name, value: NS_PER_S / throughTheHost },
    }),
    figure({ name: 'signal and wait submissions, a pair', unit: '1/s', ours: signals, reference: host }),
  ];
}

interface Side {
  readonly device: Device;
  readonly lease: Awaited<ReturnType<Device['leaseSync']>>;
  readonly token: string;
  readonly trips: CommandBuffer;
  readonly small: CommandBuffer;
}

async function makeSide(context: BenchContext, index: number, socketPath: string): Promise<Side> {
  const device = await context.use(openDevice(index, { socketPath }));
  const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
  const { token } = await device.exportSync(lease, 0, 1);
  const [trips, small] = [await device.createCommandBuffer(MAX_CB_SIZE), await device.createCommandBuffer()];
  return { device, lease, token, trips, small };
}

/** Each side waits until its own object says that it is its turn, and counts up that of the other one. */
async function encodeTrips(own: Side, other: Side, trips: number, begins: boolean): Promise<void> {
  const theirs = (await own.device.importDmaBuf(other.token)).object(0);
  const [syncObject, monitor] = [own.lease.object(0), own.lease.monitor(0)];
  for (let trip = 1; trip <= trips; trip++) {
    if (begins) own.trips.signal(theirs);
    own.trips.waitFor({ syncObject, monitor, value: trip, queue: QUEUE });
    if (!begins) own.trips.signal(theirs);
  }
}

/** Returns the number of hops: two a round trip. */
async function runTrips(first: Side, second: Side, trips: number): Promise<number> {
  await waitAll(
    await Promise.all(
      [first, second].map(({ device, lease, small }) => {
        small.reset().setSyncObject(lease.object(0), 0);
        return device.submit({ queue: QUEUE, cb: small });
      }),
    ),
  );
  const submissions = await Promise.all(
    [second, first].map(({ device, trips: cb }) => device.submit({ queue: QUEUE, cb })),
  );
  await waitAll(submissions);
  return 2 * trips;
}

/** The same hand-over by a host that waits for one device and then submits to the other. */
async function throughHost(first: Side, second: Side): Promise<number> {
  for (const { small } of [first, second]) small.reset().nop();
  for (let hop = 0; hop < HOST_HOPS; hop++) {
    const { device, small } = hop % 2 === 0 ? first : second;
    await (await device.submit({ queue: QUEUE, cb: small })).wait();
  }
  return HOST_HOPS;
}

/** The driver's own signals: one queue gives them, another waits for each. Returns the number of pairs. */
async function signalsAndWaits(device: Device): Promise<number> {
  const pending: Promise<Submission>[] = [];
  for (let i = 0; i < SIGNALS; i++) {
    const given = await device.signal(QUEUE);
    pending.push(device.waitForSignal(Queue.DMA_1_0, given));
  }
  await waitAll(await Promise.all(pending));
  return SIGNALS;
}
