/** MEMORY: accounting, mappings, blocks, timestamp buffers (uapi.md 5). */
import assert from 'node:assert/strict';
import { commandBufferHandle, MAX_HOST_BUFFER_SIZE, type MemoryHandle, NR } from '@pedrera/uapi';
import { BLOCK_SIZE, block } from '../framework/block.js';
import type { Client } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const memory = new TestList();

const PAGE = 4096;
const HUGE = 0x20_0000;
const FIRST_VA = 0x1_0000_0020_0000;
const VA_END = 0x2_7fbf_ffff_f000;
const USERPTR = 4;
const FORCE_HINT = 8;
const DRAM_SIZE = 0x7_e000_0000;
const NO_HANDLE = 0n as MemoryHandle;

/** Host memory that does not begin at a border of 2 MiB, so that its mappings may lie at any page (5.4). */
async function hostAddress(client: Client, size: number): Promise<{ address: number }> {
  const { address } = await client.call('HOST_ALLOC', { size: size + PAGE });
  return { address: address + PAGE };
}

function mapHost(hostVirtAddr: number, size: number, { hint = 0, flags = 0 } = {}) {
  return { hostVirtAddr, hintAddr: hint, size, flags: USERPTR | flags };
}

// --- accounting --------------------------------------------------------------------------------------------------------

memory.add('memory@alloc-only-counts', {}, async (env) => {
  const client = await env.open();
  const usage = () => client.call('INFO_DRAM_USAGE', {});
  assert.deepEqual(await usage(), { dramFreeMem: DRAM_SIZE, ctxDramMem: 0 });
  for (const [size, flags] of [
    [1, 0],
    [4095, 1],
    [3 * HUGE, 2],
    [HUGE, 0x40],
  ] as const) {
    assert.equal((await client.call('MEMORY_ALLOC', { size, pageSize: 0, flags })).handle, 0n);
  }
  const sum = 1 + 4095 + 4 * HUGE;
  assert.deepEqual(await usage(), { dramFreeMem: DRAM_SIZE - sum, ctxDramMem: sum });
  // The handle is subtracted as if it were a size (5.3); 0 has no effect.
  await client.call('MEMORY_FREE', { handle: NO_HANDLE });
  assert.equal((await usage()).ctxDramMem, sum);
  await client.call('MEMORY_FREE', { handle: BigInt(sum - 5) as MemoryHandle });
  assert.deepEqual(await usage(), { dramFreeMem: DRAM_SIZE - 5, ctxDramMem: 5 });
  const control = await env.control();
  assert.deepEqual(await control.call('INFO_DRAM_USAGE', {}), { dramFreeMem: DRAM_SIZE - 5, ctxDramMem: 0 });
  await client.close();
  const next = await env.opened();
  assert.deepEqual(await next.call('INFO_DRAM_USAGE', {}), { dramFreeMem: DRAM_SIZE, ctxDramMem: 0 });
});

memory.add('memory@alloc-nothing', { policy: 'both', covers: ['MEMORY_ALLOC/EINVAL/size'] }, async (env) => {
  const client = await env.open();
  await client.fails('EINVAL', 'MEMORY_ALLOC', { size: 0, pageSize: HUGE, flags: 0 });
});

memory.add('memory@alloc-block-out', {}, async (env) => {
  const client = await env.open();
  const { errno, block: out } = await client.raw(NR.MEMORY, block(BLOCK_SIZE.MEMORY).u64(0, HUGE).u32(32, 9).bytes);
  assert.deepEqual([errno, [...out]], ['', new Array(40).fill(0)]);
});

memory.add('memory@shared-alloc-gives-handles', { policy: 'shared' }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('MEMORY_ALLOC', { size: 1, pageSize: 0, flags: 0 });
  assert.notEqual(handle, 0n);
  assert.equal((await client.call('INFO_DRAM_USAGE', {})).ctxDramMem, HUGE, 'rounded up to a page');
  const { deviceVirtAddr } = await client.call('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
  await client.fails('EINVAL', 'MEMORY_FREE', { handle });
  await client.run(packets().fill(deviceVirtAddr, 64, 7));
  assert.deepEqual(new Set(await client.peek(deviceVirtAddr, 4)), new Set([7, 0]));
  await client.call('MEMORY_UNMAP', { deviceVirtAddr });
  await client.call('MEMORY_FREE', { handle });
  assert.equal((await client.call('INFO_DRAM_USAGE', {})).ctxDramMem, 0);
});

