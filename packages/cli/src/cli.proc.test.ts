/** The built command in processes of its own: exit codes, streams, JSON. What is behind the socket is made up. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import type { DaemonSnapshot, Snapshot } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { CLI_PATH } from './cli-path.js';
import { EXIT } from './exit.js';
import { crowd } from './testing/crowd.js';
import { startFakeDaemon } from './testing/fake-daemon.js';
import { BLOCKED_QUEUE } from './testing/rows.js';
import { runCli, startCli, temporaryDirectory } from './testing/run-cli.js';

const snapshot: Snapshot = {
  ...crowd({ clients: 0 }),
  queues: [{ index: 0, queues: [BLOCKED_QUEUE] }],
};
const daemon: DaemonSnapshot = {
  schema: 'pedrera.daemon/1',
  pid: process.pid,
  socket: '/somewhere',
  policy: 'shared',
  build: 'fake',
  protocolVersion: 1,
  uptimeMs: 1000,
  residentBytes: 2 ** 26,
  left: {},
  refused: {},
  collapsesRepeatedDma: false,
  armedFaults: 0,
  objects: { context: 2, fence: 0 },
  devices: [{ index: 0, status: 0, contexts: 2, hbm: { total: 2 ** 35, used: 2 ** 21 }, resets: { hard: 0, soft: 0 } }],
};

describe('usage errors end with 2', () => {
  it.each([
    ['no command', [], 'no command given'],
    ['unknown command', ['queus'], "unknown command 'queus' (did you mean queues?)"],
    ['unknown option', ['ps', '--jsno'], "unknown option '--jsno' (did you mean --json?)"],
    ['bad value', ['queues', '--device', 'x'], "--device 'x': expected a whole number"],
    ['missing demo file', ['demo', '/nowhere/file'], 'cannot read /nowhere/file: there is no such file'],
    ['demo of a directory', ['demo', '/'], '/ is a directory'],
    ['socket path too long', ['ps', '--socket', `/tmp/${'x'.repeat(200)}`], '107'],
  ])('%s', async (_name, args, sentence) => {
    const { code, out, err } = await runCli(args);
    expect(code).toBe(EXIT.usage);
    expect(out).toBe('');
    expect(err).toContain(sentence);
    expect(err).not.toContain('    at ');
  });

  it('told in JSON to whoever asks for JSON', async () => {
    const { code, err } = await runCli(['queues', '--json', '--wat']);
    expect(code).toBe(EXIT.usage);
    expect(JSON.parse(err)).toEqual({
      schema: 'pedrera.error/1',
      exitCode: 2,
      code: 'USAGE',
      message: "unknown option '--wat' (did you mean --watch?)",
      hint: 'see: pedrera queues --help',
    });
  });
});

describe('without a daemon', () => {
  it.each(['queues', 'ps', 'bufs', 'status', 'stop'])(
    '%s ends with 3 and names the command that starts one',
    async (name) => {
      using directory = temporaryDirectory();
      const socket = path.join(directory.path, 's');
      const { code, out, err } = await runCli([name, '--socket', socket], { npm_command: '' });
      expect({ code, out, err }).toEqual({
        code: EXIT.noDaemon,
        out: '',
        err: `pedrera: no daemon on ${socket}\nstart one with: pedrera start --socket ${socket}\n`,
      });
    },
  );

  it('PEDRERA_SOCKET says where to look, and npx is repeated in the advice', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    const { code, err } = await runCli(['ps', '--json'], { PEDRERA_SOCKET: socket, npm_command: 'exec' });
    expect(code).toBe(EXIT.noDaemon);
    expect(JSON.parse(err)).toMatchObject({ code: 'NO_DAEMON', hint: 'start one with: npx pedrera start' });
  });
});

describe('looking into a daemon', () => {
  it('JSON is the document, to the last field', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    await using _daemon = await startFakeDaemon(socket, { snapshot, daemon });
    const [first, second, third] = await Promise.all([
      runCli(['queues', '--json', '--socket', socket]),
      runCli(['ps', '--json', '--socket', socket]),
      runCli(['status', '--json', '--socket', socket]),
    ]);
    const [device] = snapshot.queues ?? [];
    expect(first).toMatchObject({ code: EXIT.ok, err: '' });
    expect(JSON.parse(first.out)).toEqual({
      schema: 'pedrera.queues/1',
      devices: [{ ...device, status: 'operational', held: [] }],
      notShown: 0,
    });
    expect(second.out).toBe(`${JSON.stringify({ schema: 'pedrera.ps/1', clients: [], notShown: 0 })}\n`);
    expect(third.out).toBe(`${JSON.stringify(daemon)}\n`);
  });

  it('text has no colour in a pipe', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    await using _daemon = await startFakeDaemon(socket, { snapshot, daemon });
    const { out } = await runCli(['queues', '--socket', socket], { FORCE_COLOR: '1' });
    expect(out).toContain('SOB E_N 8 >= 1, now 0');
    expect(out).not.toContain('\u001b');
    const status = await runCli(['status', '--socket', socket]);
    expect(status.out).toContain('objects: 2 context\n');
    expect(status.out).toContain('operational');
  });

  it('a full disk behind standard output ends with 1 and a sentence', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [CLI_PATH, 'help'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    expect(stderr).toMatch(/^pedrera: what was to be said cannot be written: ENOSPC.*\n$/);
    expect(status).toBe(EXIT.deviceError);
  });

  it('what the daemon refuses ends with 1 and its sentence', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    await using _daemon = await startFakeDaemon(socket, {});
    const { code, err } = await runCli(['queues', '--device', '9', '--socket', socket]);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toBe('pedrera: INSPECT_SNAPSHOT: ENXIO (the fake daemon has none)\n');
  });
});

describe('--watch', () => {
  it('repeats itself until it is interrupted, and that is no error', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    await using _daemon = await startFakeDaemon(socket, { snapshot });
    const watching = startCli(['ps', '--watch', '--interval', '50', '--socket', socket]);
    await watching.outputMatching(/(no clients\n\n){2}/);
    watching.child.kill('SIGINT');
    const { code, err } = await watching.finished;
    expect({ code, err }).toEqual({ code: EXIT.ok, err: '' });
  });

  it('JSON: one document a line', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    await using _daemon = await startFakeDaemon(socket, { snapshot });
    const watching = startCli(['ps', '--watch', '--json', '--interval', '50', '--socket', socket]);
    await watching.outputMatching(/(.*\n){3}/);
    watching.child.kill('SIGTERM');
    const { out } = await watching.finished;
    for (const line of out.trimEnd().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ schema: 'pedrera.ps/1', clients: [] });
  });

  it('ends when nobody reads it any more', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    await using _daemon = await startFakeDaemon(socket, { snapshot });
    const watching = startCli(['ps', '--watch', '--interval', '50', '--socket', socket]);
    await watching.outputMatching(/no clients/);
    watching.child.stdout?.destroy();
    expect(await watching.finished).toMatchObject({ code: EXIT.ok, err: '' });
  });

  it('what the daemon refuses by now is told as it is', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    await using _daemon = await startFakeDaemon(socket, {});
    const { code, err } = await runCli(['cs', '--watch', '--socket', socket]);
    expect({ code, err }).toEqual({
      code: EXIT.deviceError,
      err: 'pedrera: INSPECT_SNAPSHOT: ENXIO (the fake daemon has none)\n',
    });
  });

  it('events --follow prints each event once, and nothing when there is none', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    await using _daemon = await startFakeDaemon(socket, { snapshot: crowd({ clients: 3 }) });
    const following = startCli(['events', '--follow', '--interval', '50', '--socket', socket]);
    await following.outputMatching(/(.*fault.*\n){3}/);
    following.child.kill('SIGINT');
    const { code, out } = await following.finished;
    expect(code).toBe(EXIT.ok);
    expect(out.trimEnd().split('\n')).toHaveLength(3);
  });

  it('smi -Q has one line of titles, however often it looks', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    await using _daemon = await startFakeDaemon(socket, { snapshot: crowd({ clients: 1 }) });
    const query = ['smi', '-Q', 'index,memory.used', '-i', '0', '--watch', '--interval', '50'];
    const watching = startCli([...query, '--socket', socket]);
    await watching.outputMatching(/^index, memory\.used \[MiB\]\n(0, 2 MiB\n){3}/);
    watching.child.kill('SIGINT');
    expect((await watching.finished).out.match(/index/g)).toHaveLength(1);
  });

  it('says so when the daemon goes away', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 's');
    const fake = await startFakeDaemon(socket, { snapshot });
    const watching = startCli(['ps', '--watch', '--interval', '50', '--socket', socket]);
    await watching.outputMatching(/no clients\n\nno clients/);
    await fake.close();
    const { code, err } = await watching.finished;
    expect(code).toBe(EXIT.noDaemon);
    expect(err).toContain(`pedrera: the daemon on ${socket} went away`);
    expect(err).toContain('start one with:');
  });
});
