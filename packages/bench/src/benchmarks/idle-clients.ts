/** What clients cost that do nothing: memory of the daemon, and time of those that do something. */

import { TestDaemon } from '@pedrera/testkit';
import { type Device, openDevice } from '@pedrera/thunk';
import { type BenchContext, type Benchmark, DEVICES, type Findings } from '../benchmark.js';
import { Crowd } from '../clients/crowd.js';
import { compareLatencies, median } from '../latency.js';
import { type Figure, figure } from '../report.js';

const MOST_SLOWDOWN = 1.2;
const KIB = 1024;
const MOST_BYTES_A_CLIENT = 64 * KIB;
/** HELLO and OPEN are two round trips, and the daemon asks who is there. */
const MOST_TIMES_A_BARE_CONNECT = 3;

export const idleClients: Benchmark = {
  name: 'idle-clients',
  title: 'Clients that have a device open and are idle',
  run,
};

/** One side: a server, and what it takes in memory. */
interface Served {
  readonly crowd: Crowd;
  residentBytes(): Promise<number>;
}

interface Growth {
  readonly clients: number;
  readonly bytesEach: number;
  readonly joinNsEach: number;
}

async function run(context: BenchContext): Promise<Findings> {
  const crowds = [100, context.pick(1000, 200)];
  const [busy, lonely] = await Promise.all([context.daemon(), context.use(TestDaemon.start({ devices: DEVICES }))]);
  const echo = await context.echo();
  const device = await context.use(openDevice(0, { socketPath: busy.socketPath }));
  const alone = await context.use(openDevice(0, { socketPath: lonely.socketPath }));
  const ours: Served = {
    crowd: await Crowd.start(context, 'daemon', busy.socketPath),
    residentBytes: async () => (await busy.client.inspectDaemon()).residentBytes,
  };
  const bare: Served = {
    crowd: await Crowd.start(context, 'echo', echo.socketPath),
    residentBytes: () => echo.residentBytes(),
  };
  // What the first clients of a process cost is not theirs: code is compiled, pools get their first pages.
  for (const { crowd } of [ours, bare]) {
    await crowd.resize(WARMUP_CLIENTS);
    await crowd.resize(0);
  }
  const growths = [await grow(ours, crowds), await grow(bare, crowds)] as const;
  const figures = crowds.flatMap((clients, i) =>
    growthFigures(clients, growths[0][i] as Growth, growths[1][i] as Growth),
  );
  figures.push(...(await slowdown(context, crowds.at(-1) ?? 0, device, alone)));
  figures.push(await departure(ours, bare, crowds.at(-1) ?? 0));
  const notes = [
    `The clients are bare connections of one other process, spread over ${DEVICES} devices; each has said HELLO and OPEN. Memory is resident memory of the whole process, compared with that before the first of them, so garbage not yet collected counts too.`,
    'The bare connections are to the echo server, which has answered as many messages of the same size.',
  ];
  return { figures, notes };
}

const WARMUP_CLIENTS = 50;

async function grow({ crowd, residentBytes }: Served, crowds: readonly number[]): Promise<Growth[]> {
  const before = await settled(residentBytes);
  const growths: Growth[] = [];
  let there = 0;
  for (const clients of crowds) {
    const tookNs = await crowd.resize(clients);
    const bytesEach = ((await settled(residentBytes)) - before) / clients;
    growths.push({ clients, bytesEach, joinNsEach: tookNs / (clients - there) });
    there = clients;
  }
  return growths;
}

function growthFigures(clients: number, ours: Growth, bare: Growth): Figure[] {
  // Of a few clients it may all fit into pages that were there before; a ratio to nothing says nothing.
  const reference = bare.bytesEach > 0 ? { reference: { name: 'bare connection', value: bare.bytesEach } } : {};
  const memory = figure({
    name: `memory a client, ${clients} clients`,
    unit: 'bytes',
    ours: ours.bytesEach,
    ...reference,
    target: { of: 'value', atMost: MOST_BYTES_A_CLIENT },
  });
  const join = figure({
    name: `time to join, up to ${clients} clients`,
    unit: 'ns',
    ours: ours.joinNsEach,
    reference: { name: 'bare connection', value: bare.joinNsEach },
    target: { of: 'ratio', atMost: MOST_TIMES_A_BARE_CONNECT },
  });
  return [memory, join];
}

/** Beside a second daemon that has one client only, in turns. */
async function slowdown(context: BenchContext, clients: number, device: Device, alone: Device): Promise<Figure[]> {
  const [crowded, lonely] = await compareLatencies(
    [
      { name: 'crowded', run: () => device.info.deviceStatus() },
      { name: 'alone', run: () => alone.info.deviceStatus() },
    ],
    context.turns,
  );
  return [50, 99].map((percentile) =>
    figure({
      name: `ioctl beside ${clients} idle clients, p${percentile}`,
      unit: 'ns',
      ours: crowded?.whole.percentile(percentile) ?? Number.NaN,
      reference: { name: 'ioctl, only client', value: lonely?.whole.percentile(percentile) ?? Number.NaN },
      ...(percentile === 50 ? { target: { of: 'ratio', atMost: MOST_SLOWDOWN } } : {}),
    }),
  );
}

async function departure(ours: Served, bare: Served, clients: number): Promise<Figure> {
  const [tookNs, bareNs] = [await ours.crowd.resize(0), await bare.crowd.resize(0)];
  return figure({
    name: `time to leave, ${clients} clients at once`,
    unit: 'ns',
    ours: tookNs / clients,
    reference: { name: 'bare connection', value: bareNs / clients },
  });
}

/** The median of several looks: a collection may be under way. */
async function settled(residentBytes: () => Promise<number>): Promise<number> {
  const looks: number[] = [];
  for (let look = 0; look < 5; look++) {
    looks.push(await residentBytes());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return median(looks);
}
