/** Command buffers (uapi.md 3, 2.9). */
import assert from 'node:assert/strict';
import { type CommandBufferHandle, commandBufferHandle, NR } from '@pedrera/uapi';
import { BLOCK_SIZE, block } from '../framework/block.js';
import { cs } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const cb = new TestList();

const MAX_SIZE = 0x1f_ffe0;
const MAP = 1;
const GET_DEVICE_VA = 2;

cb.add('cb@create-sizes', { policy: 'both' }, async (env) => {
  const client = await env.open();
  for (const [size, mapped] of [
    [0, 4096],
    [1, 4096],
    [4096, 4096],
    [4097, 8192],
    [MAX_SIZE, 0x20_0000],
  ] as const) {
    const { handle } = await client.call('CB_CREATE', { size, flags: 0 });
    const bytes = await client.map(handle);
    assert.equal(bytes.length, mapped, `mappable length of ${size}`);
    assert(
      bytes.every((byte) => byte === 0),
      'a new command buffer reads zero',
    );
    bytes.fill(0xa5);
    await client.call('MUNMAP', { offset: handle });
    await client.call('CB_DESTROY', { handle });
  }
});

cb.add('cb@create-too-large', { policy: 'both', covers: ['CB_CREATE/EINVAL/size'] }, async (env) => {
  const client = await env.open();
  for (const size of [MAX_SIZE + 1, 0x20_0000, 0xffff_ffff]) {
    await client.fails('EINVAL', 'CB_CREATE', { size, flags: 0 });
  }
});

cb.add('cb@create-device-mapped', { policy: 'both', covers: ['CB_CREATE/ENOMEM/map'] }, async (env) => {
  const client = await env.open();
  await client.fails('ENOMEM', 'CB_CREATE', { size: 4096, flags: MAP });
  await client.fails('ENOMEM', 'CB_CREATE', { size: 0, flags: MAP | 0x80 });
});

cb.add('cb@create-unknown-flags-ignored', { policy: 'both' }, async (env) => {
  const client = await env.open();
  await client.call('CB_CREATE', { size: 4096, flags: 0xffff_fff0 });
});

cb.add('cb@create-block-out', {}, async (env) => {
  const client = await env.open();
  // op 0, ctx_id is ignored; the rest of the block is zeroed.
  const good = await client.raw(NR.CB, block(BLOCK_SIZE.CB).u32(12, 4096).u32(16, 77).bytes);
  assert.equal(good.errno, '');
  assert.equal(good.view.getBigUint64(0, true), 0x1000_0000_0000_1000n);
  assert.deepEqual([...good.block.subarray(8)], new Array(16).fill(0));
  const bad = await client.raw(
    NR.CB,
    block(BLOCK_SIZE.CB)
      .u64(0, 5)
      .u32(12, MAX_SIZE + 1)
      .u32(16, 77).bytes,
  );
  assert.equal(bad.errno, 'EINVAL');
  assert.deepEqual([...bad.block], new Array(24).fill(0));
});

cb.add('cb@handles-lowest-free-reused', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const create = async () => (await client.call('CB_CREATE', { size: 4096, flags: 0 })).handle;
  const handles = [await create(), await create(), await create()];
  assert.deepEqual(
    handles.map((handle) => handle.toString(16)),
    ['1000000000001000', '1000000000002000', '1000000000003000'],
  );
  await client.call('CB_DESTROY', { handle: handles[1] as CommandBufferHandle });
  assert.equal(await create(), handles[1]);
});

cb.add('cb@destroy-unknown', { policy: 'both', covers: ['CB_DESTROY/EINVAL/handle'] }, async (env) => {
  const client = await env.open();
  await client.fails('EINVAL', 'CB_DESTROY', { handle: commandBufferHandle(1) });
  await client.fails('EINVAL', 'CB_DESTROY', { handle: 0n as CommandBufferHandle });
});

cb.add('cb@destroy-twice', { policy: 'both', covers: ['CB_DESTROY/EINVAL/handle'] }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  await client.call('CB_DESTROY', { handle });
  await client.fails('EINVAL', 'CB_DESTROY', { handle });
});

cb.add(
  'cb@destroy-twice-while-mapped',
  { policy: 'both', covers: ['CB_DESTROY/EINVAL/destroyed-twice'] },
  async (env) => {
    const client = await env.open();
    const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
    const bytes = await client.map(handle);
    await client.call('CB_DESTROY', { handle });
    await client.fails('EINVAL', 'CB_DESTROY', { handle });
    bytes.fill(1);
    await client.call('MUNMAP', { offset: handle });
  },
);

cb.add('cb@destroy-while-mapped-lives-on', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  const bytes = await client.map(handle);
  const { words } = packets().nop(2);
  new Uint32Array(bytes.buffer, bytes.byteOffset, words.length).set(words);
  await client.call('CB_DESTROY', { handle });
  assert.equal((await client.call('CB_INFO', { handle, flags: 0 })).usageCount, 0);
  const { seq } = await client.call('CS', cs([{ handle, queueIndex: 0, size: 16, flags: 0 }]));
  await client.completed(seq);
  await client.call('MUNMAP', { offset: handle });
  await client.fails('EINVAL', 'CB_INFO', { handle, flags: 0 });
  assert.equal((await client.call('CB_CREATE', { size: 4096, flags: 0 })).handle, handle);
});

