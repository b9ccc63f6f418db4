/** `pedrera write`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import { jsonOption } from './inspection-options.js';

export const write = defineCommand({
  name: 'write',
  summary: "write a value into a file of the devices' sysfs or debugfs",
  details:
    'Writes the value and a newline in one go, as `echo value > path` does on a real machine, with the effect the driver gives ' +
    'it: a number into hard_reset resets the device. Paths are those of `pedrera ls`.',
  arguments: [
    { name: 'path', summary: 'file', required: true },
    { name: 'value', summary: 'what to write', required: true },
  ],
  options: { json: jsonOption },
  example: { line: 'pedrera write class/habanalabs/hl0/hard_reset 1', meaning: 'Resets device 0.' },
  async run(context, _, args) {
    const { writeFile } = await import('../files/write.js');
    return writeFile(context, args[0] ?? '', args[1] ?? '');
  },
});
