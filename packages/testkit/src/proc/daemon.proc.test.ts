/** The life of the daemon itself: how it starts, what it refuses, how it ends, and what clients hear of its end. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { CLI_PATH } from '@pedrera/cli';
import { Dcore, type Device, openDevice, Queue } from '@pedrera/thunk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TempDirectory, tempDirectory } from '../temp-directory.js';
import { TestProcess } from '../test-process.js';
import type { ClientSteps } from './programs/client/main.js';
import { Mirror } from './programs/mirror.js';
import { ClientProcess } from './support/client-process.js';
import { refusal } from './support/refusal.js';
import { untilNothing } from './support/until.js';

type Client = ClientProcess<ClientSteps>;

const USAGE = '2';
const DEVICE_ERROR = '1';
let directory: TempDirectory;
let socketPath: string;
const processes: AsyncDisposable[] = [];

beforeEach(() => {
  directory = tempDirectory();
  socketPath = directory.file('d.sock');
});

afterEach(async () => {
  await Promise.all(processes.splice(0).map((process) => process[Symbol.asyncDispose]()));
  directory[Symbol.dispose]();
});

/** A daemon that may or may not come up. */
function launch(path: string, ...args: string[]): TestProcess {
  const started = new TestProcess(CLI_PATH, {
    args: ['--socket', path, 'daemon', '--devices', '1', ...args],
    env: { PEDRERA_EXIT_WITH_PARENT: '1' },
  });
  processes.push(started);
  return started;
}

/** A daemon that is ready. */
async function startDaemon(...args: string[]): Promise<TestProcess> {
  const started = launch(socketPath, ...args);
  expect(await started.next()).toMatchObject({ type: 'ready', pid: started.pid, socketPath });
  return started;
}

async function startClient(): Promise<Client> {
  const client: Client = new ClientProcess('client', { socketPath });
  processes.push(client);
  await client.call('open', { device: 0 });
  return client;
}

const open = (node: 'primary' | 'control' = 'primary') => openDevice(0, { socketPath, node });

/** Submits work that waits for ever. */
async function submitBlocked(device: Device, queue: number, timeoutSec?: number) {
  await using cb = await device.createCommandBuffer();
  cb.fence({ target: 1 });
  return device.submit({ queue, cb, ...(timeoutSec === undefined ? {} : { timeoutSec }) });
}

/** Log lines, parsed. What the command itself says is not JSON. */
function logOf(daemon: TestProcess): { msg: string; [key: string]: unknown }[] {
  return daemon.output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { msg: string });
}

describe('killed while clients wait', () => {
  it('every-pending-and-later-call-fails-with-enodev', async () => {
    const daemon = await startDaemon();
    await using device = await open();
    await using control = await open('control');
    const blocked = await Promise.all([0, 1, 2, 3].map((stream) => submitBlocked(device, Queue.DMA_0_0 + stream)));
    const pending = [
      ...blocked.map((submission) => submission.wait()),
      ...blocked.map((submission) => submission.wait({ timeoutMs: 3_600_000 })),
      ...Array.from({ length: 100 }, () => device.info.idle()),
    ].map((call) =>
      call.then(
        () => 'answered',
        (error: { code: string; message: string }) => `${error.code} ${error.message}`,
      ),
    );
    const ending = daemon.signal('SIGKILL');
    const gone = new RegExp(
      `^ENODEV .*the connection to the daemon \\(pid ${daemon.pid}\\) at .* is gone.* while the call was under way`,
    );
    for (const outcome of await Promise.all(pending)) {
      expect(outcome).toMatch(outcome === 'answered' ? 'answered' : gone);
    }
    expect(await ending).toBe('SIGKILL');
    expect(device.alive).toBe(false);
    const calls = [
      device.info.deviceStatus(),
      device.allocHost(4096),
      submitBlocked(device, 0),
      control.info.deviceStatus(),
    ];
    for (const outcome of await Promise.all(calls.map(refusal))) {
      expect(outcome).toMatch(/^ENODEV: the connection to the daemon \(pid \d+\)/);
    }
    await expect(blocked[0]?.wait()).rejects.toMatchObject({ code: 'ENODEV' });
  });

  it('clients-in-other-processes', async () => {
    const daemon = await startDaemon();
    const clients = await Promise.all([startClient(), startClient(), startClient()]);
    const waits = clients.map((client) => refusal(client.call('waitForEver', { file: 0, queue: Queue.DMA_0_0 })));
    const inFlight = async () => {
      await using control = await open('control');
      return (await control.ioctl('INSPECT_CLIENTS', {})).snapshot.clients.filter((client) => client.inFlight > 0)
        .length;
    };
    await untilNothing(async () => ((await inFlight()) === clients.length ? '' : 'not all of them wait'));
    await daemon.signal('SIGKILL');
    for (const outcome of await Promise.all(waits)) {
      expect(outcome).toMatch(/^ENODEV: the connection to the daemon/);
    }
    for (const client of clients) {
      expect(await refusal(client.call('poke', { file: 0 }))).toMatch(/^ENODEV/);
      expect(client.process.alive).toBe(true);
    }
  });

  it('a-new-daemon-takes-over-the-socket', async () => {
    await (await startDaemon()).signal('SIGKILL');
    expect(existsSync(socketPath)).toBe(true);
    expect(await refusal(open())).toMatch(/^ECONNREFUSED: .*no daemon: the one that made this socket is gone/);
    await startDaemon();
    await using device = await open();
    const mirror = await Mirror.make(device, 4096);
    await mirror.roundTrip(1);
  });
});

