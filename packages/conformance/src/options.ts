/** The options of `npm run conformance`, and what is said of them. */
import { parseArgs } from 'node:util';
import { FAMILIES, type Family } from './framework/conformance-test.js';
import { MODES, type Mode } from './framework/transport.js';

export interface Options {
  readonly modes: readonly Mode[];
  readonly families: readonly Family[];
  /** Only tests whose name contains it. */
  readonly filter: string;
  readonly list: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

/** What the caller wrote cannot be used; the message says why. */
export class UsageError extends Error {}

export const USAGE = `npm run conformance -- [options]

  --mode <mode>       ${MODES.join(', ')}; all of them otherwise; may be given more than once
  --family <family>   only this one; may be given more than once: ${FAMILIES.join(', ')}
  --filter <text>     only tests whose name contains it
  --list              name the tests, run none
  --json              the results as JSON
`;

export function parseOptions(args: readonly string[]): Options {
  let values: { mode?: string[]; family?: string[]; filter?: string; list?: boolean; json?: boolean; help?: boolean };
  try {
    values = parseArgs({
      args: [...args],
      options: {
        mode: { type: 'string', multiple: true },
        family: { type: 'string', multiple: true },
        filter: { type: 'string' },
        list: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  return {
    modes: chosen('mode', values.mode, MODES),
    families: chosen('family', values.family, FAMILIES),
    filter: values.filter ?? '',
    list: values.list ?? false,
    json: values.json ?? false,
    help: values.help ?? false,
  };
}

function chosen<T extends string>(
  option: string,
  given: readonly string[] | undefined,
  all: readonly T[],
): readonly T[] {
  for (const value of given ?? []) {
    if (!all.some((known) => known === value)) {
      throw new UsageError(`--${option} ${value}: there are ${all.join(', ')}`);
    }
  }
  return given === undefined ? all : all.filter((value) => given.includes(value));
}
