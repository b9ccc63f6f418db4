/**
 * Completion for bash, 3.2 and later; needs nothing of the bash-completion package. Pure.
 *
 * Owns: the script. It finds the command among the words before the cursor, then offers its options, or the values of the option
 * before the cursor.
 */
import { type Completed, type CompletedOption, GLOBAL_OPTIONS, type Values, VERSION_OPTION } from './words.js';

export function renderBash(commands: readonly Completed[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const globals = [...GLOBAL_OPTIONS, VERSION_OPTION];
  return `# Completion of pedrera for bash. Written by: pedrera completion bash
_pedrera_reply() {
  local word
  COMPREPLY=()
  while IFS='' read -r word; do COMPREPLY+=("$word"); done < <(compgen "$@")
}

_pedrera() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="" command="" i
  [ "$COMP_CWORD" -gt 0 ] && before="\${COMP_WORDS[COMP_CWORD - 1]}"
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      --socket) i=$((i + 1)) ;;
      -*) ;;
      *) command="\${COMP_WORDS[i]}"; break ;;
    esac
  done
  case "$command $before" in
${commands.flatMap(valueCases).join('\n')}
    *" --socket") _pedrera_reply -f -- "$current"; return ;;
  esac
  case "$command" in
    "")
      case "$current" in
        -*) _pedrera_reply -W "${optionWords(globals)}" -- "$current" ;;
        *) _pedrera_reply -W "${names}" -- "$current" ;;
      esac
      ;;
${commands.map((command) => commandCase(command, names)).join('\n')}
  esac
}

complete -o filenames -o bashdefault -F _pedrera pedrera`;
}

/** The values of each option that takes one. */
function valueCases({ name, options }: Completed): string[] {
  return options.flatMap(({ long, short, value }) => {
    if (value === undefined || long === '--socket') return [];
    const patterns = [long, ...(short === undefined ? [] : [`-${short}`])].map((option) => `"${name} ${option}"`);
    return [`    ${patterns.join(' | ')}) ${replyOf(value, '')}; return ;;`];
  });
}

function commandCase({ name, options, argument }: Completed, names: string): string {
  const positional = argument === undefined ? ':' : replyOf(argument, names);
  return `    ${name})
      case "$current" in
        -*) _pedrera_reply -W "${optionWords(options)}" -- "$current" ;;
        *) ${positional} ;;
      esac
      ;;`;
}

function replyOf(values: Values, names: string): string {
  switch (values.kind) {
    case 'words':
      return `_pedrera_reply -W "${values.words.join(' ')}" -- "$current"`;
    case 'commands':
      return `_pedrera_reply -W "${names}" -- "$current"`;
    case 'files':
      return '_pedrera_reply -f -- "$current"';
    case 'anything':
      return 'COMPREPLY=()';
  }
}

function optionWords(options: readonly CompletedOption[]): string {
  return options.flatMap(({ long, short }) => [long, ...(short === undefined ? [] : [`-${short}`])]).join(' ');
}
