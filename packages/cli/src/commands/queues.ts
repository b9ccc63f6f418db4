/** `pedrera queues`, as data. What it does is loaded when it runs. */
import { defineCommand, flag, integer } from '../command.js';
import { intervalOption, jsonOption, watchOption } from './inspection-options.js';

export const queues = defineCommand({
  name: 'queues',
  summary: "show each device's queues, and what blocks them",
  details:
    'Shows the streams that have work or have done some: indices, the packet at the head, the fence a stream waits at, and the ' +
    'monitor and the sync object that will release it.',
  options: {
    device: integer({ metavar: 'n', summary: 'only this device', min: 0, max: 127, initial: undefined }),
    json: jsonOption,
    watch: watchOption,
    interval: intervalOption,
    all: flag('show idle queues, too'),
  },
  example: { line: 'pedrera queues --device 0 --watch', meaning: 'Watches the queues of device 0.' },
  async run(context, options) {
    const { runInspection } = await import('../inspect/run.js');
    const { queuesInspection } = await import('../inspect/queues.js');
    return runInspection(context, queuesInspection(options), options);
  },
});
