/**
 * Builds the project's own C programs with the machine's C compiler, where there is one. A program, run by setup-steps.mjs; the
 * preload library has a build of its own (packages/shim/src/main.ts).
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = fileURLToPath(new URL('../packages/', import.meta.url));

/** A directory of C files, and the program they are. */
const PROGRAMS = [
  { sources: 'conformance/relay', program: 'conformance/dist/conformance-relay' },
  { sources: 'bench/c', program: 'bench/dist/c-program' },
];

const OPTIONS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];

for (const { sources, program } of PROGRAMS) {
  const directory = path.join(PACKAGES, sources);
  const files = readdirSync(directory).filter((name) => name.endsWith('.c'));
  const output = path.join(PACKAGES, program);
  // Of an older build nothing must remain if this one fails.
  rmSync(output, { force: true });
  const inputs = files.sort().map((name) => path.join(directory, name));
  const { error, status } = spawnSync(process.env.CC ?? 'cc', [...OPTIONS, '-o', output, ...inputs], {
    stdio: 'inherit',
  });
  if (error === undefined && status !== 0) process.exitCode = status ?? 1;
}
