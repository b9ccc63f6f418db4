/** Two streams that release each other, with nothing but packets. */

import { SOB_MAX } from '@pedrera/hw';
import { measureMonitorRoundTrips, measurePacketRate } from '@pedrera/silicon';
import { type CommandBuffer, Dcore, openDevice, Queue, type SyncLease } from '@pedrera/thunk';
import { MAX_CB_SIZE } from '@pedrera/uapi';
import type { BenchContext, Benchmark, Findings } from '../benchmark.js';
import { compareRates, median } from '../latency.js';
import { figure } from '../report.js';
import { requestBytes } from '../request-bytes.js';

const LEAST_RATIO_TO_ECHO = 25;
const ECHOES = 256;
const LEAST_PACKETS_A_SECOND = 100e6;

export const syncRoundTrips: Benchmark = {
  name: 'sync-round-trips',
  title: 'Two streams releasing each other through sync object, monitor and fence',
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const device = await context.use(openDevice(0, { socketPath: (await context.daemon()).socketPath }));
  const echo = await (await context.echo()).connect(requestBytes('INFO_DEVICE_STATUS', {}));
  const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 16, monitors: 2 });
  const [first, second, clear] = await Promise.all([
    device.createCommandBuffer(MAX_CB_SIZE),
    device.createCommandBuffer(MAX_CB_SIZE),
    device.createCommandBuffer(),
  ]);
  // The objects count round trips, so they bound those of one submission.
  const roundTrips = context.pick(SOB_MAX, 5000);
  const queues = [Queue.DMA_0_0, Queue.DMA_1_0] as const;
  encodeSide(first, lease, { side: 0, queue: queues[0], roundTrips });
  encodeSide(second, lease, { side: 1, queue: queues[1], roundTrips });
  clear.setSyncObject(lease.object(0), 0).setSyncObject(lease.object(8), 0);
  const jobs = [
    { queue: queues[0], cb: first },
    { queue: queues[1], cb: second },
  ];
  const [ours = Number.NaN, value = Number.NaN] = await compareRates(
    [
      {
        name: 'streams',
        run: async () => {
          await (await device.submit({ queue: queues[0], cb: clear })).wait();
          await (await device.submit({ jobs })).wait();
          return roundTrips;
        },
      },
      {
        name: 'socket echo',
        run: async () => {
          for (let i = 0; i < ECHOES; i++) await echo.roundTrip();
          return ECHOES;
        },
      },
    ],
    context.turns,
  );
  const repeat = (measure: () => number) => median(Array.from({ length: context.pick(5, 2) }, measure));
  const packets = context.pick(20e6, 2e6);
  const rounds = context.pick(500_000, 50_000);
  const figures = [
    figure({
      name: 'round trips in the daemon',
      unit: '1/s',
      ours,
      reference: { name: 'socket echo', value },
      target: { of: 'ratio', atLeast: LEAST_RATIO_TO_ECHO },
    }),
    figure({
      name: 'round trips of the bare silicon',
      unit: '1/s',
      ours: repeat(() => measureMonitorRoundTrips(rounds)),
      reference: { name: 'socket echo', value },
    }),
    figure({
      name: 'packets of the bare silicon',
      unit: '1/s',
      ours: repeat(() => measurePacketRate(packets)),
      target: { of: 'value', atLeast: LEAST_PACKETS_A_SECOND },
    }),
  ];
  const notes = [
    'The echo stands for a host that releases each stream itself: one message each way a round trip.',
    `In the daemon: ${roundTrips} round trips a submission, 12 packets each (two signals, two monitors of four writes, two fences), submit and wait included. The bare silicon runs in this process, without kernel and thread, and arms with one write; its packets are NOPs and sync-object writes.`,
  ];
  return { figures, notes };
}

interface SideOfPingPong {
  readonly side: 0 | 1;
  readonly queue: number;
  readonly roundTrips: number;
}

/** Side 0 counts in the first object and waits for the second one to follow; side 1 the other way round. */
function encodeSide(cb: CommandBuffer, lease: SyncLease, { side, queue, roundTrips }: SideOfPingPong): void {
  // One group of eight each: a monitor is not troubled by changes of the other object.
  const [mine, other] = side === 0 ? [lease.object(0), lease.object(8)] : [lease.object(8), lease.object(0)];
  const monitor = lease.monitor(side);
  for (let value = 1; value <= roundTrips; value++) {
    if (side === 0) cb.signal(mine);
    cb.waitFor({ syncObject: other, monitor, value, queue });
    if (side === 1) cb.signal(mine);
  }
}
