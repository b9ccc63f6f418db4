/**
 * The shape of a command: data, plus one function to run.
 *
 * Owns: the kinds of options there are, and how their text becomes values.
 * Must not know: commander (program.ts builds it from this), nor what any command does.
 */
import type { ExitCode } from './exit.js';
import type { Output } from './output.js';
import type { Style } from './text/style.js';

/** What every command is given. */
export interface Context {
  readonly output: Output;
  /** What standard output can show, for the commands that draw on it as they go. */
  readonly style: Style;
  readonly env: NodeJS.ProcessEnv;
  /** Value of --socket, if it was given. The rest of the search is wire's (socket-path.ts). */
  readonly socketOption: string | undefined;
  /** Every command there is, for those that tell of all of them. */
  readonly groups: readonly CommandGroup[];
}

export interface OptionSpec<T> {
  readonly summary: string;
  /** One letter that stands for the option, where people's hands know it from another tool. */
  readonly short?: string;
  /** Name of the value in the help; absent for a flag. */
  readonly metavar?: string;
  /** Value when the option is not given. */
  readonly initial: T;
  /** Shown in the help after the summary. */
  readonly initialText?: string;
  readonly values?: readonly string[];
  /** Throws InvalidValue. */
  parse(text: string): T;
}

/** A value no option of its kind can have. The message says what is expected: `a whole number from 1 to 16`. */
export class InvalidValue extends Error {}

export interface ArgumentSpec {
  readonly name: string;
  readonly summary: string;
  readonly required: boolean;
  /** What completion offers. */
  readonly values?: readonly string[];
  /** Takes all that follow, too. The last one only. */
  readonly repeated?: boolean;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec<unknown>>>;
type OptionValues<O extends OptionSpecs> = {
  readonly [K in keyof O]: O[K] extends OptionSpec<infer T> ? T : never;
};

/** What is the same for every command, whatever its options are. */
interface CommandText {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** For the command's own help, instead of the summary; one paragraph. */
  readonly details?: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly example: { readonly line: string; readonly meaning: string };
}

export interface CommandSpec<O extends OptionSpecs> extends CommandText {
  readonly options: O;
  run(context: Context, options: OptionValues<O>, args: readonly string[]): Promise<ExitCode>;
}

/** A command whose option types have been checked and forgotten, as the list of commands holds it. */
export interface Command extends CommandText {
  readonly options: OptionSpecs;
  run(context: Context, options: Readonly<Record<string, unknown>>, args: readonly string[]): Promise<ExitCode>;
}

/** Commands that belong together, as the help shows them. */
export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly Command[];
}

export function defineCommand<O extends OptionSpecs>(spec: CommandSpec<O>): Command {
  return { ...spec, run: (context, options, args) => spec.run(context, options as OptionValues<O>, args) };
}

export function flag(summary: string): OptionSpec<boolean> {
  return { summary, initial: false, parse: () => true };
}

export function text(metavar: string, summary: string): OptionSpec<string | undefined> {
  const parse = (value: string) => {
    if (value === '') throw new InvalidValue('a name that is not empty');
    return value;
  };
  return { summary, metavar, initial: undefined, parse };
}

interface IntegerSpec<T> {
  readonly metavar: string;
  readonly summary: string;
  readonly min: number;
  readonly max: number;
  readonly initial: T;
}

export function integer<T extends number | undefined>(spec: IntegerSpec<T>): OptionSpec<T | number> {
  const { metavar, summary, min, max, initial } = spec;
  const parse = (value: string) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new InvalidValue(`a whole number from ${min} to ${max}`);
    return number;
  };
  return { summary, metavar, initial, ...(initial === undefined ? {} : { initialText: String(initial) }), parse };
}

/** A number as C spells it: decimal, or hexadecimal with 0x. */
export function wholeNumber(spec: {
  readonly metavar: string;
  readonly summary: string;
  readonly max: number;
}): OptionSpec<number | undefined> {
  const { metavar, summary, max } = spec;
  const parse = (value: string) => {
    const number = /^(0[xX][0-9a-fA-F]+|\d+)$/.test(value) ? Number(value) : Number.NaN;
    if (!(number <= max)) throw new InvalidValue(`a whole number from 0 to ${max}, decimal or with 0x`);
    return number;
  };
  return { summary, metavar, initial: undefined, parse };
}

interface ChoiceSpec<V extends string> {
  readonly metavar: string;
  readonly summary: string;
  readonly values: readonly V[];
  readonly initial: V;
}

export function choice<V extends string>(spec: ChoiceSpec<V>): OptionSpec<V> {
  const { metavar, summary, values, initial } = spec;
  const parse = (value: string) => {
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw new InvalidValue(`one of ${values.join(', ')}`);
    return found;
  };
  return { summary, metavar, initial, initialText: initial, values, parse };
}
