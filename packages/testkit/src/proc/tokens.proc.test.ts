/** Tokens of dma-bufs: possession is the right to import, and it ends with the exporter's descriptor. */
import { randomBytes } from 'node:crypto';
import { type Device, openDevice, Queue } from '@pedrera/thunk';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClientSteps } from './programs/client/main.js';
import { Mirror } from './programs/mirror.js';
import { ClientProcess } from './support/client-process.js';
import { fileDaemon } from './support/file-daemon.js';
import { refusal } from './support/refusal.js';
import { untilNothing } from './support/until.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

type Client = ClientProcess<ClientSteps>;

const SIZE = 2 ** 20;
const NO_SUCH_TOKEN = /^ENOENT: no dma-buf has this token/;
const clients: Client[] = [];
/** An importer on the other device. */
let device: Device;

async function clientOn(index: number): Promise<Client> {
  const client: Client = new ClientProcess('client', { socketPath: daemon().socketPath });
  clients.push(client);
  await client.call('open', { device: index });
  return client;
}

/** Kills the process, and resolves when the daemon has noticed. */
async function kill(client: Client): Promise<void> {
  await client.kill();
  await untilNothing(async () => {
    const { clients: open } = await daemon().client.inspectClients();
    return open.some(({ pid }) => pid === client.pid) ? `pid ${client.pid} is still there` : '';
  });
}

/** Kills the process, and resolves when all it held is released, but for what others import from it. */
async function killAndRelease(client: Client): Promise<void> {
  const { pid } = client;
  await kill(client);
  await untilNothing(async () => {
    const { buffers } = await daemon().client.inspectBuffers();
    const held = buffers.filter(
      ({ exporter, importers }) =>
        importers.some((importer) => importer.pid === pid) ||
        (exporter.pid === pid && (exporter.alive || importers.length === 0)),
    );
    return held.length === 0 ? '' : `pid ${pid} left ${JSON.stringify(held)}`;
  });
}

beforeEach(async () => {
  device = await openDevice(1, { socketPath: daemon().socketPath });
});

afterEach(async () => {
  await device.close();
  await Promise.all(clients.splice(0).map((client) => client[Symbol.asyncDispose]()));
});

describe('tokens', () => {
  it('guessed', async () => {
    const exporter = await clientOn(0);
    const { token } = await exporter.call('exportMemory', { file: 0, size: SIZE, seed: 1 });
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    for (let i = 0; i < 100; i++) {
      expect(await refusal(device.importDmaBuf(randomBytes(32).toString('hex')))).toMatch(NO_SUCH_TOKEN);
    }
    // Nearly right is not right.
    const last = token.at(-1) === '0' ? '1' : '0';
    for (const wrong of [
      token.slice(0, -1),
      `${token}0`,
      token.slice(0, -1) + last,
      token.toUpperCase(),
      ` ${token}`,
    ]) {
      if (wrong !== token) {
        expect(await refusal(device.importDmaBuf(wrong))).toMatch(NO_SUCH_TOKEN);
      }
    }
  });

  it.each([
    ['empty', '', NO_SUCH_TOKEN],
    ['a-number', '1', NO_SUCH_TOKEN],
    ['a-name-of-the-language', '__proto__', NO_SUCH_TOKEN],
    ['too-long', 'f'.repeat(129), /^EINVAL: token: expected text of at most 128 bytes/],
    ['control-characters', '\u001b[2J', /^EINVAL: token: expected text .*without control characters/],
  ])('malformed-%s', async (_, token, sentence) => {
    expect(await refusal(device.importDmaBuf(token))).toMatch(sentence);
  });

  it('replayed-after-the-exporter-died', async () => {
    const exporter = await clientOn(0);
    const memory = await exporter.call('exportMemory', { file: 0, size: SIZE, seed: 1 });
    const objects = await exporter.call('blockStream', { file: 0, queue: Queue.DMA_0_1, object: 0, value: 1 });
    // The tokens end first: long before the device has let go of the memory.
    await kill(exporter);
    for (const { token } of [memory, objects]) {
      expect(await refusal(device.importDmaBuf(token))).toMatch(NO_SUCH_TOKEN);
    }
  });

  it('replayed-after-the-export-was-closed', async () => {
    const exporter = await clientOn(0);
    const { token } = await exporter.call('exportMemory', { file: 0, size: SIZE, seed: 1 });
    await using imported = await device.importDmaBuf(token);
    await exporter.call('closeExports', { file: 0 });
    expect(await refusal(device.importDmaBuf(token))).toMatch(NO_SUCH_TOKEN);
    // What was imported before stays.
    expect(imported.size).toBe(SIZE);
    const { buffers } = await daemon().client.inspectBuffers();
    expect(buffers).toMatchObject([
      { exporter: { pid: exporter.pid, alive: true }, importers: [{ pid: process.pid }] },
    ]);
  });

  it('used-twice', async () => {
    const exporter = await clientOn(0);
    const importer = await clientOn(1);
    const { token } = await exporter.call('exportMemory', { file: 0, size: SIZE, seed: 4 });
    const [first, second] = [await device.importDmaBuf(token), await device.importDmaBuf(token)];
    expect(first.address).not.toBe(second.address);
    await importer.call('readImport', { file: 0, token, seed: 4 });
    expect((await daemon().client.inspectBuffers()).buffers[0]?.importers).toHaveLength(3);
    // Each is undone by itself.
    await first.close();
    expect((await daemon().client.inspectBuffers()).buffers[0]?.importers).toHaveLength(2);
    await second.close();
  });

  it('asked-for-again-is-the-same', async () => {
    const memory = await device.allocHbm(SIZE);
    const shared = await device.exportDmaBuf(memory);
    expect(await device.ioctl('DMABUF_TOKEN', { fd: shared.fd })).toEqual({ token: shared.token });
    const other = await device.exportDmaBuf(memory);
    expect(other.token).not.toBe(shared.token);
    await shared.close();
    await (await device.importDmaBuf(other.token)).close();
  });

  it('imported-by-its-own-exporter', async () => {
    const mirror = await Mirror.make(device, SIZE);
    const shared = await device.exportDmaBuf(mirror.memory);
    const imported = await device.importDmaBuf(shared);
    expect(imported.address).not.toBe(mirror.memory.address);
    await mirror.fill(5);
    await using host = await device.allocHost(SIZE);
    await using cb = await device.createCommandBuffer();
    await (await device.submit({ queue: Queue.DMA_1_0, cb: cb.linDma({ from: imported, to: host }) })).wait();
    expect(host.bytes.some((byte) => byte !== 0)).toBe(true);
    expect(await refusal(device.ioctl('MEMORY_FREE', { handle: mirror.memory.handle }))).toMatch(/^EINVAL/);
  });
});

