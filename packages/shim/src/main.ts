/**
 * Builds the preload library: the header from the table, then the machine's C compiler. A program, run by scripts/setup.mjs.
 *
 * Owns: which compiler, with which options. Must not know what the C code does.
 */
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SHIM_LIBRARY, SHIM_SOURCES, SHIM_TABLES } from './places.js';
import { renderTables } from './tables.js';

/** Programs pass null where libc's headers promise that nobody does. */
const WARNINGS = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter', '-Wno-nonnull-compare'];

writeFileSync(SHIM_TABLES, renderTables());
// Of an older build nothing must remain if this one fails.
rmSync(SHIM_LIBRARY, { force: true });
const compiler = process.env.CC ?? 'cc';
const library = [
  '-std=gnu11',
  '-O2',
  '-fPIC',
  '-fno-delete-null-pointer-checks',
  '-shared',
  '-fvisibility=hidden',
  '-pthread',
];
const include = `-I${path.dirname(SHIM_TABLES)}`;
const { error, status } = spawnSync(
  compiler,
  [...library, ...WARNINGS, include, '-o', SHIM_LIBRARY, ...SHIM_SOURCES, '-ldl'],
  { stdio: 'inherit' },
);
if (error !== undefined) {
  process.stdout.write(
    `no C compiler (${compiler}: ${error.message}): everything but \`pedrera run\` works without one\n`,
  );
} else {
  process.exitCode = status ?? 1;
}
