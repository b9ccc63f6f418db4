/** `pedrera env`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';

export const env = defineCommand({
  name: 'env',
  summary: 'print the variables that make a C program find the devices',
  details:
    "Prints shell assignments, for launchers and debuggers of one's own: what `pedrera run` gives its program. The daemon has to be " +
    'running already.',
  options: { debugfs: flag('show /sys/kernel/debug/habanalabs'), json: flag('print JSON') },
  example: {
    line: 'pedrera env --debugfs',
    meaning: 'For example: env $(pedrera env) ./program, or set them in gdb with set environment.',
  },
  async run(context, options) {
    const { printEnvironment } = await import('../run/environment.js');
    return printEnvironment(context, options.debugfs);
  },
});
