/** `pedrera queues`, as data. What it does is loaded when it runs. */
import { choice, defineCommand, flag, text } from '../command.js';
import { listOptions, scopeOptions, sortOption } from './inspection-options.js';

const stateOption = choice({
  metavar: 'state',
  summary: 'only streams that do this',
  values: ['any', 'idle', 'running', 'fence', 'dma', 'stalled', 'arbitration', 'barrier', 'stopped', 'hung'],
  initial: 'any',
});

export const queues = defineCommand({
  name: 'queues',
  summary: "show each device's queues, and what blocks them",
  details:
    'Shows the streams that have work or have done some: indices, what the stream is doing, the packet at the head, the fence it waits ' +
    'at with the monitor and the sync object that will release it, who has the arbiter it waits for, and submissions that are held back ' +
    'for fences before they get to their queue. With --ring the entries of one ring, from a few before the consumer to the producer, ' +
    'or the slots asked for, with the packets of the command buffers; > marks where the stream stands.',
  options: {
    ...scopeOptions,
    state: stateOption,
    ring: text('queue[from:to]', 'the ring of this queue, on the device of --device (or device 0)'),
    all: flag('show idle queues, too'),
    sort: sortOption('queue', 'age', 'pending', 'pid'),
    ...listOptions,
  },
  example: { line: 'pedrera queues --device 0 --watch', meaning: 'Watches the queues of device 0.' },
  async run(context, options) {
    const { runInspection, runList } = await import('../inspect/run.js');
    const { ring } = options;
    if (ring !== undefined) {
      const { ringInspection } = await import('../inspect/ring.js');
      return runInspection(context, ringInspection({ ...options, ring }), options);
    }
    const { queuesInspection } = await import('../inspect/queues.js');
    return runList(context, queuesInspection, options);
  },
});
