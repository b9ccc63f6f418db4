/** Handles that name nothing, nothing any more, something of somebody else, or something of another kind. */
import { DRAM_PAGE_SIZE } from '@pedrera/hw';
import { type Device, openDevice } from '@pedrera/thunk';
import {
  commandBufferHandle,
  HANDLE_TYPE,
  hostBufferHandle,
  MAX_CB_SIZE,
  MAX_HOST_BUFFER_SIZE,
  MEM_FLAGS,
  memoryHandle,
} from '@pedrera/uapi';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Mirror } from './programs/mirror.js';
import { fileDaemon } from './support/file-daemon.js';
import { refusal } from './support/refusal.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1 });

const MIB = 2 ** 20;
/** More than a few, less than any machine has. */
const LARGE = 2 ** 30;
let device: Device;
/** Another file of the same device, whose things must stay as they are. */
let stranger: Device;
let theirs: Mirror;

beforeEach(async () => {
  const options = { socketPath: daemon().socketPath };
  [device, stranger] = await Promise.all([openDevice(0, options), openDevice(0, options)]);
  theirs = await Mirror.make(stranger, MIB);
  await theirs.fill(1);
});

afterEach(async () => {
  await theirs.check(1);
  await Promise.all([device.close(), stranger.close()]);
});

const makeCb = async () => (await device.ioctl('CB_CREATE', { size: 4096, flags: 0 })).handle;
const makeHost = (size = 4096) => device.ioctl('HOST_ALLOC', { size });
const mapHost = (hostVirtAddr: number, size: number) =>
  device.ioctl('MEMORY_MAP_HOST', { hostVirtAddr, hintAddr: 0, size, flags: MEM_FLAGS.USERPTR });
