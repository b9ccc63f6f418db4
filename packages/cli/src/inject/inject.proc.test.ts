/** `pedrera inject` against a daemon that was started with settings of its own. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { HlError } from '@pedrera/base';
import { openDevice } from '@pedrera/thunk';
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

/** What an open of device 0 ends with. */
async function openOnce(): Promise<string> {
  const socketPath = path.join(directory.path, 'd.sock');
  try {
    await using _ = await openDevice(0, { socketPath });
    return 'open';
  } catch (error) {
    return error instanceof HlError ? error.code : String(error);
  }
}

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

  it('rules are armed, shown with what they did, and cleared', async () => {
    expect((await inject('list')).out).toBe('no rules\n');
    expect((await inject('rule', 'call=OPEN', 'errno=ENODEV', 'after=1', 'times=ever')).out).toMatch(/^armed rule 1;/);
    expect((await runCli(['status', ...socket])).out).toContain('1 rule of failure armed');
    const opens = [await openOnce(), await openOnce()];
    expect(opens).toEqual(['open', 'ENODEV']);
    expect((await inject('list')).out).toBe(
      '  1  call=OPEN errno=ENODEV after=1 times=ever\n     matched 2, struck 1\n',
    );
    expect((await inject('clear', '9')).err).toContain('there is no rule 9');
    expect((await inject('clear')).out).toBe('1 rule cleared\n');
    expect(await openOnce()).toBe('open');
  });

  it('of a plan with a rule the daemon refuses nothing is armed', async () => {
    const plan = path.join(directory.path, 'night.plan');
    writeFileSync(plan, '# comment\ncall=CB_CREATE errno=ENOMEM\npacket=any device=9 do=hang\n');
    const { code, err } = await inject('plan', plan);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toContain('there is no device 9');
    expect((await inject('list')).out).toBe('no rules\n');
    const missing = await inject('plan', path.join(directory.path, 'none.plan'));
    expect(missing.code).toBe(EXIT.usage);
    writeFileSync(plan, 'call=CB_CREATE errno=ENOMEM\npacket=LIN_DMA do=delay:1ms chance=10% seed=4\n');
    expect((await inject('plan', plan, '--json')).out).toMatch(/^\{"schema":"pedrera.armed\/1","ids":\[\d+,\d+\]\}\n$/);
    expect((await inject('clear')).out).toBe('2 rules cleared\n');
  });

  it('without a daemon', async () => {
    const { code } = await runCli(['inject', 'reset', '--socket', path.join(directory.path, 'none.sock')]);
    expect(code).toBe(EXIT.noDaemon);
  });
});
