/**
 * The command line: from the list of commands to a parsed call.
 *
 * Owns: everything about commander, and the wording of usage errors.
 * Must not know: what any command does.
 */
import { Argument, Command as CommanderCommand, CommanderError, Option } from 'commander';
import { type ArgumentSpec, type Command, type CommandGroup, InvalidValue, type OptionSpec } from './command.js';
import { EXIT, type ExitCode, usageError } from './exit.js';

/** What the command line asks for. */
export interface Call {
  readonly command: Command;
  readonly options: Readonly<Record<string, unknown>>;
  readonly args: readonly string[];
  readonly socket: string | undefined;
}

interface ProgramOptions {
  readonly groups: readonly CommandGroup[];
  readonly version: string;
  /** Help and version go here. */
  writeOut(text: string): void;
}

/** Returns the call, or the exit code when help or the version was all that was asked for. Throws usage errors. */
export function parseCommandLine(argv: readonly string[], options: ProgramOptions): Call | ExitCode {
  let call: Call | undefined;
  const program = buildProgram({ ...options, groups: groupsFor(argv, options.groups) }, (parsed) => {
    call = parsed;
  });
  if (argv.length === 0) {
    throw usageError('no command given', program.helpInformation());
  }
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.ok;
    throw usageError(tidy(error.message), hintFor(argv, options.groups));
  }
  if (call === undefined) throw usageError('no command given', hintFor([], options.groups));
  if (call.socket === '') throw usageError("--socket '': expected a path");
  return call;
}

/** A line that begins with a command needs that one; building the others takes as long as the shortest of them runs. */
function groupsFor(argv: readonly string[], groups: readonly CommandGroup[]): readonly CommandGroup[] {
  for (const { title, commands } of groups) {
    const named = commands.find(({ name }) => name === argv[0]);
    if (named !== undefined) return [{ title, commands: [named] }];
  }
  return groups;
}

function buildProgram(options: ProgramOptions, onCall: (call: Call) => void): CommanderCommand {
  const program = new CommanderCommand('pedrera')
    .description('Looks after simulated Gaudi devices: runs the daemon, and shows what is going on inside it.')
    .usage('[options] <command>')
    .version(`pedrera ${options.version}`, '-V, --version', 'print the version')
    .option('--socket <path>', "the daemon's socket (default: $PEDRERA_SOCKET, else the user's runtime directory)")
    .helpOption('-h, --help', 'show help')
    .addHelpCommand(
      new CommanderCommand('help')
        .argument('[command]')
        .description('show help for a command')
        .helpGroup(`${options.groups.at(-1)?.title}:`),
    )
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: options.writeOut, writeErr: () => {}, getOutHelpWidth: () => 100 })
    .addHelpText('after', `\nExit codes: 0 done, 1 device error, 2 usage, 3 no daemon.`);
  for (const { title, commands } of options.groups) {
    for (const command of commands) program.addCommand(buildCommand(program, command, onCall).helpGroup(`${title}:`));
  }
  return program;
}

function buildCommand(program: CommanderCommand, command: Command, onCall: (call: Call) => void): CommanderCommand {
  const built = new CommanderCommand(command.name)
    .copyInheritedSettings(program)
    .summary(command.summary)
    .description(command.details ?? command.summary);
  for (const argument of command.arguments ?? []) {
    built.addArgument(new Argument(spellArgument(argument), argument.summary));
  }
  const options = Object.entries(command.options).map(([name, spec]) => [name, spec, buildOption(name, spec)] as const);
  for (const [, , option] of options) built.addOption(option);
  built.addHelpText('after', `\nExample:\n  $ ${command.example.line}\n  ${command.example.meaning}`);
  return built.action(() => {
    const given = built.opts<Record<string, unknown>>();
    const values = Object.fromEntries(
      options.map(([name, spec, option]) => {
        const value = given[option.attributeName()];
        // commander keeps --no-x as an x that is not.
        return [name, option.negate ? value === false : (value ?? spec.initial)];
      }),
    );
    onCall({ command, options: values, args: built.args, socket: program.opts<{ socket?: string }>().socket });
  });
}

/** `<path>`, `[file]` or `<path...>`. */
export function spellArgument({ name, required, repeated }: ArgumentSpec): string {
  const words = repeated === true ? `${name}...` : name;
  return required ? `<${words}>` : `[${words}]`;
}

/** `--log-level`. */
export function longName(name: string): string {
  return `--${name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)}`;
}

/** `--log-level <level>`, `-Q, --query-aip <fields>`. */
export function spellOption(name: string, { metavar, short }: OptionSpec<unknown>): string {
  const names = short === undefined ? longName(name) : `-${short}, ${longName(name)}`;
  return metavar === undefined ? names : `${names} <${metavar}>`;
}

/** ` (one of a, b; default: a)`, or nothing. */
export function optionNotes({ values, initialText }: OptionSpec<unknown>): string {
  const notes = [
    ...(values === undefined ? [] : [`one of ${values.join(', ')}`]),
    ...(initialText === undefined ? [] : [`default: ${initialText}`]),
  ];
  return notes.length === 0 ? '' : ` (${notes.join('; ')})`;
}

function buildOption(name: string, spec: OptionSpec<unknown>): Option {
  const option = new Option(spellOption(name, spec), spec.summary + optionNotes(spec));
  if (spec.metavar === undefined) return option;
  return option.argParser((value) => {
    try {
      return spec.parse(value);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      throw usageError(`${option.long} '${value}': expected ${error.message}`);
    }
  });
}

/** commander's "error: unknown command 'queus'\n(Did you mean queues?)" as one sentence. */
function tidy(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n?\(Did you mean (.*?)\?\)/s, ' (did you mean $1?)')
    .trim();
}

function hintFor(argv: readonly string[], groups: readonly CommandGroup[]): string {
  const named = argv.find((word) => groups.some(({ commands }) => commands.some(({ name }) => name === word)));
  return `see: pedrera ${named === undefined ? '' : `${named} `}--help`;
}
