/** Completion for zsh. Pure. Owns: the script, a function for compsys in the form of _arguments. */
import { type Completed, type CompletedOption, GLOBAL_OPTIONS, type Values, VERSION_OPTION } from './words.js';

export function renderZsh(commands: readonly Completed[]): string {
  const list = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary.replaceAll(':', '\\:')}`)}`);
  return `#compdef pedrera
# Completion of pedrera for zsh. Written by: pedrera completion zsh

_pedrera_commands() {
  local -a commands
  commands=(
${list.join('\n')}
  )
  _describe -t commands 'pedrera command' commands
}

_pedrera() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C \\
${[...GLOBAL_OPTIONS, VERSION_OPTION].map((option) => `    ${optionSpecs(option).join(' ')} \\`).join('\n')}
    '1: :_pedrera_commands' \\
    '*:: :->rest'
  [[ $state == rest ]] || return
  curcontext="\${curcontext%:*:*}:pedrera-$line[1]:"
  case $line[1] in
${commands.map(commandCase).join('\n')}
  esac
}

if [ "$funcstack[1]" = "_pedrera" ]; then
  _pedrera "$@"
else
  compdef _pedrera pedrera
fi`;
}

function commandCase({ name, options, argument }: Completed): string {
  const specs = [
    ...options.flatMap(optionSpecs),
    ...(argument === undefined ? [] : [quote(`*: :${actionOf(argument)}`)]),
  ];
  return `    ${name})\n      _arguments -s${specs.map((spec) => ` \\\n        ${spec}`).join('')}\n      ;;`;
}

/** `'(-f --follow)'{-f,--follow}'[go on]'` in words zsh needs no braces for. */
function optionSpecs({ long, short, summary, value }: CompletedOption): string[] {
  const text = `[${summary.replace(/[[\]:\\]/g, (special) => `\\${special}`)}]`;
  const rest = value === undefined ? '' : `:${long.slice(2)}:${actionOf(value)}`;
  if (short === undefined) return [quote(`${long}${text}${rest}`)];
  const both = `(-${short} ${long})`;
  return [quote(`${both}-${short}${text}${rest}`), quote(`${both}${long}${text}${rest}`)];
}

function actionOf(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `(${values.words.join(' ')})`;
    case 'commands':
      return '_pedrera_commands';
    case 'files':
      return '_files';
    case 'anything':
      return ' ';
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