memory.add('memory@shared-free-mapped', { policy: 'shared', covers: ['MEMORY_FREE/EINVAL/mapped'] }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
  const { deviceVirtAddr } = await client.call('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
  await client.fails('EINVAL', 'MEMORY_FREE', { handle });
  await client.call('MEMORY_UNMAP', { deviceVirtAddr });
  await client.call('MEMORY_FREE', { handle });
});

memory.add(
  'memory@shared-free-exported',
  { policy: 'shared', covers: ['MEMORY_FREE/EINVAL/exported'] },
  async (env) => {
    const client = await env.open();
    // Each time anew: close() has let go of the export when it returns, not soon after.
    for (let i = 0; i < 20; i++) {
      const { handle } = await client.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
      const { fd } = await client.call('MEMORY_EXPORT_DMABUF_FD', { handle, size: HUGE, flags: 0 });
      await client.fails('EINVAL', 'MEMORY_FREE', { handle });
      await client.call('DMABUF_CLOSE', { fd });
      await client.call('MEMORY_FREE', { handle });
    }
  },
);

memory.add('memory@shared-free-unknown', { policy: 'shared', covers: ['MEMORY_FREE/EINVAL/handle'] }, async (env) => {
  const client = await env.open();
  await client.fails('EINVAL', 'MEMORY_FREE', { handle: 77n as MemoryHandle });
});