describe('asked to end', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s-drains-and-exits-with-0', async (signal) => {
    const daemon = await startDaemon();
    const device = await open();
    const mirror = await Mirror.make(device, 2 ** 20);
    await mirror.roundTrip(1);
    const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 8, monitors: 1 });
    await device.exportSync(lease);
    const imported = await device.importDmaBuf(await device.exportDmaBuf(mirror.memory));
    expect(imported.size).toBeGreaterThan(0);
    const wait = refusal((await submitBlocked(device, Queue.DMA_1_1)).wait());
    expect(await daemon.signal(signal)).toBe('0');
    expect(await wait).toMatch(/^ENODEV/);
    expect(existsSync(socketPath), 'the socket file').toBe(false);
    // Everything a client held was let go of, in order, before the end.
    await daemon.finished();
    expect(logOf(daemon).at(-1)).toMatchObject({ msg: 'stopped', objects: {} });
    await device.close();
  });

  it('no-timer-of-a-closed-file-keeps-it-alive', async () => {
    const daemon = await startDaemon();
    const device = await open();
    for (const queue of [Queue.DMA_0_0, Queue.DMA_0_1, Queue.DMA_1_0]) {
      await submitBlocked(device, queue);
    }
    await device.close();
    expect(await daemon.signal('SIGTERM')).toBe('0');
  });

  it('with-hundreds-of-clients', async () => {
    const daemon = await startDaemon();
    const devices = await Promise.all(Array.from({ length: 200 }, () => open()));
    await Promise.all(devices.map((device) => device.allocHost(4096)));
    expect(await daemon.signal('SIGTERM')).toBe('0');
    await daemon.finished();
    expect(logOf(daemon).at(-1)).toMatchObject({ msg: 'stopped', objects: {} });
    await Promise.all(devices.map((device) => device.close()));
  });

  it('exclusive-with-work-that-never-ends', async () => {
    const daemon = await startDaemon('--policy', 'exclusive');
    const device = await open();
    await submitBlocked(device, Queue.DMA_0_0);
    await submitBlocked(device, Queue.DMA_1_0);
    await device.close();
    expect(await refusal(open())).toMatch(/^E(BUSY|AGAIN)/);
    expect(await daemon.signal('SIGTERM')).toBe('0');
    await daemon.finished();
    expect(logOf(daemon).at(-1)).toMatchObject({ msg: 'stopped', objects: {} });
  });
});

describe('socket', () => {
  it('mode-is-0600', async () => {
    await startDaemon();
    expect((statSync(socketPath).mode & 0o777).toString(8)).toBe('600');
  });

  it('of-a-live-daemon-is-not-taken', async () => {
    const first = await startDaemon();
    const second = await launch(socketPath).finished();
    expect(second.ending).toBe(DEVICE_ERROR);
    expect(second.err).toMatch(/a daemon already serves .*d\.sock; stop it, or set PEDRERA_SOCKET/);
    expect(first.alive).toBe(true);
    await using device = await open();
    expect(device.greeting.daemonPid).toBe(first.pid);
  });

  it('one-of-several-that-start-at-once', async () => {
    // A dead one's socket lies in the way, so that they compete for taking it over, too.
    await (await startDaemon()).signal('SIGKILL');
    const rivals = Array.from({ length: 4 }, () => launch(socketPath));
    const said = await Promise.all(rivals.map((rival) => rival.next<{ type: string }>()));
    expect(said.map(({ type }) => type).sort()).toEqual(['failed', 'failed', 'failed', 'ready']);
    const winner = rivals[said.findIndex(({ type }) => type === 'ready')];
    await using device = await open();
    expect(device.greeting.daemonPid).toBe(winner?.pid);
  });

  it('path-too-long', async () => {
    const { ending, err } = await launch(directory.file('x'.repeat(120))).finished();
    expect(ending).toBe(USAGE);
    expect(err).toMatch(/\d+ bytes.*107/);
  });

  it('something-else-is-there', async () => {
    writeFileSync(socketPath, 'precious');
    const { ending, err } = await launch(socketPath).finished();
    expect(ending).toBe(DEVICE_ERROR);
    expect(err).toMatch(/exists and is not a socket; it is left alone/);
    expect(readFileSync(socketPath, 'utf8')).toBe('precious');
  });

  it('directory-that-is-not-there', async () => {
    const { ending, err } = await launch(directory.file('nowhere/d.sock')).finished();
    expect(ending).toBe(DEVICE_ERROR);
    expect(err).toMatch(/the directory of the socket, .*nowhere, does not exist/);
  });

  it('directory-that-is-a-file', async () => {
    writeFileSync(directory.file('file'), '');
    const { ending, err } = await launch(directory.file('file/d.sock')).finished();
    expect(ending).toBe(DEVICE_ERROR);
    expect(err).toMatch(/not a directory/);
  });

  it('directory-that-is-not-writable', async () => {
    // Nobody can make files there, not even root.
    const { ending, err } = await launch('/sys/pedrera.sock').finished();
    expect(ending).toBe(DEVICE_ERROR);
    expect(err).toMatch(/no socket can be made at \/sys\/pedrera\.sock: the directory is not writable for this user/);
  });
});

