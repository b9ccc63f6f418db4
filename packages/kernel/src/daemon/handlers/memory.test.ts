/** MEMORY as a caller sees it: errnos, their order, counts, what a close gives back (uapi.md 5). */
import { DRAM_USER_BASE, DRAM_USER_END, DRAM_USER_SIZE, encodeLinDma, HOST_VA_USER_BASE } from '@pedrera/hw';
import {
  HOST_BUFFER_ADDRESS_BASE,
  type HostBufferHandle,
  MAX_HOST_BUFFER_SIZE,
  MAX_TS_ELEMENTS,
  MEM_FLAGS,
  type MemoryHandle,
} from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { HostBuffer } from '../../core/command-buffer.js';
import type { OpenFile } from '../../core/open-file.js';
import { TestRig } from '../../core/test-rig.js';
import { codeOf } from '../../core/test-support.js';
import { HandedObjects } from '../handed-objects.js';
import type { Session } from '../session.js';
import { CB_HANDLERS } from './cb.js';
import { INFO_HANDLERS } from './info.js';
import { MEMORY_HANDLERS } from './memory.js';
import { SHARING_HANDLERS } from './sharing.js';

const PAGE = 4096;
const HUGE = 2 * 2 ** 20;
const GIB = 2 ** 30;
const { FORCE_HINT, SHARED, USERPTR } = MEM_FLAGS;

/** The calls of one open file, as dispatch makes them. */
class Caller {
  readonly file: OpenFile;
  readonly session: Session;

  constructor(rig: TestRig, file: OpenFile) {
    this.file = file;
    const table = { handed: new HandedObjects() };
    this.session = { openFile: file, machine: rig.machine, table } as unknown as Session;
  }

  alloc(size: number, flags = 0): MemoryHandle {
    return (MEMORY_HANDLERS.MEMORY_ALLOC(this.session, { size, pageSize: 0, flags }) as { handle: MemoryHandle })
      .handle;
  }
  free(handle: bigint): object | Promise<object> {
    return MEMORY_HANDLERS.MEMORY_FREE(this.session, { handle: handle as MemoryHandle });
  }
  mapHost(hostVirtAddr: number, size: number, { hint = 0, flags = 0 } = {}): number {
    const req = { hostVirtAddr, hintAddr: hint, size, flags: flags | USERPTR };
    return (MEMORY_HANDLERS.MEMORY_MAP_HOST(this.session, req) as { deviceVirtAddr: number }).deviceVirtAddr;
  }
  mapDevice(handle: bigint, { hint = 0, flags = 0 } = {}): number {
    const req = { handle: handle as MemoryHandle, hintAddr: hint, flags };
    return (MEMORY_HANDLERS.MEMORY_MAP_DEVICE(this.session, req) as { deviceVirtAddr: number }).deviceVirtAddr;
  }
  unmap(deviceVirtAddr: number): object | Promise<object> {
    return MEMORY_HANDLERS.MEMORY_UNMAP(this.session, { deviceVirtAddr });
  }
  exportFd(handle: number | bigint, size: number): number {
    const req = { handle: BigInt(handle), size, flags: 0 };
    return (MEMORY_HANDLERS.MEMORY_EXPORT_DMABUF_FD(this.session, req) as { fd: number }).fd;
  }
  usage(): { dramFreeMem: number; ctxDramMem: number } {
    return INFO_HANDLERS.INFO_DRAM_USAGE(this.session, {}) as { dramFreeMem: number; ctxDramMem: number };
  }
  host(size: number): { handle: HostBufferHandle; address: number } {
    return SHARING_HANDLERS.HOST_ALLOC(this.session, { size }) as { handle: HostBufferHandle; address: number };
  }
}

async function open(rig: TestRig, pid?: number): Promise<Caller> {
  return new Caller(rig, await rig.open(0, 'primary', pid));
}

