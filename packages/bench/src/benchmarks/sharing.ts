/** Memory and completion shared between processes and devices. */
import type { BenchContext, Benchmark, Findings } from '../benchmark.js';
import { hopFigures } from '../sharing/hops.js';
import { manyFigures } from '../sharing/many.js';
import { passFigures } from '../sharing/pass.js';

export const sharing: Benchmark = {
  name: 'sharing',
  title: 'Sharing between processes and devices: dma-bufs, and hand-overs within a graph',
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const figures = [...(await passFigures(context)), ...(await hopFigures(context)), ...(await manyFigures(context))];
  const notes = [
    'Export, pass and import: a process makes a dma-buf of 2 MiB of HBM, sends its token over a Unix socket, another process maps it on another device and says so. The bare descriptor: a memfd of that size is made and sent by SCM_RIGHTS, and the other process says that it has it.',
    'Hops: two streams of two devices in turn count up a sync object of the other device, which waits for it with monitor and fence; submit and wait included. Through the host: a program waits for a NOP on one device and then submits one to the other.',
    'Signal and wait submissions: one queue gives the driver’s signals, another waits for each; a pair is two submissions, so its cost is that of submitting.',
    'Many dma-bufs: ten open files export them, ten others each attach to and map every one; all are alive at once. The reference is the cost of one among a quarter as many.',
  ];
  return { figures, notes };
}
