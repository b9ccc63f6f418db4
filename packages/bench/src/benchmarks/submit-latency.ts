/** From handing in work to knowing that it is done. */
import { openDevice, Queue } from '@pedrera/thunk';
import type { BenchContext, Benchmark, Findings } from '../benchmark.js';
import { compareLatencies } from '../latency.js';
import { type Figure, figure } from '../report.js';
import { submissionBytes } from '../request-bytes.js';

/** Two messages that cannot overlap, and a hop to the device's thread and back between them. */
const MOST_ECHOES = 2.5;
/** A submission is answered when it is queued, not when it is done. */
const MOST_ECHOES_TO_SUBMIT = 1.5;

export const submitLatency: Benchmark = {
  name: 'submit-latency',
  title: 'One submission of one NOP, from submit to complete',
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const device = await context.use(openDevice(0, { socketPath: (await context.daemon()).socketPath }));
  const cb = await device.createCommandBuffer();
  cb.nop();
  const request = { queue: Queue.DMA_0_0, cb };
  const echo = await (await context.echo()).connect(submissionBytes(cb.handle, cb.used));
  const sides = [
    {
      name: 'complete',
      run: async (accepted: () => void) => {
        const submission = await device.submit(request);
        accepted();
        await submission.wait();
      },
    },
    { name: 'socket echo', run: () => echo.roundTrip() },
  ];
  const [ours, reference] = await compareLatencies(sides, context.turns);
  const figures: Figure[] = [];
  for (const [name, latencies, atMost] of [
    ['submit', ours?.lap, MOST_ECHOES_TO_SUBMIT],
    ['submit and wait', ours?.whole, MOST_ECHOES],
  ] as const) {
    for (const percentile of [50, 99]) {
      figures.push(
        figure({
          name: `${name}, p${percentile}`,
          unit: 'ns',
          ours: latencies?.percentile(percentile) ?? Number.NaN,
          reference: { name: 'socket echo', value: reference?.whole.percentile(percentile) ?? Number.NaN },
          ...(percentile === 50 ? { target: { of: 'ratio', atMost } } : {}),
        }),
      );
    }
  }
  const notes = [
    'The echo carries the bytes of the submission, once each way; its ratio is the latency in echoes.',
    'A wait that comes after the work is done reads shared memory and costs no message.',
  ];
  return { figures, notes };
}
