/** `pedrera strace`, as data. What it does is loaded when it runs. */
import { defineCommand, flag, text } from '../command.js';
import { ownDaemonOptions } from './daemon-options.js';
import { jsonOption, pidOption } from './inspection-options.js';

export const strace = defineCommand({
  name: 'strace',
  summary: 'show the calls of a program to the device, as it makes them',
  details:
    'Shows each call with its arguments, result and duration, in the manner of strace(1). With -p it listens to a client that runs ' +
    'already, without stopping it; else it runs a program, with the preload library for C programs, and shows the calls of what that ' +
    'starts, too. Unless a daemon is named (--socket, PEDRERA_SOCKET) the program gets one of its own. Lines go to standard error beside a ' +
    'program, else to standard output.',
  arguments: [{ name: 'program', summary: 'program and its arguments, behind --', required: false, repeated: true }],
  options: {
    pid: { ...pidOption, summary: 'a client that runs already', short: 'p' },
    expression: {
      ...text(
        'expr',
        'only these: trace=CS,WAIT_CS or %memory,!MEMORY_FREE; fault: those that failed; several in quotes',
      ),
      short: 'e',
    },
    unsupported: flag('only calls that this build refuses or does not know'),
    summary: { ...flag('count calls, errors and time, and show a table at the end'), short: 'c' },
    time: { ...flag('begin lines with the time of day'), short: 't' },
    relative: { ...flag('begin lines with the time since the line before'), short: 'r' },
    output: { ...text('file', 'write to a file'), short: 'o' },
    json: jsonOption,
    ...ownDaemonOptions,
  },
  example: {
    line: 'pedrera strace -e fault -- ./program',
    meaning: 'Shows the calls of a C program that failed, and why.',
  },
  async run(context, options, args) {
    const { runStrace } = await import('../trace/strace.js');
    return runStrace(context, { ...options, collapseDma: false }, args);
  },
});
