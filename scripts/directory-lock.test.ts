/** The lock of setup: one holder at a time, and a dead holder does not keep it. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireLock, processIdentity } from './directory-lock.mjs';

describe('directory-lock', () => {
  let dir: string;
  let lock: string;

  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'pedrera-lock-'));
    lock = path.join(dir, 'nested', 'lock');
  });

  afterEach(() => {
    rmSync(dir, { recursive: true });
  });

  it('names-its-holder', async () => {
    const release = await acquireLock(lock);
    expect(readFileSync(path.join(lock, 'owner'), 'utf8')).toBe(processIdentity(process.pid));
    release();
    expect(existsSync(lock)).toBe(false);
  });

  it('second-waits-for-first', async () => {
    const release = await acquireLock(lock);
    const order: string[] = [];
    const waiting = new Promise<string>((resolve) => {
      void acquireLock(lock, { onWait: resolve }).then((releaseSecond) => {
        order.push('second');
        releaseSecond();
      });
    });
    expect(await waiting).toBe(`process ${process.pid}`);
    order.push('first done');
    release();
    await expect.poll(() => order).toEqual(['first done', 'second']);
    await expect.poll(() => existsSync(lock)).toBe(false);
  });

  it('dead-holder-is-replaced', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    mkdirSync(lock, { recursive: true });
    writeFileSync(path.join(lock, 'owner'), `${pid} 1`);
    const release = await acquireLock(lock);
    release();
    expect(readdirSync(path.dirname(lock))).toEqual([]);
  });

  it('reused-process-number-is-not-the-holder', async () => {
    mkdirSync(lock, { recursive: true });
    writeFileSync(path.join(lock, 'owner'), `${process.pid} 1`);
    const release = await acquireLock(lock);
    expect(readFileSync(path.join(lock, 'owner'), 'utf8')).toBe(processIdentity(process.pid));
    release();
  });

  it('many-processes-one-at-a-time', async () => {
    const journal = path.join(dir, 'journal');
    const program = `
      import { appendFileSync } from 'node:fs';
      import { acquireLock } from ${JSON.stringify(new URL('./directory-lock.mjs', import.meta.url).href)};
      const release = await acquireLock(${JSON.stringify(lock)});
      appendFileSync(${JSON.stringify(journal)}, 'in ' + process.pid + '\\n');
      await new Promise((resolve) => setTimeout(resolve, 20));
      appendFileSync(${JSON.stringify(journal)}, 'out ' + process.pid + '\\n');
      release();`;
    const exits = Array.from({ length: 4 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' });
      return new Promise((resolve) => child.on('exit', resolve));
    });
    expect(await Promise.all(exits)).toEqual([0, 0, 0, 0]);
    const lines = readFileSync(journal, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(8);
    for (let i = 0; i < lines.length; i += 2) expect(lines[i + 1]).toBe(lines[i]?.replace('in', 'out'));
  });
});
