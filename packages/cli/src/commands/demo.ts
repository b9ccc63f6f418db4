/** `pedrera demo`, as data. What it does is loaded when it runs. */
import { defineCommand, flag, integer, text } from '../command.js';
import { MAX_DAEMON_DEVICES } from './daemon-options.js';

export const demo = defineCommand({
  name: 'demo',
  summary: 'move a file through several processes and devices, and show how',
  details:
    'Starts a daemon of its own and the client processes: a loader streams the file into the memory of device 0; on each further ' +
    'device a relay copies it from its neighbour, peer to peer, released chunk by chunk from inside the command streams; a ' +
    'reader brings it back, released in the same way. Checks the SHA-256 and leaves nothing behind.',
  arguments: [{ name: 'file', summary: 'the file to move (default: a picture of a quarry)', required: false }],
  options: {
    devices: integer({
      metavar: 'n',
      summary: 'number of devices the file passes through',
      min: 2,
      max: MAX_DAEMON_DEVICES,
      initial: 2,
    }),
    record: text('file', 'record what every layer does, for pedrera trace export'),
    json: flag('print one JSON document at the end and nothing else'),
  },
  example: { line: 'pedrera demo movie.mkv --devices 3', meaning: 'Moves movie.mkv over three devices.' },
  async run(context, options, args) {
    const { runDemo } = await import('../demo/demo.js');
    return runDemo(context, { file: args[0], devices: options.devices, record: options.record });
  },
});
