/** `pedrera vm`, as data. What it does is loaded when it runs. */
import { defineCommand, InvalidValue, wholeNumber } from '../command.js';
import { usageError } from '../exit.js';
import { deviceOption, listOptions, pidOption } from './inspection-options.js';

export const vm = defineCommand({
  name: 'vm',
  summary: "show a process's device addresses, and where one of them leads",
  details:
    'Shows the address ranges and mappings of a process on each device it has open, and its last fault with what is mapped beside ' +
    'the address. With --walk: what the device would find at that address.',
  arguments: [{ name: 'pid', summary: 'process', required: true }],
  options: {
    walk: wholeNumber({ metavar: 'address', summary: 'follow this device address', max: Number.MAX_SAFE_INTEGER }),
    device: deviceOption,
    ...listOptions,
  },
  example: { line: 'pedrera vm 4712 --walk 0x1000400000', meaning: 'Where that address of process 4712 leads.' },
  async run(context, options, [given = '']) {
    const { runList } = await import('../inspect/run.js');
    const { addressSpaceInspection } = await import('../inspect/address-space.js');
    return runList(context, addressSpaceInspection, { ...options, pid: parsePid(given) });
  },
});

function parsePid(given: string): number {
  try {
    return pidOption.parse(given) ?? 0;
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    throw usageError(`pid '${given}': expected ${error.message}`, 'see: pedrera vm --help');
  }
}
