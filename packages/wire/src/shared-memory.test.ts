/** Sealed, sparse, coherent between its mappings, and harmless after it was let go. */
import { closeSync, fstatSync, ftruncateSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { errno, HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { native, O } from './native.unsafe.js';
import { MAX_SHARED_MEMORY_BYTES, MAX_VIEW_BYTES, SharedMemory } from './shared-memory.unsafe.js';

const PAGE = 65536; // a multiple of every page size in use
const GIB = 2 ** 30;

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof HlError) return error.code;
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
  return 'none';
}

describe('SharedMemory', () => {
  it('several-maps-of-one-descriptor show the same bytes', () => {
    const memory = SharedMemory.create('several', 4 * PAGE);
    const whole = memory.map(0, 4 * PAGE);
    const second = memory.map(PAGE, PAGE);
    const again = memory.map(PAGE, 2 * PAGE);
    expect(whole.bytes.every((byte) => byte === 0)).toBe(true);
    second.bytes.set([1, 2, 3], 10);
    expect([...whole.bytes.subarray(PAGE + 10, PAGE + 13)]).toEqual([1, 2, 3]);
    whole.bytes[2 * PAGE] = 9;
    expect(again.bytes[PAGE]).toBe(9);
    second.unmap();
    expect(again.bytes[11]).toBe(2);
    for (const view of [whole, again]) view.unmap();
    memory.close();
  });

  it('maps-outlive-close', () => {
    const memory = SharedMemory.create('outlive', PAGE);
    const view = memory.map(0, PAGE);
    const { fd } = memory;
    memory.close();
    memory.close();
    view.bytes[5] = 5;
    expect(view.bytes[5]).toBe(5);
    expect(() => memory.fd).toThrow('EBADF');
    expect(codeOf(() => fstatSync(fd))).toBe('EBADF');
    view.unmap();
  });

  it('is a plain ArrayBuffer on which Atomics work', () => {
    const memory = SharedMemory.create('atomics', PAGE);
    const view = memory.map(0, PAGE);
    const other = memory.map(0, PAGE);
    expect(view.bytes.buffer).toBeInstanceOf(ArrayBuffer);
    Atomics.add(new Int32Array(view.bytes.buffer, 64, 1), 0, 41);
    Atomics.add(new Int32Array(other.bytes.buffer, 64, 1), 0, 1);
    expect(Atomics.load(new Int32Array(view.bytes.buffer, 64, 1), 0)).toBe(42);
    view.unmap();
    other.unmap();
    memory.close();
  });

  it('seals: nobody can resize it or lift the seals', () => {
    const memory = SharedMemory.create('sealed', 2 * PAGE);
    expect(codeOf(() => ftruncateSync(memory.fd, PAGE))).toBe('EPERM');
    expect(codeOf(() => ftruncateSync(memory.fd, 3 * PAGE))).toBe('EPERM');
    expect(native().libc.fcntl(memory.fd, O.F_ADD_SEALS, 8)).toBe(-1);
    expect(native().errno()).toBe(errno('EPERM').errno);
    memory.close();
  });

  it('close-on-exec and named', () => {
    const memory = SharedMemory.create('find me', PAGE);
    const view = memory.map(0, PAGE);
    expect(readFileSync(`/proc/self/fdinfo/${memory.fd}`, 'utf8')).toMatch(/flags:\s+0?2\d{6}/);
    expect(readFileSync('/proc/self/maps', 'utf8')).toContain('/memfd:find me');
    view.unmap();
    memory.close();
  });

  it('sparse: 32 GiB cost nothing until touched, and a hole gives it back', () => {
    const memory = SharedMemory.create('sparse', 32 * GIB);
    expect(memory.allocatedBytes).toBe(0);
    const last = memory.map(31 * GIB, GIB);
    last.bytes[GIB - 1] = 1;
    last.bytes[0] = 2;
    expect(memory.allocatedBytes).toBeGreaterThan(0);
    expect(memory.allocatedBytes).toBeLessThanOrEqual(2 * PAGE);
    memory.punchHole(31 * GIB, GIB);
    expect(memory.allocatedBytes).toBe(0);
    expect([last.bytes[0], last.bytes[GIB - 1]]).toEqual([0, 0]);
    last.unmap();
    memory.close();
  });

  it('populate gets the pages at once', () => {
    const memory = SharedMemory.create('populate', 8 * PAGE);
    const view = memory.map(0, 8 * PAGE);
    view.populate(PAGE + 100, PAGE);
    expect(memory.allocatedBytes).toBeGreaterThanOrEqual(PAGE);
    expect(memory.allocatedBytes).toBeLessThanOrEqual(2 * PAGE);
    view.populate();
    expect(memory.allocatedBytes).toBe(8 * PAGE);
    expect(codeOf(() => view.populate(0, 9 * PAGE))).toBe('EINVAL');
    view.unmap();
    expect(codeOf(() => view.populate())).toBe('EFAULT');
    memory.close();
  });

  it('sizes-that-cannot-be', () => {
    for (const size of [0, -1, 1.5, Number.NaN, MAX_SHARED_MEMORY_BYTES + 1, 2 ** 60]) {
      expect(codeOf(() => SharedMemory.create('absurd', size))).toBe('EINVAL');
    }
    expect(codeOf(() => SharedMemory.create('n'.repeat(250), PAGE))).toBe('EINVAL');
    expect(codeOf(() => SharedMemory.create('zero\0', PAGE))).toBe('EINVAL');
  });

  it('ranges-outside', () => {
    const memory = SharedMemory.create('ranges', 8 * GIB);
    for (const [offset, length] of [
      [0, 8 * GIB + 1],
      [8 * GIB, PAGE],
      [-PAGE, PAGE],
      [0, 0],
      [0, -1],
      [0.5, PAGE],
      [Number.NaN, PAGE],
    ] as const) {
      expect(codeOf(() => memory.map(offset, length))).toBe('EINVAL');
      expect(codeOf(() => memory.punchHole(offset, length))).toBe('EINVAL');
    }
    expect(codeOf(() => memory.map(100, PAGE))).toBe('EINVAL');
    expect(codeOf(() => memory.map(0, MAX_VIEW_BYTES + PAGE))).toBe('EINVAL');
    memory.close();
    expect(codeOf(() => memory.map(0, PAGE))).toBe('EBADF');
  });

  it('fromFd takes only memory that stays', () => {
    const memory = SharedMemory.create('handed over', 2 * PAGE);
    const { libc } = native();
    expect(codeOf(() => SharedMemory.fromFd(memory.fd, 3 * PAGE))).toBe('EINVAL');
    const unsealed = libc.memfd_create('unsealed', O.MFD_CLOEXEC | O.MFD_ALLOW_SEALING);
    ftruncateSync(unsealed, PAGE);
    expect(codeOf(() => SharedMemory.fromFd(unsealed, PAGE))).toBe('EINVAL');
    libc.close(unsealed);
    const directory = openSync(tmpdir(), 'r');
    expect(codeOf(() => SharedMemory.fromFd(directory, PAGE))).toBe('EINVAL');
    closeSync(directory);
    expect(codeOf(() => SharedMemory.fromFd(9999, PAGE))).toBe('EINVAL');
    const same = SharedMemory.fromFd(memory.fd, PAGE);
    expect(same.size).toBe(PAGE);
    same.close();
  });

  it('leaves no descriptor behind', () => {
    const count = (): number => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let i = 0; i < 20; i++) {
      const memory = SharedMemory.create('short-lived', PAGE);
      const view = memory.map(0, PAGE);
      memory.close();
      view.unmap();
    }
    expect(count()).toBe(before);
  });
});

