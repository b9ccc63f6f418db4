/** How long a command takes that looks into a daemon once. */
import { CLI_PATH } from '@pedrera/testkit';
import { type BenchContext, type Benchmark, DEVICES, type Findings } from '../benchmark.js';
import { Latencies } from '../latency.js';
import { EMPTY_PROGRAM, runEmptyProgram, runToEnd } from '../references/empty-program.js';
import { figure } from '../report.js';

const NS_PER_MS = 1e6;
const MOST_MS = 150;
/** The shortest, two that one types most, and the same as JSON. */
const COMMANDS = ['status', 'queues', 'why', 'queues --json'];

export const oneShot: Benchmark = {
  name: 'one-shot',
  title: `A command that looks once into a daemon with ${DEVICES} idle devices, from spawn to its end`,
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const runs = context.pick(11, 2);
  const { socketPath } = await context.daemon();
  const empty = new Latencies();
  const commands = COMMANDS.map((line) => ({ line, times: new Latencies() }));
  for (let i = -1; i < runs; i++) {
    const emptyNs = await runEmptyProgram();
    // The first run warms the file cache.
    if (i >= 0) empty.record(emptyNs);
    for (const { line, times } of commands) {
      const tookNs = await runToEnd([CLI_PATH, ...line.split(' '), '--socket', socketPath]);
      if (i >= 0) times.record(tookNs);
    }
  }
  const figures = commands.map(({ line, times }) =>
    figure({
      name: `pedrera ${line}, median`,
      unit: 'ns',
      ours: times.percentile(50),
      reference: { name: EMPTY_PROGRAM, value: empty.percentile(50) },
      target: { of: 'value', atMost: MOST_MS * NS_PER_MS },
    }),
  );
  return { figures, notes: [`${runs} runs, in turn, after one that warms the file cache.`] };
}
