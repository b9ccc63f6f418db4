/** Completion scripts: what is in them, and, where the shell is there, what it makes of them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMAND_GROUPS, COMMANDS } from '../commands/all.js';
import { longName } from '../program.js';
import { renderCompletion } from './render.js';

const directory = mkdtempSync(path.join(tmpdir(), 'pedrera-completion-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const scripts = {
  bash: renderCompletion('bash', COMMAND_GROUPS),
  zsh: renderCompletion('zsh', COMMAND_GROUPS),
  fish: renderCompletion('fish', COMMAND_GROUPS),
};

function has(shell: string): boolean {
  return spawnSync(shell, ['--version']).error === undefined;
}

/** The script in a file, and the shell's answer to a few lines that use it. */
function ask(shell: keyof typeof scripts, lines: (file: string) => string): string {
  const file = path.join(directory, shell);
  writeFileSync(file, scripts[shell]);
  const flags = { bash: ['--norc'], zsh: ['-f'], fish: ['--no-config'] }[shell];
  const { stdout, stderr } = spawnSync(shell, [...flags, '-c', lines(file)], { encoding: 'utf8', cwd: directory });
  expect(stderr).toBe('');
  return stdout;
}

describe.each(['bash', 'zsh', 'fish'] as const)('%s', (shell) => {
  it('knows every command and every option', () => {
    for (const { name, options } of COMMANDS) {
      expect(scripts[shell]).toMatch(new RegExp(`\\b${name}\\b`));
      for (const option of Object.keys(options)) {
        expect(scripts[shell]).toContain(shell === 'fish' ? `-l ${longName(option).slice(2)}` : longName(option));
      }
    }
  });

  it.skipIf(!has(shell))('is what the shell can read', () => {
    const file = path.join(directory, `${shell}-syntax`);
    writeFileSync(file, scripts[shell]);
    expect(spawnSync(shell, ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  });
});

describe.skipIf(!has('bash'))('bash completes', () => {
  const words = (line: string) => {
    const typed = line.split(' ');
    const quoted = ['pedrera', ...typed].map((word) => `'${word}'`).join(' ');
    const lines = (file: string) =>
      `source ${file}; COMP_WORDS=(${quoted}); COMP_CWORD=${typed.length}; _pedrera; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return ask('bash', lines).trimEnd().split('\n');
  };

  it.each([
    ['qu', ['queues']],
    ['--so', ['--socket']],
    ['--socket s.sock eng', ['engines']],
    ['cs --st', ['--stuck']],
    ['--socket s.sock cs --st', ['--stuck']],
    ['cs --sort ', ['age', 'timeout', 'jobs', 'pid']],
    ['daemon --policy e', ['exclusive']],
    ['completion f', ['fish']],
    ['help vers', ['version']],
    ['queues --device ', ['']],
    ['smi -', ['--query-aip', '-Q']],
  ])('%j', (line, expected) => {
    expect(words(line)).toEqual(expect.arrayContaining(expected));
    if (!line.endsWith('-')) expect(words(line)).toHaveLength(expected.length);
  });

  it('files where a file is meant', () => {
    writeFileSync(path.join(directory, 'movie.mkv'), '');
    expect(words('demo mov')).toEqual(['movie.mkv']);
    expect(words('--socket mov')).toEqual(['movie.mkv']);
  });
});

describe.skipIf(!has('zsh'))('zsh', () => {
  it('takes it for the command', () => {
    const lines = (file: string) => `autoload -Uz compinit; compinit -D; source ${file}; print $_comps[pedrera]`;
    expect(ask('zsh', lines)).toBe('_pedrera\n');
  });
});

describe.skipIf(!has('fish'))('fish completes', () => {
  const words = (line: string) => {
    const answer = ask('fish', (file) => `source ${file}; complete -C 'pedrera ${line}'`);
    return answer
      .trimEnd()
      .split('\n')
      .map((candidate) => candidate.split('\t')[0]);
  };

  it.each([
    ['que', ['queues']],
    ['cs --st', ['--stuck']],
    ['cs --sort ', ['age', 'jobs', 'pid', 'timeout']],
    ['completion f', ['fish']],
  ])('%j', (line, expected) => {
    expect(words(line).sort()).toEqual(expected);
  });
});
