/** The library over a real socket, against a daemon that does what the test says: calls, memory, errors, loss. */
import { ERRNO, HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { openDevice } from './device.js';
import { connectDaemon } from './inspect.js';
import { Dcore } from './sync.js';
import { FakeDaemon, silence } from './testing/fake-daemon.js';

function refused(code: string, detail?: RegExp): object {
  return expect.objectContaining({ code, ...(detail === undefined ? {} : { detail: expect.stringMatching(detail) }) });
}

describe('opening', () => {
  it('names-the-node-and-closes-with-using', async () => {
    await using daemon = await FakeDaemon.start();
    const dev = await openDevice(1, { socketPath: daemon.socketPath, node: 'control' });
    {
      using scoped = dev;
      expect([scoped.node, scoped.index, scoped.asid, scoped.alive]).toEqual(['hl_controlD1', 1, 1, true]);
      expect(scoped.greeting).toMatchObject({ policy: 'shared', build: 'fake' });
    }
    expect(dev.alive).toBe(false);
    await expect(dev.info.idle()).rejects.toThrow(refused('EBADF', /this program closed it/));
    await dev.close();
  });

  it('no-daemon', async () => {
    await expect(openDevice(0, { socketPath: '/nonexistent/pedrera.sock' })).rejects.toThrow(
      refused('ENOENT', /pedrera daemon/),
    );
  });

  it('another-version', async () => {
    const greeting = {
      version: 99,
      daemonPid: 1,
      policy: 'shared',
      devices: 1,
      maxFrameBytes: 1024,
      maxInFlight: 1,
      build: '',
    };
    await using daemon = await FakeDaemon.start({ HELLO: () => greeting });
    await expect(openDevice(0, { socketPath: daemon.socketPath })).rejects.toThrow(
      refused('EPROTONOSUPPORT', /speaks protocol 99, this library 1/),
    );
  });

  it('the-errno-of-open', async () => {
    await using daemon = await FakeDaemon.start();
    daemon.answers.OPEN = ({ node }) => {
      throw new HlError('ENXIO', `there is no node ${node}`);
    };
    await expect(openDevice(5, { socketPath: daemon.socketPath })).rejects.toThrow(
      refused('ENXIO', /there is no node hl5/),
    );
    await expect(openDevice(-1, { socketPath: daemon.socketPath })).rejects.toThrow(refused('EINVAL'));
  });

  it('inspection-needs-no-device', async () => {
    await using daemon = await FakeDaemon.start({
      INSPECT_CLIENTS: () => ({ snapshot: { schema: 'pedrera.ps/1', clients: [] } }),
    });
    await using client = await connectDaemon({ socketPath: daemon.socketPath, program: 'a test' });
    expect(client.greeting.devices).toBe(2);
    expect(await client.inspectClients()).toEqual({ schema: 'pedrera.ps/1', clients: [] });
    expect(daemon.names).toEqual(['INSPECT_CLIENTS']);
  });
});

describe('errors', () => {
  it('carry-errno-ioctl-sentence-and-the-callers-line', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    daemon.answers.MEMORY_FREE = () => {
      throw new HlError('EINVAL', 'no device memory has the handle 7');
    };
    async function theCaller(): Promise<void> {
      await dev.ioctl('MEMORY_FREE', { handle: 7n as never });
    }
    const error = await theCaller().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(HlError);
    expect(error).toMatchObject({
      code: 'EINVAL',
      errno: 22,
      ioctl: 'MEMORY_FREE',
      detail: 'no device memory has the handle 7',
    });
    expect((error as HlError).message).toBe('MEMORY_FREE: EINVAL (no device memory has the handle 7)');
    expect((error as HlError).stack).toMatch(/at (async )?theCaller/);
  });

  it('a-bad-field-is-refused-before-it-is-sent', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    await expect(dev.ioctl('CB_CREATE', { size: -1, flags: 0 })).rejects.toThrow(refused('EINVAL', /^size: .*-1/));
    expect(daemon.names).toEqual([]);
  });

  it('an-unknown-errno-is-eio', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    daemon.answers.INFO_HW_IDLE = () => {
      const error = new HlError('EIO', 'out of this world');
      Object.defineProperty(error, 'errno', { value: 4242 });
      throw error;
    };
    await expect(dev.info.idle()).rejects.toThrow(refused('EIO', /unknown errno 4242: out of this world/));
  });

  it('a-result-that-does-not-fit-the-table-is-eproto', async () => {
    await using daemon = await FakeDaemon.start({ INFO_RESET_COUNT: () => silence });
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const answer = dev.info.resetCount();
    await dev.info.deviceStatus();
    daemon.say([daemon.lastId - 1, 0, [-1, 0]]);
    await expect(answer).rejects.toThrow(refused('EPROTO', /^hardResetCnt: .*-1/));
  });
});

