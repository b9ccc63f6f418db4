/** Bytes from one device's memory to another's by a network card, and machines in which not everything reaches everything. */
import { readFileSync, writeFileSync } from 'node:fs';
import { ERRNO, type NetworkCard, openDevice, openNetworkCard } from '@pedrera/thunk';
import { encodeCall, entryOf, RDMA_STATUS } from '@pedrera/uapi';
import { allowTracer, SharedMemory } from '@pedrera/wire';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tempDirectory } from '../temp-directory.js';
import { TestDaemon } from '../test-daemon.js';
import type { ClientSteps } from './programs/client/main.js';
import { ClientProcess } from './support/client-process.js';
import { fileDaemon } from './support/file-daemon.js';
import { RawPeer } from './support/raw-peer.js';
import { refusal } from './support/refusal.js';

type Client = ClientProcess<ClientSteps>;

const MIB = 2 ** 20;
const clients: Client[] = [];
const cards: NetworkCard[] = [];

async function clientOn(daemon: TestDaemon, device: number): Promise<Client> {
  const client: Client = new ClientProcess('client', { socketPath: daemon.socketPath });
  clients.push(client);
  await client.call('open', { device });
  return client;
}

async function cardOf(daemon: TestDaemon, node = 'hli'): Promise<NetworkCard> {
  const card = await openNetworkCard({ socketPath: daemon.socketPath, node });
  cards.push(card);
  return card;
}

/** Registered after a daemon's leak check, so that it runs before it. */
async function letGo(): Promise<void> {
  await Promise.all(cards.splice(0).map((card) => card.close()));
  await Promise.all(clients.splice(0).map((client) => client[Symbol.asyncDispose]()));
}

describe('a machine nobody described', () => {
  const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });
  afterEach(letGo);

  it('two-devices-of-two-processes', async () => {
    const [from, to] = [await clientOn(daemon(), 0), await clientOn(daemon(), 1)];
    const size = 20 * MIB + 4096;
    const [source, target] = await Promise.all([
      from.call('exportMemory', { file: 0, size, seed: 7 }),
      to.call('exportMemory', { file: 0, size, seed: 8 }),
    ]);
    // Two open files of the node, as two processes would have; what the second knows of the first is a key.
    const [here, there] = [await cardOf(daemon()), await cardOf(daemon())];
    const { clients: listed } = await daemon().client.inspectClients();
    expect(listed.filter(({ node }) => node === 'hli')).toMatchObject([{ device: null, asid: null }, { device: null }]);
    const local = await here.register(source.token, { remote: 'none' });
    const remote = await there.register(target.token, { remote: 'write' });
    const key = await remote.key();
    expect(await local.write({ key, size })).toBe(size);
    await to.call('checkExported', { file: 0, seed: 7 });
    expect(await refusal(local.read({ key, size }))).toMatch(/^EIO.*status 10/);
    await expect(local.write({ key: 'ab'.repeat(32), size })).rejects.toMatchObject({
      status: RDMA_STATUS.REMOTE_ACCESS,
      bytes: 0,
    });
    // The exporter is gone, the bytes are not.
    await from.process.signal('SIGKILL');
    expect(await local.get(0, 64)).toEqual(await remote.get(0, 64));
    const { devices } = await daemon().client.inspectDaemon();
    expect(devices[0]?.hbm.used).toBeGreaterThanOrEqual(size);
    await remote.close();
    expect(await refusal(local.write({ key, size }))).toMatch(/^EIO.*status 10/);
  });

  it('many-transfers-at-once', async () => {
    const client = await clientOn(daemon(), 0);
    const { token } = await client.call('exportMemory', { file: 0, size: MIB, seed: 1 });
    const card = await cardOf(daemon());
    const region = await card.register(token);
    const key = await region.key();
    await region.put(
      0,
      Uint8Array.from({ length: 256 }, (_, i) => i),
    );
    await Promise.all(
      Array.from({ length: 500 }, (_, i) => region.write({ key, size: 256, remoteOffset: 1024 * (i + 1) })),
    );
    for (const i of [1, 250, 500]) {
      expect((await region.get(1024 * i, 256))[77]).toBe(77);
    }
  });

  it('memory-of-a-c-program', async () => {
    allowTracer(daemon().process.pid);
    const client = await clientOn(daemon(), 0);
    const { token } = await client.call('exportMemory', { file: 0, size: MIB, seed: 1 });
    await using peer = await RawPeer.connect(daemon().socketPath);
    await peer.call('HELLO', { version: 1, program: 'C' });
    await peer.call('OPEN', { node: 'hli' });
    const { fd } = await peer.call('DMABUF_OPEN', { token });
    const size = 64 * 1024;
    const memory = SharedMemory.create('importer-user', 2 * size);
    using view = memory.map(0, 2 * size);
    const line = readFileSync('/proc/self/maps', 'utf8').split('\n');
    const userptr = Number.parseInt(line.find((text) => text.includes('/memfd:importer-user ')) ?? '', 16);
    view.bytes.subarray(0, size).fill(0x5a);
    const ioctl = async (
      name: 'IMPORTER_REG_MR' | 'IMPORTER_WRITE_MR' | 'IMPORTER_READ_MR' | 'IMPORTER_DEREG_MR',
      req: object,
    ) => {
      const { cmd, block } = encodeCall(entryOf(name), req, { abi: '2021' });
      return (await peer.exchange([9, cmd, block, []])) as [number, number, Uint8Array];
    };
    const [, registered, block] = await ioctl('IMPORTER_REG_MR', {
      fd,
      offset: 0,
      length: MIB,
      iova: 0,
      accessFlags: 0,
    });
    expect(registered).toBe(0);
    const mrHandle = Number(new DataView(block.buffer, block.byteOffset).getBigUint64(0, true));
    expect((await ioctl('IMPORTER_WRITE_MR', { mrHandle, userptr, size, offset: 5000 }))[1]).toBe(0);
    expect((await ioctl('IMPORTER_READ_MR', { mrHandle, userptr: userptr + size, size, offset: 5000 }))[1]).toBe(0);
    expect(Buffer.compare(view.bytes.subarray(size), view.bytes.subarray(0, size))).toBe(0);
    // EFAULT, EINVAL, and a command of the driver's family.
    expect((await ioctl('IMPORTER_READ_MR', { mrHandle, userptr: 0, size, offset: 0 }))[1]).toBe(ERRNO.EFAULT);
    expect((await ioctl('IMPORTER_READ_MR', { mrHandle, userptr, size, offset: MIB }))[1]).toBe(ERRNO.EINVAL);
    expect(((await peer.exchange([9, 0xc0204801, new Uint8Array(32), []])) as number[])[1]).toBe(ERRNO.ENOTTY);
    expect((await ioctl('IMPORTER_DEREG_MR', { mrHandle }))[1]).toBe(0);
    expect((await ioctl('IMPORTER_DEREG_MR', { mrHandle }))[1]).toBe(ERRNO.EINVAL);
    memory.close();
  });

  it('nodes-answer-their-own-calls', async () => {
    await using device = await openDevice(0, { socketPath: daemon().socketPath });
    expect(await refusal(device.ioctl('MR_KEY', { mrHandle: 1 }))).toMatch(/^ENOTTY/);
    await using peer = await RawPeer.connect(daemon().socketPath);
    await peer.call('HELLO', { version: 1, program: 'test' });
    await peer.call('OPEN', { node: 'hli' });
    expect((await peer.ask('CB_CREATE', { size: 4096, flags: 0 }))[0]).toBe(ERRNO.ENOTTY);
    expect((await peer.ask('MMAP', { offset: 0n }))[0]).toBe(ERRNO.ENODEV);
  });
});

