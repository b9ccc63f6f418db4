/** `pedrera top`, as data. What it does is loaded when it runs. */
import { defineCommand, flag, integer } from '../command.js';
import { deviceOption, intervalOption, jsonOption, sortOption } from './inspection-options.js';

export const top = defineCommand({
  name: 'top',
  summary: 'watch devices, engines and clients at work',
  details:
    'Shows how busy each engine is and what it waits for, memory, submissions and DMA per second, and the share of each client. On a terminal with keys (h lists them); elsewhere, or with -l, as lines.',
  options: {
    json: { ...jsonOption, short: 'J' },
    lines: { ...flag('print plain lines instead of drawing on the terminal'), short: 'l' },
    count: {
      ...integer({ metavar: 'n', summary: 'end after so many looks', min: 1, max: 1e9, initial: undefined }),
      short: 'n',
    },
    interval: {
      ...intervalOption,
      summary: 'time between two looks',
      initial: 1000,
      initialText: '1000',
      short: 's',
    },
    device: { ...deviceOption, short: 'd' },
    sort: sortOption('engine', 'memory', 'submissions', 'pid', 'program'),
  },
  example: { line: 'pedrera top', meaning: 'Shows what all devices do, once a second; q quits, h lists the keys.' },
  async run(context, options) {
    const { runTop } = await import('../top/run.js');
    return runTop(context, options);
  },
});
