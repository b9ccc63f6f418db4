/** C programs of ours, compiled against the kernel's own header, under `pedrera run`. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, closeSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { CLI_PATH } from '@pedrera/cli';
import { Dcore, openDevice, Queue } from '@pedrera/thunk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tempDirectory } from '../temp-directory.js';
import { TestProcess } from '../test-process.js';
import { fileDaemon } from './support/file-daemon.js';

const SOURCES = fileURLToPath(new URL('../../../shim/test-programs/', import.meta.url));
const SHIM_LIBRARY = fileURLToPath(new URL('../../../shim/dist/libpedrera_shim.so', import.meta.url));
/** For the generated table of calls. */
const TABLES = fileURLToPath(new URL('../../../shim/dist/', import.meta.url));
/** They end without letting go of everything: on purpose, or because they are killed. */
const UNTIDY = new Set(['hostile', 'killed', 'left']);
/** They are given descriptors by another process. */
const GUESTS = new Set(['fences']);
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

  it.each(PROGRAMS.filter((name) => !GUESTS.has(name)))('%s', async (name) => {
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

  it('fences-that-are-pending-elsewhere', async () => {
    await using device = await openDevice(0, { socketPath: daemon().socketPath });
    const wait = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
    const cb = await device.createCommandBuffer();
    cb.waitFor({ syncObject: wait.object(0), monitor: wait.monitor(0), value: 1, queue: Queue.DMA_0_0 });
    await using buffer = await device.exportDmaBuf(await device.allocHost(8192, { shareable: true }));
    const work = { queue: Queue.DMA_0_0, cb };
    const { syncFile } = await device.submitSynced(work, { buffers: [{ buffer, access: 'write' }] });
    const given = [await buffer.processDescriptor(), await syncFile.processDescriptor()];
    const child = spawn(compile('fences'), ['3', '4', '5'], {
      stdio: ['ignore', 'pipe', 'inherit', ...given, 'pipe'],
      env: { ...process.env, LD_PRELOAD: SHIM_LIBRARY, PEDRERA_SOCKET: daemon().socketPath },
    });
    for (const descriptor of given) closeSync(descriptor);
    const ending = once(child, 'exit');
    const out = text(child.stdout as Readable);
    // It ends without a word if a check fails.
    await Promise.race([once((child.stdio as readonly unknown[])[5] as Readable, 'data'), ending]);
    await device.submit({
      queue: Queue.DMA_0_3,
      cb: (await device.createCommandBuffer()).signal(wait.object(0)),
    });
    expect([await out, ...(await ending)]).toEqual(['fences: good\n', 0, null]);
    await syncFile.close();
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

  it('a-command-that-cannot-be-started-is-told-so', async () => {
    const file = directory.file('plain-file');
    writeFileSync(file, '#!/no/such/interpreter\n', { mode: 0o644 });
    const told = async (...command: string[]) => {
      const { err, ending } = await run('--', ...command);
      return `${ending} ${err}`;
    };
    expect(await told(file)).toContain(`2 pedrera: ${file} is not executable\nchmod +x `);
    chmodSync(file, 0o755);
    expect(await told(file)).toContain('is a script for /no/such/interpreter, which is not there');
    expect(await told(directory.file('nobody'))).toMatch(/^2 pedrera: there is no program .*nobody\n$/);
    expect(await told('no-such-program-anywhere')).toMatch(/^2 pedrera: there is no program .* of PATH\n$/);
    expect(await told('/')).toMatch(/^2 pedrera: \/ is no file that could be run\n$/);
  });

  it('a-program-behind-a-script-that-sees-no-device', async () => {
    const { out, err, ending } = await run('--', '/bin/sh', '-c', compile('left', '-static'));
    expect([out, ending]).toEqual([expect.stringContaining('does not hold'), '1']);
    expect(err).toContain('no process of this run opened a device');
    expect((await run('--', compile('left'))).err).toBe('');
  });

  it('libraries-that-are-preloaded-already-stay', async () => {
    const env = { ...process.env, LD_PRELOAD: 'libm.so.6' };
    const show = ['--', '/bin/sh', '-c', 'echo $LD_PRELOAD'];
    const args = [CLI_PATH, '--socket', daemon().socketPath, 'run', ...show];
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
    expect(stdout).toBe(`${SHIM_LIBRARY}:libm.so.6\n`);
  });

  it.skipIf(spawnSync('gdb', ['--version']).error !== undefined)('under-a-debugger', async () => {
    const script = ['-ex', 'break puts', '-ex', 'run', '-ex', 'bt', '-ex', 'continue'];
    const gdb = ['gdb', '-nx', '--batch', ...script, '--args', compile('transfer')];
    const { out, ending } = await run('--leaks', '--', ...gdb);
    expect(out).toMatch(/#1 .*main/);
    expect([out.includes('transfer: good\n'), out.includes('exited normally'), ending]).toEqual([true, true, '0']);
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
