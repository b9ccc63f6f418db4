/** The options that every look into the daemon has. */
import { flag, integer } from '../command.js';

export const jsonOption = flag('print JSON, one document a line');
export const watchOption = flag('show it again and again; ends with q or Ctrl-C');
export const intervalOption = integer({
  metavar: 'ms',
  summary: 'time between two looks with --watch',
  min: 50,
  max: 3_600_000,
  initial: 500,
});
