/** `pedrera bufs`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';
import { listOptions, pidOption, sortOption } from './inspection-options.js';

export const bufs = defineCommand({
  name: 'bufs',
  summary: 'show the dma-bufs: who exported what, and who imported it',
  details:
    "Shows the dma-bufs as the kernel's dma_buf/bufinfo does, with fences and attached devices; and who exported each, who keeps it " +
    'alive, and a suspicion where a buffer looks forgotten: its exporter is gone or a minute has passed, and nobody has it mapped.',
  options: {
    pid: { ...pidOption, summary: 'only those this process exported, imported or holds' },
    brief: flag('one line each'),
    graph: flag('print a graph of processes, buffers and devices for Graphviz instead'),
    sort: sortOption('id', 'size', 'age', 'refs'),
    ...listOptions,
  },
  example: { line: 'pedrera bufs --graph | dot -Tsvg > bufs.svg', meaning: 'A picture of who shares what.' },
  async run(context, options) {
    const { runList } = await import('../inspect/run.js');
    const { buffersInspection } = await import('../inspect/buffers.js');
    // A picture is not read line by line.
    const limit = options.limit ?? (options.graph ? Number.POSITIVE_INFINITY : undefined);
    return runList(context, buffersInspection, { ...options, limit });
  },
});