memory.add(
  'memory@shared-alloc-too-much',
  { policy: 'shared', covers: ['MEMORY_ALLOC/ENOMEM/memory'] },
  async (env) => {
    const client = await env.open();
    await client.fails('ENOMEM', 'MEMORY_ALLOC', { size: DRAM_SIZE + HUGE, pageSize: 0, flags: 0 });
    const { handle } = await client.call('MEMORY_ALLOC', { size: DRAM_SIZE, pageSize: 0, flags: 1 });
    await client.fails('ENOMEM', 'MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
    await client.call('MEMORY_FREE', { handle });
  },
);

memory.add(
  'memory@shared-alloc-page-size',
  { policy: 'shared', covers: ['MEMORY_ALLOC/EINVAL/page-size'] },
  async (env) => {
    const client = await env.open();
    for (const pageSize of [1, PAGE, 3 * HUGE, HUGE / 2, 2 ** 31]) {
      await client.fails('EINVAL', 'MEMORY_ALLOC', { size: HUGE, pageSize, flags: 0 });
    }
    for (const pageSize of [0, HUGE, 2 ** 30]) {
      await client.call('MEMORY_ALLOC', { size: HUGE, pageSize, flags: 0 });
    }
  },
);

memory.add(
  'memory@shared-alloc-contiguous',
  { policy: 'shared', covers: ['MEMORY_ALLOC/ENOMEM/contiguous'] },
  async (env) => {
    const client = await env.open();
    const alloc = (size: number) => client.call('MEMORY_ALLOC', { size, pageSize: 0, flags: 1 });
    const half = DRAM_SIZE / 2 - 64 * HUGE;
    const first = await alloc(half);
    const wall = await alloc(HUGE);
    const rest = await alloc(DRAM_SIZE - half - HUGE);
    await client.call('MEMORY_FREE', first);
    await client.call('MEMORY_FREE', rest);
    // As much is free, but not in one piece.
    await client.fails('ENOMEM', 'MEMORY_ALLOC', { size: half + 256 * HUGE, pageSize: 0, flags: 1 });
    await client.call('MEMORY_ALLOC', { size: half + 256 * HUGE, pageSize: 0, flags: 0 });
    await client.call('MEMORY_FREE', wall);
  },
);

memory.add(
  'memory@shared-not-owner',
  { policy: 'shared', covers: ['MEMORY_FREE/EPERM/not-owner', 'MEMORY_EXPORT_DMABUF_FD/EPERM/not-owner'] },
  async (env) => {
    const owner = await env.open();
    const other = await env.open();
    const { handle } = await owner.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
    await other.fails('EPERM', 'MEMORY_FREE', { handle });
    await other.fails('EPERM', 'MEMORY_EXPORT_DMABUF_FD', { handle: BigInt(handle), size: HUGE, flags: 0 });
    await owner.call('MEMORY_FREE', { handle });
  },
);

memory.add('memory@shared-flag', { policy: 'shared' }, async (env) => {
  const owner = await env.open();
  const other = await env.open();
  const { handle } = await owner.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 2 });
  const here = await owner.call('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
  const there = await other.call('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
  await owner.run(packets().fill(here.deviceVirtAddr, 64, 0x0606_0606));
  assert.equal((await other.peek(there.deviceVirtAddr, 1))[0], 6);
});

// --- mapping of device memory ------------------------------------------------------------------------------------------

memory.add('memory@map-device-never', { covers: ['MEMORY_MAP_DEVICE/EINVAL/handle'] }, async (env) => {
  const client = await env.open();
  for (const handle of [0n, 1n, 0x2000_0000n]) {
    await client.fails('EINVAL', 'MEMORY_MAP_DEVICE', { handle: handle as MemoryHandle, hintAddr: 0, flags: 0 });
  }
});

memory.add(
  'memory@shared-map-device-unknown',
  { policy: 'shared', covers: ['MEMORY_MAP_DEVICE/EINVAL/handle'] },
  async (env) => {
    const client = await env.open();
    await client.fails('EINVAL', 'MEMORY_MAP_DEVICE', { handle: 5n as MemoryHandle, hintAddr: 0, flags: 0 });
  },
);

memory.add(
  'memory@shared-map-device-foreign',
  { policy: 'shared', covers: ['MEMORY_MAP_DEVICE/EPERM/not-shared'] },
  async (env) => {
    const owner = await env.open();
    const other = await env.open();
    const { handle } = await owner.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
    await other.fails('EPERM', 'MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
    await owner.call('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
  },
);

memory.add(
  'memory@shared-map-device-hint-taken',
  { policy: 'shared', covers: ['MEMORY_MAP_DEVICE/ENOMEM/no-address'] },
  async (env) => {
    const client = await env.open();
    const { handle } = await client.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
    const { deviceVirtAddr } = await client.call('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
    await client.fails('ENOMEM', 'MEMORY_MAP_DEVICE', { handle, hintAddr: deviceVirtAddr, flags: FORCE_HINT });
    await client.fails('ENOMEM', 'MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: FORCE_HINT });
  },
);

// --- mapping of host memory --------------------------------------------------------------------------------------------

memory.add('memory@map-host', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, 3 * PAGE);
  const first = await client.call('MEMORY_MAP_HOST', mapHost(address, 3 * PAGE));
  assert(first.deviceVirtAddr >= FIRST_VA, 'behind the driver’s own pool (5.5)');
  assert.equal(first.deviceVirtAddr % PAGE, 0);
  // Two mappings of the same memory are independent (5.6).
  const second = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE));
  assert.notEqual(second.deviceVirtAddr, first.deviceVirtAddr);
  await client.call('MEMORY_UNMAP', first);
  await client.call('MEMORY_UNMAP', second);
});

memory.add('memory@map-host-keeps-page-offset', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, 4 * PAGE);
  for (const offset of [1, 0x123, PAGE + 4095]) {
    const { deviceVirtAddr } = await client.call('MEMORY_MAP_HOST', mapHost(address + offset, PAGE));
    assert.equal(deviceVirtAddr % PAGE, (address + offset) % PAGE);
    await client.fails('EINVAL', 'MEMORY_UNMAP', { deviceVirtAddr: deviceVirtAddr - (deviceVirtAddr % PAGE) });
    await client.call('MEMORY_UNMAP', { deviceVirtAddr });
  }
});