describe('after the exporter died', () => {
  it('memory-lives-until-the-last-importer-lets-go', async () => {
    const exporter = await clientOn(0);
    const importer = await clientOn(1);
    const { token } = await exporter.call('exportMemory', { file: 0, size: SIZE, seed: 7 });
    await importer.call('readImport', { file: 0, token, seed: 7 });
    const imported = await device.importDmaBuf(token);
    await killAndRelease(exporter);

    const buffers = async () => (await daemon().client.inspectBuffers()).buffers;
    expect(await buffers()).toMatchObject([
      { kind: 'memory', exporter: { pid: exporter.pid, device: 0, alive: false } },
    ]);
    expect((await buffers())[0]?.importers.map(({ pid }) => pid).sort()).toEqual([importer.pid, process.pid].sort());
    expect(await hbmUsed(0)).toBeGreaterThanOrEqual(SIZE);
    await importer.call('readImport', { file: 0, token, seed: 7 });
    await importer.call('writeImport', { file: 0, token, seed: 8 });
    await importer.call('readImport', { file: 0, token, seed: 8 });

    await killAndRelease(importer);
    expect((await buffers())[0]?.importers).toMatchObject([{ pid: process.pid }]);
    await imported.close();
    expect(await buffers()).toEqual([]);
    await untilNothing(async () => ((await hbmUsed(0)) === 0 ? '' : 'the memory was not given back'));
  });

  it('sync-objects-live-on-and-reach-nobody', async () => {
    const exporter = await clientOn(0);
    const { token } = await exporter.call('blockStream', { file: 0, queue: Queue.DMA_0_1, object: 0, value: 1 });
    const imported = await device.importDmaBuf(token);
    await killAndRelease(exporter);
    // Whoever comes next gets other objects: a late signal must not release a stranger.
    const next = await clientOn(0);
    await next.call('blockStream', { file: 0, queue: Queue.DMA_0_1, object: 0, value: 1 });
    await using cb = await device.createCommandBuffer();
    cb.signal(imported.object(0));
    await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
    expect(await next.call('isReleased', { file: 0 })).toEqual({ done: false });
    await imported.close();
    expect((await daemon().client.inspectBuffers()).buffers.filter(({ exporter: { alive } }) => !alive)).toEqual([]);
  });

  it('its-memory-is-clean-for-the-next', async () => {
    const exporter = await clientOn(0);
    const { token } = await exporter.call('exportMemory', { file: 0, size: SIZE, seed: 9 });
    const imported = await device.importDmaBuf(token);
    await killAndRelease(exporter);
    await imported.close();
    await using next = await openDevice(0, { socketPath: daemon().socketPath });
    await using memory = await next.allocHbm(SIZE);
    await using host = await next.allocHost(SIZE);
    host.bytes.fill(0xff);
    await using cb = await next.createCommandBuffer();
    await (await next.submit({ queue: Queue.DMA_1_0, cb: cb.linDma({ from: memory, to: host }) })).wait();
    expect(host.bytes.every((byte) => byte === 0)).toBe(true);
  });
});

async function hbmUsed(index: number): Promise<number> {
  return (await daemon().client.inspectDaemon()).devices[index]?.hbm.used ?? 0;
}