describe('a lost daemon', () => {
  it('fails-pending-and-later-calls-with-enodev', async () => {
    await using daemon = await FakeDaemon.start({ WAIT_CS: () => silence, INFO_HW_IDLE: () => silence });
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const cb = (await dev.createCommandBuffer()).nop();
    const cs = await dev.submit({ queue: 0, cb });
    const waiting = [
      cs.wait(),
      cs.poll(),
      dev.info.idle(),
      ...Array.from({ length: 20 }, () => cs.wait({ timeoutMs: 1e6 })),
    ];
    const outcomes = Promise.allSettled(waiting);
    await daemon.kill();
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ENODEV' } });
    expect(dev.alive).toBe(false);
    await expect(dev.info.idle()).rejects.toThrow(refused('ENODEV', /the daemon \(pid \d+\) at .* is gone/));
    await expect(dev.submit({ queue: 0, cb })).rejects.toThrow(refused('ENODEV'));
    await expect(dev.submitBatch([{ queue: 0, cb }])).rejects.toThrow(refused('ENODEV'));
    await expect(cs.wait()).rejects.toThrow(refused('ENODEV'));
    await expect(dev.allocHost(4096)).rejects.toThrow(refused('ENODEV'));
    await expect(cb.destroy()).rejects.toThrow(refused('ENODEV'));
  });

  it('leaves-mapped-memory-usable-until-close', async () => {
    await using daemon = await FakeDaemon.start();
    const dev = await openDevice(0, { socketPath: daemon.socketPath });
    const buffer = await dev.allocHost(64);
    await daemon.kill();
    buffer.bytes[0] = 1;
    expect(buffer.bytes[0]).toBe(1);
    await dev.close();
    expect(() => buffer.bytes).toThrow(refused('EBADF'));
  });

  it('a-reply-nobody-asked-for-ends-the-connection', async () => {
    await using daemon = await FakeDaemon.start({ INFO_HW_IDLE: () => silence });
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    daemon.say([4711, 0, []]);
    await expect(dev.info.idle()).rejects.toThrow(refused('ENODEV', /a reply to request 4711, which was never made/));
  });

  it('the-last-word-of-a-daemon-is-repeated', async () => {
    await using daemon = await FakeDaemon.start({ INFO_HW_IDLE: () => silence });
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const pending = dev.info.idle();
    daemon.say([0, ERRNO.EPROTO, 'the message has no id']);
    await expect(pending).rejects.toThrow(
      refused('EPROTO', /refused the conversation: the message has no id while the call was under way/),
    );
    await daemon.kill();
    await expect(dev.info.idle()).rejects.toThrow(refused('EPROTO', /the message has no id/));
  });
});

describe('memory', () => {
  it('host-memory-is-shared-with-the-daemon', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const [buffer, plain] = await Promise.all([dev.allocHost(100), dev.allocHost(8, { mapForDevice: false })]);
    buffer.bytes.set([1, 2, 3], 97);
    expect([...daemon.bytesOf(buffer.handle, 100).subarray(96)]).toEqual([0, 1, 2, 3]);
    expect(buffer.bytes).toHaveLength(100);
    expect(buffer.deviceAddress).toBe(0x1_0000_0020_0000);
    expect(() => plain.deviceAddress).toThrow(refused('EINVAL', /without a mapping/));
    expect(daemon.names.filter((name) => name === 'MEMORY_MAP_HOST')).toHaveLength(1);
  });

  it('freed-memory-says-so', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const buffer = await dev.allocHost(4096);
    const cb = await dev.createCommandBuffer();
    await buffer.free();
    await buffer.free();
    expect(daemon.names.slice(-3).toSorted()).toEqual(['HOST_FREE', 'MEMORY_UNMAP', 'MUNMAP']);
    expect(() => buffer.bytes).toThrow(refused('EFAULT', /the host buffer of 4096 bytes was used after it was freed/));
    expect(() => cb.linDma({ from: buffer, to: 0, size: 1 })).toThrow(refused('EFAULT'));
  });

  it('closed-memory-neither-crashes-nor-works', async () => {
    await using daemon = await FakeDaemon.start();
    const dev = await openDevice(0, { socketPath: daemon.socketPath });
    const buffer = await dev.allocHost(4096);
    const cb = await dev.createCommandBuffer();
    const kept = buffer.bytes;
    kept[5] = 9;
    await dev.close();
    expect(() => buffer.bytes).toThrow(refused('EBADF', /hl0, which this program has closed/));
    expect(() => cb.nop()).toThrow(refused('EBADF'));
    kept[5] = 7;
    expect(daemon.bytesOf(buffer.handle, 6)[5]).toBe(9);
  });

  it('await-using-frees-and-does-not-mind-a-closed-device', async () => {
    await using daemon = await FakeDaemon.start();
    const dev = await openDevice(0, { socketPath: daemon.socketPath });
    {
      await using hbm = await dev.allocHbm(4096);
      expect(hbm.size).toBe(4096);
    }
    expect(daemon.names.at(-1)).toBe('MEMORY_FREE');
    await using buffer = await dev.allocHost(4096, { populate: true });
    await using cb = await dev.createCommandBuffer();
    expect(buffer.bytes.length + cb.used).toBe(4096);
    await dev.close();
  });

  it('a-failed-map-leaves-nothing-behind', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    daemon.answers.MEMORY_MAP_HOST = () => {
      throw new HlError('ENOMEM', 'no device address fits');
    };
    await expect(dev.allocHost(4096)).rejects.toThrow(refused('ENOMEM'));
    expect(daemon.names.slice(-2).toSorted()).toEqual(['HOST_FREE', 'MUNMAP']);
    await expect(dev.allocHost(0)).rejects.toThrow(refused('EINVAL'));
    await expect(dev.allocHost(2 ** 32 + 1)).rejects.toThrow(refused('EINVAL'));
  });

  it('hbm-is-unmapped-before-it-is-freed', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const hbm = await dev.allocHbm(4096);
    await hbm.free();
    expect(daemon.names).toEqual(['MEMORY_ALLOC', 'MEMORY_MAP_DEVICE', 'MEMORY_UNMAP', 'MEMORY_FREE']);
    await expect(dev.exportDmaBuf(hbm)).rejects.toThrow(refused('EFAULT'));
  });

  it('hbm-is-not-given-out-under-the-exclusive-policy', async () => {
    const greeting = {
      version: 1,
      daemonPid: 1,
      policy: 'exclusive',
      devices: 1,
      maxFrameBytes: 1024,
      maxInFlight: 1,
      build: '',
    };
    await using daemon = await FakeDaemon.start({ HELLO: () => greeting });
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    await expect(dev.allocHbm(4096)).rejects.toThrow(refused('EOPNOTSUPP', /dramBaseAddress/));
    expect(daemon.names).toEqual([]);
  });
});