describe('MappedView', () => {
  it('after-unmap the bytes are refused', () => {
    const memory = SharedMemory.create('unmapped', PAGE);
    const view = memory.map(0, PAGE);
    expect(view.mapped).toBe(true);
    view.unmap();
    view.unmap();
    expect(view.mapped).toBe(false);
    expect(() => view.bytes).toThrow(`EFAULT: a view of ${PAGE} bytes was used after it was unmapped`);
    memory.close();
  });

  it('a-stale-sub-array reaches nothing and breaks nothing', () => {
    const memory = SharedMemory.create('stale', PAGE);
    const view = memory.map(0, PAGE);
    const kept = view.bytes.subarray(0, 16).fill(7);
    view.unmap();
    expect(kept[0]).toBe(0);
    kept.fill(9);
    const fresh = memory.map(0, PAGE);
    expect([...fresh.bytes.subarray(0, 16)]).toEqual(new Array(16).fill(7));
    fresh.unmap();
    memory.close();
  });

  it('an-address is not given out again while a stale buffer has it', () => {
    const memory = SharedMemory.create('addresses', PAGE);
    const kept: Uint8Array[] = [];
    for (let i = 0; i < 50; i++) {
      const view = memory.map(0, PAGE);
      kept.push(view.bytes);
      view.unmap();
    }
    const view = memory.map(0, PAGE);
    view.bytes[0] = 1;
    expect(kept.every((bytes) => bytes[0] === 0)).toBe(true);
    view.unmap();
    memory.close();
  });

  it('using', () => {
    const memory = SharedMemory.create('scoped', PAGE);
    let outside: { mapped: boolean };
    {
      using view = memory.map(0, PAGE);
      outside = view;
      expect(outside.mapped).toBe(true);
    }
    expect(outside.mapped).toBe(false);
    memory.close();
  });
});
