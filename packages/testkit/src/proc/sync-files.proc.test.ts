/**
 * dma-bufs step by step, their fences and sync files, with a real daemon: that the library's words for them do what the kernel's rules say.
 */
import { closeSync } from 'node:fs';
import { Dcore, type Device, HlError, openDevice, Queue, WaitExpired } from '@pedrera/thunk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fileDaemon } from './support/file-daemon.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

const SIZE = 2 ** 21;
const POLLING = { timeoutMs: 0 };

function open(index = 0): Promise<Device> {
  return openDevice(index, { socketPath: daemon().socketPath });
}

/** Work that stands still until the host lets it go. */
async function gateOn(device: Device) {
  const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
  const cb = await device.createCommandBuffer();
  cb.waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue: Queue.DMA_0_0 });
  return {
    request: { queue: Queue.DMA_0_0, cb },
    release: async () =>
      device.submit({ queue: Queue.DMA_0_3, cb: (await device.createCommandBuffer()).signal(lease.object(0)) }),
  };
}

describe('sync files', () => {
  it('stand-for-a-submission-in-another-open-file', async () => {
    await using device = await open();
    await using other = await open(1);
    const gate = await gateOn(device);
    const file = await device.exportSyncFile(await device.submit(gate.request));
    const theirs = await other.openSyncFile(await file.newToken());
    await expect(theirs.wait(POLLING)).rejects.toBeInstanceOf(WaitExpired);
    expect((await theirs.state()).status).toBe('pending');
    const waiting = theirs.wait();
    await gate.release();
    await waiting;
    const { status, fences } = await file.state();
    expect([status, fences.length, fences[0]?.status]).toEqual(['signalled', 1, 'signalled']);
  });

  it('merged', async () => {
    await using device = await open();
    const gate = await gateOn(device);
    const nop = (await device.createCommandBuffer()).nop();
    const done = await device.submit({ queue: Queue.DMA_1_0, cb: nop });
    await done.wait();
    const [pending, signalled] = [
      await device.exportSyncFile(await device.submit(gate.request)),
      await device.exportSyncFile(done),
    ];
    const both = await pending.merge(signalled, 'both');
    expect(await both.state()).toMatchObject({ name: 'both', status: 'pending' });
    await gate.release();
    await both.wait();
  });

  it('of-who-dies', async () => {
    const device = await open();
    await using other = await open(1);
    const gate = await gateOn(device);
    const file = await device.exportSyncFile(await device.submit(gate.request));
    const theirs = await other.openSyncFile(await file.newToken());
    const waiting = theirs.wait().catch((error: unknown) => error);
    await device.close();
    const error = await waiting;
    expect(error).toBeInstanceOf(HlError);
    expect((error as HlError).code).toBe('EIO');
  });

  it('a-token-of-the-wrong-kind-and-one-for-one-use', async () => {
    await using device = await open();
    const shared = await device.exportDmaBuf(await device.allocHbm(SIZE));
    await expect(device.openSyncFile(shared.token)).rejects.toMatchObject({ code: 'EINVAL' });
    const once = await shared.newToken({ once: true });
    await using _first = await device.openDmaBuf(once);
    await expect(device.openDmaBuf(once)).rejects.toMatchObject({ code: 'ENOENT', ioctl: 'DMABUF_OPEN' });
  });
});

describe('dma-bufs', () => {
  it('attached-and-mapped-in-steps', async () => {
    await using device = await open();
    await using other = await open(1);
    const memory = await device.allocHbm(SIZE);
    const cb = await device.createCommandBuffer();
    await (await device.submit({ queue: Queue.DMA_0_0, cb: cb.memset({ to: memory, pattern: 42 }) })).wait();
    const buffer = await other.openDmaBuf((await device.exportDmaBuf(memory)).token);
    await buffer.setName('weights');
    expect(await buffer.info()).toMatchObject({ size: SIZE, name: 'weights', exporterDevice: 0 });
    await expect((async () => (await buffer.attach({ peerToPeer: false })).map())()).rejects.toMatchObject({
      code: 'EPERM',
    });
    const attachment = await buffer.attach();
    const mapped = await attachment.map();
    await expect(attachment.detach()).rejects.toMatchObject({ code: 'EBUSY' });
    const host = await other.allocHost(4096);
    const read = await other.createCommandBuffer();
    read.linDma({ from: mapped, to: host, size: 4096 });
    await (await other.submit({ queue: Queue.DMA_1_0, cb: read })).wait();
    expect(new Uint32Array(host.bytes.buffer, host.bytes.byteOffset, 1)[0]).toBe(42);
    await mapped.unmap();
    await attachment.detach();
  });

  it('come-as-descriptors-of-the-process-too', async () => {
    await using device = await open();
    await using other = await open(1);
    const shared = await device.exportDmaBuf(await device.allocHbm(SIZE));
    const descriptor = await shared.processDescriptor();
    const received = await other.receive(descriptor);
    closeSync(descriptor);
    expect([received.size, received.kind]).toEqual([SIZE, 'memory']);
    await expect(other.receive(0)).rejects.toMatchObject({ code: 'EINVAL', ioctl: 'DMABUF_RECEIVE' });
  });

  it('host-memory', async () => {
    await using device = await open();
    await using other = await open(1);
    const host = await device.allocHost(8192, { shareable: true });
    host.bytes.fill(9);
    const imported = await other.importDmaBuf(await device.exportDmaBuf(host));
    expect(imported.kind).toBe('host-memory');
    const target = await other.allocHost(4096);
    const cb = (await other.createCommandBuffer()).linDma({ from: imported, to: target, size: 4096 });
    await (await other.submit({ queue: Queue.DMA_0_0, cb })).wait();
    expect(target.bytes[4095]).toBe(9);
    const small = await device.allocHost(4096);
    await expect(device.exportDmaBuf(small)).rejects.toMatchObject({ code: 'EPERM' });
  });

  it('order-work-of-programs-that-share-nothing-else', async () => {
    await using device = await open();
    await using other = await open(1);
    const shared = await device.exportDmaBuf(await device.allocHbm(SIZE));
    const gate = await gateOn(device);
    const written = await device.submitSynced(gate.request, { buffers: [{ buffer: shared, access: 'write' }] });
    expect(written.held).toBe(false);
    const theirs = await other.openDmaBuf(shared.token);
    expect(await theirs.idle('read', POLLING)).toBe(false);
    const reading = { queue: Queue.DMA_0_0, cb: (await other.createCommandBuffer()).nop() };
    const read = await other.submitSynced(reading, { buffers: [{ buffer: theirs, access: 'read' }] });
    const later = await other.submitSynced(
      { ...reading, queue: Queue.DMA_1_0 },
      { after: [await theirs.fencesOf('write')] },
    );
    expect([read.held, later.held, await read.submission.poll()]).toEqual([true, true, false]);
    await gate.release();
    await later.submission.wait();
    await read.syncFile.wait();
    await theirs.beginAccess('write');
    await theirs.endAccess('write');
    expect(await theirs.idle('write')).toBe(true);
    await shared.addFences('write', written.syncFile);
    await expect(theirs.addFences('write', written.syncFile)).rejects.toThrow(/another open file/);
  });
});
