/** `pedrera ls`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import { jsonOption } from './inspection-options.js';

export const ls = defineCommand({
  name: 'ls',
  summary: "list a directory of the devices' sysfs and debugfs",
  details:
    'Lists what the driver of a real machine would show below /sys: /sys/class/habanalabs, /sys/bus/pci/devices, ' +
    '/sys/kernel/debug/habanalabs and the directories they lead to. A path that does not begin with a slash begins at /sys.',
  arguments: [{ name: 'path', summary: 'directory or file (default: /sys)', required: false }],
  options: { json: jsonOption },
  example: { line: 'pedrera ls kernel/debug/habanalabs/hl0', meaning: 'Lists the debugfs files of device 0.' },
  async run(context, _, args) {
    const { listFiles } = await import('../files/list.js');
    return listFiles(context, args[0]);
  },
});
