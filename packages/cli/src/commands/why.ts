/** `pedrera why`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';
import { lookOptions } from './inspection-options.js';

export const why = defineCommand({
  name: 'why',
  summary: 'explain what a process or submission waits for',
  details:
    'Follows a wait from the process through submission, queue, fence, monitor and sync object to whoever should signal, across processes and devices. Tells deadlocks, signals that nobody can give any more, and work that hangs. Without an argument: everything that is stuck, by root cause.',
  arguments: [
    {
      name: 'pid|seq',
      summary: 'a process or a submission; pid:4711 and cs:7 where the number is both',
      required: false,
    },
  ],
  options: {
    graph: flag('print the wait graph for Graphviz'),
    all: flag('show every root cause, not only the first ten'),
    ...lookOptions,
  },
  example: {
    line: 'pedrera why 4711',
    meaning: 'Says in one sentence why process 4711 waits, then how that is known.',
  },
  async run(context, options, [argument]) {
    const { runWhy } = await import('../why/run.js');
    return runWhy(context, options, argument);
  },
});
