/** The two files that stand between the shell and the program: which build they run, and what its stacks say. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/', import.meta.url));
/** A frame at line 1, column 1 of a bundled file is line 7, column 3 of the source. */
const MAP = { version: 3, sources: ['../../../src/quarry.ts'], names: [], mappings: 'AAME' };

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'pedrera-bundled-'));
  write('package.json', '{ "type": "module" }');
  mkdirSync(path.join(root, 'bin'));
  for (const name of ['pedrera.cjs', 'source-lines.cjs']) {
    copyFileSync(path.join(BIN, name), path.join(root, 'bin', name));
  }
});

afterEach(() => rmSync(root, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(root, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** The modules, and a bundle made of them. */
function build(bundled = "exports.runMain = () => console.log('bundle');"): { input: string } {
  write('dist/main.js', "export const runMain = () => console.log('modules');");
  const input = write('dist/.tsbuildinfo', '{}');
  const { size, mtimeMs } = statSync(input);
  write('dist/bundle/one/main.cjs', bundled);
  write('dist/bundle/one/main.cjs.map', JSON.stringify(MAP));
  const inputs = [{ file: 'dist/.tsbuildinfo', size, mtimeMs }];
  write('dist/bundle/bundle.json', JSON.stringify({ name: 'one', inputs }));
  return { input };
}

function run(): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [path.join(root, 'bin', 'pedrera.cjs')], { encoding: 'utf8' });
}

describe('which build', () => {
  it('the-bundle-while-it-is-as-new-as-the-modules', () => {
    build();
    expect(run()).toMatchObject({ status: 0, stdout: 'bundle\n', stderr: '' });
  });

  it('the-modules-after-they-were-built-again', () => {
    const { input } = build();
    utimesSync(input, 1, 1);
    expect(run()).toMatchObject({ status: 0, stdout: 'modules\n', stderr: '' });
    writeFileSync(input, '{ }');
    expect(run().stdout).toBe('modules\n');
  });

  it('the-modules-when-one-of-the-inputs-is-gone', () => {
    const { input } = build();
    rmSync(input);
    expect(run().stdout).toBe('modules\n');
  });

  it('the-modules-when-there-is-no-bundle', () => {
    build();
    rmSync(path.join(root, 'dist', 'bundle'), { recursive: true });
    expect(run().stdout).toBe('modules\n');
  });

  it('none', () => {
    const { status, stderr } = run();
    expect(status).toBe(1);
    expect(stderr).toContain('not built yet: run `npm run setup`');
  });
});

describe('stacks', () => {
  const install = "require('../../../bin/source-lines.cjs').install(__dirname);";

  it('name-the-line-of-the-source', () => {
    build(`exports.runMain = function quarry() { throw new TypeError('rock'); }; ${install}`);
    const { stderr } = run();
    expect(stderr).toContain('TypeError: rock\n');
    expect(stderr).toContain(`    at Object.quarry [as runMain] (${path.join(root, 'src', 'quarry.ts')}:7:3)\n`);
    expect(stderr).toContain(path.join(root, 'bin', 'pedrera.cjs'));
  });

  it('without-a-map-the-line-of-the-bundle', () => {
    build(`exports.runMain = function quarry() { throw new TypeError('rock'); }; ${install}`);
    rmSync(path.join(root, 'dist', 'bundle', 'one', 'main.cjs.map'));
    expect(run().stderr).toContain(`(${path.join(root, 'dist', 'bundle', 'one', 'main.cjs')}:1:`);
  });
});
