/** Memory regions, routes to them, transfers between two devices' memory, and what becomes of them when something goes away. */

import { MR_ACCESS, RDMA_OP, RDMA_STATUS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { UNKNOWN_BIRTH } from '../caller.js';
import { HostBuffer } from '../command-buffer.js';
import { ContextImport } from '../dma-buf/context-import.js';
import type { DmaBuf } from '../dma-buf/dma-buf.js';
import { exportHostBuffer, exportMemory, exportSyncObjects } from '../dma-buf/exporters.js';
import { MACHINE_SCHEMA, parseMachine } from '../machine-file.js';
import type { OpenFile } from '../open-file.js';
import { TestRig } from '../test-rig.js';
import { ImporterFile } from './importer-file.js';
import type { MemoryRegion } from './memory-region.js';

const PAGE = 2 ** 21;
const ALL = MR_ACCESS.LOCAL_WRITE | MR_ACCESS.REMOTE_WRITE | MR_ACCESS.REMOTE_READ;
const RIGHTS = { flags: 2, readOnly: false };

function exported(rig: TestRig, file: OpenFile, size = PAGE): DmaBuf {
  const allocation = rig.device(file.device.index).memory.allocate({
    size,
    pageSize: 0,
    contiguous: false,
    shared: false,
    ownerAsid: file.requireContext.asid,
  });
  const object = exportMemory(rig.machine.dmaBufs, file.requireContext, {
    extents: allocation.extents,
    size,
    allocation,
  });
  // Only the export keeps it.
  rig.device(file.device.index).memory.forget(allocation);
  return object;
}

function importer(rig: TestRig, name = 'hli', pid = 77): ImporterFile {
  const nic = rig.machine.rdma.nic(name);
  if (nic === undefined) throw new Error(name);
  return new ImporterFile(nic, { pid, birth: () => UNKNOWN_BIRTH }, rig.tracker);
}

/** A region over all of a new export of the file's device. */
async function region(
  rig: TestRig,
  nic: ImporterFile,
  device: number,
  access = ALL,
  size = PAGE,
): Promise<{ handle: number; region: MemoryRegion }> {
  const file = await rig.open(device);
  const object = exported(rig, file, size);
  const fd = nic.descriptors.add(rig.machine.dmaBufs, object, RIGHTS);
  const handle = nic.register(fd, { offset: 0, length: size, iova: 0, access });
  nic.descriptors.close(fd);
  await rig.close(file);
  return { handle, region: nic.peekRegion(handle) };
}

function codeOf(use: () => unknown): string {
  try {
    use();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return '';
}

const pattern = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

describe('memory regions', () => {
  it('what-is-written-is-what-the-device-has', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open(0);
    const object = exported(rig, file);
    const nic = importer(rig);
    const fd = nic.descriptors.add(rig.machine.dmaBufs, object, RIGHTS);
    const handle = nic.register(fd, { offset: 4096, length: 8192, iova: 0, access: 0 });
    const bytes = pattern(5000);
    nic.peekRegion(handle).memory.write(100, bytes);
    const back = new Uint8Array(5000);
    nic.peekRegion(handle).memory.read(100, back);
    expect(back).toEqual(bytes);
    const at = rig.device().memory.hbm;
    const [extent] = [...object.attachments].map(({ importer: { name } }) => name);
    expect(extent).toBe('hli');
    const place = new ContextImport(file.requireContext, object, { dynamic: true, peer2peer: true });
    const segment = (await place.attachment.dmaBuf.exporter.map(place.attachment, 0))?.segments[0];
    place.close();
    using view = at.map(segment?.address ?? 0, 16384);
    expect(view.bytes.subarray(4096 + 100, 4096 + 5100)).toEqual(bytes);
    nic.release();
  });

  it('keeps-the-buffer-without-descriptor-and-exporter', async () => {
    await using rig = new TestRig('shared', 2);
    const nic = importer(rig);
    const { region: mine } = await region(rig, nic, 1);
    expect(rig.device(1).memory.used).toBe(PAGE);
    mine.memory.write(0, pattern(64));
    nic.release();
    await rig.settle();
    expect(rig.device(1).memory.used).toBe(0);
  });

  it('of-a-host-buffer', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open(0);
    const buffer = new HostBuffer(file, 3 * 4096, true);
    const object = exportHostBuffer(rig.machine.dmaBufs, file.requireContext, buffer, { offset: 4096, size: 8192 });
    const nic = importer(rig);
    const fd = nic.descriptors.add(rig.machine.dmaBufs, object, RIGHTS);
    const handle = nic.register(fd, { offset: 4096, length: 4096, iova: 0, access: 0 });
    nic.peekRegion(handle).memory.write(1, Uint8Array.of(1, 2, 3));
    expect([...buffer.range.bytes().subarray(8192, 8196)]).toEqual([0, 1, 2, 3]);
    nic.release();
  });

  it('refused', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open(0);
    const nic = importer(rig);
    const fd = nic.descriptors.add(rig.machine.dmaBufs, exported(rig, file), RIGHTS);
    const range = { offset: 0, length: 4096, iova: 0, access: 0 };
    expect(codeOf(() => nic.register(99, range))).toBe('EBADF');
    expect(codeOf(() => nic.register(fd, { ...range, length: 0 }))).toBe('EINVAL');
    expect(codeOf(() => nic.register(fd, { ...range, offset: PAGE }))).toBe('EINVAL');
    expect(codeOf(() => nic.register(fd, { ...range, access: 8 }))).toBe('EINVAL');
    expect(codeOf(() => nic.deregister(1))).toBe('EINVAL');
    file.requireContext.leases.leaseSync(2, { syncObjects: 8, monitors: 0 });
    const { firstSob } = file.requireContext.leases.held(2) as { firstSob: number };
    const sync = exportSyncObjects(rig.machine.dmaBufs, file.requireContext, {
      dcore: 2,
      firstSyncObject: firstSob,
      count: 2,
    });
    const other = nic.descriptors.add(rig.machine.dmaBufs, sync, RIGHTS);
    expect(codeOf(() => nic.register(other, { ...range, length: 4 }))).toBe('EINVAL');
    const reading = nic.descriptors.add(
      rig.machine.dmaBufs,
      nic.descriptors.peek(fd).dmaBuf('EINVAL').get() as DmaBuf,
      {
        flags: 0,
        readOnly: true,
      },
    );
    expect(codeOf(() => nic.register(reading, { ...range, access: MR_ACCESS.REMOTE_WRITE }))).toBe('EPERM');
    expect(nic.peekRegion(nic.register(reading, range)).writable).toBe(false);
    nic.release();
  });
});

