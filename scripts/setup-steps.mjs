/**
 * The two steps of setup, each skipped when its inputs and outputs are as the last run left them: install the
 * dependencies with the pinned pnpm, build with tsc and bundle what it built. Only one process at a time works in a checkout.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { acquireLock } from './directory-lock.mjs';
import { listFiles, listPackages, ROOT, readJson } from './project.mjs';

/** Kept in node_modules, so that removing node_modules makes everything stale. */
const STAMPS = path.join(ROOT, 'node_modules', '.cache', 'pedrera');
const WORKSPACE_FILES = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'];

/** Beside `src`, what packages keep the sources of C programs in. */
const C_SOURCES = ['relay', 'c'];

/** A step that failed for a reason the message explains: shown without a stack. */
export class SetupFailure extends Error {
  isSetupFailure = true;
}

/**
 * @typedef {{ name: string, inputs: () => string, outputs: () => string, run: () => Promise<void> }} Step
 * inputs and outputs are digests: of what the step reads, of what it leaves behind.
 */

/** @type {import('node:child_process').ChildProcess | null} */
let running = null;

/** @param {{ build: boolean }} options */
export async function setup({ build }) {
  /** @type {Step[]} */
  const steps = [{ name: 'installed', inputs: installInputs, outputs: installOutputs, run: install }];
  if (build) steps.push({ name: 'built', inputs: buildInputs, outputs: buildOutputs, run: compile });
  if (steps.every(isFresh)) return;
  const release = await acquireLock(path.join(ROOT, '.cache', 'setup.lock'), {
    onWait: (owner) => console.error(`setup: waiting for ${owner}, which is setting up this checkout`),
  });
  const interrupted = () => {
    running?.kill();
    release();
    process.exit(130);
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  try {
    for (const step of steps) {
      if (isFresh(step)) continue;
      rmSync(path.join(STAMPS, step.name), { force: true });
      // Before the run: what is edited while it runs is to count as not yet seen.
      const inputs = step.inputs();
      await step.run();
      mkdirSync(STAMPS, { recursive: true });
      writeFileSync(path.join(STAMPS, step.name), inputs + step.outputs());
    }
  } finally {
    release();
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
}

/** @param {string} name */
function readStamp(name) {
  const file = path.join(STAMPS, name);
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}

/** @param {Step} step */
function isFresh(step) {
  return readStamp(step.name) === step.inputs() + step.outputs();
}

/** What decides the content of the node_modules directories. */
function installInputs() {
  const packages = listPackages(ROOT);
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const file of [...WORKSPACE_FILES, ...packages.map(({ dir }) => `packages/${dir}/package.json`)]) {
    hash.update(`${file}\n`).update(readFileSync(path.join(ROOT, file)));
  }
  return hash.digest('hex');
}

/** Which packages have their node_modules. That the root has its own shows by the stamp, which lies in it. */
function installOutputs() {
  return listPackages(ROOT)
    .filter(({ dir }) => existsSync(path.join(ROOT, 'packages', dir, 'node_modules')))
    .map(({ dir }) => ` ${dir}`)
    .join('');
}

async function install() {
  const pnpm = `pnpm@${readJson(path.join(ROOT, 'package.json')).engines.pnpm}`;
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env, npm_config_prefer_offline: 'true', ...cachesInCheckout() };
  // With NODE_ENV=production pnpm leaves out what builds and tests the project.
  delete env.NODE_ENV;
  await run(`installing dependencies with ${pnpm}`, {
    command: 'npx',
    args: ['--yes', pnpm, 'install', '--frozen-lockfile', '--reporter=append-only'],
    env,
    missing: 'setup needs npx, which comes with npm: https://docs.npmjs.com/downloading-and-installing-node-js-and-npm',
  });
}

/**
 * Where npm and pnpm keep their downloads when the home directory cannot be written to.
 *
 * @returns {Record<string, string>}
 */
function cachesInCheckout() {
  const npmCache = process.env.npm_config_cache ?? path.join(os.homedir(), '.npm');
  if (canWriteTo(npmCache) && canWriteTo(process.env.XDG_DATA_HOME ?? path.join(os.homedir(), '.local', 'share'))) {
    return {};
  }
  const cache = path.join(ROOT, '.cache');
  return {
    npm_config_cache: path.join(cache, 'npm'),
    XDG_DATA_HOME: path.join(cache, 'data'),
    XDG_CACHE_HOME: path.join(cache, 'cache'),
    XDG_STATE_HOME: path.join(cache, 'state'),
  };
}

