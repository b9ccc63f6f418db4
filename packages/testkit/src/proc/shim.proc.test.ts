/** C programs of ours, compiled against the kernel's own header, under `pedrera run`. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLI_PATH } from '@pedrera/cli';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tempDirectory } from '../temp-directory.js';
import { TestProcess } from '../test-process.js';
import { fileDaemon } from './support/file-daemon.js';

const SOURCES = fileURLToPath(new URL('../../../shim/test-programs/', import.meta.url));
const PROGRAMS = readdirSync(SOURCES)
  .filter((name) => name.endsWith('.c'))
  .map((name) => name.slice(0, -2));

/** Why these tests do not run here; undefined if they do. */
function obstacle(): string | undefined {
  if (spawnSync('cc', ['--version']).error !== undefined) return 'there is no C compiler';
  return existsSync('/usr/include/misc/habanalabs.h') ? undefined : 'there is no <misc/habanalabs.h> (linux-libc-dev)';
}

const missing = obstacle();

describe.skipIf(missing !== undefined)(`C programs${missing === undefined ? '' : ` (not run: ${missing})`}`, () => {
  const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1, policy: 'exclusive' });
  const directory = tempDirectory();

  afterAll(() => directory[Symbol.dispose]());

  function compile(name: string, ...more: string[]): string {
    const program = directory.file(`${name}${more.length}`);
    const source = path.join(SOURCES, `${name}.c`);
    const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter', '-Wno-unused-function'];
    const options = ['-std=gnu11', '-O2', ...warnings, '-Wno-unused-variable', '-pthread', ...more];
    const { status, stderr } = spawnSync('cc', [...options, '-o', program, source], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return program;
  }

  async function run(...args: string[]) {
    const child = new TestProcess(CLI_PATH, { args: ['--socket', daemon().socketPath, 'run', ...args] });
    const { out, err, ending } = await child.finished();
    return { out, err, ending };
  }

  it.each(PROGRAMS)('%s', async (name) => {
    const program = compile(name);
    expect(await run('--leaks', '--', program)).toEqual({ out: `${name}: good\n`, err: '', ending: '0' });
  });

  it('fortified-and-large-file-spellings', async () => {
    const program = compile('files', '-D_FORTIFY_SOURCE=2', '-D_FILE_OFFSET_BITS=64');
    expect(await run('--', program)).toMatchObject({ out: 'files: good\n', ending: '0' });
  });

  it('debugfs-when-asked-for', async () => {
    expect(await run('--debugfs', '--', compile('files'))).toMatchObject({ out: 'files: good\n', ending: '0' });
  });

  it('exit-code-and-signals-come-through', async () => {
    expect(await run('--', '/bin/sh', '-c', 'exit 7')).toMatchObject({ ending: '7' });
    expect(await run('--', '/bin/sh', '-c', 'kill -9 $$')).toMatchObject({ ending: '137' });
  });

  it('a-static-program-is-told-so', async () => {
    const { err, ending } = await run('--', compile('fork', '-static'));
    expect(ending).toBe('1');
    expect(err).toContain('statically linked');
  });
});
