/** `pedrera ps`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import { intervalOption, jsonOption, watchOption } from './inspection-options.js';

export const ps = defineCommand({
  name: 'ps',
  summary: 'show the clients of the daemon',
  details: 'Shows one line for each open file of a device: process, device, ASID, memory, handles, work in flight.',
  options: { json: jsonOption, watch: watchOption, interval: intervalOption },
  example: { line: 'pedrera ps', meaning: 'Lists the processes that have a device open.' },
  async run(context, options) {
    const { runInspection } = await import('../inspect/run.js');
    const { clientsInspection } = await import('../inspect/clients.js');
    return runInspection(context, clientsInspection, options);
  },
});
