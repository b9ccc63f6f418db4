/** `pedrera leaks`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';
import { jsonOption, pidOption } from './inspection-options.js';

export const leaks = defineCommand({
  name: 'leaks',
  summary: 'show what is alive, and what should not be',
  details:
    'Shows everything that is alive by owner, with age and the call that made it. What a client left that closed its file or died is a leak: it is shown with who keeps it alive, and the exit code is 1. Guesses (buffers nobody imports, objects that pile up, work that never ends) are suspicions.',
  options: {
    pid: { ...pidOption, summary: 'only what a process owns or keeps' },
    all: flag('list every object, not only leaks and counts'),
    json: jsonOption,
  },
  example: {
    line: 'pedrera leaks',
    meaning: 'Says whether processes that ended left anything, and why it is still there.',
  },
  async run(context, options) {
    const { runLeaks } = await import('../leaks/run.js');
    return runLeaks(context, options);
  },
});
