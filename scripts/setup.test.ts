/** Setup's first lines: what a user of another Node sees, and that it is all they see. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import nodeComplaint from './node-version.cjs';

const scriptFile = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

describe('node-version', () => {
  it('too-old', () => {
    const sentence = 'Pedrera needs Node.js 20.19 or newer, and this is 18.20.4: https://nodejs.org/';
    expect(nodeComplaint('18.20.4')).toBe(sentence);
    for (const version of ['4.9.1', '12.22.12', '20.9.0', '20.18.3']) expect(nodeComplaint(version)).toContain(version);
  });

  it('new-enough', () => {
    for (const version of ['20.19.0', '20.20.2', '22.0.0', '24.11.1', '100.0.0']) {
      expect(nodeComplaint(version)).toBeNull();
    }
  });
});

describe('setup', () => {
  it('old-node-gets-one-sentence', () => {
    const pretend = "Object.defineProperty(process.versions, 'node', { value: '16.20.2' });";
    const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
    const result = spawnSync(process.execPath, ['--import', preload, scriptFile('setup.mjs')], { encoding: 'utf8' });
    expect(result.status).toBe(1);
    expect(result.stdout).toBe('');
    expect(result.stderr).toBe('Pedrera needs Node.js 20.19 or newer, and this is 16.20.2: https://nodejs.org/\n');
  });

  it('first-lines-parse-on-old-nodes', () => {
    for (const name of ['setup.mjs', 'node-version.cjs']) {
      const text = readFileSync(scriptFile(name), 'utf8');
      const lowered = ts.transpileModule(text, {
        compilerOptions: { target: ts.ScriptTarget.ES2018, module: ts.ModuleKind.ESNext },
        fileName: name.replace(/\.[cm]js$/, '.js'),
      });
      // Nothing newer than ES2018 is in them if the compiler finds nothing to lower.
      const plain = ts.transpileModule(text, {
        compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
        fileName: name.replace(/\.[cm]js$/, '.js'),
      });
      expect(lowered.outputText).toBe(plain.outputText);
      expect(text).not.toMatch(/from 'node:|^await /m);
    }
  });
});
