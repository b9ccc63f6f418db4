/** `pedrera cat`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import { jsonOption } from './inspection-options.js';

export const cat = defineCommand({
  name: 'cat',
  summary: "print files of the devices' sysfs and debugfs",
  details:
    'Prints the bytes of each file as a read on a real machine would give them: some end without a newline, some with a zero ' +
    'byte, tables of nothing are empty. Paths are those of `pedrera ls`.',
  arguments: [{ name: 'path', summary: 'file', required: true, repeated: true }],
  options: { json: jsonOption },
  example: { line: 'pedrera cat class/habanalabs/hl0/status', meaning: 'Says how device 0 is doing: Operational.' },
  async run(context, _, args) {
    const { printFiles } = await import('../files/print.js');
    return printFiles(context, args);
  },
});
