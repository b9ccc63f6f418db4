/** `pedrera status`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';

export const status = defineCommand({
  name: 'status',
  summary: 'say whether a daemon is running, and which',
  options: { json: flag('print JSON') },
  example: { line: 'pedrera status', meaning: 'Exit code 0 if a daemon answers, 3 if none does.' },
  async run(context) {
    const { showStatus } = await import('../background/status.js');
    return showStatus(context);
  },
});