memory.add('memory@map-host-carries-bytes', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const from = await client.hostMemory(2 * PAGE);
  const to = await client.hostMemory(2 * PAGE);
  from.words.forEach((_, i) => {
    from.words[i] = (i * 2_654_435_761) >>> 0;
  });
  await client.run(packets().copy(from.deviceAddress + 4, to.deviceAddress + 8, 2 * PAGE - 8));
  assert.deepEqual(to.bytes.slice(8), from.bytes.slice(4, -4));
});

memory.add('memory@map-host-nothing', { policy: 'both', covers: ['MEMORY_MAP_HOST/EINVAL/size'] }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, PAGE);
  await client.fails('EINVAL', 'MEMORY_MAP_HOST', mapHost(address, 0));
});

memory.add('memory@map-host-wraps', { policy: 'both', covers: ['MEMORY_MAP_HOST/EINVAL/wraps'] }, async (env) => {
  const client = await env.open();
  const request = block(BLOCK_SIZE.MEMORY).u32(24, 2).u32(28, USERPTR).u32(32, 0);
  for (const [address, size] of [
    [0xffff_ffff_ffff_f000n, 0x1000n],
    [0xffff_ffff_ffff_f000n, 0x2000n],
    [0x1000n, 0xffff_ffff_ffff_ffffn],
    // Only rounding up to pages makes it wrap.
    [0xffff_ffff_ffff_f001n, 0xffen],
  ] as const) {
    const { errno, block: out } = await client.raw(NR.MEMORY, request.u64(0, address).u64(16, size).bytes);
    assert.equal(errno, 'EINVAL', `0x${address.toString(16)} + 0x${size.toString(16)}`);
    assert.deepEqual([...out.subarray(0, 8)], new Array(8).fill(0));
  }
});

memory.add(
  'memory@map-host-not-memory',
  { policy: 'both', covers: ['MEMORY_MAP_HOST/EFAULT/not-addressable', 'MEMORY_MAP_HOST/EFAULT/pages'] },
  async (env) => {
    const client = await env.open();
    const { address } = await hostAddress(client, PAGE);
    await client.fails('EFAULT', 'MEMORY_MAP_HOST', mapHost(0x1000, PAGE));
    await client.fails('EFAULT', 'MEMORY_MAP_HOST', mapHost(0, PAGE));
    // Part of it counts as none (5.4).
    await client.fails('EFAULT', 'MEMORY_MAP_HOST', mapHost(address, 2 * PAGE));
    await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE));
  },
);

memory.add('memory@map-host-block-out', {}, async (env) => {
  const client = await env.open();
  const request = block(BLOCK_SIZE.MEMORY)
    .fill(0x5a)
    .u64(0, 0x1000)
    .u64(8, 0)
    .u64(16, PAGE)
    .u32(24, 2)
    .u32(28, USERPTR);
  const { errno, block: out } = await client.raw(NR.MEMORY, request.bytes);
  assert.deepEqual([errno, [...out]], ['EFAULT', new Array(40).fill(0)]);
});

memory.add('memory@map-hint', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, PAGE);
  for (const hint of [FIRST_VA + 0x1_0000_0000, FIRST_VA + 0x7000, 0x2_0000_0000_0000]) {
    assert.equal((await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE, { hint }))).deviceVirtAddr, hint);
  }
});

memory.add('memory@map-huge-alignment', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await client.call('HOST_ALLOC', { size: 2 * HUGE });
  assert.equal(address % HUGE, 0);
  const odd = await client.call('MEMORY_MAP_HOST', mapHost(address + PAGE, PAGE));
  assert.equal(odd.deviceVirtAddr, FIRST_VA);
  // A host address at a border of 2 MiB asks for a block at one (5.4).
  const aligned = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE));
  assert.equal(aligned.deviceVirtAddr, FIRST_VA + HUGE);
  const hint = FIRST_VA + 0x1_0000_1000;
  const ignored = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE, { hint }));
  assert.equal(ignored.deviceVirtAddr % HUGE, 0, 'the hint is not a multiple of the alignment');
});

