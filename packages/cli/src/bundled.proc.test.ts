/** The files that stand between the shell and the program: which build they run, how it is loaded, and what its stacks say. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/', import.meta.url));
/** A frame at line 1, column 1 of a bundled file is line 7, column 3 of the source. */
const MAP = { version: 3, sources: ['../../../src/quarry.ts'], names: [], mappings: 'AAME' };

/** What scripts/bundle.mjs writes at the top of an entry. */
const LOAD = "require = require('../../../bin/bundled.cjs').requireFor(module);";
/** What it does when all is written. */
const CACHE = `
  const { codeCaches, requireFor } = require('./bin/bundled.cjs');
  requireFor({ filename: __dirname + '/dist/bundle/one/main.cjs', exports: {} })('./part.cjs');
  for (const [file, cache] of codeCaches()) require('node:fs').writeFileSync(file + '.cache', cache);`;
/** Says at the end whether V8 has refused a cache. */
const WATCH = `
  const vm = require('node:vm');
  const { Script } = vm;
  let refused = false;
  vm.Script = class extends Script {
    constructor(...args) {
      super(...args);
      refused ||= this.cachedDataRejected === true;
    }
  };
  process.on('exit', () => console.log('refused: ' + refused));`;

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'pedrera-bundled-'));
  write('package.json', '{ "type": "module" }');
  mkdirSync(path.join(root, 'bin'));
  for (const name of ['pedrera.cjs', 'bundled.cjs', 'source-lines.cjs']) {
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

describe('code caches', () => {
  /** Is in the cache only if V8 has compiled it. */
  const PART = "exports.say = function say() { return 'part'; }; exports.say();";
  const ENTRY = `${LOAD} globalThis.entries = (globalThis.entries ?? 0) + 1; exports.runMain = () => console.log(require('./part.cjs').say(), require('node:fs') !== undefined);`;
  let part: string;

  beforeEach(() => {
    build(ENTRY);
    part = write('dist/bundle/one/part.cjs', PART);
    write('cache.cjs', CACHE);
    spawnSync(process.execPath, [path.join(root, 'cache.cjs')]);
  });

  /** What it said, and whether V8 took the cache. */
  function load(...flags: string[]): { stdout: string; stderr: string; refused: boolean } {
    const watch = write('watch.cjs', WATCH);
    const args = [...flags, '--require', watch, path.join(root, 'bin', 'pedrera.cjs')];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    return { stdout: stdout.replace(/\nrefused: .*/s, ''), stderr, refused: /refused: true/.test(stdout) };
  }

  it('are-used', () => {
    expect(load()).toEqual({ stdout: 'part true', stderr: '', refused: false });
  });

  it('of-other-flags-are-refused', () => {
    expect(load('--no-opt')).toEqual({ stdout: 'part true', stderr: '', refused: true });
  });

  it('of-another-text-are-refused', () => {
    writeFileSync(part, `${PART} // longer`);
    expect(load()).toEqual({ stdout: 'part true', stderr: '', refused: true });
  });

  it.each<[string, (cache: Buffer) => Buffer]>([
    ['cut', (cache) => cache.subarray(0, cache.length >> 1)],
    ['empty', (cache) => cache.subarray(0, 0)],
    ['with-one-wrong-bit', (cache) => cache.fill((cache.at(-9) ?? 0) ^ 1, cache.length - 9, cache.length - 8)],
  ])('%s-are-refused', (_, damage) => {
    writeFileSync(`${part}.cache`, damage(readFileSync(`${part}.cache`)));
    expect(load()).toEqual({ stdout: 'part true', stderr: '', refused: true });
  });

  it('need-not-be-there', () => {
    rmSync(`${part}.cache`);
    expect(load()).toEqual({ stdout: 'part true', stderr: '', refused: false });
  });

  it('an-entry-that-a-part-requires-is-not-loaded-again', () => {
    write('dist/bundle/one/part.cjs', "exports.say = () => (require('./main.cjs'), globalThis.entries);");
    expect(load().stdout).toBe('1 true');
  });
});

describe('stacks', () => {
  it('name-the-line-of-the-source', () => {
    build(`exports.runMain = function quarry() { throw new TypeError('rock'); }; ${LOAD}`);
    const { stderr } = run();
    expect(stderr).toContain('TypeError: rock\n');
    expect(stderr).toContain(`    at Object.quarry [as runMain] (${path.join(root, 'src', 'quarry.ts')}:7:3)\n`);
    expect(stderr).toContain(path.join(root, 'bin', 'pedrera.cjs'));
  });

  it('name-it-when-the-code-comes-from-a-cache-and-the-checkout-has-moved', () => {
    build(`${LOAD} exports.runMain = () => require('./part.cjs').quarry();`);
    write('dist/bundle/one/part.cjs', "exports.quarry = function quarry() { throw new TypeError('rock'); };");
    write('dist/bundle/one/part.cjs.map', JSON.stringify(MAP));
    spawnSync(process.execPath, [write('cache.cjs', CACHE)]);
    const moved = `${root}-moved`;
    renameSync(root, moved);
    root = moved;
    const { stderr } = run();
    expect(stderr).toContain('TypeError: rock\n');
    expect(stderr).toContain(`    at Object.quarry (${path.join(root, 'src', 'quarry.ts')}:7:3)\n`);
  });

  it('without-a-map-the-line-of-the-bundle', () => {
    build(`exports.runMain = function quarry() { throw new TypeError('rock'); }; ${LOAD}`);
    rmSync(path.join(root, 'dist', 'bundle', 'one', 'main.cjs.map'));
    expect(run().stderr).toContain(`(${path.join(root, 'dist', 'bundle', 'one', 'main.cjs')}:1:`);
  });
});
