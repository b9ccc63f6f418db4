/** dma-bufs, sync files and synced submissions: what is asked of the daemon, over a real socket. */
import { ATTACH_FLAGS, DMABUF_KIND, TOKEN_FLAGS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { type Device, openDevice } from './device.js';
import { WaitExpired } from './submission.js';
import { FakeDaemon } from './testing/fake-daemon.js';

const SIZE = 4096;
const EIO = 5;

async function withDevice(daemon: FakeDaemon): Promise<Device> {
  return await openDevice(0, { socketPath: daemon.socketPath });
}

function opening(kind: number) {
  return { DMABUF_OPEN: () => ({ fd: 6, kind, size: SIZE }) };
}

/** The last request of that name. */
function asked(daemon: FakeDaemon, name: string): unknown {
  return daemon.calls.findLast((call) => call.name === name)?.req;
}

describe('DmaBuf', () => {
  it('spells-its-calls', async () => {
    await using daemon = await FakeDaemon.start({
      ...opening(DMABUF_KIND.HOST_MEMORY),
      DMABUF_ATTACH: () => ({ attachment: 3, peer2peer: true }),
      DMABUF_MAP: () => ({ address: 0x1000, size: SIZE, segments: 1 }),
      DMABUF_TOKEN: () => ({ token: 't' }),
      DMABUF_EXPORT_SYNC_FILE: () => ({ fd: 8 }),
    });
    using dev = await withDevice(daemon);
    const buffer = await dev.openDmaBuf('name');
    expect([buffer.fd, buffer.kind, buffer.size]).toEqual([6, 'host-memory', SIZE]);
    const attachment = await buffer.attach({ maxSegmentBytes: 65536 });
    expect(asked(daemon, 'DMABUF_ATTACH')).toMatchObject({
      fd: 6,
      flags: ATTACH_FLAGS.DYNAMIC | ATTACH_FLAGS.PEER2PEER,
      maxSegmentBytes: 65536,
    });
    const mapped = await attachment.map('to-device');
    expect(asked(daemon, 'DMABUF_MAP')).toMatchObject({ attachment: 3, direction: 1 });
    const cb = (await dev.createCommandBuffer()).linDma({ from: mapped, to: 0x2000_0000 });
    expect(cb.disassemble()).toEqual([`LIN_DMA ${SIZE} B 0x1000 -> 0x20000000`]);
    await mapped.unmap();
    await mapped.unmap();
    await attachment.detach();
    expect(daemon.names.filter((name) => name === 'DMABUF_UNMAP')).toHaveLength(1);
    expect(() => cb.linDma({ from: mapped, to: 0 })).toThrow(/the mapping of 4096 bytes of dma-buf 6 was used after/);
    await buffer.beginAccess('read');
    await buffer.endAccess('write');
    expect(daemon.calls.filter(({ name }) => name === 'DMABUF_SYNC').map(({ req }) => req.flags)).toEqual([1, 6]);
    await buffer.newToken({ once: true, readOnly: true });
    expect(asked(daemon, 'DMABUF_TOKEN')).toMatchObject({ flags: TOKEN_FLAGS.ONCE | TOKEN_FLAGS.READ_ONLY });
    await buffer.addFences('write', await buffer.fencesOf('read'));
    expect(asked(daemon, 'DMABUF_IMPORT_SYNC_FILE')).toMatchObject({ fd: 6, flags: 2, syncFile: 8 });
  });

  it('a-token-of-the-other-kind-is-closed-again', async () => {
    await using daemon = await FakeDaemon.start(opening(DMABUF_KIND.SYNC_FILE));
    using dev = await withDevice(daemon);
    await expect(dev.openDmaBuf('name')).rejects.toMatchObject({ code: 'EINVAL' });
    expect(asked(daemon, 'DMABUF_CLOSE')).toMatchObject({ fd: 6 });
    daemon.answers.DMABUF_OPEN = opening(DMABUF_KIND.MEMORY).DMABUF_OPEN;
    await expect(dev.openSyncFile('name')).rejects.toMatchObject({ code: 'EINVAL', ioctl: 'DMABUF_OPEN' });
  });
});

describe('SyncFile', () => {
  it('waits-and-tells-the-error-of-its-fence', async () => {
    let status = 1;
    let revents = 1;
    await using daemon = await FakeDaemon.start({
      ...opening(DMABUF_KIND.SYNC_FILE),
      DESCRIPTOR_POLL: () => ({ revents }),
      SYNC_FILE_INFO: () => ({ name: 'n', status, flags: 0, numFences: 0, fences: [] }),
    });
    using dev = await withDevice(daemon);
    const file = await dev.openSyncFile('name');
    await file.wait();
    expect(asked(daemon, 'DESCRIPTOR_POLL')).toMatchObject({ fd: 6, events: 1, timeoutMs: -1 });
    expect(await file.state()).toEqual({ name: 'n', status: 'signalled', fences: [] });
    status = -EIO;
    await expect(file.wait()).rejects.toMatchObject({ code: 'EIO', ioctl: 'SYNC_FILE_INFO' });
    expect((await file.state()).status).toBe('EIO');
    revents = 0;
    await expect(file.wait({ timeoutMs: 0 })).rejects.toBeInstanceOf(WaitExpired);
    await expect(file.wait({ timeoutMs: -1 })).rejects.toMatchObject({ code: 'EINVAL' });
  });
});

describe('submitSynced', () => {
  it('names-buffers-and-what-to-wait-for', async () => {
    const res = { seq: 4, status: 0, sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 };
    await using daemon = await FakeDaemon.start({
      ...opening(DMABUF_KIND.MEMORY),
      CS_SYNCED: () => ({ ...res, held: true, fd: 11 }),
      DMABUF_EXPORT_SYNC_FILE: () => ({ fd: 8 }),
    });
    using dev = await withDevice(daemon);
    using other = await withDevice(daemon);
    const buffer = await dev.openDmaBuf('name');
    const after = [await buffer.fencesOf('write')];
    const request = { queue: 0, cb: (await dev.createCommandBuffer()).nop() };
    const { submission, syncFile, held } = await dev.submitSynced(request, {
      buffers: [{ buffer, access: 'write' }],
      after,
    });
    expect([submission.seq, syncFile.fd, held]).toEqual([4, 11, true]);
    expect(asked(daemon, 'CS_SYNCED')).toMatchObject({
      submission: { chunksExecute: [{ queueIndex: 0, size: 8 }] },
      buffers: [{ fd: 6, access: 2 }],
      waitFor: [8],
      exportFence: true,
    });
    await expect(other.submitSynced({ queue: 9, memory: 0, size: 8 }, { after })).rejects.toThrow(/another open file/);
  });
});
