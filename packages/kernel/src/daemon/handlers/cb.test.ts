/** CB and the mapping of its buffers as a caller sees them (uapi.md 2.9, 3). */
import { encodeNop } from '@pedrera/hw';
import { CB_FLAGS, type CommandBufferHandle, MAX_CB_SIZE } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import type { CommandBuffer } from '../../core/command-buffer.js';
import type { OpenFile } from '../../core/open-file.js';
import { TestRig } from '../../core/test-rig.js';
import { codeOf } from '../../core/test-support.js';
import type { Session } from '../session.js';
import { CB_HANDLERS } from './cb.js';
import { MEMORY_HANDLERS } from './memory.js';
import { SESSION_HANDLERS } from './session.js';

const PAGE = 4096;
const FIRST = 0x1000_0000_0000_1000n;

function caller(rig: TestRig, file: OpenFile) {
  const session = { openFile: file, machine: rig.machine, sendSegment: () => undefined } as unknown as Session;
  const asHandle = (handle: bigint) => handle as CommandBufferHandle;
  return {
    session,
    create: (size: number, flags = 0) => (CB_HANDLERS.CB_CREATE(session, { size, flags }) as { handle: bigint }).handle,
    destroy: (handle: bigint) => CB_HANDLERS.CB_DESTROY(session, { handle: asHandle(handle) }),
    info: (handle: bigint, flags = 0) => CB_HANDLERS.CB_INFO(session, { handle: asHandle(handle), flags }),
    mmap: (offset: bigint, length?: number) =>
      SESSION_HANDLERS.MMAP(session, length === undefined ? { offset } : { offset, length }) as { length: number },
    munmap: (offset: bigint) => SESSION_HANDLERS.MUNMAP(session, { offset }),
    buffer: (handle: bigint) => file.peekHandle(handle) as CommandBuffer,
  };
}

describe('CB_CREATE', () => {
  it('sizes', async () => {
    await using rig = new TestRig('exclusive');
    const { create, buffer } = caller(rig, await rig.open());
    const sizes = [0, 1, PAGE, PAGE + 1, MAX_CB_SIZE].map((size) => {
      const { size: kept, range } = buffer(create(size));
      return [kept, range.length];
    });
    expect(sizes).toEqual([
      [PAGE, PAGE],
      [PAGE, PAGE],
      [PAGE, PAGE],
      [PAGE + 1, 2 * PAGE],
      [MAX_CB_SIZE, 2 ** 21],
    ]);
    expect(await codeOf(() => create(MAX_CB_SIZE + 1))).toBe('EINVAL');
    expect(await codeOf(() => create(0xffffffff, CB_FLAGS.MAP))).toBe('EINVAL');
    expect(await codeOf(() => create(PAGE, CB_FLAGS.MAP))).toBe('ENOMEM');
    expect(await codeOf(() => create(PAGE, 0x8000_0000))).toBe('ok');
  });

  it('lowest-number-first-reused-at-once', async () => {
    await using rig = new TestRig('exclusive');
    const { create, destroy } = caller(rig, await rig.open());
    const handles = [create(0), create(0), create(0)];
    expect(handles).toEqual([FIRST, FIRST + 0x1000n, FIRST + 0x2000n]);
    destroy(FIRST + 0x1000n);
    destroy(FIRST);
    expect([create(0), create(0), create(0)]).toEqual([FIRST, FIRST + 0x1000n, FIRST + 0x3000n]);
  });

  it('is-zeroed-also-when-the-memory-was-used-before', async () => {
    await using rig = new TestRig('exclusive');
    const { create, destroy, buffer } = caller(rig, await rig.open());
    buffer(create(PAGE)).range.bytes().fill(0xff);
    destroy(FIRST);
    expect(
      buffer(create(PAGE))
        .range.bytes()
        .every((byte) => byte === 0),
    ).toBe(true);
  });
});

