/** `pedrera stop`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';

export const stop = defineCommand({
  name: 'stop',
  summary: 'stop the daemon, and wait for its end',
  options: { json: flag('print JSON') },
  example: { line: 'pedrera stop', meaning: 'Stops the daemon on the default socket.' },
  async run(context) {
    const { stopDaemon } = await import('../background/stop.js');
    return stopDaemon(context);
  },
});