const makeHbm = async (size = MIB) => (await device.ioctl('MEMORY_ALLOC', { size, pageSize: 0, flags: 0 })).handle;
const mapHbm = async (handle: Awaited<ReturnType<typeof makeHbm>>) =>
  (await device.ioctl('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 })).deviceVirtAddr;
const submit = (handle: bigint) =>
  device.ioctl('CS', {
    chunksRestore: [],
    chunksExecute: [{ handle, queueIndex: 0, size: 8, flags: 0 }],
    seq: 0,
    timeoutSec: 0,
    flags: 0,
  });

/** The side channel, which MMAP needs, is opened by the library at the first mapping. */
async function withSideChannel(): Promise<void> {
  await using host = await device.allocHost(1);
  expect(host.bytes).toHaveLength(1);
}

describe('command buffers', () => {
  it.each([
    ['never-made', commandBufferHandle(99)],
    ['zero', commandBufferHandle(0)],
    ['all-ones', 2n ** 64n - 1n],
    ['no-type-bits', 5n],
  ])('unknown-%s', async (_, handle) => {
    const cb = handle as ReturnType<typeof commandBufferHandle>;
    const unknown = /^EINVAL: no object has the handle 0x[0-9a-f]+$/;
    expect(await refusal(device.ioctl('CB_DESTROY', { handle: cb }))).toMatch(unknown);
    expect(await refusal(device.ioctl('CB_INFO', { handle: cb, flags: 0 }))).toMatch(unknown);
    expect(await refusal(submit(handle))).toMatch(unknown);
    expect(await refusal(device.ioctl('MUNMAP', { offset: handle }))).toMatch(unknown);
  });

  it('foreign', async () => {
    const mine = await makeCb();
    // The stranger has several; the numbers beyond ours mean nothing here.
    const handles = await Promise.all([1, 2, 3].map(() => stranger.ioctl('CB_CREATE', { size: 4096, flags: 0 })));
    const foreign = handles.map(({ handle }) => handle).filter((handle) => handle !== mine);
    expect(foreign.length).toBeGreaterThan(0);
    for (const handle of foreign) {
      expect(await refusal(device.ioctl('CB_DESTROY', { handle }))).toMatch(/^EINVAL: no object/);
      expect(await refusal(submit(handle))).toMatch(/^EINVAL: no object/);
    }
    await Promise.all(handles.map(({ handle }) => stranger.ioctl('CB_DESTROY', { handle })));
  });

  it('double-destroy', async () => {
    const handle = await makeCb();
    await device.ioctl('CB_DESTROY', { handle });
    expect(await refusal(device.ioctl('CB_DESTROY', { handle }))).toMatch(/^EINVAL: no object/);
  });

  it('double-destroy-while-mapped', async () => {
    await withSideChannel();
    const handle = await makeCb();
    await device.ioctl('MMAP', { offset: handle });
    await device.ioctl('CB_DESTROY', { handle });
    expect(await refusal(device.ioctl('CB_DESTROY', { handle }))).toMatch(/^EINVAL: .*destroyed already/);
    // The mapping keeps it: it can still be asked for, until it is unmapped.
    await device.ioctl('CB_INFO', { handle, flags: 0 });
    await device.ioctl('MUNMAP', { offset: handle });
    expect(await refusal(device.ioctl('CB_INFO', { handle, flags: 0 }))).toMatch(/^EINVAL: no object/);
  });

  it('used-after-destroy', async () => {
    const handle = await makeCb();
    await device.ioctl('CB_DESTROY', { handle });
    expect(await refusal(submit(handle))).toMatch(/^EINVAL: no object/);
    expect(await refusal(device.ioctl('MMAP', { offset: handle }))).toMatch(/^EINVAL: no object/);
  });

  it('number-is-reused-and-clean', async () => {
    const first = await device.createCommandBuffer();
    first.append(new Array(first.size / 4).fill(0xdead_beef));
    const { handle } = first;
    await first.destroy();
    const second = await device.createCommandBuffer();
    expect(second.handle).toBe(handle);
    second.append([0]);
    expect(second.disassemble()).toEqual([expect.stringContaining('00000000')]);
    await second.destroy();
  });

  it('mapped-twice', async () => {
    await withSideChannel();
    const handle = await makeCb();
    await device.ioctl('MMAP', { offset: handle });
    expect(await refusal(device.ioctl('MMAP', { offset: handle }))).toMatch(
      /^EINVAL: .*mapped already; unmap it first/,
    );
    await device.ioctl('MUNMAP', { offset: handle });
    await device.ioctl('MMAP', { offset: handle });
    await device.ioctl('MUNMAP', { offset: handle });
    expect(await refusal(device.ioctl('MUNMAP', { offset: handle }))).toMatch(/^EINVAL: .*is not mapped/);
  });

  it('sizes', async () => {
    const create = (size: number, flags = 0) => device.ioctl('CB_CREATE', { size, flags });
    const zero = await create(0);
    const largest = await create(MAX_CB_SIZE);
    expect(await refusal(create(MAX_CB_SIZE + 1))).toMatch(
      /^EINVAL: a command buffer has at most 2097120 bytes, not 2097121/,
    );
    expect(await refusal(create(2 ** 32 - 1))).toMatch(/^EINVAL/);
    expect(await refusal(create(4096, 1))).toMatch(/^ENOMEM: .*MAP/);
    for (const { handle } of [zero, largest]) {
      await device.ioctl('CB_DESTROY', { handle });
    }
  });

  it.each([
    ['block', HANDLE_TYPE.BLOCK, /^EPERM/],
    ['nothing', 0, /^EINVAL: .*is no mmap offset/],
    ['unknown-type', 0x1f, /^EINVAL: .*is no mmap offset/],
  ])('mmap-of-type-%s', async (_, type, sentence) => {
    const handle = await makeCb();
    const offset = (BigInt(type) << 59n) | (handle & 0xffff_ffff_f000n);
    expect(await refusal(device.ioctl('MMAP', { offset }))).toMatch(sentence);
  });
});

describe('host buffers', () => {
  it('unknown-and-double-free', async () => {
    expect(await refusal(device.ioctl('HOST_FREE', { handle: hostBufferHandle(77) }))).toMatch(/^EINVAL: no object/);
    const { handle } = await makeHost();
    await device.ioctl('HOST_FREE', { handle });
    expect(await refusal(device.ioctl('HOST_FREE', { handle }))).toMatch(/^EINVAL: no object/);
  });

  it('wrong-kind', async () => {
    const cb = await makeCb();
    const { handle: host } = await makeHost();
    // The driver's objects have one numbering and host buffers another, so that no program sees gaps in the driver's.
    expect(cb & 0xffff_f000n).toBe(host & 0xffff_f000n);
    const asCb = host as unknown as typeof cb;
    expect(await refusal(device.ioctl('CB_DESTROY', { handle: asCb }))).toMatch(
      /^EINVAL: .*names a host buffer, not a command buffer/,
    );
    expect(await refusal(device.ioctl('CB_INFO', { handle: asCb, flags: 0 }))).toMatch(
      /^EINVAL: .*names a host buffer/,
    );
    expect(await refusal(submit(asCb))).toMatch(/^EINVAL: .*names a host buffer/);
    expect(await refusal(device.ioctl('HOST_FREE', { handle: cb as unknown as typeof host }))).toMatch(
      /^EINVAL: .*names a command buffer, not a host buffer/,
    );
    await device.ioctl('CB_DESTROY', { handle: cb });
    await device.ioctl('HOST_FREE', { handle: host });
  });

  it('sizes', async () => {
    for (const size of [0, MAX_HOST_BUFFER_SIZE + 1, 2 ** 52, 2 ** 64]) {
      expect(await refusal(makeHost(size))).toMatch(/^EINVAL: a host buffer has 1 to 8589934592 bytes/);
    }
    const { handle } = await makeHost(LARGE);
    await device.ioctl('HOST_FREE', { handle });
  });

  it('more-than-one-client-may-hold', async () => {
    const handles: Awaited<ReturnType<typeof makeHost>>['handle'][] = [];
    let refused = '';
    while (refused === '') {
      const outcome = await makeHost(LARGE).then(
        ({ handle }) => handles.push(handle),
        (error: Error) => error.message,
      );
      refused = typeof outcome === 'string' ? outcome : '';
    }
    expect(refused).toMatch(/ENOMEM .*exceed what one client may hold/);
    // Others are not concerned, and what was given back can be had again.
    const other = await stranger.ioctl('HOST_ALLOC', { size: LARGE });
    await stranger.ioctl('HOST_FREE', other);
    await Promise.all(handles.map((handle) => device.ioctl('HOST_FREE', { handle })));
    await device.ioctl('HOST_FREE', await makeHost(LARGE));
  });

  it('freed-while-mapped-into-the-device', async () => {
    const host = await device.allocHost(MIB);
    const hbm = await device.allocHbm(MIB);
    host.bytes.fill(0x5a);
    await device.ioctl('HOST_FREE', { handle: host.handle });
    // The device keeps the pages until they are unmapped (uapi.md 5.6).
    const cb = await device.createCommandBuffer();
    cb.linDma({ from: host.deviceAddress, to: hbm, size: MIB });
    await (await device.submit({ queue: 0, cb })).wait();
    await device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: host.deviceAddress });
    await expect((await device.submit({ queue: 0, cb })).wait()).rejects.toMatchObject({ code: 'EIO' });
  });
});

