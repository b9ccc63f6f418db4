/** `pedrera manual`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import { EXIT } from '../exit.js';

export const manual = defineCommand({
  name: 'manual',
  summary: 'print the manual page',
  details: 'Prints the manual page pedrera(1) in the language of man; the same page is in the package, man/pedrera.1.',
  options: {},
  example: { line: 'pedrera manual | man -l -', meaning: 'Reads the manual.' },
  async run(context) {
    const { renderManual } = await import('../manual.js');
    context.output.say(renderManual(context.groups).trimEnd());
    return EXIT.ok;
  },
});
