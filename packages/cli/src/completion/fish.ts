/** Completion for fish. Pure. Owns: the script, one `complete` for each word there is. */
import { type Completed, type CompletedOption, GLOBAL_OPTIONS, type Values, VERSION_OPTION } from './words.js';

export function renderFish(commands: readonly Completed[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  return [
    '# Completion of pedrera for fish. Written by: pedrera completion fish',
    'complete -c pedrera -f',
    `set -l commands ${names}`,
    ...GLOBAL_OPTIONS.map((option) => optionLine(option, undefined)),
    optionLine(VERSION_OPTION, 'not __fish_seen_subcommand_from $commands'),
    ...commands.flatMap((command) => commandLines(command, names)),
  ].join('\n');
}

function commandLines({ name, summary, options, argument }: Completed, names: string): string[] {
  const inside = `__fish_seen_subcommand_from ${name}`;
  const own = options.filter((option) => !GLOBAL_OPTIONS.includes(option));
  return [
    `complete -c pedrera -n "not __fish_seen_subcommand_from $commands" -a ${name} -d ${quote(summary)}`,
    ...own.map((option) => optionLine(option, inside)),
    ...(argument === undefined ? [] : [`complete -c pedrera -n ${quote(inside)}${valueFlags(argument, names, '')}`]),
  ];
}

function optionLine({ long, short, summary, value }: CompletedOption, condition: string | undefined): string {
  const when = condition === undefined ? '' : ` -n "${condition}"`;
  const letter = short === undefined ? '' : ` -s ${short}`;
  const values = value === undefined ? '' : valueFlags(value, '', ' -x');
  return `complete -c pedrera${when} -l ${long.slice(2)}${letter}${values} -d ${quote(summary)}`;
}

/** -r: needs a value; -F: files are offered; -x: needs one, and files are not. */
function valueFlags(values: Values, names: string, exclusive: string): string {
  switch (values.kind) {
    case 'words':
      return `${exclusive} -a ${quote(values.words.join(' '))}`;
    case 'commands':
      return ` -a ${quote(names)}`;
    case 'files':
      return exclusive === '' ? ' -F' : ' -r -F';
    case 'anything':
      return exclusive;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