memory.add('memory@map-hint-misaligned-ignored', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, PAGE);
  const hint = FIRST_VA + 0x1_0000_0800;
  const { deviceVirtAddr } = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE, { hint }));
  assert(deviceVirtAddr < hint, 'placed as without a hint');
});

memory.add('memory@map-hint-taken-ignored', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, PAGE);
  const hint = FIRST_VA + 0x1_0000_0000;
  await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE, { hint }));
  const { deviceVirtAddr } = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE, { hint }));
  assert.notEqual(deviceVirtAddr, hint);
});

memory.add('memory@map-hint-with-page-offset', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, 2 * PAGE);
  const hint = FIRST_VA + 0x2_0000_0000;
  // Logged as ignored but used when not forced (5.4).
  const { deviceVirtAddr } = await client.call('MEMORY_MAP_HOST', mapHost(address + 16, PAGE, { hint }));
  assert.equal(deviceVirtAddr, hint + 16);
});

memory.add('memory@map-hint-very-end-missed', {}, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, PAGE);
  // The range's end is inclusive and the comparison strict: the last page cannot be had by hint (5.4).
  const last = VA_END - PAGE;
  const { errno } = await client.attempt('MEMORY_MAP_HOST', mapHost(address, PAGE, { hint: last, flags: FORCE_HINT }));
  assert.equal(errno, 'ENOMEM');
  const hint = last - PAGE;
  const { deviceVirtAddr } = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE, { hint, flags: FORCE_HINT }));
  assert.equal(deviceVirtAddr, hint);
});

memory.add('memory@force-hint', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, PAGE);
  const hint = FIRST_VA + 0x3_0000_0000;
  const request = mapHost(address, PAGE, { hint, flags: FORCE_HINT });
  assert.equal((await client.call('MEMORY_MAP_HOST', request)).deviceVirtAddr, hint);
});

memory.add(
  'memory@force-hint-page-offset',
  { policy: 'both', covers: ['MEMORY_MAP_HOST/EINVAL/forced-hint-offset'] },
  async (env) => {
    const client = await env.open();
    const { address } = await hostAddress(client, 2 * PAGE);
    const hint = FIRST_VA + 0x3_0000_0000;
    await client.fails('EINVAL', 'MEMORY_MAP_HOST', mapHost(address + 8, PAGE, { hint, flags: FORCE_HINT }));
  },
);

memory.add(
  'memory@force-hint-unsatisfied',
  { policy: 'both', covers: ['MEMORY_MAP_HOST/ENOMEM/hint-taken'] },
  async (env) => {
    const client = await env.open();
    const { address } = await hostAddress(client, PAGE);
    const hint = FIRST_VA + 0x3_0000_0000;
    const forced = (at: number) => mapHost(address, PAGE, { hint: at, flags: FORCE_HINT });
    await client.call('MEMORY_MAP_HOST', forced(hint));
    // Taken, none, misaligned, the driver's own, outside the range.
    for (const at of [hint, 0, hint + 0x10_0800, FIRST_VA - HUGE, 0x2000_0000, 0x3_0000_0000_0000]) {
      await client.fails('ENOMEM', 'MEMORY_MAP_HOST', forced(at));
    }
  },
);

memory.add('memory@va-smallest-sufficient-block', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, 64 * PAGE);
  const at = (page: number) => FIRST_VA + 0x4_0000_0000 + page * PAGE;
  const put = (page: number, pages: number) =>
    client.call('MEMORY_MAP_HOST', mapHost(address + PAGE, pages * PAGE, { hint: at(page) }));
  // Walls that leave holes of 8, 3 and 5 pages between them.
  for (const page of [0, 9, 13, 19]) {
    await put(page, 1);
  }
  const placed = async (pages: number) =>
    (await client.call('MEMORY_MAP_HOST', mapHost(address + PAGE, pages * PAGE))).deviceVirtAddr;
  assert.equal(await placed(4), at(14), 'the hole of five pages is the smallest that holds four');
  assert.equal(await placed(3), at(10), 'the hole of three pages fits exactly');
  assert.equal(await placed(6), at(1));
});

