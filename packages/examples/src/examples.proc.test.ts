/** Every example as its user runs it: with one command, which verifies what it did and leaves nothing behind. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXAMPLES } from './list.js';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const PEDRERA = fileURLToPath(new URL('../../cli/bin/pedrera.cjs', import.meta.url));
const C_SOURCE = fileURLToPath(new URL('../c/first-copy.c', import.meta.url));
const CAN_COMPILE = spawnSync('cc', ['--version']).error === undefined && existsSync('/usr/include/misc/habanalabs.h');
const SHORT_LINES = 80;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'pedrera-examples-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function run(...args: string[]) {
  return runNode(PROGRAM, ...args);
}

async function runNode(...args: string[]) {
  const { PEDRERA_SOCKET: _, ...env } = process.env;
  const child = spawn(process.execPath, args, { env: { ...env, TMPDIR: directory } });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
  }
  const [code] = await once(child, 'close');
  return { code, out };
}

describe('examples', () => {
  it.each(Object.keys(EXAMPLES))('%s', async (name) => {
    const { code, out } = await run(name);
    expect(out).toMatch(/^ok /m);
    expect(
      out
        .trimEnd()
        .split('\n')
        .filter((line) => !line.startsWith('ok ')),
    ).toEqual([]);
    expect(code).toBe(0);
    expect(readdirSync(directory)).toEqual([]);
  });

  it.skipIf(!CAN_COMPILE)('the-one-in-C (needs a C compiler and <misc/habanalabs.h>)', async () => {
    const program = path.join(directory, 'first-copy');
    const { status, stderr } = spawnSync('cc', ['-Wall', '-Wextra', '-Werror', '-o', program, C_SOURCE], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { code, out } = await runNode(PEDRERA, 'run', '--leaks', '--', program);
    expect(out.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^ok {6}device 0x1000 has \d+ MiB of HBM for us$/),
      'ok      1048576 bytes went to the device and came back',
    ]);
    expect(code).toBe(0);
    rmSync(program);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('the-list-and-an-unknown-name', async () => {
    const list = await run();
    expect(list.code).toBe(0);
    for (const name of Object.keys(EXAMPLES)) expect(list.out).toContain(`  ${name} `);
    expect((await run('none')).code).toBe(2);
  });

  it('are-short-enough-to-be-read', () => {
    const tours = readdirSync(new URL('./tours/', import.meta.url)).map((file) => `tours/${file}`);
    for (const file of [...Object.keys(EXAMPLES).map((name) => `${name}.ts`), ...tours, '../c/first-copy.c']) {
      const source = readFileSync(new URL(`./${file}`, import.meta.url), 'utf8');
      expect(source.trimEnd().split('\n').length, file).toBeLessThan(SHORT_LINES);
    }
  });
});
