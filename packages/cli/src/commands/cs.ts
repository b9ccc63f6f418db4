/** `pedrera cs`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';
import {
  deviceOption,
  intervalOption,
  jsonOption,
  limitOption,
  pidOption,
  sortOption,
  watchOption,
} from './inspection-options.js';

export const cs = defineCommand({
  name: 'cs',
  summary: 'show submissions: state, jobs, time left, and what each waits for',
  details:
    'Shows the submissions that are under way and those that failed lately, with their jobs left of all, the time until their ' +
    'time-out strikes, and below each what it waits for. A submission is stuck when it has been under way for a second.',
  options: {
    device: deviceOption,
    pid: pidOption,
    stuck: flag('only those that have been under way for a second'),
    all: flag('with those that are done, as long as they are remembered'),
    sort: sortOption('age', 'timeout', 'jobs', 'pid'),
    limit: limitOption,
    json: jsonOption,
    watch: watchOption,
    interval: intervalOption,
  },
  example: { line: 'pedrera cs --stuck', meaning: 'What does not get on, and why.' },
  async run(context, options) {
    const { runInspection } = await import('../inspect/run.js');
    const { limitOf } = await import('../inspect/rows.js');
    const { submissionsInspection } = await import('../inspect/submissions.js');
    const limit = limitOf(context.output, options.limit);
    return runInspection(context, submissionsInspection({ ...options, limit }), options);
  },
});