describe('MEMORY_ALLOC and MEMORY_FREE, exclusive', () => {
  it('only-count-without-any-check', async () => {
    await using rig = new TestRig('exclusive');
    const caller = await open(rig);
    expect(await codeOf(() => caller.alloc(0))).toBe('EINVAL');
    expect(caller.alloc(5)).toBe(0n);
    expect(caller.usage()).toEqual({ dramFreeMem: DRAM_USER_SIZE - 5, ctxDramMem: 5 });
    expect(caller.alloc(64 * GIB, SHARED)).toBe(0n);
    expect(caller.usage()).toEqual({ dramFreeMem: 2 ** 64 + DRAM_USER_SIZE - 64 * GIB - 5, ctxDramMem: 64 * GIB + 5 });
    // The handle is taken for a size.
    await caller.free(BigInt(64 * GIB));
    await caller.free(0n);
    expect(caller.usage().ctxDramMem).toBe(5);
    await caller.free(BigInt(5 + GIB));
    expect(caller.usage()).toEqual({ dramFreeMem: DRAM_USER_SIZE + GIB, ctxDramMem: 2 ** 64 - GIB });
  });

  it('close-forgets-the-count', async () => {
    await using rig = new TestRig('exclusive');
    const first = await open(rig);
    first.alloc(GIB);
    await rig.close(first.file);
    const second = await open(rig);
    expect(second.usage()).toEqual({ dramFreeMem: DRAM_USER_SIZE, ctxDramMem: 0 });
    await second.free(1n);
    await rig.close(second.file);
    expect(rig.device().dramUsed).toBe(0);
  });

  it('no-handle-can-be-mapped', async () => {
    await using rig = new TestRig('exclusive');
    const caller = await open(rig);
    expect(await codeOf(() => caller.mapDevice(caller.alloc(HUGE)))).toBe('EINVAL');
  });
});

describe('MEMORY_ALLOC and MEMORY_FREE, shared', () => {
  it('rounded-to-pages-counted-refused-while-mapped-or-exported', async () => {
    await using rig = new TestRig('shared');
    const caller = await open(rig);
    const handle = caller.alloc(1);
    expect(caller.usage()).toEqual({ dramFreeMem: DRAM_USER_SIZE - HUGE, ctxDramMem: HUGE });
    const va = caller.mapDevice(handle);
    expect(await codeOf(() => caller.free(handle))).toBe('EINVAL');
    await caller.unmap(va);
    const fd = caller.exportFd(handle, 0);
    expect(await codeOf(() => caller.free(handle))).toBe('EINVAL');
    caller.file.descriptors.close(fd);
    await caller.free(handle);
    expect(await codeOf(() => caller.free(handle))).toBe('EINVAL');
    expect(caller.usage()).toEqual({ dramFreeMem: DRAM_USER_SIZE, ctxDramMem: 0 });
  });

  it('of-others-nothing-unless-shared', async () => {
    await using rig = new TestRig('shared');
    const [mine, other] = [await open(rig), await open(rig)];
    const [own, given] = [mine.alloc(HUGE), mine.alloc(HUGE, SHARED)];
    expect(await codeOf(() => other.mapDevice(own))).toBe('EPERM');
    expect(await codeOf(() => other.free(given))).toBe('EPERM');
    expect(await codeOf(() => other.exportFd(given, 0))).toBe('EPERM');
    const va = other.mapDevice(given);
    expect(await codeOf(() => mine.free(given))).toBe('EINVAL');
    await other.unmap(va);
    expect(await codeOf(() => mine.free(given))).toBe('ok');
  });
});