describe('host addresses', () => {
  it('outside-any-buffer', async () => {
    const { handle, address } = await makeHost(2 * 4096);
    expect(await refusal(mapHost(address + 2 ** 40, 4096))).toMatch(
      /^EFAULT: 0x[0-9a-f]+ is not the address of a host/,
    );
    for (const wild of [1, 4096, 2 ** 47 - 4096, 2 ** 52, 2 ** 52 - 4096]) {
      expect(await refusal(mapHost(wild, 4096))).toMatch(/^EFAULT: .*there is no memory at 0x[0-9a-f]+$/);
    }
    expect(await refusal(mapHost(address + 4096, 4097))).toMatch(/^EFAULT: .*reach past the host buffer's 8192 bytes/);
    expect(await refusal(mapHost(address + 2 * 4096, 1))).toMatch(/^EFAULT/);
    expect(await refusal(mapHost(address, 2 ** 40))).toMatch(/^EFAULT/);
    await device.ioctl('HOST_FREE', { handle });
    expect(await refusal(mapHost(address, 4096))).toMatch(/^EFAULT/);
  });

  it('of-another-client', async () => {
    const their = await stranger.ioctl('HOST_ALLOC', { size: 4096 });
    expect(await refusal(mapHost(their.address, 4096))).toMatch(/^EFAULT/);
    await stranger.ioctl('HOST_FREE', their);
  });

  it('of-a-command-buffer', async () => {
    const { handle: host, address } = await makeHost();
    await device.ioctl('HOST_FREE', { handle: host });
    // Has the number that the address would stand for.
    const cb = await makeCb();
    expect(cb & 0xffff_f000n).toBe(host & 0xffff_f000n);
    expect(await refusal(mapHost(address, 4096))).toMatch(/^EFAULT/);
  });

  it('zero-and-wrapping-sizes', async () => {
    const { handle, address } = await makeHost();
    expect(await refusal(mapHost(address, 0))).toMatch(/^EINVAL: a mapping of no bytes/);
    expect(await refusal(mapHost(address, 2 ** 64))).toMatch(/^EINVAL: .*wraps around/);
    expect(await refusal(mapHost(2 ** 64, 4096))).toMatch(/^EINVAL: .*wraps around/);
    await device.ioctl('HOST_FREE', { handle });
  });

  it('forced-hint-that-is-taken', async () => {
    const { handle, address } = await makeHost(2 * 4096);
    const { deviceVirtAddr } = await mapHost(address, 4096);
    const forced = (hintAddr: number, hostVirtAddr = address) =>
      device.ioctl('MEMORY_MAP_HOST', {
        hostVirtAddr,
        hintAddr,
        size: 4096,
        flags: MEM_FLAGS.USERPTR | MEM_FLAGS.FORCE_HINT,
      });
    expect(await refusal(forced(deviceVirtAddr))).toMatch(/^ENOMEM: the forced device address .* is not free/);
    expect(await refusal(forced(deviceVirtAddr + 2 ** 30, address + 8))).toMatch(
      /^EINVAL: FORCE_HINT with a source that is not page aligned/,
    );
    expect(await refusal(forced(4096))).toMatch(/^ENOMEM/);
    expect(await refusal(forced(2 ** 63))).toMatch(/^ENOMEM/);
    await device.ioctl('MEMORY_UNMAP', { deviceVirtAddr });
    await device.ioctl('HOST_FREE', { handle });
  });
});

describe('device memory', () => {
  it('unknown', async () => {
    for (const handle of [memoryHandle(0), memoryHandle(99_999), 2n ** 64n - 1n].map(
      (value) => value as ReturnType<typeof memoryHandle>,
    )) {
      const unknown = /^EINVAL: no device memory has the handle/;
      expect(await refusal(device.ioctl('MEMORY_FREE', { handle }))).toMatch(unknown);
      expect(await refusal(device.ioctl('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 }))).toMatch(unknown);
      expect(await refusal(device.ioctl('MEMORY_EXPORT_DMABUF_FD', { handle, size: 4096, flags: 0 }))).toMatch(unknown);
    }
  });

  it('foreign', async () => {
    const { handle } = theirs.memory;
    const foreign = /^EPERM: device memory \d+ belongs to another context/;
    expect(await refusal(device.ioctl('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 }))).toMatch(foreign);
    expect(await refusal(device.ioctl('MEMORY_FREE', { handle }))).toMatch(foreign);
    expect(await refusal(device.ioctl('MEMORY_EXPORT_DMABUF_FD', { handle, size: 4096, flags: 0 }))).toMatch(foreign);
  });

  it('freed-while-mapped', async () => {
    const handle = await makeHbm();
    const [first, second] = [await mapHbm(handle), await mapHbm(handle)];
    expect(await refusal(device.ioctl('MEMORY_FREE', { handle }))).toMatch(
      /^EINVAL: .*is mapped 2 times; unmap it first/,
    );
    await device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: first });
    expect(await refusal(device.ioctl('MEMORY_FREE', { handle }))).toMatch(/^EINVAL: .*is mapped 1 times/);
    await device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: second });
    await device.ioctl('MEMORY_FREE', { handle });
    expect(await refusal(device.ioctl('MEMORY_FREE', { handle }))).toMatch(/^EINVAL: no device memory/);
  });

  it('freed-while-exported', async () => {
    const handle = await makeHbm();
    const { fd } = await device.ioctl('MEMORY_EXPORT_DMABUF_FD', { handle, size: MIB, flags: 0 });
    expect(await refusal(device.ioctl('MEMORY_FREE', { handle }))).toMatch(
      /^EINVAL: .*is exported 1 times; close the dma-bufs first/,
    );
    await device.ioctl('DMABUF_CLOSE', { fd });
    await device.ioctl('MEMORY_FREE', { handle });
  });

  it('sizes', async () => {
    const free = (await device.info.dramUsage()).dramFreeMem;
    expect(await refusal(makeHbm(0))).toMatch(/^EINVAL: an allocation of no bytes/);
    expect(await refusal(makeHbm(free + DRAM_PAGE_SIZE))).toMatch(/^ENOMEM: .*bytes of HBM free/);
    expect(await refusal(makeHbm(2 ** 64))).toMatch(/^ENOMEM/);
    // All that there is, and not a byte more.
    const all = await makeHbm(free);
    expect((await device.info.dramUsage()).dramFreeMem).toBe(0);
    expect(await refusal(makeHbm(1))).toMatch(/^ENOMEM/);
    await device.ioctl('MEMORY_FREE', { handle: all });
    expect((await device.info.dramUsage()).dramFreeMem).toBe(free);
  });

  it('unmap-of-what-is-no-mapping', async () => {
    const handle = await makeHbm(2 * DRAM_PAGE_SIZE);
    const va = await mapHbm(handle);
    for (const wild of [
      0,
      va + 1,
      va + DRAM_PAGE_SIZE,
      va - DRAM_PAGE_SIZE,
      2 ** 64,
      theirs.memory.address + 2 ** 40,
    ]) {
      expect(await refusal(device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: wild }))).toMatch(
        /^EINVAL: 0x[0-9a-f]+ is not the device address of a mapping/,
      );
    }
    await device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: va });
    expect(await refusal(device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: va }))).toMatch(/^EINVAL/);
    await device.ioctl('MEMORY_FREE', { handle });
  });

  it('export-of-too-little-or-too-much', async () => {
    const handle = await makeHbm();
    for (const size of [1, 4095, DRAM_PAGE_SIZE + 1, 2 ** 40, 2 ** 64]) {
      expect(await refusal(device.ioctl('MEMORY_EXPORT_DMABUF_FD', { handle, size, flags: 0 }))).toMatch(
        /^EINVAL: .*is no range of at least a page of device memory \d+, which has 2097152 bytes/,
      );
    }
    await device.ioctl('MEMORY_FREE', { handle });
  });
});

