/** HBM given out by handle (uapi.md 5.2): whose it is, which pages, and that nobody sees what was in them. */
import { DRAM_USER_BASE, encodeLinDma } from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { mapAllocation } from './device-mapping.js';
import type { Allocation } from './device-memory.js';
import type { OpenFile } from './open-file.js';
import { TestRig } from './test-rig.js';
import { codeOf } from './test-support.js';

const PAGE = 2 * 2 ** 20;
const NO_HINT = { hint: 0, forceHint: false };

interface Wanted {
  size: number;
  pageSize?: number;
  contiguous?: boolean;
  shared?: boolean;
}

/** MEMORY ALLOC, without the ioctl around it. */
function allocate(file: OpenFile, wanted: Wanted): Allocation {
  const context = file.requireContext;
  const { size, pageSize = 0, contiguous = false, shared = false } = wanted;
  const allocation = file.device.memory.allocate({ size, pageSize, contiguous, shared, ownerAsid: context.asid });
  context.allocations.add(allocation);
  return allocation;
}

function free(file: OpenFile, allocation: Allocation): void {
  file.requireContext.allocations.delete(allocation);
  file.device.memory.forget(allocation);
}

describe('device memory', () => {
  it('foreign-handle-is-EPERM-unknown-is-EINVAL', async () => {
    await using rig = new TestRig('shared');
    const [mine, other] = [await rig.open(), await rig.open()];
    const { memory } = rig.device();
    const handle = BigInt(allocate(mine, { size: PAGE }).handle);
    expect(await codeOf(() => memory.peek(handle, other.requireContext.asid))).toBe('EPERM');
    expect(await codeOf(() => memory.peek(999n, mine.requireContext.asid))).toBe('EINVAL');
    expect(await codeOf(() => memory.peek(0n, mine.requireContext.asid))).toBe('EINVAL');
  });

  it('what-is-shared-others-may-map-but-not-free', async () => {
    await using rig = new TestRig('shared');
    const [mine, other] = [await rig.open(), await rig.open()];
    const { memory } = rig.device();
    const allocation = allocate(mine, { size: PAGE, shared: true });
    const handle = BigInt(allocation.handle);
    const { asid } = other.requireContext;
    expect(memory.peek(handle, asid)).toBe(allocation);
    expect(await codeOf(() => memory.peekOwn(handle, asid))).toBe('EPERM');
    const address = mapAllocation(other.requireContext, allocation, NO_HINT);
    // The mapping keeps the pages when the owner goes; the handle goes with the owner.
    await rig.close(mine);
    expect(memory.used).toBe(PAGE);
    expect(await codeOf(() => memory.peek(handle, asid))).toBe('EINVAL');
    await other.requireContext.addressSpace.unmap(address);
    expect(memory.used).toBe(0);
  });

  it('handles-are-numbers-of-the-device-lowest-first', async () => {
    await using rig = new TestRig('shared');
    const [one, two] = [await rig.open(), await rig.open()];
    const first = allocate(one, { size: 1 });
    const second = allocate(two, { size: 1 });
    expect([first.handle, second.handle]).toEqual([1, 2]);
    free(one, first);
    expect(allocate(two, { size: 1 }).handle).toBe(1);
    expect(allocate(one, { size: 1 }).handle).toBe(3);
  });

  it('page-by-page-from-the-lowest-contiguous-in-one-run', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const holes = Array.from({ length: 6 }, () => allocate(file, { size: PAGE }));
    for (const i of [1, 3, 4]) {
      free(file, holes[i] as Allocation);
    }
    const at = (page: number) => DRAM_USER_BASE + page * PAGE;
    const run = allocate(file, { size: 2 * PAGE, contiguous: true });
    expect(run.extents).toEqual([{ address: at(3), size: 2 * PAGE }]);
    free(file, run);
    const pages = allocate(file, { size: 4 * PAGE - 1 });
    expect(pages.size).toBe(4 * PAGE);
    expect(pages.extents).toEqual([
      { address: at(1), size: PAGE },
      { address: at(3), size: 2 * PAGE },
      { address: at(6), size: PAGE },
    ]);
  });

  it('a-page-size-rounds-and-aligns', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    allocate(file, { size: PAGE });
    const large = allocate(file, { size: 5 * PAGE, pageSize: 4 * PAGE });
    expect(large).toMatchObject({ size: 8 * PAGE, pageSize: 4 * PAGE });
    expect(large.extents).toEqual([{ address: DRAM_USER_BASE + 4 * PAGE, size: 8 * PAGE }]);
    expect(mapAllocation(file.requireContext, large, NO_HINT) % (4 * PAGE)).toBe(0);
    for (const pageSize of [4096, 3 * PAGE, 2 ** 31, 2 ** 52]) {
      expect(await codeOf(() => allocate(file, { size: 1, pageSize }))).toBe('EINVAL');
    }
  });

  it('freed-pages-are-scrubbed', async () => {
    await using rig = new TestRig('shared');
    const first = await rig.open();
    const address = mapAllocation(first.requireContext, allocate(first, { size: PAGE }), NO_HINT);
    rig.submit(first, 0, (words) =>
      encodeLinDma(words, 0, { size: PAGE, patternLow: 0xffffffff, dst: address, memSet: true }),
    );
    rig.run();
    const { hbm } = rig.device().memory;
    expect(hbm.allocatedBytes).toBeGreaterThanOrEqual(PAGE);
    await rig.close(first);
    expect(hbm.allocatedBytes).toBe(0);
  });

  it('out-of-memory-takes-nothing', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { memory } = rig.device();
    expect(await codeOf(() => allocate(file, { size: 2 ** 36 }))).toBe('ENOMEM');
    // Of pages of 1 GiB there are 31, and half a one on each side.
    expect(await codeOf(() => allocate(file, { size: 31.5 * 2 ** 30, pageSize: 2 ** 30 }))).toBe('ENOMEM');
    allocate(file, { size: PAGE });
    const middle = allocate(file, { size: PAGE });
    const rest = allocate(file, { size: memory.total - 2 * PAGE, contiguous: true });
    free(file, middle);
    expect(await codeOf(() => allocate(file, { size: 2 * PAGE, contiguous: true }))).toBe('ENOMEM');
    free(file, rest);
    expect(memory.used).toBe(PAGE);
  });
});
