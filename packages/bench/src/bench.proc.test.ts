/** The program as it is run. Figures are not looked at, only that they are there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type TempDirectory, tempDirectory } from '@pedrera/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BENCHMARKS } from './benchmarks/all.js';
import type { Report } from './report.js';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** Far more than a quick run takes; the machine may be busy. */
const PATIENCE_MS = 180_000;

let directory: TempDirectory;
beforeEach(() => {
  directory = tempDirectory();
});
afterEach(() => directory[Symbol.dispose]());

/** Starts the program with a place of its own for temporary files. */
function start(...args: string[]) {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: directory.path },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const closed = once(child, 'close').then(([code]: unknown[]) => ({ code, output }));
  return { child, closed };
}

describe('bench', () => {
  it(
    'quick-json',
    async () => {
      const { code, output } = await start('--quick', '--json').closed;
      const report = JSON.parse(output) as Report;
      expect(report.schema).toBe('pedrera.bench/1');
      expect(report.quick).toBe(true);
      expect(report.benchmarks.map(({ name, error }) => ({ name, error }))).toEqual(
        BENCHMARKS.map(({ name }) => ({ name, error: null })),
      );
      for (const { figures, skipped } of report.benchmarks) {
        expect(figures.length > 0).toBe(skipped === null);
        for (const { name, ours, reference, ratio, target } of figures) {
          const numbers = [ours, ...(reference === null ? [] : [reference.value, ratio])];
          expect(numbers.every(Number.isFinite), name).toBe(true);
          expect(typeof (target?.met ?? true)).toBe('boolean');
        }
      }
      expect(code).toBe(0);
      expect(readdirSync(directory.path)).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'interrupted-leaves-nothing',
    async () => {
      const { child, closed } = start('--quick', '--only', 'round-trip');
      // Said before the first benchmark starts its daemon: that is then caught half-way.
      await once(child.stderr, 'data');
      child.kill('SIGINT');
      const { code, output } = await closed;
      expect({ code, output }).toEqual({ code: 130, output: '' });
      expect(readdirSync(directory.path)).toEqual([]);
    },
    PATIENCE_MS,
  );

  it('unknown-benchmark', async () => {
    const { code, output } = await start('--only', 'everything').closed;
    expect({ code, output }).toEqual({ code: 2, output: '' });
  });
});
