/**
 * Proves that the import rules bite: plants wrong imports in a copy of the sources, each in a file of its own, and
 * expects each to be refused by the rule meant for it; and expects the copy without them to pass.
 *
 *   node scripts/check-planted-imports.mjs
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { listPackages, ROOT } from './project.mjs';

/** @typedef {{ what: string, rule: string, dir: string, file: string, text: string }} Plant */

/**
 * @param {string} dir the package that gets the import
 * @param {string} text
 * @param {string} rule the one that has to refuse it
 * @param {string} what
 * @param {string} [file]
 * @returns {Plant}
 */
function plant(dir, text, rule, what, file = `${what.replaceAll(/[^a-z]+/g, '-')}.ts`) {
  return { what, rule, dir, file, text };
}

const PLANTS = [
  plant('thunk', "import '@pedrera/kernel';", 'layer-thunk', 'thunk imports kernel'),
  plant('thunk', "import '@pedrera/silicon';", 'layer-thunk', 'thunk imports silicon'),
  plant('silicon', "import '@pedrera/uapi';", 'layer-silicon', 'silicon imports uapi'),
  plant('silicon', "import type {} from '@pedrera/uapi';", 'layer-silicon', 'silicon imports a type of uapi'),
  plant('uapi', "import '@pedrera/wire';", 'layer-uapi', 'uapi imports wire'),
  plant('hw', "import '@pedrera/uapi';", 'layer-hw', 'hw imports uapi'),
  plant('base', "import '@pedrera/hw';", 'layer-base', 'base imports hw'),
  plant('kernel', "import '@pedrera/thunk';", 'layer-kernel', 'kernel imports thunk'),
  plant('wire', "import '@pedrera/hw';", 'layer-wire', 'wire imports hw'),
  plant('web', "import '@pedrera/uapi';", 'types-only-in-the-browser', 'the page needs a package at run time'),
  plant('web', "import 'node:fs';", 'browser-knows-no-node', 'the page opens a file'),
  plant('web', "import type {} from '@pedrera/thunk';", 'layer-web', 'web imports a type of thunk'),
  plant('cli', "import '@pedrera/silicon';", 'layer-cli', 'cli imports silicon'),
  plant('cli', "import('@pedrera/kernel');", 'kernel-only-where-it-is-loaded', 'a client command loads the kernel'),
  plant(
    'cli',
    "import '@pedrera/kernel';",
    'kernel-only-on-demand',
    'the starter always loads it',
    'planted-daemon.ts',
  ),
  plant('cli', "import('@pedrera/explore');", 'explore-only-where-it-is-loaded', 'a command loads the explorer'),
  plant('hw', "import '../../../base/src/errno.js';", 'one-door', 'a deep import by path'),
  plant('hw', "import '@pedrera/base/dist/errno.js';", 'unresolvable', 'a deep import by name'),
  plant('silicon', "import 'node:fs';", 'platform-free', 'silicon opens a file'),
  plant('uapi', "import 'typescript';", 'undeclared-dependency', 'uapi uses what it does not declare'),
  plant('thunk', "import 'vitest';", 'test-tools-only-in-tests', 'a program uses the test runner'),
  plant('orphan', "import '@pedrera/base';", 'package-without-layer', 'a package nobody gave a layer'),
  plant('base', "export { b } from './b.js';\nexport const a = 1;", 'no-cycles', 'a cycle', 'a.ts'),
];

/** What the planted cycle needs; dependency-cruiser reports a cycle once. */
const COUNTERPART = plant('base', "export { a } from './a.js';\nexport const b = 1;", 'no-cycles', 'a cycle', 'b.ts');

/** @param {string} target */
function copySources(target) {
  for (const file of ['package.json', 'tsconfig.base.json', 'tsconfig.imports.json', '.dependency-cruiser.mjs']) {
    cpSync(path.join(ROOT, file), path.join(target, file));
  }
  mkdirSync(path.join(target, 'scripts'));
  cpSync(path.join(ROOT, 'scripts/layers.mjs'), path.join(target, 'scripts/layers.mjs'));
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(target, 'node_modules'));
  for (const { dir } of listPackages(ROOT)) {
    for (const part of ['package.json', 'src']) {
      const from = path.join(ROOT, 'packages', dir, part);
      if (existsSync(from)) cpSync(from, path.join(target, 'packages', dir, part), { recursive: true });
    }
    const modules = path.join(ROOT, 'packages', dir, 'node_modules');
    if (existsSync(modules)) symlinkSync(modules, path.join(target, 'packages', dir, 'node_modules'));
  }
}

/** @param {string} dir the copy */
function cruise(dir) {
  const program = path.join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const sources = readdirSync(path.join(dir, 'packages')).map((name) => `packages/${name}/src`);
  const args = [program, '--output-type', 'err', ...sources];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: dir, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** @returns {string[]} what is wrong with the rules */
function checkPlants() {
  const dir = mkdtempSync(path.join(realpathSync(os.tmpdir()), 'pedrera-planted-'));
  try {
    copySources(dir);
    const untouched = cruise(dir);
    if (untouched.status !== 0) return [`the sources as they are do not pass:\n${untouched.output}`];
    for (const { dir: name, file, text } of [...PLANTS, COUNTERPART]) {
      const planted = path.join(dir, 'packages', name, 'src/planted');
      mkdirSync(planted, { recursive: true });
      writeFileSync(path.join(planted, file), `${text}\n`);
    }
    const { status, output } = cruise(dir);
    const problems = PLANTS.filter(
      ({ rule, dir: name, file }) => !output.includes(`error ${rule}: packages/${name}/src/planted/${file} `),
    ).map(({ rule, what }) => `${what}: not refused by ${rule}`);
    if (status === 0) problems.push('planted imports do not make the check fail');
    return problems.length === 0 ? [] : [...problems, output];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const problems = checkPlants();
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`${PLANTS.length} planted imports refused`);