describe('leases and descriptors', () => {
  it('sync-lease', async () => {
    const lease = (dcore: number, syncObjects: number, monitors: number) =>
      device.ioctl('SYNC_LEASE', { dcore, syncObjects, monitors });
    expect(await refusal(lease(4, 8, 1))).toMatch(/^EINVAL: dcore 4 is none of the 4 sync managers/);
    expect(await refusal(lease(1, 0, 1))).toMatch(/^EINVAL: .*is empty/);
    expect(await refusal(lease(1, 4096, 1))).toMatch(/^ENOSPC: W_N has no 4096 sync objects in a row left/);
    expect(await refusal(lease(1, 8, 513))).toMatch(/^ENOSPC: W_N has no 513 monitors in a row left/);
    expect(await refusal(lease(1, 2 ** 32 - 1, 2 ** 32 - 1))).toMatch(/^ENOSPC/);
    await lease(1, 8, 1);
    expect(await refusal(lease(1, 8, 1))).toMatch(/^EBUSY: this context already leases 8 sync objects of dcore 1/);
  });

  it('sram-lease', async () => {
    expect(await refusal(device.leaseSram(0))).toMatch(/^EINVAL/);
    expect(await refusal(device.leaseSram(2 ** 40))).toMatch(/^E(INVAL|NOSPC)/);
    await device.leaseSram(4096);
    expect(await refusal(device.leaseSram(4096))).toMatch(/^EBUSY: this context already holds 4096 bytes of SRAM/);
  });

  it('descriptors', async () => {
    for (const fd of [0, 1, -1, 2 ** 31 - 1]) {
      expect(await refusal(device.ioctl('DMABUF_CLOSE', { fd }))).toMatch(
        /^EBADF: descriptor -?\d+ is not open in this file/,
      );
      expect(await refusal(device.ioctl('DMABUF_TOKEN', { fd }))).toMatch(/^EBADF/);
    }
    const { fd } = await stranger.exportDmaBuf(theirs.memory);
    expect(await refusal(device.ioctl('DMABUF_TOKEN', { fd }))).toMatch(/^EBADF/);
    await stranger.ioctl('DMABUF_CLOSE', { fd });
    expect(await refusal(stranger.ioctl('DMABUF_CLOSE', { fd }))).toMatch(/^EBADF/);
  });

  it('more-descriptors-than-a-file-may-have', async () => {
    const handle = await makeHbm();
    const open: number[] = [];
    for (let i = 0; i < 1024; i++) {
      open.push((await device.ioctl('MEMORY_EXPORT_DMABUF_FD', { handle, size: 0, flags: 0 })).fd);
    }
    const more = device.ioctl('MEMORY_EXPORT_DMABUF_FD', { handle, size: 0, flags: 0 });
    expect(await refusal(more)).toMatch(/^EMFILE: this file holds 1024 descriptors already/);
    expect(new Set(open).size).toBe(1024);
  });

  it('sync-export', async () => {
    const exported = (dcore: number, firstSyncObject: number, count: number) =>
      device.ioctl('SYNC_EXPORT', { dcore, firstSyncObject, count });
    expect(await refusal(exported(3, 0, 1))).toMatch(/^EPERM: .*this context holds nothing there/);
    const { firstSyncObject: first } = await device.ioctl('SYNC_LEASE', { dcore: 3, syncObjects: 8, monitors: 0 });
    expect(await refusal(exported(3, first, 0))).toMatch(/^EINVAL: an export of 0 sync objects/);
    expect(await refusal(exported(3, first, 9))).toMatch(/^EPERM/);
    expect(await refusal(exported(3, first + 8, 1))).toMatch(/^EPERM/);
    expect(await refusal(exported(3, 2 ** 32 - 1, 2 ** 32 - 1))).toMatch(/^EPERM/);
    expect(await refusal(exported(9, 0, 1))).toMatch(/^E(INVAL|PERM)/);
  });
});
