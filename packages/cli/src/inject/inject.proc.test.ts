/** `pedrera inject` against a daemon that was started with settings of its own. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../exit.js';
import { runCli, temporaryDirectory } from '../testing/run-cli.js';

const directory = temporaryDirectory();
const socket = ['--socket', path.join(directory.path, 'd.sock')];

beforeAll(async () => {
  const settings = [
    '--devices',
    '2',
    '--timeout',
    '30',
    '--heartbeat',
    '0',
    '--nic-ports',
    '0x3ff',
    '--no-reset-on-lockup',
  ];
  const { code, err } = await runCli(['start', ...settings, ...socket]);
  expect({ code, err }).toEqual({ code: EXIT.ok, err: '' });
});

afterAll(async () => {
  await runCli(['stop', ...socket]);
  directory[Symbol.dispose]();
});

const inject = (...args: string[]) => runCli(['inject', ...args, ...socket]);

describe('inject', () => {
  it.each([
    [['thermal', 'start']],
    [['thermal', 'end']],
    [['ecc', 'HBM0']],
    [['link', '3', '--down']],
    [['event', '421', '--value', '0x1']],
    [['hang', 'DMA0', '--device', '1']],
  ])('%s says what was done', async (args) => {
    const { code, out, err } = await inject(...args);
    expect({ code, err }).toEqual({ code: EXIT.ok, err: '' });
    expect(out).toMatch(/^\S.{5,}\n$/);
  });

  it('json', async () => {
    const { code, out } = await inject('reset', '--device', '1', '--json');
    expect(code).toBe(EXIT.ok);
    expect(JSON.parse(out)).toMatchObject({
      schema: 'pedrera.inject/1',
      device: 1,
      kind: 'reset',
      target: '',
      value: 0,
    });
  });

  it('what the device does not have', async () => {
    const { code, err } = await inject('hang', 'DMA99');
    expect(code).toBe(EXIT.deviceError);
    expect(err).toContain('DMA99');
    expect((await inject('reset', '--device', '7')).err).toContain('ENXIO');
  });

  it('without a daemon', async () => {
    const { code } = await runCli(['inject', 'reset', '--socket', path.join(directory.path, 'none.sock')]);
    expect(code).toBe(EXIT.noDaemon);
  });
});
