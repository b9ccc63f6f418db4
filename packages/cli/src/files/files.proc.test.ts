/** ls, cat and write on a real daemon, with this test as the client whose work the tables show. */
import path from 'node:path';
import { Dcore, openDevice, Queue } from '@pedrera/thunk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../exit.js';
import { runCli, temporaryDirectory } from '../testing/run-cli.js';

const directory = temporaryDirectory();
const socket = path.join(directory.path, 'p.sock');
const DEBUGFS = '/sys/kernel/debug/habanalabs/hl0';

async function pedrera(...args: string[]): Promise<string> {
  const { code, out, err } = await runCli([...args, '--socket', socket]);
  expect({ code, err }).toEqual({ code: EXIT.ok, err: '' });
  return out;
}

async function refusal(...args: string[]): Promise<string> {
  const { code, err } = await runCli([...args, '--socket', socket]);
  expect(code).toBe(EXIT.deviceError);
  return err;
}

beforeAll(async () => {
  expect(await runCli(['start', '--devices', '2', '--socket', socket])).toMatchObject({ code: EXIT.ok });
});

afterAll(async () => {
  expect(await runCli(['stop', '--socket', socket])).toMatchObject({ code: EXIT.ok });
  directory[Symbol.dispose]();
});

describe('ls', () => {
  it('lists /sys, directories, links and a single file', async () => {
    expect(await pedrera('ls')).toBe(
      ['bus', 'class', 'dev', 'devices', 'kernel'].map((name) => `drwxr-xr-x  ${name}/\n`).join(''),
    );
    expect((await pedrera('ls', 'class/habanalabs')).split('\n')[0]).toBe(
      'lrwxrwxrwx  hl0 -> ../../devices/virtual/habanalabs/hl0',
    );
    expect(await pedrera('ls', `${DEBUGFS}/dma_size`)).toBe(`--w-------  ${DEBUGFS}/dma_size\n`);
    const listing = JSON.parse(await pedrera('ls', '/sys/class/habanalabs/', '--json'));
    expect(listing).toMatchObject({ schema: 'pedrera.ls/1', path: '/sys/class/habanalabs/' });
    expect(listing.entries[3]).toEqual({
      name: 'hl_controlD1',
      kind: 'link',
      mode: 0o777,
      target: '../../devices/virtual/habanalabs/hl_controlD1',
    });
  });

  it('what is not there', async () => {
    expect(await refusal('ls', '/dev')).toBe(
      'pedrera: FILE_STAT: ENOENT (/dev: there is no dev here)\nsee what there is: pedrera ls /sys\n',
    );
  });
});

describe('cat', () => {
  it('prints bytes as they are', async () => {
    expect(await pedrera('cat', 'class/habanalabs/hl1/pci_addr', 'dev/char/511:1/dev')).toBe('0000:02:00.0\n511:1\n');
    expect(await pedrera('cat', `${DEBUGFS}/timeout_locked`)).toMatch(/^[0-9]+\n\0$/);
    expect(JSON.parse(await pedrera('cat', 'class/habanalabs/hl0/status', '--json'))).toEqual({
      schema: 'pedrera.cat/1',
      path: '/sys/class/habanalabs/hl0/status',
      text: 'Operational\n',
    });
    const { base64 } = JSON.parse(await pedrera('cat', 'class/habanalabs/hl0/eeprom', '--json'));
    expect(Buffer.from(base64, 'base64')).toHaveLength(4096);
  });

  it('refuses what cannot be read', async () => {
    expect(await refusal('cat', 'class')).toMatch(
      /^pedrera: FILE_READ: EISDIR.*\nsee what is in it: pedrera ls \/sys\/class\n$/,
    );
    expect(await refusal('cat', 'class/habanalabs/hl9/status')).toMatch(
      /ENOENT.*\nsee what there is: pedrera ls \/sys\/class\/habanalabs\/hl9\n$/,
    );
    expect(await refusal('cat', 'class/habanalabs/hl0/hard_reset')).toMatch(/^pedrera: FILE_READ: EACCES/);
    expect(await refusal('cat', `${DEBUGFS}/led0`)).toMatch(/^pedrera: FILE_READ: EINVAL/);
  });

  it('shows the work of another process', async () => {
    await using device = await openDevice(0, { socketPath: socket, program: 'busy' });
    const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
    const [object, monitor] = [lease.object(0), lease.monitor(0)];
    const packets = await device.createCommandBuffer();
    packets.waitFor({ syncObject: object, monitor, value: 1, queue: Queue.DMA_1_2, fence: 3 });
    const work = await device.submit({ queue: Queue.DMA_1_2, cb: packets });
    const row = (await pedrera('cat', `${DEBUGFS}/command_submission_jobs`)).split('\n')[3];
    expect(row?.trim().split(/\s+/)).toEqual(['01', '1', '0', String(device.asid), '1', '6']);
    expect(await pedrera('cat', `${DEBUGFS}/vm`)).toContain(`ctx asid: ${device.asid}\n`);

    const release = await device.createCommandBuffer();
    release.signal(object, 1);
    await device.submit({ queue: Queue.DMA_0_0, cb: release });
    await work.wait();
    expect(await pedrera('cat', `${DEBUGFS}/command_submission`)).toBe('');
  });
});

describe('write', () => {
  it('pokes and reads a register through another process each time', async () => {
    expect(await pedrera('write', `${DEBUGFS}/addr`, '0x7ff0000100')).toBe('');
    await pedrera('write', `${DEBUGFS}/data64`, '0x1122334455667788');
    expect(await pedrera('cat', `/${DEBUGFS}/data64`)).toBe('0x1122334455667788\n');
    expect(JSON.parse(await pedrera('write', `${DEBUGFS}/timeout_locked`, '7', '--json'))).toEqual({
      schema: 'pedrera.write/1',
      path: `${DEBUGFS}/timeout_locked`,
      written: 2,
    });
    expect(await refusal('write', `${DEBUGFS}/addr`, 'there')).toMatch(/^pedrera: FILE_WRITE: EINVAL/);
    expect(await refusal('write', 'class/habanalabs/hl0/status', 'fine')).toMatch(/^pedrera: FILE_WRITE: EACCES/);
  });

  it('hard_reset resets the device, and it comes back', async () => {
    await pedrera('write', 'class/habanalabs/hl1/hard_reset', '1');
    while ((await pedrera('cat', 'class/habanalabs/hl1/hard_reset_cnt')) !== '1\n');
    expect(await pedrera('cat', 'class/habanalabs/hl1/status')).toBe('Operational\n');
    expect(await pedrera('cat', 'class/habanalabs/hl0/hard_reset_cnt')).toBe('0\n');
  });
});
