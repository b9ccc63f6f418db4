/** `pedrera bufs`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import { intervalOption, jsonOption, watchOption } from './inspection-options.js';

export const bufs = defineCommand({
  name: 'bufs',
  summary: 'show the dma-bufs: who exported what, and who imported it',
  options: { json: jsonOption, watch: watchOption, interval: intervalOption },
  example: { line: 'pedrera bufs --json', meaning: 'The dma-bufs, for a program to read.' },
  async run(context, options) {
    const { runInspection } = await import('../inspect/run.js');
    const { buffersInspection } = await import('../inspect/buffers.js');
    return runInspection(context, buffersInspection, options);
  },
});
