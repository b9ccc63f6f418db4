/**
 * Every check of the project, one after the other, to the end: a line per step with its seconds, the output of what
 * failed, and exit code 1 if anything did. `npm run check` sets the checkout up first.
 *
 *   node scripts/check.mjs [--skip step,step] [--only step,step] [--list]
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { listPackages, ROOT } from './project.mjs';

/**
 * @typedef {{ name: string, what: string, command: string[], needs?: string, shown?: boolean }} Step
 * needs: a step that has to pass before this one means anything. shown: output is shown as it comes.
 */

const packageSources = listPackages(ROOT).map(({ dir }) => `packages/${dir}/src`);

/** Biome, tsc and the others are called through node_modules/.bin, where pnpm puts the pinned ones. @type {Step[]} */
const STEPS = [
  { name: 'format', what: 'Biome would not format anything differently', command: ['biome', 'format'] },
  {
    name: 'lint',
    what: 'Biome lint and import order',
    command: ['biome', 'check', '--formatter-enabled=false', '--diagnostic-level=warn', '--error-on-warnings'],
  },
  { name: 'house', what: 'house rules', command: ['node', 'scripts/house-rules.mjs'] },
  { name: 'types', what: 'types of the packages, and their build', command: ['tsc', '--build'] },
  {
    name: 'bundle',
    what: 'the built command in a few files',
    command: ['node', 'scripts/bundle.mjs'],
    needs: 'types',
  },
  {
    name: 'types-scripts',
    what: 'types of the scripts',
    command: ['tsc', '--project', 'tsconfig.scripts.json'],
    needs: 'types',
  },
  { name: 'layers', what: 'who imports whom', command: ['depcruise', '--output-type', 'err', ...packageSources] },
  { name: 'planted', what: 'wrong imports are refused', command: ['node', 'scripts/check-planted-imports.mjs'] },
  { name: 'unused', what: 'exports, files and dependencies nobody uses', command: ['knip', '--no-config-hints'] },
  {
    name: 'docs',
    what: 'generated documents are up to date',
    command: ['node', 'scripts/generate-docs.mjs', '--check'],
    needs: 'types',
  },
  { name: 'tests', what: 'unit, fuzz and process tests', command: ['vitest', 'run'], needs: 'types', shown: true },
];

/**
 * @param {Step} step
 * @returns {Promise<{ passed: boolean, seconds: string, output: string }>}
 */
async function run({ command: [program = '', ...args], shown }) {
  const bin = path.join(ROOT, 'node_modules', '.bin');
  const started = process.hrtime.bigint();
  const child = spawn(program === 'node' ? process.execPath : path.join(bin, program), args, {
    cwd: ROOT,
    stdio: shown ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
    });
  }
  const passed = await new Promise((resolve) => {
    child.on('error', (error) => {
      output += `${error.message}\n`;
      resolve(false);
    });
    child.on('close', (code) => resolve(code === 0));
  });
  return { passed, seconds: (Number(process.hrtime.bigint() - started) / 1e9).toFixed(1), output };
}

/** @param {string | undefined} list @returns {Set<string> | null} */
function stepNames(list) {
  if (list === undefined) return null;
  const names = new Set(list.split(','));
  for (const name of names) {
    if (STEPS.some((step) => step.name === name)) continue;
    console.error(`check: no step '${name}'; there are ${STEPS.map((step) => step.name).join(', ')}`);
    process.exit(2);
  }
  return names;
}

/** @param {string} verdict @param {Step} step @param {string} detail */
function report(verdict, { name, what }, detail) {
  console.log(`${verdict.padEnd(7)} ${name.padEnd(14)} ${detail.padStart(8)}  ${what}`);
}

async function main() {
  const { values } = parseArgs({
    options: { skip: { type: 'string' }, only: { type: 'string' }, list: { type: 'boolean' } },
  });
  if (values.list) {
    for (const step of STEPS) console.log(`${step.name.padEnd(14)} ${step.what}`);
    return;
  }
  const skip = stepNames(values.skip);
  const only = stepNames(values.only);
  /** @type {string[]} */
  const failed = [];
  for (const step of STEPS) {
    if (skip?.has(step.name) || (only !== null && !only.has(step.name))) continue;
    if (step.needs !== undefined && failed.includes(step.needs)) {
      report('not run', step, `${step.needs}!`);
      failed.push(step.name);
      continue;
    }
    const { passed, seconds, output } = await run(step);
    report(passed ? 'ok' : 'FAILED', step, `${seconds} s`);
    if (passed) continue;
    process.stdout.write(output);
    failed.push(step.name);
  }
  if (failed.length === 0) return;
  console.log(`check: ${failed.join(', ')} failed`);
  process.exitCode = 1;
}

await main();