describe('MEMORY_MAP_HOST', () => {
  it('errnos-in-the-drivers-order', async () => {
    await using rig = new TestRig('shared');
    const caller = await open(rig, process.pid);
    const { address } = caller.host(3 * PAGE);
    const forced = { flags: FORCE_HINT, hint: HOST_VA_USER_BASE };
    expect(await codeOf(() => caller.mapHost(8, 0, forced))).toBe('EINVAL');
    expect(await codeOf(() => caller.mapHost(2 ** 64 - 8192, 8192, forced))).toBe('EINVAL');
    expect(await codeOf(() => caller.mapHost(4096, 2 ** 64, forced))).toBe('EINVAL');
    expect(await codeOf(() => caller.mapHost(8, 16, forced))).toBe('EFAULT');
    expect(await codeOf(() => caller.mapHost(2 ** 64 - 8192, 4096, forced))).toBe('EFAULT');
    expect(await codeOf(() => caller.mapHost(HOST_BUFFER_ADDRESS_BASE + 8, 16, forced))).toBe('EFAULT');
    expect(await codeOf(() => caller.mapHost(address + 8, 3 * PAGE - 7, forced))).toBe('EFAULT');
    expect(await codeOf(() => caller.mapHost(address + 8, 16, forced))).toBe('EINVAL');
    expect(await codeOf(() => caller.mapHost(address, 16, { flags: FORCE_HINT }))).toBe('ENOMEM');
    expect(caller.mapHost(address + 8, 16)).toBe(HOST_VA_USER_BASE + 8);
    // What failed has taken nothing.
    await rig.settle();
    expect(rig.device().bus.slotsInUse).toBe(1);
  });

  it('the-address-of-another-file-is-none', async () => {
    await using rig = new TestRig('shared');
    const [mine, other] = [await open(rig), await open(rig)];
    const { address } = mine.host(PAGE);
    expect(await codeOf(() => other.mapHost(address, 16))).toBe('EFAULT');
  });

  it('two-mappings-are-independent-and-outlive-the-buffer', async () => {
    await using rig = new TestRig('exclusive');
    const caller = await open(rig);
    const { handle, address } = caller.host(2 * PAGE);
    const buffer = caller.file.peekHostBuffer(handle);
    const one = caller.mapHost(address, 2 * PAGE);
    const two = caller.mapHost(address + PAGE, PAGE);
    SHARING_HANDLERS.HOST_FREE(caller.session, { handle });
    await caller.unmap(one);
    buffer.range.bytes()[PAGE] = 0x77;
    rig.submit(caller.file, 0, (words) => encodeLinDma(words, 0, { size: 1, src: two, dst: DRAM_USER_BASE }));
    rig.run();
    const view = rig.device().memory.hbm.map(DRAM_USER_BASE, PAGE);
    expect(view.bytes[0]).toBe(0x77);
    view.unmap();
    await caller.unmap(two);
    expect(buffer.refs).toBe(0);
    expect(await codeOf(() => caller.unmap(two))).toBe('EINVAL');
  });

  it('eight-gibibytes-span-slots-and-cost-nothing', async () => {
    await using rig = new TestRig('exclusive');
    const caller = await open(rig);
    const { address, handle } = caller.host(MAX_HOST_BUFFER_SIZE);
    expect(MAX_HOST_BUFFER_SIZE).toBe(8 * GIB);
    const va = caller.mapHost(address, MAX_HOST_BUFFER_SIZE);
    expect(rig.device().bus.slotsInUse).toBe(8);
    const { memory } = caller.file.peekHostBuffer(handle).range.segment;
    expect(memory.allocatedBytes).toBe(0);
    // A copy across the border of two slots, and the very last bytes.
    const fill = (at: number) =>
      rig.submit(caller.file, 0, (words) =>
        encodeLinDma(words, 0, { size: 64, patternLow: 0x5a5a5a5a, patternHigh: 0x5a5a5a5a, dst: at, memSet: true }),
      );
    fill(va + 3 * GIB - 32);
    fill(va + 8 * GIB - 64);
    rig.run();
    const { bus } = rig.device();
    const first = caller.file.requireContext.addressSpace.translate(va)?.address as number;
    expect(bus.read(first + 3 * GIB - 40, 48).filter((byte) => byte === 0x5a).length).toBe(40);
    expect(bus.read(first + 8 * GIB - 64, 64).every((byte) => byte === 0x5a)).toBe(true);
    expect(memory.allocatedBytes).toBeLessThan(64 * PAGE);
    bus.write(first + 5, Uint8Array.of(1, 2));
    expect([...bus.read(first + 4, 4)]).toEqual([0, 1, 2, 0]);
    expect(await codeOf(() => bus.read(first + 8 * GIB - 4, 8))).toBe('EINVAL');
    expect(await codeOf(() => bus.read(2 ** 45, 8))).toBe('EINVAL');
    await caller.unmap(va);
    expect(bus.slotsInUse).toBe(2);
  });

  it('a-close-with-mappings-leaves-nothing', async () => {
    await using rig = new TestRig('shared');
    const caller = await open(rig);
    for (let i = 0; i < 20; i++) {
      caller.mapHost(caller.host(PAGE * (1 + i)).address, PAGE);
    }
    await rig.close(caller.file);
    expect(rig.device().bus.slotsInUse).toBe(0);
  });
});

describe('MEMORY_MAP_BLOCK', () => {
  it('is-EPERM', async () => {
    await using rig = new TestRig('exclusive');
    const caller = await open(rig);
    expect(await codeOf(() => MEMORY_HANDLERS.MEMORY_MAP_BLOCK(caller.session, { blockAddr: 0 }))).toBe('EPERM');
  });
});

