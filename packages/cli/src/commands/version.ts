/** `pedrera version`, as data and whole: there is nothing to load. */
import { defineCommand, flag } from '../command.js';
import { EXIT } from '../exit.js';
import { packageVersion } from '../package-version.js';

export const version = defineCommand({
  name: 'version',
  summary: 'print the version of this command and of Node',
  options: { json: flag('print JSON') },
  example: { line: 'pedrera version --json', meaning: 'Versions for a bug report, for a program to read.' },
  async run({ output }) {
    const document = { schema: 'pedrera.version/1', pedrera: packageVersion(), node: process.versions.node };
    output.result(document, ({ pedrera, node }) => `pedrera ${pedrera}, Node ${node}`);
    return EXIT.ok;
  },
});