describe('CB_DESTROY', () => {
  it('unknown-and-twice', async () => {
    await using rig = new TestRig('exclusive');
    const { create, destroy } = caller(rig, await rig.open());
    expect(await codeOf(() => destroy(FIRST))).toBe('EINVAL');
    expect(await codeOf(() => destroy(0n))).toBe('EINVAL');
    create(0);
    destroy(FIRST);
    expect(await codeOf(() => destroy(FIRST))).toBe('EINVAL');
    // The type bits are not looked at, nor is what lies above the number.
    create(0);
    expect(await codeOf(() => destroy((1n << 50n) | 0x1000n))).toBe('ok');
  });

  it('while-mapped-the-handle-lives-on', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const { create, destroy, info, mmap, munmap, buffer } = caller(rig, file);
    create(PAGE);
    mmap(FIRST);
    const object = buffer(FIRST);
    expect(object.refs).toBe(2);
    destroy(FIRST);
    expect(info(FIRST)).toEqual({ usageCount: 0, deviceVa: 0 });
    const words = new Uint32Array(object.range.bytes().buffer, object.range.bytes().byteOffset, 1024);
    const size = 4 * encodeNop(words, 0);
    expect(rig.csNow(file, { chunksExecute: [{ handle: FIRST, size, queueIndex: 0, flags: 0 }] }).seq).toBe(1);
    expect(create(0)).toBe(FIRST + 0x1000n);
    expect(await codeOf(() => destroy(FIRST))).toBe('EINVAL');
    expect(object.refs).toBe(1);
    munmap(FIRST);
    expect(object.refs).toBe(0);
    expect(await codeOf(() => info(FIRST))).toBe('EINVAL');
    expect(create(0)).toBe(FIRST);
    rig.run();
  });
});

describe('CB_INFO', () => {
  it('usage-and-no-device-address', async () => {
    await using rig = new TestRig('exclusive');
    const { create, info } = caller(rig, await rig.open());
    expect(await codeOf(() => info(FIRST))).toBe('EINVAL');
    create(0);
    expect(info(FIRST)).toEqual({ usageCount: 0, deviceVa: 0 });
    expect(await codeOf(() => info(FIRST, CB_FLAGS.GET_DEVICE_VA))).toBe('EINVAL');
  });
});

describe('MMAP', () => {
  it('whole-length-one-mapping-at-a-time', async () => {
    await using rig = new TestRig('exclusive');
    const { create, mmap, munmap } = caller(rig, await rig.open());
    expect(await codeOf(() => mmap(FIRST))).toBe('EINVAL');
    create(PAGE + 1);
    for (const length of [PAGE + 1, PAGE, 3 * PAGE, 0]) {
      expect(await codeOf(() => mmap(FIRST, length))).toBe('EINVAL');
    }
    expect(mmap(FIRST, 2 * PAGE).length).toBe(2 * PAGE);
    expect(await codeOf(() => mmap(FIRST, 2 * PAGE))).toBe('EINVAL');
    munmap(FIRST);
    expect(await codeOf(() => munmap(FIRST))).toBe('EINVAL');
    expect(mmap(FIRST, 2 * PAGE).length).toBe(2 * PAGE);
  });

  it('kinds-of-offsets', async () => {
    await using rig = new TestRig('exclusive');
    const { session, mmap } = caller(rig, await rig.open());
    MEMORY_HANDLERS.MEMORY_TS_ALLOC(session, { numOfElements: 513 });
    expect(mmap(0x8000_0000_0000_1000n, 2 * PAGE).length).toBe(2 * PAGE);
    expect(await codeOf(() => mmap(0x2000_0000_0000_1000n, PAGE))).toBe('EPERM');
    for (const offset of [0n, 0x1000n, 0x0800_0000_0000_1000n, 0xf800_0000_0000_1000n]) {
      expect(await codeOf(() => mmap(offset, PAGE)), offset.toString(16)).toBe('EINVAL');
    }
    const control = caller(rig, await rig.open(0, 'control'));
    expect(await codeOf(() => control.mmap(FIRST, PAGE))).toBe('ENODEV');
  });

  it('a-close-frees-what-was-never-destroyed', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const { create, mmap, destroy } = caller(rig, file);
    create(0);
    create(0);
    mmap(FIRST);
    mmap(FIRST + 0x1000n);
    destroy(FIRST);
    await rig.close(file);
    expect(rig.tracker.counts()).toEqual({});
    expect(rig.device().contexts.size).toBe(0);
  });
});