memory.add(
  'memory@va-runs-out',
  { modes: ['in-process'], covers: ['MEMORY_MAP_HOST/ENOMEM/no-address'] },
  async (env) => {
    const client = await env.open();
    const { address } = await client.call('HOST_ALLOC', { size: MAX_HOST_BUFFER_SIZE });
    const whole = mapHost(address, MAX_HOST_BUFFER_SIZE);
    // Mappings of one page, so far from each other that nothing as large fits between them.
    const step = MAX_HOST_BUFFER_SIZE;
    for (let hint = FIRST_VA + HUGE; hint < VA_END; ) {
      const batch: Promise<unknown>[] = [];
      for (; batch.length < 1000 && hint < VA_END; hint += step) {
        batch.push(client.start('MEMORY_MAP_HOST', mapHost(address + PAGE, PAGE, { hint })));
      }
      await env.finish(Promise.all(batch));
    }
    await client.fails('ENOMEM', 'MEMORY_MAP_HOST', whole);
    await client.call('MEMORY_MAP_HOST', mapHost(address, MAX_HOST_BUFFER_SIZE / 2));
  },
);

// --- unmapping ---------------------------------------------------------------------------------------------------------

memory.add('memory@unmap-unknown', { policy: 'both', covers: ['MEMORY_UNMAP/EINVAL/address'] }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, 2 * PAGE);
  const { deviceVirtAddr } = await client.call('MEMORY_MAP_HOST', mapHost(address, 2 * PAGE));
  for (const wrong of [0, FIRST_VA - HUGE, deviceVirtAddr + PAGE, deviceVirtAddr + 1, deviceVirtAddr - PAGE]) {
    await client.fails('EINVAL', 'MEMORY_UNMAP', { deviceVirtAddr: wrong });
  }
  await client.call('MEMORY_UNMAP', { deviceVirtAddr });
  await client.fails('EINVAL', 'MEMORY_UNMAP', { deviceVirtAddr });
});

memory.add('memory@unmap-frees-address', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, PAGE);
  const { deviceVirtAddr } = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE));
  await client.call('MEMORY_UNMAP', { deviceVirtAddr });
  const again = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE));
  assert.equal(again.deviceVirtAddr, deviceVirtAddr);
});

memory.add('memory@unmap-echoes-block', {}, async (env) => {
  const client = await env.open();
  const request = block(BLOCK_SIZE.MEMORY).fill(0x5a).u64(0, 0x1234).u32(24, 3).bytes;
  const { errno, block: out } = await client.raw(NR.MEMORY, request);
  assert.deepEqual([errno, out], ['EINVAL', request]);
});

memory.add(
  'memory@freed-host-memory-stays-mapped',
  { notInC: 'memory a C program has unmapped is gone: nothing pins its pages', policy: 'both' },
  async (env) => {
    const client = await env.open();
    const source = await client.hostMemory(PAGE);
    source.bytes.fill(0x42);
    const { handle, address } = await client.call('HOST_ALLOC', { size: PAGE });
    const { deviceVirtAddr } = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE));
    await client.call('HOST_FREE', { handle });
    // Pages stay pinned until UNMAP (5.6).
    await client.run(packets().copy(source.deviceAddress, deviceVirtAddr, PAGE));
    assert.deepEqual(await client.peek(deviceVirtAddr, 8), new Uint8Array(8).fill(0x42));
    await client.call('MEMORY_UNMAP', { deviceVirtAddr });
  },
);

memory.add('memory@close-unmaps-all', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, 16 * PAGE);
  const first = await client.call('MEMORY_MAP_HOST', mapHost(address, PAGE));
  for (let i = 0; i < 20; i++) {
    await client.call('MEMORY_MAP_HOST', mapHost(address, 16 * PAGE));
  }
  await client.close();
  const next = await env.opened();
  const { address: other } = await hostAddress(next, PAGE);
  assert.deepEqual(await next.call('MEMORY_MAP_HOST', mapHost(other, PAGE)), first, 'an empty range of addresses');
});