describe('command line', () => {
  it.each([
    ['unknown-option', ['--divices', '2'], /unknown option '--divices'/],
    ['no-devices', ['--devices', '0'], /--devices '0': expected a whole number from 1 to 16/],
    ['too-many-devices', ['--devices', '17'], /--devices '17': expected a whole number from 1 to 16/],
    ['devices-no-number', ['--devices', 'two'], /--devices 'two'/],
    ['unknown-policy', ['--policy', 'fair'], /--policy 'fair': expected one of shared, exclusive/],
    ['unknown-log-level', ['--log-level', 'loud'], /--log-level 'loud': expected one of/],
    ['value-missing', ['--policy'], /argument missing/],
    ['too-many-arguments', ['hl0'], /too many arguments/],
  ])('%s', async (_, args, sentence) => {
    const { ending, err } = await launch(socketPath, ...args).finished();
    expect(ending).toBe(USAGE);
    expect(err).toMatch(sentence);
    expect(existsSync(socketPath)).toBe(false);
  });

  it('log-file-that-cannot-be-made', async () => {
    const { ending, err } = await launch(socketPath, '--log-file', directory.file('nowhere/x.log')).finished();
    expect(ending).toBe(DEVICE_ERROR);
    expect(err).toMatch(/ENOENT.*nowhere/);
    expect(existsSync(socketPath)).toBe(false);
  });

  it('log-is-json-with-one-logger-a-client', async () => {
    const logFile = directory.file('daemon.log');
    const daemon = await startDaemon('--log-level', 'debug', '--log-file', logFile);
    await using device = await openDevice(0, { socketPath, program: 'talker' });
    expect(await refusal(device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: 1 }))).toMatch(/^EINVAL/);
    await device.close();
    await daemon.signal('SIGTERM');
    const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const opened = entries.find(({ msg }) => msg === 'open');
    expect(opened).toMatchObject({ node: 'hl0', program: 'talker', pid: process.pid, device: 0, asid: device.asid });
    const refused = entries.find(({ msg }) => msg === 'refused');
    expect(refused).toMatchObject({ call: 'MEMORY_UNMAP', errno: 'EINVAL', client: opened?.client });
  });
});

describe('exclusive policy', () => {
  it('second-open-is-busy', async () => {
    await startDaemon('--policy', 'exclusive');
    await using first = await open();
    for (let i = 0; i < 3; i++) {
      expect(await refusal(open())).toMatch(/^EBUSY: hl0 is open already and serves one context at a time/);
    }
    // The control node may be opened any number of times.
    await using control = await open('control');
    expect((await control.info.openStats()).isComputeCtxActive).toBe(true);
    expect(first.alive).toBe(true);
  });

  it('open-right-after-close', async () => {
    await startDaemon('--policy', 'exclusive');
    for (let i = 0; i < 50; i++) {
      const device = await open();
      await using cb = await device.createCommandBuffer();
      await device.submit({ queue: Queue.DMA_0_0, cb: cb.nop() }).then((done) => done.wait());
      await device.close();
    }
  });

  it('open-after-its-holder-was-killed', async () => {
    await startDaemon('--policy', 'exclusive');
    const client = await startClient();
    expect(await refusal(open())).toMatch(/^EBUSY/);
    await client.kill();
    let device: Device | undefined;
    await untilNothing(async () => {
      // Until the daemon has read the end of the connection.
      device = await open().catch(() => undefined);
      return device === undefined ? 'it stays busy' : '';
    });
    await device?.close();
  });

  it('unfinished-work-holds-the-context', async () => {
    await startDaemon('--policy', 'exclusive');
    const device = await open();
    // Stopped by its own time-out, which is when the context goes.
    await submitBlocked(device, Queue.DMA_0_0, 1);
    await device.close();
    const refused = new Set<string>();
    let next: Device | undefined;
    await untilNothing(async () => {
      next = await open().catch((error: { code: string }) => {
        refused.add(error.code);
        return undefined;
      });
      return next === undefined ? 'it is never given back' : '';
    });
    expect([...refused].filter((code) => code !== 'EBUSY')).toEqual(['EAGAIN']);
    await next?.close();
  });
});
