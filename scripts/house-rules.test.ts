/** Every house rule refuses what it is there for, and leaves alone what only looks like it. */
import { describe, expect, it } from 'vitest';
import { checkLayers, checkText, checkVersions, RULES } from './house-rules.mjs';

const header = '/** What this file is for. */\n';
const broken = (file: string, text: string): string[] =>
  checkText(file, text).map((finding) => finding.replace(/^(.*):(\d+): .*\(([\w-]+): .*$/s, '$2 $3'));

/** [rule, file, offending text below the header, innocent text below the header] */
const examples: [string, string, string, string][] = [
  [
    'time-and-chance',
    'packages/hw/src/a.ts',
    'const t = Date.now();',
    "const t = clock.now(); // Date.now, not 'Date.now'",
  ],
  ['time-and-chance', 'packages/hw/src/a.ts', 'globalThis.setTimeout(f, 1);', 'clock.setTimeout(f, 1);'],
  ['time-and-chance', 'packages/kernel/src/core/a.ts', 'const d = new Date();', 'const d = new Date(0);'],
  ['time-and-chance', 'packages/wire/src/a.ts', 'const r = Math.random();', 'const r = Math.round(1.5);'],
  ['time-and-chance', 'packages/wire/src/a.ts', "import 'timers/promises';", "import 'node:net';"],
  ['libc', 'packages/kernel/src/a.ts', "import koffi from 'koffi';", "const name = 'koffi';"],
  [
    'libc',
    'packages/wire/src/a.ts',
    "const k = await import('koffi');",
    "const k = await import('./native.unsafe.js');",
  ],
  ['libc', 'packages/thunk/src/a.ts', "createRequire(import.meta.url)('koffi');", "createRequire(url)('./a.json');"],
  ['output-and-exit', 'packages/kernel/src/a.ts', 'console.log(1);', 'log({ console: 1 }, terminal.console);'],
  ['output-and-exit', 'packages/thunk/src/a.ts', 'process.exit(1);', 'process.exitCode = 1;'],
  ['machine-paths', 'README.md', `see /${'home'}/someone/notes`, 'see packages/work/notes and $HOME/work'],
  ['registry-hosts', 'docs/a.md', `https://${'registry'}.example.org/x`, 'https://example.org/registry-of-deeds'],
  ['unfinished', 'scripts/a.mjs', `// TO${'DO'} later`, '// autodoc'],
];

describe('house-rules', () => {
  it.each(examples)('%s in %s: %s', (rule, file, offending, innocent) => {
    expect(broken(file, `${header}${offending}\n`)).toEqual([`2 ${rule}`]);
    expect(broken(file, `${header}${innocent}\n`)).toEqual([]);
  });

  it('allowed-where-it-belongs', () => {
    expect(broken('packages/base/src/clock.ts', `${header}setTimeout(f, 1);\n`)).toEqual([]);
    expect(broken('packages/kernel/src/core/a.test.ts', `${header}setTimeout(f, 1);\n`)).toEqual([]);
    expect(broken('packages/cli/src/a.ts', `${header}console.log(Date.now()); process.exit(1);\n`)).toEqual([]);
    expect(broken('packages/wire/src/a.unsafe.ts', `${header}import koffi from 'koffi';\n`)).toEqual([]);
  });

  it('unsafe-files-only-in-wire', () => {
    expect(broken('packages/kernel/src/a.unsafe.ts', header)).toEqual(['1 unsafe-place']);
  });

  it('file-header', () => {
    expect(broken('packages/hw/src/a.ts', 'export const a = 1;\n')).toEqual(['1 file-header']);
    expect(broken('packages/hw/src/a.ts', '/** */\nexport const a = 1;\n')).toEqual([]);
    expect(broken('scripts/a.mjs', '#!/usr/bin/env node\n// What it does.\n')).toEqual([]);
    expect(broken('packages/shim/src/a.c', '/*\n * What it does.\n */\n')).toEqual([]);
  });

  it('file-size', () => {
    expect(broken('packages/hw/src/a.ts', header + 'f();\n'.repeat(599))).toEqual([]);
    expect(broken('packages/hw/src/a.ts', header + 'f();\n'.repeat(600))).toEqual(['601 file-size']);
  });

  it('excuse-names-the-rule-and-a-reason', () => {
    const line = 'const t = Date.now();';
    const excuse = (text: string): string => `${header}// house-rules: allow ${text}\n${line}\n`;
    expect(broken('packages/hw/src/a.ts', excuse('time-and-chance, measured for the report only'))).toEqual([]);
    expect(broken('packages/hw/src/a.ts', excuse('time-and-chance'))).toEqual(['3 time-and-chance']);
    expect(broken('packages/hw/src/a.ts', excuse('libc, because'))).toEqual(['3 time-and-chance']);
  });

  it('every-rule-has-an-example', () => {
    const shown = new Set([...examples.map(([rule]) => rule), 'unsafe-place', 'file-header', 'file-size']);
    expect(RULES.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
  });
});

describe('manifests', () => {
  it('exact-versions', () => {
    const good = { dependencies: { a: '1.2.3', b: '1.0.0-beta.1', '@pedrera/base': 'workspace:*' } };
    expect(checkVersions('package.json', good)).toEqual([]);
    for (const range of ['^1.2.3', '~1.2.3', '1.x', '*', 'latest', 'file:../a', '1.2']) {
      expect(checkVersions('package.json', { devDependencies: { a: range } })).toHaveLength(1);
    }
  });

  it('layers', () => {
    const dependencies = { '@pedrera/base': 'workspace:*' };
    expect(checkLayers('hw', { dependencies }, ['base'])).toEqual([]);
    expect(checkLayers('hw', { dependencies }, [])).toHaveLength(1);
    expect(checkLayers('hw', {}, ['base'])).toHaveLength(1);
    expect(checkLayers('base', { dependencies: { '@pedrera/hw': 'workspace:*' } }, ['hw'])).toHaveLength(1);
    expect(checkLayers('attic', {}, [])).toHaveLength(1);
  });
});