describe('MEMORY_TS_ALLOC', () => {
  it('shares-the-numbering-of-command-buffers', async () => {
    await using rig = new TestRig('exclusive');
    const { file, session } = await open(rig);
    const alloc = (numOfElements: number) =>
      (MEMORY_HANDLERS.MEMORY_TS_ALLOC(session, { numOfElements }) as { handle: bigint }).handle;
    const create = () => (CB_HANDLERS.CB_CREATE(session, { size: 8, flags: 0 }) as { handle: bigint }).handle;
    expect(alloc(1)).toBe(0x8000_0000_0000_1000n);
    expect(create()).toBe(0x1000_0000_0000_2000n);
    expect(alloc(MAX_TS_ELEMENTS)).toBe(0x8000_0000_0000_3000n);
    expect(file.peekHandle(0x8000_0000_0000_3000n).range.length).toBe(8 * 2 ** 20);
    expect(await codeOf(() => alloc(MAX_TS_ELEMENTS + 1))).toBe('EINVAL');
    expect(await codeOf(() => alloc(0))).toBe('ENOMEM');
    // It goes as command buffers go, and its number with it.
    const destroy = (handle: bigint) => CB_HANDLERS.CB_DESTROY(session, { handle: handle as never });
    destroy(0x8000_0000_0000_1000n);
    expect(create()).toBe(0x1000_0000_0000_1000n);
    expect(
      await codeOf(() => CB_HANDLERS.CB_INFO(session, { handle: 0x8000_0000_0000_3000n as never, flags: 0 })),
    ).toBe('EINVAL');
  });
});

describe('MEMORY_EXPORT_DMABUF_FD, exclusive', () => {
  it('any-window-of-user-memory', async () => {
    await using rig = new TestRig('exclusive');
    const caller = await open(rig);
    const legal: [number, number][] = [
      [DRAM_USER_BASE, PAGE],
      [DRAM_USER_BASE, PAGE + 1],
      [DRAM_USER_END - PAGE, PAGE],
      [DRAM_USER_BASE, DRAM_USER_SIZE],
      [DRAM_USER_BASE + PAGE, 3 * PAGE],
    ];
    expect(legal.map(([address, size]) => caller.exportFd(address, size))).toEqual([1, 2, 3, 4, 5]);
    const illegal: [number, number][] = [
      [DRAM_USER_BASE + 8, PAGE],
      [DRAM_USER_BASE, PAGE - 1],
      [DRAM_USER_BASE, 0],
      [DRAM_USER_BASE - PAGE, 2 * PAGE],
      [0, PAGE],
      [DRAM_USER_END, PAGE],
      [DRAM_USER_END - PAGE, 2 * PAGE],
      [DRAM_USER_BASE, DRAM_USER_SIZE + 1],
      [2 ** 63, PAGE],
      [DRAM_USER_BASE, 2 ** 64],
    ];
    for (const [address, size] of illegal) {
      expect(await codeOf(() => caller.exportFd(address, size)), `${address}, ${size}`).toBe('EINVAL');
    }
  });

  it('a-full-table-of-descriptors', async () => {
    await using rig = new TestRig('exclusive');
    const caller = await open(rig);
    let made = 0;
    while ((await codeOf(() => caller.exportFd(DRAM_USER_BASE, PAGE))) === 'ok') {
      made++;
    }
    expect(made).toBe(1024);
    expect(await codeOf(() => caller.exportFd(DRAM_USER_BASE, PAGE))).toBe('EMFILE');
    expect(await codeOf(() => caller.exportFd(DRAM_USER_BASE + 1, PAGE))).toBe('EINVAL');
    caller.file.descriptors.close(7);
    expect(caller.exportFd(DRAM_USER_BASE, PAGE)).toBe(7);
  });
});

describe('HOST_ALLOC', () => {
  it('disturbs-no-handle-of-the-driver', async () => {
    await using rig = new TestRig('exclusive');
    const caller = await open(rig);
    const { handle, address } = caller.host(100);
    const cb = CB_HANDLERS.CB_CREATE(caller.session, { size: 0, flags: 0 }) as { handle: bigint };
    expect(cb.handle).toBe(0x1000_0000_0000_1000n);
    expect(caller.file.peekHandle(handle)).toBeInstanceOf(HostBuffer);
    expect(address % HUGE).toBe(0);
    expect(await codeOf(() => caller.host(MAX_HOST_BUFFER_SIZE + 1))).toBe('EINVAL');
    // A host buffer is none of CB's objects, whatever has its number.
    const asCb = { handle: handle as never, flags: 0 };
    expect(await codeOf(() => CB_HANDLERS.CB_INFO(caller.session, asCb))).toBe('EINVAL');
    expect(await codeOf(() => CB_HANDLERS.CB_DESTROY(caller.session, asCb))).toBe('EINVAL');
    expect(caller.file.handles.size).toBe(1);
  });
});
