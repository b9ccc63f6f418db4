/** `pedrera run`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';
import { ownDaemonOptions, settingsOptions } from './daemon-options.js';

export const run = defineCommand({
  name: 'run',
  summary: 'run a C program against simulated devices',
  details:
    'Runs a dynamically linked program with a library preloaded that gives it /dev/hl*, and the sysfs of the devices. Unless a daemon is named (--socket, PEDRERA_SOCKET) or --attach ' +
    'is given, it gets a daemon of its own, which ends with it. Signals and the exit code are passed through. ' +
    'With PEDRERA_SHIM_TRACE=1 every refused call is explained on standard error.',
  arguments: [{ name: 'program', summary: 'program and its arguments, behind --', required: true, repeated: true }],
  options: {
    ...ownDaemonOptions,
    debugfs: flag('show /sys/kernel/debug/habanalabs'),
    ...settingsOptions,
    attach: flag('use the daemon that runs, and fail if none does'),
    leaks: flag('fail if the program holds objects when it ends, or one outlives it'),
  },
  example: { line: 'pedrera run -- ./program --verbose', meaning: 'One device, as the driver has it.' },
  async run(context, options, args) {
    const { runProgram } = await import('../run/run-program.js');
    return runProgram(context, options, args);
  },
});
