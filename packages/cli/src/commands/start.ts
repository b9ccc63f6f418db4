/** `pedrera start`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';
import {
  devicesOption,
  logLevelOption,
  machineOption,
  metricsOptions,
  policyOption,
  settingsOptions,
} from './daemon-options.js';

export const start = defineCommand({
  name: 'start',
  summary: 'start a daemon in the background',
  details:
    'Starts a daemon in the background, and returns when it is ready. If one is running already, says so and succeeds; it is an ' +
    'error only if that one has another number of devices or another policy than asked for here (the other options are not compared). ' +
    'The log is a file beside the socket.',
  options: {
    devices: { ...devicesOption, initial: undefined },
    machine: machineOption,
    policy: { ...policyOption, initial: undefined },
    logLevel: logLevelOption,
    ...settingsOptions,
    ...metricsOptions,
    json: flag('print JSON'),
  },
  example: { line: 'pedrera start --devices 2', meaning: 'Two devices, on the default socket.' },
  async run(context, options) {
    const { startDaemon } = await import('../background/start.js');
    return startDaemon(context, options);
  },
});
