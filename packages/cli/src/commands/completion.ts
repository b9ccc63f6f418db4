/** `pedrera completion`, as data. What it does is loaded when it runs. */
import { defineCommand } from '../command.js';
import { EXIT, usageError } from '../exit.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const completion = defineCommand({
  name: 'completion',
  summary: 'print a completion script for a shell',
  details:
    'Prints what makes a shell complete commands, options and their values. bash: eval "$(pedrera completion bash)" in ~/.bashrc; ' +
    'zsh: pedrera completion zsh > a directory of $fpath/_pedrera; fish: pedrera completion fish > ~/.config/fish/completions/pedrera.fish.',
  arguments: [{ name: 'shell', summary: `one of ${SHELLS.join(', ')}`, required: true, values: SHELLS }],
  options: {},
  example: { line: 'pedrera completion bash >> ~/.bashrc', meaning: 'From the next shell on, Tab completes.' },
  async run(context, _options, [given = '']) {
    const { renderCompletion } = await import('../completion/render.js');
    const shell = SHELLS.find((name) => name === given);
    if (shell === undefined) throw usageError(`no completion for '${given}': expected one of ${SHELLS.join(', ')}`);
    context.output.say(renderCompletion(shell, context.groups));
    return EXIT.ok;
  },
});
