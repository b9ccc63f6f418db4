/** `pedrera trace`, as data. What it does is loaded when it runs. */
import { choice, defineCommand, flag, InvalidValue, integer, text } from '../command.js';
import { ownDaemonOptions } from './daemon-options.js';
import { jsonOption, pidOption } from './inspection-options.js';

const ACTIONS = ['record', 'stop', 'export', 'replay'] as const;
const FORMATS = ['perfetto', 'text'] as const;
const KINDS = ['calls', 'submissions', 'engines', 'sync', 'events'];

export const trace = defineCommand({
  name: 'trace',
  summary: 'record what every layer does; show it in Perfetto; replay it',
  details:
    'record writes calls, submissions, engines, sync objects and events into a file, until Ctrl-C, or until the program behind -- has ended ' +
    '(which gets a daemon of its own, unless one is named). stop ends the recordings of other terminals. export turns a recording into a ' +
    'trace for ui.perfetto.dev, with arrows from submit to run to signal to wake, or into text. replay makes the recorded calls again on a ' +
    'fresh daemon (recorded with --replayable), or compares with another recording, and shows the first difference.',
  arguments: [
    { name: 'action', summary: ACTIONS.join(', '), required: true, values: ACTIONS },
    { name: 'what', summary: 'a program behind -- (record), or a recording', required: false, repeated: true },
  ],
  options: {
    output: { ...text('file', 'where to write; a recording goes to recording.pedrera-trace otherwise'), short: 'o' },
    kinds: {
      metavar: 'list',
      summary: `record only these: some of ${KINDS.join(', ')}, with commas`,
      initial: undefined as readonly string[] | undefined,
      parse(value: string): readonly string[] {
        const words = value.split(',').map((word) => word.trim());
        if (!words.every((word) => KINDS.includes(word))) throw new InvalidValue(`some of ${KINDS.join(', ')}`);
        return words;
      },
    },
    pid: { ...pidOption, summary: 'record one process only', short: 'p' },
    replayable: flag('record what replay needs, too: the memory that submissions may read'),
    memory: integer({
      metavar: 'MiB',
      summary: 'in the daemon, for records not read yet',
      min: 1,
      max: 256,
      initial: 64,
    }),
    format: choice<(typeof FORMATS)[number]>({
      metavar: 'format',
      summary: 'of an export',
      values: FORMATS,
      initial: FORMATS[0],
    }),
    against: text('file', 'compare with this recording instead of replaying'),
    json: jsonOption,
    ...ownDaemonOptions,
  },
  example: {
    line: 'pedrera trace record -o run.pedrera-trace -- ./program && pedrera trace export run.pedrera-trace -o run.json',
    meaning: 'Records a program, and makes a file that ui.perfetto.dev opens.',
  },
  async run(context, options, args) {
    const { runTrace } = await import('../trace/trace.js');
    return runTrace(context, { ...options, collapseDma: false }, args);
  },
});
