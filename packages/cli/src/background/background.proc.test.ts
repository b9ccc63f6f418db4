/** start, status, stop and the daemon's own process, with a real daemon. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { DaemonSnapshot } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { CLI_PATH } from '../cli-path.js';
import { EXIT } from '../exit.js';
import { runCli, startCli, temporaryDirectory } from '../testing/run-cli.js';
import { isAlive } from './process-state.js';

describe('in the background', () => {
  it('start, status, stop', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 'p.sock');
    const at = ['--socket', socket];
    const started = await runCli(['start', '--devices', '1', '--json', ...at]);
    expect(started).toMatchObject({ code: EXIT.ok, err: '' });
    const { pid, log } = JSON.parse(started.out) as { pid: number; log: string };
    expect(JSON.parse(started.out)).toMatchObject({
      schema: 'pedrera.start/1',
      started: true,
      devices: 1,
      policy: 'shared',
    });
    expect(log).toBe(path.join(directory.path, 'p.log'));
    expect(readFileSync(log, 'utf8')).toContain('ready');
    expect(statSync(socket).mode & 0o777).toBe(0o600);

    const status = await runCli(['status', '--json', ...at]);
    expect(JSON.parse(status.out) as DaemonSnapshot).toMatchObject({ pid, socket, policy: 'shared', objects: {} });

    const again = await runCli(['start', ...at]);
    expect(again.code).toBe(EXIT.ok);
    expect(again.out).toBe(`already running on ${socket}, pid ${pid}, 1 device, policy shared\n`);

    const different = await runCli(['start', '--devices', '2', ...at]);
    expect(different.code).toBe(EXIT.deviceError);
    expect(different.err).toContain(`a daemon with 1 device and policy shared is running on ${socket}`);

    const stopped = await runCli(['stop', ...at]);
    expect(stopped).toMatchObject({ code: EXIT.ok, out: `stopped the daemon on ${socket}, pid ${pid}\n` });
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(socket)).toBe(false);
    expect((await runCli(['status', ...at])).code).toBe(EXIT.noDaemon);
  });

  it('two starts at once: one daemon, and both succeed', async () => {
    using directory = temporaryDirectory();
    const at = ['--socket', path.join(directory.path, 'p.sock')];
    const both = await Promise.all([1, 2].map(() => runCli(['start', '--devices', '1', '--json', ...at])));
    const pids = both.map(({ out }) => (JSON.parse(out) as { pid: number }).pid);
    expect(pids[0]).toBe(pids[1]);
    expect((await runCli(['stop', ...at])).code).toBe(EXIT.ok);
  });

  it('a socket that cannot be: the daemon tells why, and start repeats it', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 'file');
    writeFileSync(socket, 'not a socket');
    const { code, err } = await runCli(['start', '--socket', socket]);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toContain(socket);
    expect(err).not.toContain('    at ');
    expect(readFileSync(socket, 'utf8')).toBe('not a socket');
  });

  it('a directory that is not there', async () => {
    using directory = temporaryDirectory();
    const { code, err } = await runCli(['start', '--socket', path.join(directory.path, 'no', 'p.sock')]);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toContain("cannot write the daemon's log");
  });
});

describe('in the foreground', () => {
  it('says "ready" on the descriptor it is given, and drains on SIGTERM', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 'p.sock');
    const logFile = path.join(directory.path, 'log');
    const child = spawn(
      process.execPath,
      [CLI_PATH, 'daemon', '--devices', '1', '--socket', socket, '--log-file', logFile],
      { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env: { ...process.env, PEDRERA_READY_FD: '3' } },
    );
    const ready = child.stdio[3];
    if (ready === null || ready === undefined || !('read' in ready)) throw new Error('no descriptor 3');
    const said = text(child.stdout as NonNullable<typeof child.stdout>);
    expect(await text(ready)).toBe('ready\n');
    expect((await runCli(['status', '--socket', socket])).code).toBe(EXIT.ok);
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(await said).toBe(`pedrera: ready on ${socket}, 1 device, policy shared, pid ${child.pid}\n`);
    expect(readFileSync(logFile, 'utf8')).toContain('"stopped"');
    expect(existsSync(socket)).toBe(false);
  });

  it('logs JSON to standard output, one line of it saying that it is ready', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 'p.sock');
    const daemon = startCli(['daemon', '--devices', '1', '--socket', socket]);
    await daemon.outputMatching(/"msg":"ready"/);
    daemon.child.kill('SIGINT');
    const { code, out } = await daemon.finished;
    expect(code).toBe(EXIT.ok);
    for (const line of out.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
  });

  it('a second daemon on a socket is refused, and the first lives on', async () => {
    using directory = temporaryDirectory();
    const at = ['--socket', path.join(directory.path, 'p.sock')];
    await runCli(['start', '--devices', '1', ...at]);
    const second = await runCli(['daemon', '--devices', '1', ...at]);
    expect(second.code).toBe(EXIT.deviceError);
    expect(second.err).toContain('EADDRINUSE');
    expect((await runCli(['status', ...at])).code).toBe(EXIT.ok);
    expect((await runCli(['stop', ...at])).code).toBe(EXIT.ok);
  });

  it('a log file that cannot be written', async () => {
    using directory = temporaryDirectory();
    const logFile = path.join(directory.path, 'no', 'log');
    const { code, err } = await runCli(['daemon', '--log-file', logFile, '--socket', path.join(directory.path, 'p')]);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toContain(logFile);
    expect(err).not.toContain('    at ');
  });
});
