/**
 * How tests are found and run: three kinds, told apart by file name (docs/testing.md).
 *
 * - unit  `*.test.ts`       virtual clock, no sockets, beside the source
 * - fuzz  `*.fuzz.test.ts`  fast-check, generated from the contract's table
 * - proc  `*.proc.test.ts`  real daemons and real client processes
 *
 * A test sees its own package as TypeScript and every other package as its users do: built JavaScript, through the
 * package's only door.
 */
import { defineConfig } from 'vitest/config';

const never = ['**/node_modules/**', '**/dist/**', '**/.cache/**'];
const procTests = '{packages,scripts}/**/*.proc.test.ts';
const fuzzTests = '{packages,scripts}/**/*.fuzz.test.ts';

export default defineConfig({
  test: {
    environment: 'node',
    pool: 'forks',
    reporters: ['default', './scripts/count-reporter.mjs'],
    // Node loads built packages itself: nothing is transformed twice, and workers find their files.
    server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{packages,scripts}/**/*.test.ts'],
          exclude: [...never, procTests, fuzzTests],
          // Only a hang takes this long: no timing decides a test, whatever else the machine is doing.
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'fuzz',
          include: [fuzzTests],
          exclude: never,
          testTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'proc',
          include: [procTests],
          exclude: never,
          // Each file has a daemon, its device workers and clients of its own: one file at a time on a 2-core machine.
          maxWorkers: 1,
          testTimeout: 60_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
