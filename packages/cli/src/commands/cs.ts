/** `pedrera cs`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';
import { listOptions, scopeOptions, sortOption } from './inspection-options.js';

export const cs = defineCommand({
  name: 'cs',
  summary: 'show submissions: state, jobs, time left, and what each waits for',
  details:
    'Shows the submissions that are under way and those that failed lately, with their jobs left of all, the time until their ' +
    'time-out strikes, and below each what it waits for. A submission is stuck when it has been under way for a second.',
  options: {
    ...scopeOptions,
    stuck: flag('only those that have been under way for a second'),
    all: flag('with those that are done, as long as they are remembered'),
    sort: sortOption('age', 'timeout', 'jobs', 'pid'),
    ...listOptions,
  },
  example: { line: 'pedrera cs --stuck', meaning: 'What does not get on, and why.' },
  async run(context, options) {
    const { runList } = await import('../inspect/run.js');
    const { submissionsInspection } = await import('../inspect/submissions.js');
    return runList(context, submissionsInspection, options);
  },
});
