/** Completion scripts by shell. Owns: which shells there are. */
import type { CommandGroup } from '../command.js';
import { renderBash } from './bash.js';
import { renderFish } from './fish.js';
import { completedCommands } from './words.js';
import { renderZsh } from './zsh.js';

const RENDER = { bash: renderBash, zsh: renderZsh, fish: renderFish };

export function renderCompletion(shell: keyof typeof RENDER, groups: readonly CommandGroup[]): string {
  return RENDER[shell](completedCommands(groups));
}