/** hl0 and hl1 under one switch with the card hli; hl2 elsewhere; hl1 and hl2 have cards inside, with a cable between them. */
const APART = parseMachine(
  JSON.stringify({
    schema: MACHINE_SCHEMA,
    hostBridges: [{ name: 'left' }, { name: 'right' }],
    switches: [{ name: 'sw', under: 'left' }],
    devices: [{ under: 'sw' }, { under: 'sw' }, { under: 'right' }],
    nics: [
      { name: 'hli', under: 'sw' },
      { name: 'in1', in: 'hl1' },
      { name: 'in2', in: 'hl2' },
    ],
    links: [{ from: 'hl1:3', to: 'hl2:4' }],
  }),
);

describe('routes', () => {
  it('no-way-is-EPERM-at-attach-and-leaves-nothing', async () => {
    await using rig = new TestRig('shared', 3, {}, undefined, APART);
    const [near, far] = [await rig.open(0), await rig.open(2)];
    const object = exported(rig, far);
    const nic = importer(rig);
    const fd = nic.descriptors.add(rig.machine.dmaBufs, object, RIGHTS);
    expect(codeOf(() => nic.register(fd, { offset: 0, length: 4096, iova: 0, access: 0 }))).toBe('EPERM');
    expect(codeOf(() => new ContextImport(near.requireContext, object, { dynamic: true, peer2peer: true }))).toBe(
      'EPERM',
    );
    // Its own card is at home there.
    const inside = importer(rig, 'in2');
    const own = inside.descriptors.add(rig.machine.dmaBufs, object.get() as DmaBuf, RIGHTS);
    inside.register(own, { offset: 0, length: 4096, iova: 0, access: 0 });
    expect(object.attachments.size).toBe(1);
    inside.release();
    nic.release();
  });

  it('a-link-that-is-down-ends-transfers-with-an-error', async () => {
    await using rig = new TestRig('shared', 3, {}, undefined, APART);
    const [here, there] = [importer(rig, 'in1'), importer(rig, 'in2')];
    const { region: local } = await region(rig, here, 1);
    const { region: remote } = await region(rig, there, 2);
    local.memory.write(0, pattern(4096));
    const request = { op: RDMA_OP.WRITE, local, offset: 0, key: remote.key, remoteOffset: 64, size: 4096 };
    const ask = async () => {
      here.transfers.post(request);
      return (await here.transfers.wait(8)).map(({ status, bytes }) => [status, bytes]);
    };
    expect(await ask()).toEqual([[RDMA_STATUS.SUCCESS, 4096]]);
    rig.device(2).linksDown = 1 << 4;
    expect(await ask()).toEqual([[RDMA_STATUS.RETRY_EXCEEDED, 0]]);
    rig.device(2).linksDown = 1 << 3;
    expect(await ask()).toEqual([[RDMA_STATUS.SUCCESS, 4096]]);
    here.release();
    there.release();
  });
});

