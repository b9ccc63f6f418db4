/** `pedrera events`, as data. What it does is loaded when it runs. */
import { choice, defineCommand, flag } from '../command.js';
import { intervalOption, jsonOption, limitOption, scopeOptions } from './inspection-options.js';

const severityOption = choice({
  metavar: 'level',
  summary: 'least serious event that is shown',
  values: ['info', 'warning', 'error'],
  initial: 'info',
});

export const events = defineCommand({
  name: 'events',
  summary: 'show what happened: faults, device events, resets, time-outs',
  details:
    'Shows the last events of devices and clients, the oldest first; the daemon keeps a thousand. With --follow it goes on with each ' +
    'new one until Ctrl-C; with --json then one document for each look that has news.',
  options: {
    ...scopeOptions,
    severity: severityOption,
    limit: limitOption,
    follow: { ...flag('go on with what happens from now on'), short: 'f' },
    json: jsonOption,
    interval: { ...intervalOption, summary: 'time between two looks with --follow' },
  },
  example: { line: 'pedrera events --follow --severity warning', meaning: 'Waits for trouble.' },
  async run(context, options) {
    const { runList } = await import('../inspect/run.js');
    const { eventsInspection } = await import('../inspect/events.js');
    return runList(context, eventsInspection, { ...options, watch: options.follow, scroll: true });
  },
});
