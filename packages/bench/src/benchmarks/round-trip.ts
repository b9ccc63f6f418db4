/** What one ioctl costs, beside other ways of asking another process something. */
import { openDevice } from '@pedrera/thunk';
import type { BenchContext, Benchmark, Findings } from '../benchmark.js';
import { compareLatencies } from '../latency.js';
import { GrpcEcho } from '../references/grpc-echo.js';
import { IpcEcho } from '../references/ipc-echo.js';
import { type Bound, type Figure, figure } from '../report.js';
import { requestBytes, requestMessage } from '../request-bytes.js';

/**
 * The control path is one wake-up each way, so little may come on top of the echo, and other libraries should cost more.
 * Of the median: the slowest calls of all sides are the operating system's doing.
 */
const TARGETS: Readonly<Record<string, Bound>> = {
  'socket echo': { atMost: 1.3 },
  'child_process IPC': { atMost: 1 },
  gRPC: { atMost: 0.33 },
};

export const roundTrip: Benchmark = {
  name: 'round-trip',
  title: 'One ioctl (INFO_DEVICE_STATUS), one at a time',
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const bytes = requestBytes('INFO_DEVICE_STATUS', {});
  const message = requestMessage('INFO_DEVICE_STATUS', {});
  const device = await context.use(openDevice(0, { socketPath: (await context.daemon()).socketPath }));
  const echo = await (await context.echo()).connect(bytes);
  const ipc = await IpcEcho.start(context);
  const grpc = await GrpcEcho.start(context);
  const sides = [
    { name: 'ioctl', run: () => device.info.deviceStatus() },
    { name: 'socket echo', run: () => echo.roundTrip() },
    { name: 'child_process IPC', run: () => ipc.roundTrip(message) },
    { name: 'gRPC', run: () => grpc.roundTrip(bytes) },
  ];
  const [ours, ...references] = await compareLatencies(sides, context.turns);
  const figures: Figure[] = [];
  for (const percentile of [50, 99]) {
    references.forEach((reference, i) => {
      const name = sides[i + 1]?.name ?? '';
      figures.push(
        figure({
          name: `ioctl, p${percentile}`,
          unit: 'ns',
          ours: ours?.whole.percentile(percentile) ?? Number.NaN,
          reference: { name, value: reference.whole.percentile(percentile) },
          ...(percentile === 50 ? { target: { of: 'ratio', ...(TARGETS[name] as Bound) } } : {}),
        }),
      );
    });
  }
  const notes = [
    `Every side is a process of its own on a Unix socket or pipe; socket echo and gRPC carry the ${bytes.length} bytes of the request there and back, IPC the same message as JSON.`,
    'Waking a process on an idle processor may take several times as long as on a busy one, so the same side can be fast or slow; compare ratios of runs on a machine that has nothing else to do.',
  ];
  return { figures, notes };
}
