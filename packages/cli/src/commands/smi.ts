/** `pedrera smi`, as data. What it does is loaded when it runs. */
import { defineCommand, flag, integer, type OptionSpec, text } from '../command.js';
import { lookOptions } from './inspection-options.js';

const format: OptionSpec<string> = {
  summary: 'of -Q: csv, and behind commas noheader (no line of titles), nounits',
  short: 'f',
  metavar: 'format',
  initial: 'csv',
  initialText: 'csv',
  parse: (value) => value,
};

export const smi = defineCommand({
  name: 'smi',
  summary: 'show the devices as hl-smi does',
  details:
    'Shows temperature, power, memory and load of each device and the processes on it in the layout of hl-smi. With -Q fields by the ' +
    'names of hl-smi as CSV (index, name, bus_id, serial, uuid, memory.used, utilization.aip ...); a wrong one lists them all. What a ' +
    'simulated device does not have is N/A.',
  options: {
    queryAip: { ...text('fields', 'these fields of each device, separated by commas'), short: 'Q' },
    format,
    listAips: { ...flag('one line for each device: name and UUID'), short: 'L' },
    id: { ...text('device', 'only the device with this index or PCI address'), short: 'i' },
    loop: {
      ...integer({ metavar: 'seconds', summary: 'again and again', min: 1, max: 3600, initial: undefined }),
      short: 'l',
    },
    ...lookOptions,
  },
  example: {
    line: 'pedrera smi -Q index,memory.used,utilization.aip -f csv,noheader,nounits',
    meaning: 'For a script: one line for each device.',
  },
  async run(context, options) {
    const { runInspection } = await import('../inspect/run.js');
    const { smiInspection, smiQueryInspection } = await import('../inspect/smi.js');
    const { queryAip, loop } = options;
    const watch = options.watch || loop !== undefined;
    const interval = loop === undefined ? options.interval : loop * 1000;
    if (queryAip === undefined) return runInspection(context, smiInspection(options), { watch, interval });
    return runInspection(context, smiQueryInspection({ ...options, queryAip }), { watch, interval, scroll: true });
  },
});
