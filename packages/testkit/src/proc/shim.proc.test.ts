/** C programs of ours, compiled against the kernel's own header, under `pedrera run`. */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLI_PATH } from '@pedrera/cli';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tempDirectory } from '../temp-directory.js';
import { TestProcess } from '../test-process.js';
import { fileDaemon } from './support/file-daemon.js';

const SOURCES = fileURLToPath(new URL('../../../shim/test-programs/', import.meta.url));
/** For the generated table of calls. */
const TABLES = fileURLToPath(new URL('../../../shim/dist/', import.meta.url));
/** They end without letting go of everything: on purpose, or because they are killed. */
const UNTIDY = new Set(['hostile', 'killed', 'left']);
const NOBODY = 65_534;
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
    const options = ['-std=gnu11', '-O2', ...warnings, '-Wno-unused-variable', '-pthread', `-I${TABLES}`, ...more];
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
    const options = UNTIDY.has(name) ? [] : ['--leaks'];
    expect(await run(...options, '--', program)).toEqual({ out: `${name}: good\n`, err: '', ending: '0' });
  });

  it('a-program-that-connects-by-itself-is-left-alone', async () => {
    const program = `
      import { openDevice, Queue } from ${JSON.stringify(import.meta.resolve('@pedrera/thunk'))};
      const dev = await openDevice(0);
      const cb = await dev.createCommandBuffer();
      cb.nop();
      const cs = await dev.submit({ queue: Queue.DMA_0_0, cb });
      await cs.wait({ timeoutMs: 10000 });
      await dev.close();
      console.log('node: good');`;
    const command = [process.execPath, '--input-type=module', '-e', program];
    expect(await run('--', ...command)).toEqual({ out: 'node: good\n', err: '', ending: '0' });
  });

  it('leaks-name-what-a-program-held', async () => {
    const { out, err, ending } = await run('--leaks', '--', compile('left'));
    expect({ out, ending }).toEqual({ out: 'left: good\n', ending: '1' });
    expect(err).toContain('the program ended with 0 and left objects behind: held when it ended');
    expect(err).toContain('2 command buffer');
    expect(err).toContain('1 mapping of host memory');
  });

  it('an-index-for-a-command-is-counted', async () => {
    await run('--', compile('accel'));
    const { refused } = await daemon().client.inspectDaemon();
    expect(refused).toMatchObject({ 'ioctl 0, which is no command': expect.any(Number) });
    const doctor = new TestProcess(CLI_PATH, { args: ['--socket', daemon().socketPath, 'doctor'] });
    expect((await doctor.finished()).out).toContain('a program passes indices to ioctl(2) where commands are due');
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

  it.each(['-static', '-static-pie'])('a-%s-program-is-told-so', async (kind) => {
    const { err, ending } = await run('--', compile('fork', kind));
    expect(ending).toBe('1');
    expect(err).toContain('statically linked');
  });

  it.skipIf(process.getuid?.() !== 0)('a-setuid-program-is-told-so', async () => {
    const program = compile('fork', '-DSETUID');
    chownSync(program, NOBODY, NOBODY);
    chmodSync(program, 0o4755);
    const { err, ending } = await run('--', program);
    expect(ending).toBe('1');
    expect(err).toContain('setuid');
  });

  const mayNot = process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).error === undefined;
  it.skipIf(!mayNot)('a-daemon-that-may-not-look-into-the-program', () => {
    const pedrera = ['--bounding-set', '-sys_ptrace', process.execPath, CLI_PATH, 'run', '--leaks', '--'];
    const env = { ...process.env, PEDRERA_SOCKET: '' };
    const { stdout, stderr, status } = spawnSync('setpriv', [...pedrera, compile('forbidden')], {
      encoding: 'utf8',
      env,
    });
    expect({ stdout, stderr, status }).toEqual({ stdout: 'forbidden: good\n', stderr: '', status: 0 });
  });

  it('attach-without-a-daemon', async () => {
    const args = ['--socket', directory.file('nobody.sock'), 'run', '--attach', '--', '/bin/true'];
    const { err, ending } = await new TestProcess(CLI_PATH, { args }).finished();
    expect(ending).toBe('3');
    expect(err).toContain('no daemon');
  });

  it('a-running-daemon-is-not-set', async () => {
    const { err, ending } = await run('--attach', '--nic-ports', '0x3ff', '--collapse-dma', '--', '/bin/true');
    expect(ending).toBe('2');
    expect(err).toContain('--nic-ports, --collapse-dma');
  });
});