cb.add('cb@destroy-echoes-block', {}, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  const request = block(BLOCK_SIZE.CB).fill(0x5a).u64(0, handle).u32(8, 1).bytes;
  const first = await client.raw(NR.CB, request);
  assert.deepEqual([first.errno, first.block], ['', request]);
  const second = await client.raw(NR.CB, request);
  assert.deepEqual([second.errno, second.block], ['EINVAL', request]);
});

cb.add('cb@info-usage', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { handle, size } = await client.commandBuffer(packets().fence(1));
  const info = async () =>
    (await client.call('CB_INFO', { handle: handle as CommandBufferHandle, flags: 0 })).usageCount;
  assert.equal(await info(), 0);
  const { seq } = await client.call('CS', cs([{ handle, queueIndex: 0, size, flags: 0 }]));
  // The patched copy runs; the user's buffer is free again (3.5).
  await client.busy(seq);
  assert.equal(await info(), 0);
  await client.call('CB_DESTROY', { handle: handle as CommandBufferHandle });
  await client.run(packets().release(0, 1), { queue: 1 });
  await client.completed(seq);
});

cb.add('cb@info-block-out', {}, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  const request = block(BLOCK_SIZE.CB).fill(0x5a).u64(0, handle).u32(8, 2).u32(20, 0).bytes;
  const good = await client.raw(NR.CB, request);
  assert.equal(good.errno, '');
  assert.equal(good.view.getBigUint64(0, true), 0n);
  assert.deepEqual(good.block.subarray(8), request.subarray(8));
  const unmapped = block(BLOCK_SIZE.CB).u64(0, handle).u32(8, 2).u32(20, GET_DEVICE_VA).bytes;
  const bad = await client.raw(NR.CB, unmapped);
  assert.deepEqual([bad.errno, bad.block], ['EINVAL', unmapped]);
});

cb.add('cb@info-unknown', { policy: 'both', covers: ['CB_INFO/EINVAL/handle'] }, async (env) => {
  const client = await env.open();
  await client.fails('EINVAL', 'CB_INFO', { handle: commandBufferHandle(9), flags: 0 });
});

cb.add('cb@info-device-va', { policy: 'both', covers: ['CB_INFO/EINVAL/no-device-address'] }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  await client.fails('EINVAL', 'CB_INFO', { handle, flags: GET_DEVICE_VA });
});

cb.add('cb@handle-type-bits-ignored', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  const other = (handle & 0xffff_ffff_ffffn) as CommandBufferHandle;
  assert.equal((await client.call('CB_INFO', { handle: other, flags: 0 })).usageCount, 0);
  await client.call('CB_DESTROY', { handle: other });
  await client.fails('EINVAL', 'CB_INFO', { handle, flags: 0 });
});

cb.add('cb@mmap-once-at-a-time', { policy: 'both', covers: ['MMAP/EINVAL/mapped'] }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  await client.map(handle);
  await client.fails('EINVAL', 'MMAP', { offset: handle });
  await client.call('MUNMAP', { offset: handle });
  await client.map(handle);
});

cb.add('cb@mmap-length', { policy: 'both', covers: ['MMAP/EINVAL/length'] }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 5000, flags: 0 });
  // mmap(2) rounds up to pages before the driver sees a length.
  for (const length of [0, 1, 4096, 12_288, ...(env.mode === 'shim' ? [] : [5000])]) {
    await client.fails('EINVAL', 'MMAP', { offset: handle, length });
  }
  await client.call('MMAP', { offset: handle, length: 8192 });
});

cb.add('cb@mmap-unknown-handle', { policy: 'both', covers: ['MMAP/EINVAL/handle'] }, async (env) => {
  const client = await env.open();
  await client.fails('EINVAL', 'MMAP', { offset: commandBufferHandle(3) });
});

cb.add('cb@mmap-unknown-type', { policy: 'both', covers: ['MMAP/EINVAL/type'] }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  for (const type of [0n, 1n, 3n, 31n]) {
    await client.fails('EINVAL', 'MMAP', { offset: (type << 59n) | (handle & 0xfff_ffffn) });
  }
});

cb.add('cb@mmap-hardware-block', { policy: 'both', covers: ['MMAP/EPERM/block'] }, async (env) => {
  const client = await env.open();
  await client.fails('EPERM', 'MMAP', { offset: 0x2000_0000_0000_0000n });
});

cb.add('cb@munmap-not-mapped', { policy: 'both', covers: ['MUNMAP/EINVAL/not-mapped'] }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  await client.fails('EINVAL', 'MUNMAP', { offset: handle });
  await client.map(handle);
  await client.call('MUNMAP', { offset: handle });
  await client.fails('EINVAL', 'MUNMAP', { offset: handle });
});

cb.add('cb@unknown-op', {}, async (env) => {
  const client = await env.open();
  for (const op of [3, 255, 0xffff_ffff]) {
    const request = block(BLOCK_SIZE.CB).u32(8, op).bytes;
    const { errno, block: out } = await client.raw(NR.CB, request);
    assert.deepEqual([errno, out], ['EINVAL', request]);
  }
});

cb.add('cb@close-frees-all', { policy: 'both' }, async (env) => {
  const client = await env.open();
  for (let i = 0; i < 40; i++) {
    const { handle } = await client.call('CB_CREATE', { size: 4096 * (i + 1), flags: 0 });
    if (i % 2 === 0) {
      await client.map(handle);
    }
  }
  await client.close();
  const next = await env.opened();
  assert.equal((await next.call('CB_CREATE', { size: 1, flags: 0 })).handle, commandBufferHandle(1));
});