/** @param {string} dir */
function canWriteTo(dir) {
  const probe = path.join(dir, `.pedrera-probe-${process.pid}`);
  try {
    mkdirSync(dir, { recursive: true });
    writeFileSync(probe, '');
    rmSync(probe);
    return true;
  } catch {
    return false;
  }
}

/** What the build reads. Names, sizes and times: asking tsc itself takes seconds. */
function buildInputs() {
  const sources = listPackages(ROOT).flatMap(({ dir }) => [
    `packages/${dir}/package.json`,
    `packages/${dir}/tsconfig.json`,
    ...C_SOURCES.concat('src').flatMap((sources) => listFilesIfAny(`packages/${dir}/${sources}`)),
  ]);
  return digestOfTimes(
    [
      ...['tsconfig.base.json', 'tsconfig.json', 'scripts/bundle.mjs', 'scripts/c-programs.mjs'],
      ...['packages/cli/bin/bundled.cjs', ...sources],
    ],
    readStamp('installed') ?? '',
  );
}

/** What the build writes, so that a removed or overwritten file is missed. */
function buildOutputs() {
  return digestOfTimes(
    listPackages(ROOT).flatMap(({ dir }) => listFilesIfAny(`packages/${dir}/dist`)),
    '',
  );
}

/** @param {string} dir relative to the root */
function listFilesIfAny(dir) {
  return existsSync(path.join(ROOT, dir)) ? listFiles(ROOT, dir) : [];
}

/** @param {string[]} files @param {string} salt */
function digestOfTimes(files, salt) {
  const hash = createHash('sha256').update(salt);
  for (const file of files) {
    const stat = statSync(path.join(ROOT, file), { throwIfNoEntry: false });
    hash.update(`${file} ${stat?.size} ${stat?.mtimeMs}\n`);
  }
  return hash.digest('hex');
}

async function compile() {
  const color = process.stderr.isTTY ? ['--pretty'] : [];
  await run('building', {
    command: process.execPath,
    args: [path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '--build', ...color],
    env: process.env,
    missing: `setup cannot start ${process.execPath}`,
  });
  await run('bundling', {
    command: process.execPath,
    args: [path.join(ROOT, 'scripts', 'bundle.mjs')],
    env: process.env,
    missing: `setup cannot start ${process.execPath}`,
  });
  const shim = path.join(ROOT, 'packages', 'shim', 'dist');
  await run('building the library that C programs are preloaded with', {
    command: process.execPath,
    args: [path.join(shim, 'main.js')],
    env: process.env,
    missing: `setup cannot start ${process.execPath}`,
  });
  await run('building C programs for tests and benchmarks', {
    command: process.execPath,
    args: [path.join(ROOT, 'scripts', 'c-programs.mjs')],
    env: process.env,
    missing: `setup cannot start ${process.execPath}`,
  });
  if (!existsSync(path.join(shim, 'libpedrera_shim.so'))) {
    console.error(
      'setup: there is no C compiler (cc), so `pedrera run` and `pedrera env` will not work; all else does',
    );
  }
}

/**
 * Runs one program: a line with what it does and how long it took; its output only if it fails.
 *
 * @param {string} title
 * @param {{ command: string, args: string[], env: NodeJS.ProcessEnv, missing: string }} program
 */
async function run(title, { command, args, env, missing }) {
  process.stderr.write(`setup: ${title} ... `);
  const started = process.hrtime.bigint();
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  /** @type {Buffer[]} */
  const output = [];
  child.stdout.on('data', (chunk) => output.push(chunk));
  child.stderr.on('data', (chunk) => output.push(chunk));
  const problem = await new Promise((resolve) => {
    child.on('error', (error) => {
      resolve(/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT' ? missing : `setup: ${error.message}`);
    });
    child.on('close', (code, signal) => {
      resolve(code === 0 ? null : `setup: ${title} failed (${signal ?? `exit code ${code}`})`);
    });
  });
  running = null;
  if (problem !== null) {
    process.stderr.write('failed\n');
    process.stderr.write(Buffer.concat(output));
    throw new SetupFailure(problem);
  }
  process.stderr.write(`${(Number(process.hrtime.bigint() - started) / 1e9).toFixed(1)} s\n`);
}
