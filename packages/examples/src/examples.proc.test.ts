/** Every example as its user runs it: with one command, which verifies what it did and leaves nothing behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXAMPLES } from './list.js';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const SHORT_LINES = 80;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'pedrera-examples-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function run(...args: string[]) {
  const { PEDRERA_SOCKET: _, ...env } = process.env;
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...env, TMPDIR: directory } });
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

  it('the-list-and-an-unknown-name', async () => {
    const list = await run();
    expect(list.code).toBe(0);
    for (const name of Object.keys(EXAMPLES)) expect(list.out).toContain(`  ${name} `);
    expect((await run('none')).code).toBe(2);
  });

  it('are-short-enough-to-be-read', () => {
    const tours = readdirSync(new URL('./tours/', import.meta.url)).map((file) => `tours/${file}`);
    for (const file of [...Object.keys(EXAMPLES).map((name) => `${name}.ts`), ...tours]) {
      const source = readFileSync(new URL(`./${file}`, import.meta.url), 'utf8');
      expect(source.trimEnd().split('\n').length, file).toBeLessThan(SHORT_LINES);
    }
  });
});
