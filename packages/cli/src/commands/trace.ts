/** `pedrera trace`, as data. What it does is loaded when it runs. */
import { choice, defineCommand, flag, InvalidValue, integer, text } from '../command.js';
import { MAX_DAEMON_DEVICES, machineOption, policyOption } from './daemon-options.js';
import { jsonOption } from './inspection-options.js';

const MAX_PID = 2 ** 22;
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
    pid: {
      ...integer({ metavar: 'pid', summary: 'record one process only', min: 1, max: MAX_PID, initial: undefined }),
      short: 'p',
    },
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
    devices: integer({
      metavar: 'n',
      summary: 'number of simulated devices of a daemon of its own',
      min: 1,
      max: MAX_DAEMON_DEVICES,
      initial: 1,
    }),
    machine: machineOption,
    policy: { ...policyOption, initial: 'exclusive' as const, initialText: 'exclusive' },
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
