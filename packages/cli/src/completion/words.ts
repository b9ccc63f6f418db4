/**
 * What there is to complete, from the list of commands: the same for every shell. Pure.
 *
 * Owns: which words an option or an argument can be, and where files are meant. Must not know: any shell's language.
 */
import type { ArgumentSpec, Command, CommandGroup, OptionSpec } from '../command.js';
import { longName } from '../program.js';

export interface Completed {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  /** What the arguments can be. */
  readonly argument: Values | undefined;
}

export interface CompletedOption {
  readonly long: string;
  readonly short: string | undefined;
  readonly summary: string;
  /** Undefined for a flag. */
  readonly value: Values | undefined;
}

export type Values =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'files' }
  | { readonly kind: 'commands' }
  | { readonly kind: 'anything' };

export const GLOBAL_OPTIONS: readonly CompletedOption[] = [
  { long: '--socket', short: undefined, summary: "the daemon's socket", value: { kind: 'files' } },
  { long: '--help', short: 'h', summary: 'show help', value: undefined },
];
export const VERSION_OPTION: CompletedOption = {
  long: '--version',
  short: 'V',
  summary: 'print the version',
  value: undefined,
};

/** Names of arguments and values that are files of this machine. */
const FILE_NAMES: ReadonlySet<string> = new Set(['file', 'program', 'trace']);

export function completedCommands(groups: readonly CommandGroup[]): Completed[] {
  const commands = groups.flatMap((group) => group.commands).map(completed);
  const help: Completed = {
    name: 'help',
    summary: 'show help for a command',
    options: [],
    argument: { kind: 'commands' },
  };
  return [...commands, help];
}

function completed({ name, summary, options, arguments: args = [] }: Command): Completed {
  return {
    name,
    summary,
    options: [...Object.entries(options).map(([key, spec]) => completedOption(key, spec)), ...GLOBAL_OPTIONS],
    argument: argumentValues(args),
  };
}

function completedOption(key: string, { short, summary, metavar, values }: OptionSpec<unknown>): CompletedOption {
  return { long: longName(key), short, summary, value: metavar === undefined ? undefined : valuesOf(metavar, values) };
}

/** All arguments together: shells ask for one more word, and say little about which it is. */
function argumentValues(args: readonly ArgumentSpec[]): Values | undefined {
  if (args.length === 0) return undefined;
  const words = args.flatMap(({ values = [] }) => values);
  if (words.length > 0) return { kind: 'words', words };
  return args.some(({ name }) => FILE_NAMES.has(name)) ? { kind: 'files' } : { kind: 'anything' };
}

function valuesOf(metavar: string, words: readonly string[] | undefined): Values {
  if (words !== undefined) return { kind: 'words', words };
  return FILE_NAMES.has(metavar) ? { kind: 'files' } : { kind: 'anything' };
}
