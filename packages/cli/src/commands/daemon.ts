/**
 * `pedrera daemon`: the one place of this package that knows the kernel, which it loads only when it runs.
 */
import { defineCommand, text } from '../command.js';
import { EXIT } from '../exit.js';
import {
  devicesOption,
  logLevelOption,
  machineOption,
  metricsOptions,
  policyOption,
  settingsOptions,
} from './daemon-options.js';

export const daemon = defineCommand({
  name: 'daemon',
  summary: 'run a daemon in the foreground',
  details:
    'Serves until SIGTERM or SIGINT, then lets go of everything in order and exits with 0. When it is ready it says so in one ' +
    'line; it also writes "ready" to the descriptor named by PEDRERA_READY_FD, if that is set.',
  options: {
    devices: devicesOption,
    machine: machineOption,
    policy: policyOption,
    logLevel: logLevelOption,
    ...settingsOptions,
    ...metricsOptions,
    logFile: text('file', 'log to this file instead of standard output'),
  },
  example: { line: 'pedrera daemon --devices 1 --log-level debug', meaning: 'One device, and a talkative log.' },
  async run(context, options) {
    const { serve } = await import('../background/serve.js');
    const { readMachine } = await import('../background/machine.js');
    const { parseMachine, runDaemon } = await import('@pedrera/kernel');
    const { machine: file } = options;
    await serve(context, options, async (daemon) =>
      runDaemon(file === undefined ? daemon : { ...daemon, machine: readMachine(file, parseMachine) }),
    );
    return EXIT.ok;
  },
});
