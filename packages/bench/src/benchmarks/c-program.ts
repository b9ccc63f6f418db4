/** What the calls of an unmodified C program cost, measured inside it. */
import type { BenchContext, Benchmark, Findings } from '../benchmark.js';
import { Latencies, median, takeTurns } from '../latency.js';
import { CProgram, Impossible } from '../references/c-program.js';
import { type Bound, type Figure, figure } from '../report.js';
import { rawCallBytes } from '../request-bytes.js';
import { formatSize } from '../units.js';

/** One write and one read on a socket, as the echo. */
const MOST_ECHOES = 1.3;
const MOST_ECHOES_TO_COMPLETE = 2.5;
/** A copy of the same size by the same system call. */
const LEAST_OF_COPY = 0.8;
const SIZES = [64 * 1024, 2 ** 20, 16 * 2 ** 20];
const UNFINISHED = 256;
const THREADS = 8;
const DIRECTIONS = [
  { name: 'malloc to HBM', copy: 'process_vm_readv', code: 0 },
  { name: 'HBM to malloc', copy: 'process_vm_writev', code: 1 },
] as const;

export const cProgram: Benchmark = {
  name: 'c-program',
  title: 'An unmodified C program with the preload library, measured from inside it',
  run,
};

interface Sides {
  readonly program: CProgram;
  readonly bare: CProgram;
}

async function run(context: BenchContext): Promise<Findings> {
  const obstacle = CProgram.obstacle();
  if (obstacle !== undefined) return { figures: [], notes: [], skipped: obstacle };
  const bytes = rawCallBytes('INFO_DEVICE_STATUS', {});
  try {
    const program = await context.use(CProgram.onDevice((await context.daemon()).socketPath));
    const { socketPath } = await context.echo();
    const sides = { program, bare: await context.use(CProgram.withEcho(socketPath, bytes)) };
    return {
      figures: [
        ...(await latencies(context, sides)),
        ...(await rates(context, sides)),
        ...(await bandwidths(context, sides)),
      ],
      notes: [
        `The program calls ioctl(2) as its header has it; CLOCK_MONOTONIC is read inside it. The echo is the same program without the library: ${bytes} bytes, as many as INFO has on the socket, written and read on a Unix socket that Node serves.`,
        `Submissions a second: until all are complete; ${UNFINISHED} unfinished at most where they are not one at a time. Each submission is a call of its own, so one thread is bound by the round trip.`,
        `DMA: 64 MiB of malloc’ed memory in one submission, in packets of that size. The reference copies as much between two processes with one system call per packet, and nothing else.`,
      ],
    };
  } catch (error) {
    if (error instanceof Impossible) return { figures: [], notes: [], skipped: error.message };
    throw error;
  }
}

async function latencies({ turns }: BenchContext, { program, bare }: Sides): Promise<Figure[]> {
  const sides = [
    { what: 'info', by: program },
    { what: 'nop', by: program },
    { what: 'echo', by: bare },
  ];
  const found = sides.map(() => new Latencies());
  await takeTurns(sides, turns, async ({ what, by }, i) => {
    for (const ns of await by.measure(what, turns)) found[i]?.record(ns);
  });
  const [info, nop, echo] = found as [Latencies, Latencies, Latencies];
  const rows: readonly (readonly [string, Latencies, Bound])[] = [
    ['ioctl (INFO)', info, { atMost: MOST_ECHOES }],
    ['NOP, submit and wait', nop, { atMost: MOST_ECHOES_TO_COMPLETE }],
  ];
  return rows.flatMap(([name, ours, bound]) =>
    [50, 99].map((percentile) =>
      figure({
        name: `${name}, p${percentile}`,
        unit: 'ns',
        ours: ours.percentile(percentile),
        reference: { name: 'C echo', value: echo.percentile(percentile) },
        ...(percentile === 50 ? { target: { of: 'ratio', ...bound } } : {}),
      }),
    ),
  );
}

async function rates({ turns }: BenchContext, { program }: Sides): Promise<Figure[]> {
  const ways = [
    { name: 'submissions, one at a time', unfinished: 1, threads: 1 },
    { name: `submissions, ${UNFINISHED} unfinished`, unfinished: UNFINISHED, threads: 1 },
    { name: `submissions, ${UNFINISHED} unfinished, ${THREADS} threads`, unfinished: UNFINISHED, threads: THREADS },
  ];
  const found = ways.map((): number[] => []);
  await takeTurns(ways, turns, async ({ unfinished, threads }, i) => {
    found[i]?.push(...(await program.measure('rate', turns, unfinished, threads)));
  });
  return ways.map(({ name }, i) => figure({ name, unit: '1/s', ours: median(found[i] ?? []) }));
}

async function bandwidths({ turns }: BenchContext, { program, bare }: Sides): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const size of SIZES) {
    for (const { name, copy, code } of DIRECTIONS) {
      const sides = [
        { what: 'dma', by: program, rates: [] as number[] },
        { what: 'process', by: bare, rates: [] as number[] },
      ];
      await takeTurns(sides, turns, async ({ what, by, rates: found }) => {
        found.push(...(await by.measure(what, turns, size, code)));
      });
      const [ours = Number.NaN, value = Number.NaN] = sides.map(({ rates: found }) => median(found));
      figures.push(
        figure({
          name: `${name}, ${formatSize(size)}`,
          unit: 'bytes/s',
          ours,
          reference: { name: copy, value },
          target: { of: 'ratio', atLeast: LEAST_OF_COPY },
        }),
      );
    }
  }
  return figures;
}
