/** `pedrera mem`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import {
  deviceOption,
  intervalOption,
  jsonOption,
  limitOption,
  pidOption,
  sortOption,
  watchOption,
} from './inspection-options.js';

export const mem = defineCommand({
  name: 'mem',
  summary: 'show who has how much of which memory',
  details:
    'Shows for each device what its allocator has given away, and for each open file its device memory, SRAM, host memory, command ' +
    'buffers and what it has mapped. Memory whose owner is closed is shown as long as somebody keeps it. The owners add up to what the ' +
    'allocators say.',
  options: {
    device: deviceOption,
    pid: pidOption,
    sort: sortOption('hbm', 'host', 'cb', 'mapped', 'pid'),
    limit: limitOption,
    json: jsonOption,
    watch: watchOption,
    interval: intervalOption,
  },
  example: { line: 'pedrera mem --sort host', meaning: 'Who has most host memory comes first.' },
  async run(context, options) {
    const { runInspection } = await import('../inspect/run.js');
    const { limitOf } = await import('../inspect/rows.js');
    const { memoryInspection } = await import('../inspect/memory.js');
    const limit = limitOf(context.output, options.limit);
    return runInspection(context, memoryInspection({ ...options, limit }), options);
  },
});
