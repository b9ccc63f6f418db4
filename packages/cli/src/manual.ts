/**
 * The manual page, pedrera(1), from the list of commands. Pure.
 *
 * Owns: its shape, in the man macros (man(7)). Must not know: what any command does.
 */
import type { Command, CommandGroup, OptionSpec } from './command.js';
import { EXIT } from './exit.js';
import { longName, optionNotes, spellArgument } from './program.js';
import { wrap } from './text/table.js';

const EXIT_CODES: readonly (readonly [number, string])[] = [
  [EXIT.ok, 'Done.'],
  [EXIT.deviceError, 'The daemon or a device refused, or a result was wrong.'],
  [EXIT.usage, 'The command line or a named file cannot be used.'],
  [EXIT.noDaemon, 'No daemon listens on the socket.'],
  [EXIT.interrupted, 'Ended by Ctrl-C, everything cleaned up (\\fBdemo\\fR).'],
];

const SOURCE_WIDTH = 79;

export function renderManual(groups: readonly CommandGroup[]): string {
  const lines = [
    '.\\" Written by: pedrera manual',
    '.TH PEDRERA 1 "" pedrera "User Commands"',
    '.SH NAME',
    'pedrera \\- simulated Gaudi devices: the daemon, and what goes on inside it',
    '.SH SYNOPSIS',
    '.B pedrera',
    '.RI [ options ]',
    '.I command',
    '.RI [ arguments ]',
    '.SH DESCRIPTION',
    ...prose(
      'Runs a daemon that plays the kernel driver of simulated Gaudi devices, gives the devices to programs, and shows what is going on inside.',
    ),
    'Each command knows',
    `${bold('--help')}.`,
    '.SH OPTIONS',
    ...item(
      `${bold('--socket')} ${italic('path')}`,
      "The daemon's socket. Without it: $PEDRERA_SOCKET, else pedrera.sock in $XDG_RUNTIME_DIR, else in a directory of the user's own for temporary files.",
    ),
    ...item(`${bold('-h')}, ${bold('--help')}`, 'Show help.'),
    ...item(`${bold('-V')}, ${bold('--version')}`, 'Print the version.'),
    ...groups.flatMap(groupLines),
    '.SH EXIT STATUS',
    ...EXIT_CODES.flatMap(([code, meaning]) => ['.TP', bold(String(code)), meaning]),
    '.SH ENVIRONMENT',
    ...item(bold('PEDRERA_SOCKET'), "The daemon's socket."),
    ...item(bold('NO_COLOR'), 'No colour on terminals, whatever its value.'),
  ];
  return `${lines.join('\n')}\n`;
}

function groupLines({ title, commands }: CommandGroup): string[] {
  return [`.SH ${quoted(title).toUpperCase()}`, ...commands.flatMap(commandLines)];
}

function commandLines(command: Command): string[] {
  const { name, summary, details, arguments: args = [], options, example } = command;
  const usage = args.map((argument) => italic(spellArgument(argument)));
  const argumentItems = args.flatMap((argument) => item(italic(spellArgument(argument)), `${argument.summary}.`));
  return [
    `.SS ${[bold(`pedrera ${name}`), '[options]', ...usage].join(' ')}`,
    ...prose(details ?? `${summary[0]?.toUpperCase()}${summary.slice(1)}.`),
    ...argumentItems,
    ...Object.entries(options).flatMap(([key, spec]) => optionLines(key, spec)),
    '.P',
    ...prose(example.meaning),
    '.P',
    '.nf',
    '.RS',
    quoted(`$ ${example.line}`),
    '.RE',
    '.fi',
  ];
}

function optionLines(key: string, spec: OptionSpec<unknown>): string[] {
  const letter = spec.short === undefined ? '' : `${bold(`-${spec.short}`)}, `;
  const value = spec.metavar === undefined ? '' : ` ${italic(spec.metavar)}`;
  return item(`${letter}${bold(longName(key))}${value}`, `${spec.summary}${optionNotes(spec)}.`);
}

function item(head: string, text: string): string[] {
  return ['.TP', head, ...prose(text)];
}

function bold(text: string): string {
  return `\\fB${quoted(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${quoted(text)}\\fR`;
}

/** A hyphen one can copy into a shell, and no other surprises. */
function quoted(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-');
}

/** In lines short enough for those who read the source. */
function prose(text: string): string[] {
  return wrap(quoted(text), SOURCE_WIDTH, { first: '', rest: '' }).map(notARequest);
}

/** A line that begins with a dot or an apostrophe would be a request. */
function notARequest(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}
