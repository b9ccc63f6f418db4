/** `pedrera ps`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import { listOptions, scopeOptions, sortOption } from './inspection-options.js';

export const ps = defineCommand({
  name: 'ps',
  summary: 'show the clients of the daemon',
  details:
    'Shows one line for each open file of a device: process, device, ASID, memory, handles, work in flight, and in a few words what it waits for; `pedrera why` has the rest.',
  options: {
    ...scopeOptions,
    sort: sortOption('pid', 'age', 'memory', 'flight', 'submissions', 'faults', 'program'),
    ...listOptions,
  },
  example: {
    line: 'pedrera ps --sort memory',
    meaning: 'Lists the processes that have a device open, the largest first.',
  },
  async run(context, options) {
    const { runList } = await import('../inspect/run.js');
    const { clientsInspection } = await import('../inspect/clients.js');
    return runList(context, clientsInspection, options);
  },
});