describe('transfers', () => {
  it('between-two-devices-of-two-processes', async () => {
    await using rig = new TestRig('shared', 2);
    const [one, other] = [importer(rig, 'hli', 1), importer(rig, 'hli', 2)];
    const size = 12 * 2 ** 20;
    const { region: local } = await region(rig, one, 0, ALL, size);
    const { region: remote } = await region(rig, other, 1, ALL, size);
    const bytes = pattern(size - 10);
    local.memory.write(5, bytes);
    const id = one.transfers.post({
      op: RDMA_OP.WRITE,
      local,
      offset: 5,
      key: remote.key,
      remoteOffset: 9,
      size: bytes.length,
    });
    expect(one.transfers.poll(8)).toEqual([]);
    expect(await one.transfers.wait(8)).toEqual([{ id, status: RDMA_STATUS.SUCCESS, bytes: bytes.length }]);
    const back = new Uint8Array(bytes.length);
    remote.memory.read(9, back);
    expect(Buffer.compare(back, bytes)).toBe(0);
    local.memory.write(0, new Uint8Array(size));
    one.transfers.post({ op: RDMA_OP.READ, local, offset: 5, key: remote.key, remoteOffset: 9, size: bytes.length });
    await one.transfers.wait(8);
    local.memory.read(5, back);
    expect(Buffer.compare(back, bytes)).toBe(0);
    one.release();
    other.release();
  });

  it('in-order-and-each-with-its-own-outcome', async () => {
    await using rig = new TestRig('shared', 2);
    const nic = importer(rig);
    const { region: local } = await region(rig, nic, 0);
    const { region: open } = await region(rig, nic, 1);
    const { region: readOnly } = await region(rig, nic, 1, MR_ACCESS.REMOTE_READ);
    const post = (op: number, key: string, size = 64, remoteOffset = 0) =>
      nic.transfers.post({ op, local, offset: 0, key, remoteOffset, size });
    const ids = [
      post(RDMA_OP.WRITE, open.key),
      post(RDMA_OP.WRITE, readOnly.key),
      post(RDMA_OP.READ, readOnly.key),
      post(RDMA_OP.WRITE, open.key, 64, PAGE - 63),
      post(RDMA_OP.WRITE, 'no key of ours'),
      post(RDMA_OP.WRITE, open.key, 0),
    ];
    const { SUCCESS, REMOTE_ACCESS } = RDMA_STATUS;
    const completions = await nic.transfers.wait(100);
    expect(completions.map(({ id }) => id)).toEqual(ids);
    expect(completions.map(({ status }) => status)).toEqual([
      SUCCESS,
      REMOTE_ACCESS,
      SUCCESS,
      REMOTE_ACCESS,
      REMOTE_ACCESS,
      SUCCESS,
    ]);
    expect(codeOf(() => post(7, open.key))).toBe('EINVAL');
    expect(codeOf(() => post(0, open.key, PAGE + 1))).toBe('EINVAL');
    expect(await nic.transfers.wait(1)).toEqual([]);
    nic.release();
  });

  it('a-region-that-dies-in-the-middle-ends-it', async () => {
    await using rig = new TestRig('shared', 2);
    const [one, other] = [importer(rig, 'hli', 1), importer(rig, 'hli', 2)];
    const size = 32 * 2 ** 20;
    const { region: local, handle } = await region(rig, one, 0, ALL, size);
    const { region: remote } = await region(rig, other, 1, ALL, size);
    const whole = { op: RDMA_OP.WRITE, local, offset: 0, key: remote.key, remoteOffset: 0, size };
    one.transfers.post(whole);
    await rig.settle();
    other.release();
    const [torn] = await one.transfers.wait(1);
    expect(torn?.status).toBe(RDMA_STATUS.REMOTE_ACCESS);
    expect(torn?.bytes).toBeGreaterThan(0);
    expect(torn?.bytes).toBeLessThan(size);
    const { region: again } = await region(rig, one, 1, ALL, size);
    one.transfers.post({ ...whole, key: again.key });
    one.deregister(handle);
    expect((await one.transfers.wait(1))[0]?.status).toBe(RDMA_STATUS.LOCAL_PROTECTION);
    one.release();
  });

  it('a-device-that-does-not-answer', async () => {
    await using rig = new TestRig('shared', 2);
    const nic = importer(rig);
    const { region: local } = await region(rig, nic, 0);
    const { region: remote } = await region(rig, nic, 1);
    rig.device(1).life.disabled = true;
    expect(remote.dead).toMatch(/hl1: the device is not operational/);
    expect(codeOf(() => remote.memory)).toBe('EIO');
    nic.transfers.post({ op: RDMA_OP.WRITE, local, offset: 0, key: remote.key, remoteOffset: 0, size: 64 });
    expect((await nic.transfers.wait(1))[0]?.status).toBe(RDMA_STATUS.REMOTE_OPERATION);
    rig.device(1).life.disabled = false;
    nic.transfers.post({ op: RDMA_OP.WRITE, local, offset: 0, key: remote.key, remoteOffset: 0, size: 64 });
    expect((await nic.transfers.wait(1))[0]?.status).toBe(RDMA_STATUS.SUCCESS);
    nic.release();
  });

  it('who-waits-when-the-file-closes-hears-of-it', async () => {
    await using rig = new TestRig('shared');
    const nic = importer(rig);
    const { region: local } = await region(rig, nic, 0);
    nic.transfers.post({ op: RDMA_OP.READ, local, offset: 0, key: local.key, remoteOffset: 0, size: 64 });
    const waiting = nic.transfers.wait(1);
    nic.release();
    await expect(waiting).rejects.toMatchObject({ code: 'EINTR' });
  });
});