// --- blocks and timestamp buffers --------------------------------------------------------------------------------------

memory.add('memory@map-block-never', { policy: 'both', covers: ['MEMORY_MAP_BLOCK/EPERM/no-blocks'] }, async (env) => {
  const client = await env.open();
  await client.fails('EPERM', 'MEMORY_MAP_BLOCK', { blockAddr: 0x7f_fc50_0000 });
});

memory.add('memory@map-block-block-out', {}, async (env) => {
  const client = await env.open();
  const request = block(BLOCK_SIZE.MEMORY).fill(0x5a).u64(0, 0x7f_fc50_0000).u32(24, 4).bytes;
  const { errno, block: out } = await client.raw(NR.MEMORY, request);
  assert.equal(errno, 'EPERM');
  // handle and size are written, the rest stays (5.7).
  assert.deepEqual([...out.subarray(0, 12)], new Array(12).fill(0));
  assert.deepEqual(out.subarray(12), request.subarray(12));
});

memory.add('memory@ts-alloc', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('MEMORY_TS_ALLOC', { numOfElements: 600 });
  assert.equal(handle.toString(16), '8000000000001000');
  assert.equal((await client.map(handle)).length, 8192);
  // The numbering is that of command buffers (2.9), and CB DESTROY releases it too (5.9).
  const cb = await client.call('CB_CREATE', { size: 0, flags: 0 });
  assert.equal(cb.handle, commandBufferHandle(2));
  await client.call('MUNMAP', { offset: handle });
  await client.call('CB_DESTROY', { handle: handle as unknown as typeof cb.handle });
  assert.equal((await client.call('CB_CREATE', { size: 0, flags: 0 })).handle, commandBufferHandle(1));
  await client.call('MEMORY_TS_ALLOC', { numOfElements: 1 });
  await client.call('MEMORY_TS_ALLOC', { numOfElements: 2 ** 20 });
});

memory.add('memory@ts-alloc-too-many', { policy: 'both', covers: ['MEMORY_TS_ALLOC/EINVAL/count'] }, async (env) => {
  const client = await env.open();
  for (const numOfElements of [2 ** 20 + 1, 0xffff_ffff]) {
    await client.fails('EINVAL', 'MEMORY_TS_ALLOC', { numOfElements });
  }
});

memory.add('memory@ts-alloc-none', { policy: 'both', covers: ['MEMORY_TS_ALLOC/ENOMEM/no-elements'] }, async (env) => {
  const client = await env.open();
  await client.fails('ENOMEM', 'MEMORY_TS_ALLOC', { numOfElements: 0 });
});

memory.add('memory@ts-alloc-block-out', {}, async (env) => {
  const client = await env.open();
  const request = block(BLOCK_SIZE.MEMORY).fill(0x5a).u32(24, 6).u32(36, 4);
  const good = await client.raw(NR.MEMORY, request.bytes);
  assert.equal(good.errno, '');
  assert.deepEqual(good.block.subarray(8), request.bytes.subarray(8), 'the rest as given');
  const none = request.u32(36, 0).bytes;
  const bad = await client.raw(NR.MEMORY, none);
  assert.deepEqual([bad.errno, bad.block], ['ENOMEM', none]);
});

memory.add('memory@unknown-op', {}, async (env) => {
  const client = await env.open();
  for (const op of [7, 100, 0xffff_ffff]) {
    const request = block(BLOCK_SIZE.MEMORY).u32(24, op).bytes;
    const { errno } = await client.raw(NR.MEMORY, request);
    assert.equal(errno, 'EINVAL', `op ${op}`);
  }
});

memory.add('memory@unknown-flags-ignored', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { address } = await hostAddress(client, PAGE);
  await client.call('MEMORY_MAP_HOST', { hostVirtAddr: address, hintAddr: 0, size: PAGE, flags: 0xffff_ff94 });
});
