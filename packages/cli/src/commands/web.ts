/** `pedrera web`, as data. What it does is loaded when it runs. */
import { defineCommand, integer } from '../command.js';
import { jsonOption } from './inspection-options.js';

export const web = defineCommand({
  name: 'web',
  summary: 'serve a live page of everything, for a browser on this machine',
  details:
    'Prints an address with a token in it, and serves a page there until Ctrl-C: devices, queues and what blocks them, engines over the last half minute, clients, memory, shared buffers and events. Only who has the address can read it, and nothing can be changed from it.',
  options: {
    port: {
      ...integer({ metavar: 'port', summary: 'where to listen', min: 0, max: 65_535, initial: 0 }),
      initialText: 'any free port',
    },
    json: jsonOption,
  },
  example: {
    line: 'pedrera web',
    meaning: 'Open the address it prints; a click on a blocked queue says why it is blocked.',
  },
  async run(context, options) {
    const { runWeb } = await import('../web/run.js');
    return runWeb(context, options);
  },
});
