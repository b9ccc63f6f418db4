/** `pedrera doctor` as a process: without a daemon, with one, and on a machine that lacks something. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../exit.js';
import { startFakeDaemon } from '../testing/fake-daemon.js';
import { runCli, temporaryDirectory } from '../testing/run-cli.js';
import type { DoctorDocument } from './doctor.js';

async function doctor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { code, out, err } = await runCli(['doctor', '--json', ...args], env);
  expect(err).toBe('');
  return { code, document: JSON.parse(out) as DoctorDocument };
}

describe('doctor', () => {
  it('without-a-daemon', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 'none.sock');
    const { code, document } = await doctor(['--socket', socket]);
    expect(code).toBe(EXIT.ok);
    expect(document).toMatchObject({
      schema: 'pedrera.doctor/1',
      ok: true,
      daemon: { running: false, socket, reason: 'nothing listens there' },
    });
    expect(document.support.counts.call?.exact).toBeGreaterThan(20);
    expect(document.support.refused).toContainEqual({
      name: 'MEMORY_MAP_BLOCK',
      errno: 'EPERM',
      why: 'always: Gaudi has no hardware blocks that can be mapped',
    });
    const states = Object.fromEntries(document.machine.map(({ check, state }) => [check, state]));
    expect(states).toMatchObject({ Node: 'ok', platform: 'ok', 'shared memory': 'ok', 'device memory': 'ok' });
    for (const { state, advice } of document.machine) expect(advice === undefined).toBe(state === 'ok');
  });

  it('with-a-daemon', async () => {
    using directory = temporaryDirectory();
    const socket = path.join(directory.path, 'fake.sock');
    await using _ = await startFakeDaemon(socket, {});
    const { document } = await doctor(['--socket', socket]);
    expect(document.daemon).toEqual({
      running: true,
      socket,
      pid: process.pid,
      devices: 1,
      policy: 'shared',
      refused: {},
    });
  });

  it('something-essential-is-missing', async () => {
    const { code, document } = await doctor(['--socket', '/proc/none/here.sock']);
    expect(code).toBe(EXIT.deviceError);
    expect(document.ok).toBe(false);
    const { state, advice } = document.machine.find(({ check }) => check === 'runtime directory') ?? {};
    expect({ state, advice }).toEqual({ state: 'missing', advice: expect.stringContaining('PEDRERA_SOCKET') });
  });

  it('a-lack-does-not-fail', async () => {
    using directory = temporaryDirectory();
    const { code, document } = await doctor(['--socket', path.join(directory.path, 's')], { CC: '/no/compiler' });
    expect(code).toBe(EXIT.ok);
    expect(document.machine).toContainEqual({
      check: 'C compiler',
      state: 'lack',
      found: '/no/compiler does not run',
      advice: expect.stringContaining('install gcc'),
    });
  });

  it('text', async () => {
    using directory = temporaryDirectory();
    const { code, out } = await runCli(['doctor', '--socket', path.join(directory.path, 's')]);
    expect(code).toBe(EXIT.ok);
    expect(out).toContain('This machine:');
    expect(out).toMatch(/MEMORY_MAP_BLOCK +EPERM/);
    expect(out).toMatch(/none on .*: nothing listens there; start one with: .*pedrera start/);
    expect(out.trimEnd()).toMatch(/Nothing essential is missing\.$/);
  });
});