describe('sharing', () => {
  it('memory-by-token', async () => {
    await using daemon = await FakeDaemon.start({
      MEMORY_EXPORT_DMABUF_FD: () => ({ fd: 3 }),
      DMABUF_TOKEN: ({ fd }) => ({ token: `token-${fd}` }),
      DMABUF_IMPORT: () => ({ address: 0x4000_0000, size: 4096, kind: 0, exporterDevice: 0 }),
    });
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    using far = await openDevice(1, { socketPath: daemon.socketPath });
    const hbm = await dev.allocHbm(4096);
    const shared = await dev.exportDmaBuf(hbm);
    expect(shared).toMatchObject({ fd: 3, token: 'token-3', size: 4096, kind: 'memory' });
    const imported = await far.importDmaBuf(shared);
    expect(imported).toMatchObject({ address: 0x4000_0000, size: 4096, kind: 'memory', exporterDevice: 0 });
    expect(() => imported.object(0)).toThrow(refused('EINVAL', /holds no sync objects/));
    await expect(far.exportDmaBuf(hbm)).rejects.toThrow(refused('EINVAL', /another open file \(hl0\)/));
    await imported.close();
    await shared.close();
    expect(daemon.names.slice(-2)).toEqual(['MEMORY_UNMAP', 'DMABUF_CLOSE']);
  });

  it('sync-objects-by-range', async () => {
    await using daemon = await FakeDaemon.start({
      SYNC_EXPORT: () => ({ fd: 4 }),
      DMABUF_TOKEN: () => ({ token: 'token' }),
      DMABUF_IMPORT: () => ({ address: 0x5000_0000, size: 8, kind: 1, exporterDevice: 1 }),
    });
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const lease = await dev.leaseSync({ dcore: Dcore.E_N, syncObjects: 16, monitors: 4 });
    expect([lease.object(3).index, lease.monitor(3).index]).toEqual([19, 7]);
    expect(() => lease.object(16)).toThrow(refused('EINVAL', /outside the lease of 16 sync objects/));
    await dev.exportSync(lease, 2, 2);
    expect(daemon.calls.find(({ name }) => name === 'SYNC_EXPORT')?.req).toEqual({
      dcore: 2,
      firstSyncObject: 18,
      count: 2,
    });
    await expect(dev.exportSync(lease, 2, 15)).rejects.toThrow(refused('EINVAL'));
    const far = await dev.importDmaBuf('token');
    expect(far.object(1)).toMatchObject({ kind: 'remote-sync-object', address: 0x5000_0004 });
    expect(() => far.object(2)).toThrow(refused('EINVAL'));
  });

  it('a-token-that-cannot-be-had-closes-the-export', async () => {
    await using daemon = await FakeDaemon.start({
      MEMORY_EXPORT_DMABUF_FD: () => ({ fd: 3 }),
      DMABUF_TOKEN: () => {
        throw new HlError('EBADF', 'not a dma-buf');
      },
    });
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    await expect(dev.exportDmaBuf({ address: 0x2000_0000, size: 4096 })).rejects.toThrow(refused('EBADF'));
    expect(daemon.names.at(-1)).toBe('DMABUF_CLOSE');
  });
});
