/** The options that looks into the daemon have in common. */
import { choice, flag, integer, type OptionSpec } from '../command.js';

export const jsonOption = flag('print JSON, one document a line');
export const intervalOption = integer({
  metavar: 'ms',
  summary: 'time between two looks with --watch',
  min: 50,
  max: 3_600_000,
  initial: 500,
});
export const deviceOption = integer({
  metavar: 'n',
  summary: 'only this device',
  min: 0,
  max: 127,
  initial: undefined,
});
export const pidOption = integer({
  metavar: 'pid',
  summary: 'only this process',
  min: 1,
  max: 2 ** 31 - 1,
  initial: undefined,
});
export const limitOption: OptionSpec<number | undefined> = {
  ...integer({ metavar: 'n', summary: 'how many rows to show', min: 1, max: 1_000_000, initial: undefined }),
  initialText: '100 as text, all as JSON',
};

/** Of what: all there is, or a part. */
export const scopeOptions = { device: deviceOption, pid: pidOption } as const;
/** How it is shown. */
export const lookOptions = {
  json: jsonOption,
  watch: flag('show it again and again; ends with q or Ctrl-C'),
  interval: intervalOption,
} as const;
/** The same of what may be long. */
export const listOptions = { limit: limitOption, ...lookOptions } as const;

/** The first of the values is the order without the option. */
export function sortOption<V extends string>(...values: readonly [V, ...V[]]): OptionSpec<V> {
  return choice({ metavar: 'key', summary: 'order of the rows', values, initial: values[0] });
}
