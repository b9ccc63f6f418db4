/** `pedrera mem`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import { listOptions, scopeOptions, sortOption } from './inspection-options.js';

export const mem = defineCommand({
  name: 'mem',
  summary: 'show who has how much of which memory',
  details:
    'Shows for each device what its allocator has given away, and for each open file its device memory, SRAM, host memory, command ' +
    'buffers and what it has mapped. Memory whose owner is closed is shown as long as somebody keeps it. The owners add up to what the ' +
    'allocators say.',
  options: {
    ...scopeOptions,
    sort: sortOption('hbm', 'host', 'cb', 'mapped', 'pid'),
    ...listOptions,
  },
  example: { line: 'pedrera mem --sort host', meaning: 'Who has most host memory comes first.' },
  async run(context, options) {
    const { runList } = await import('../inspect/run.js');
    const { memoryInspection } = await import('../inspect/memory.js');
    return runList(context, memoryInspection, options);
  },
});
