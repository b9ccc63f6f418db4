/** Exported device memory: dma-bufs, their descriptors and tokens (uapi.md 5.8, 6.1). */
import assert from 'node:assert/strict';
import { type MemoryHandle, NR } from '@pedrera/uapi';
import { BLOCK_SIZE, block } from '../framework/block.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const exported = new TestList();

const PAGE = 4096;
const HUGE = 0x20_0000;
const DRAM = 0x2000_0000;
const DRAM_END = 0x8_0000_0000;

function window(address: number | bigint, size: number) {
  return { handle: BigInt(address), size, flags: 0o2000002 };
}

exported.add('export@any-window', {}, async (env) => {
  const client = await env.open();
  const ranges = [
    [DRAM, PAGE],
    // Not a multiple of the page, repeated, overlapping, up to the very end: the handle is tied to no allocation (5.8).
    [DRAM, PAGE + 1],
    [DRAM + PAGE, 3 * PAGE],
    [DRAM_END - PAGE, PAGE],
    [DRAM, DRAM_END - DRAM],
  ] as const;
  for (const [address, size] of ranges) {
    const { fd } = await client.call('MEMORY_EXPORT_DMABUF_FD', window(address, size));
    assert(fd >= 0);
    await client.call('DMABUF_CLOSE', { fd });
  }
});

for (const [name, id, ranges] of [
  [
    'misaligned',
    'alignment',
    [
      [DRAM + 1, PAGE],
      [DRAM + 2048, 2 * PAGE],
    ],
  ],
  [
    'too-small',
    'size',
    [
      [DRAM, 0],
      [DRAM, PAGE - 1],
    ],
  ],
  [
    'below-user-memory',
    'range',
    [
      [0, PAGE],
      [DRAM - PAGE, PAGE],
      [DRAM - PAGE, 2 * PAGE],
    ],
  ],
  [
    'beyond-memory',
    'range',
    [
      [DRAM_END, PAGE],
      [DRAM_END - PAGE, PAGE + 1],
      [0x7f_f000_0000, PAGE],
    ],
  ],
] as const) {
  exported.add(`export@${name}`, { covers: [`MEMORY_EXPORT_DMABUF_FD/EINVAL/${id}`] }, async (env) => {
    const client = await env.open();
    for (const [address, size] of ranges) {
      await client.fails('EINVAL', 'MEMORY_EXPORT_DMABUF_FD', window(address, size));
    }
  });
}

exported.add('export@wraps', { covers: ['MEMORY_EXPORT_DMABUF_FD/EINVAL/range'] }, async (env) => {
  const client = await env.open();
  const request = block(BLOCK_SIZE.MEMORY).u64(0, 0xffff_ffff_ffff_f000n).u64(8, 0x4000_0000n).u32(24, 5);
  const { errno, view } = await client.raw(NR.MEMORY, request.bytes);
  assert.equal(errno, 'EINVAL');
  // The descriptor's number next to an errno is -EBADF (5.8).
  assert.equal(view.getInt32(0, true), -9);
  assert.equal(view.getUint32(4, true), 0, 'a program of 2021 reads 64 bits');
});

exported.add('export@descriptors-run-out', { covers: ['MEMORY_EXPORT_DMABUF_FD/EMFILE/descriptors'] }, async (env) => {
  const client = await env.open();
  for (let i = 0; i < 1024; i++) {
    await client.call('MEMORY_EXPORT_DMABUF_FD', window(DRAM, PAGE));
  }
  await client.fails('EMFILE', 'MEMORY_EXPORT_DMABUF_FD', window(DRAM, PAGE));
  await client.call('DMABUF_CLOSE', { fd: 1 });
  await client.call('MEMORY_EXPORT_DMABUF_FD', window(DRAM, PAGE));
});

exported.add(
  'export@shared-unknown-handle',
  { policy: 'shared', covers: ['MEMORY_EXPORT_DMABUF_FD/EINVAL/handle'] },
  async (env) => {
    const client = await env.open();
    await client.fails('EINVAL', 'MEMORY_EXPORT_DMABUF_FD', window(99, HUGE));
  },
);

exported.add(
  'export@shared-size-beyond-allocation',
  { policy: 'shared', covers: ['MEMORY_EXPORT_DMABUF_FD/EINVAL/range'] },
  async (env) => {
    const client = await env.open();
    const { handle } = await client.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
    await client.fails('EINVAL', 'MEMORY_EXPORT_DMABUF_FD', window(handle, 2 * HUGE));
  },
);

exported.add('export@import-shares-memory', { policy: 'shared' }, async (env) => {
  const exporter = await env.open();
  const importer = await env.open();
  const { handle } = await exporter.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
  const { deviceVirtAddr } = await exporter.call('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
  const { fd } = await exporter.call('MEMORY_EXPORT_DMABUF_FD', window(handle, HUGE));
  const { token } = await exporter.call('DMABUF_TOKEN', { fd });
  const { address, size, exporterDevice } = await importer.call('DMABUF_IMPORT', { token });
  assert.deepEqual([size, exporterDevice], [HUGE, 0]);
  await exporter.run(packets().fill(deviceVirtAddr, 64, 0x0101_0101));
  assert.deepEqual(await importer.peek(address, 4), new Uint8Array(4).fill(1));
  // The buffer outlives its exporter as long as somebody holds it.
  await exporter.close();
  assert.deepEqual(await importer.peek(address, 4), new Uint8Array(4).fill(1));
  await importer.call('MEMORY_UNMAP', { deviceVirtAddr: address });
});

exported.add('export@token-of-no-descriptor', { policy: 'both', covers: ['DMABUF_TOKEN/EBADF/fd'] }, async (env) => {
  const client = await env.open();
  for (const fd of [-1, 0, 1, 1000]) {
    await client.fails('EBADF', 'DMABUF_TOKEN', { fd });
  }
});

exported.add('export@close-of-no-descriptor', { policy: 'both', covers: ['DMABUF_CLOSE/EBADF/fd'] }, async (env) => {
  const client = await env.open();
  for (const fd of [-9, 0, 3]) {
    await client.fails('EBADF', 'DMABUF_CLOSE', { fd });
  }
});

exported.add('export@import-unknown-token', { policy: 'both', covers: ['DMABUF_IMPORT/ENOENT/token'] }, async (env) => {
  const client = await env.open();
  for (const token of ['', 'x', '0'.repeat(64)]) {
    await client.fails('ENOENT', 'DMABUF_IMPORT', { token });
  }
});

exported.add(
  'export@token-ends-with-descriptor',
  { policy: 'shared', covers: ['DMABUF_IMPORT/ENOENT/token'] },
  async (env) => {
    const client = await env.open();
    const { handle } = await client.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
    const { fd } = await client.call('MEMORY_EXPORT_DMABUF_FD', window(handle, HUGE));
    const { token } = await client.call('DMABUF_TOKEN', { fd });
    await client.call('DMABUF_CLOSE', { fd });
    await client.fails('ENOENT', 'DMABUF_IMPORT', { token });
    await client.call('MEMORY_FREE', { handle: handle as MemoryHandle });
  },
);
