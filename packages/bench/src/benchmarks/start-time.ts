/** How long it takes until a daemon serves. */
import { CLI_PATH, TestProcess } from '@pedrera/testkit';
import { type BenchContext, type Benchmark, DEVICES, type Findings } from '../benchmark.js';
import { Latencies, nowNs } from '../latency.js';
import { EMPTY_PROGRAM, runEmptyProgram } from '../references/empty-program.js';
import { figure } from '../report.js';

const NS_PER_MS = 1e6;
const MOST_MS = 300;

export const startTime: Benchmark = {
  name: 'start-time',
  title: `Start of a daemon with ${DEVICES} devices, from spawn to its readiness message`,
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const runs = context.pick(9, 2);
  const [ready, node] = [new Latencies(), new Latencies()];
  for (let i = -1; i < runs; i++) {
    const [daemonNs, nodeNs] = [await startDaemon(context), await runEmptyProgram()];
    // The first run warms the file cache.
    if (i < 0) continue;
    ready.record(daemonNs);
    node.record(nodeNs);
  }
  const figures = [50, 100].map((percentile) =>
    figure({
      name: percentile === 50 ? 'ready, median' : 'ready, slowest',
      unit: 'ns',
      ours: ready.percentile(percentile),
      reference: { name: EMPTY_PROGRAM, value: node.percentile(percentile) },
      target: { of: 'value', atMost: MOST_MS * NS_PER_MS },
    }),
  );
  return { figures, notes: [`${runs} runs, after one that warms the file cache.`] };
}

/** Nanoseconds until it was ready; it is gone when this returns. */
async function startDaemon(context: BenchContext): Promise<number> {
  const args = ['daemon', '--socket', await context.socketPath('start.sock'), '--devices', String(DEVICES)];
  const start = nowNs();
  const daemon = await context.use(new TestProcess(CLI_PATH, { args, env: { PEDRERA_EXIT_WITH_PARENT: '1' } }));
  const { type } = await daemon.next<{ type: string }>();
  const took = nowNs() - start;
  const ending = await daemon.signal('SIGTERM');
  if (type !== 'ready' || ending !== '0')
    throw new Error(`a daemon said ${type} and ended with ${ending}:\n${daemon.output}`);
  return took;
}
