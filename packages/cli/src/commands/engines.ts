/** `pedrera engines`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';
import { lookOptions, scopeOptions } from './inspection-options.js';

export const engines = defineCommand({
  name: 'engines',
  summary: 'show how busy each engine is, and whom it works for',
  details:
    'Shows for each engine that has been used whether it has work, how long it has worked since power-on, and how long it has waited: for ' +
    'synchronization (at a fence) or for memory. With --watch the shares of the time between two looks. A stream that waits is not ' +
    'busy; an engine with several streams can do both at a time.',
  options: {
    ...scopeOptions,
    all: flag('with engines that have never been used'),
    ...lookOptions,
  },
  example: { line: 'pedrera engines --watch --device 0', meaning: 'What the engines of device 0 spend their time on.' },
  async run(context, options) {
    const { runInspection } = await import('../inspect/run.js');
    const { enginesInspection } = await import('../inspect/engines.js');
    return runInspection(context, enginesInspection(options), options);
  },
});