describe('a described machine', () => {
  const directory = tempDirectory();
  let daemon: TestDaemon;

  beforeAll(async () => {
    const file = directory.file('machine.json');
    writeFileSync(
      file,
      JSON.stringify({
        schema: 'pedrera.machine/1',
        hostBridges: [{ name: 'socket0' }, { name: 'socket1', numa: 1 }],
        switches: [{ name: 'sw0', under: 'socket0' }],
        devices: [{ under: 'sw0', pci: '0000:19:00.0', module: 4 }, { under: 'sw0' }, { under: 'socket1' }],
        nics: [
          { name: 'hli', under: 'sw0' },
          { name: 'hli1', in: 'hl1' },
          { name: 'hli2', in: 'hl2' },
        ],
        links: [{ from: 'hl1:3', to: 'hl2:4' }],
      }),
    );
    daemon = await TestDaemon.start({ args: ['--machine', file] });
  });

  afterEach(() => daemon.settled());
  afterEach(letGo);

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  it('devices-are-where-it-says', async () => {
    expect((await daemon.client.inspectDaemon()).devices).toHaveLength(3);
    await using device = await openDevice(0, { socketPath: daemon.socketPath });
    expect((await device.ioctl('INFO_HW_IP_INFO', {})).moduleId).toBe(4);
  });

  it('no-way-between-two-devices-is-EPERM', async () => {
    const [near, far] = [await clientOn(daemon, 0), await clientOn(daemon, 2)];
    const { token } = await far.call('exportMemory', { file: 0, size: MIB, seed: 3 });
    expect(await refusal(near.call('readImport', { file: 0, token, seed: 3 }))).toMatch(/^EPERM.*no way/);
    expect(await refusal((await cardOf(daemon)).register(token))).toMatch(/^EPERM/);
    const neighbour = await near.call('exportMemory', { file: 0, size: MIB, seed: 4 });
    const beside = await clientOn(daemon, 1);
    await beside.call('readImport', { file: 0, token: neighbour.token, seed: 4 });
  });

  it('over-the-cable-until-it-is-pulled', async () => {
    const [one, two] = [await clientOn(daemon, 1), await clientOn(daemon, 2)];
    const [here, there] = [await cardOf(daemon, 'hli1'), await cardOf(daemon, 'hli2')];
    const local = await here.register((await one.call('exportMemory', { file: 0, size: MIB, seed: 5 })).token);
    const remote = await there.register((await two.call('exportMemory', { file: 0, size: MIB, seed: 6 })).token);
    const transfer = { key: await remote.key(), size: MIB };
    const inject = (value: number) => daemon.client.ioctl('INJECT', { device: 2, kind: 'link', target: '4', value });
    expect(await local.write(transfer)).toBe(MIB);
    await two.call('checkExported', { file: 0, seed: 5 });
    await inject(0);
    await expect(local.write(transfer)).rejects.toMatchObject({ status: RDMA_STATUS.RETRY_EXCEEDED });
    await inject(1);
    expect(await local.write(transfer)).toBe(MIB);
  });
});

it('a-description-that-makes-no-sense-is-said-before-anything-starts', async () => {
  using directory = tempDirectory();
  const file = directory.file('machine.json');
  writeFileSync(file, '{"schema": "pedrera.machine/1", "devices": [{"under": "nothing"}]}');
  await expect(TestDaemon.start({ args: ['--machine', file] })).rejects.toThrow(
    /devices\[0\]\.under: nothing is no bridge/,
  );
});
