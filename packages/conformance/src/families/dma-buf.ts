/** Dma-bufs as objects: exporting ranges, attaching and mapping, CPU access (uapi.md 6.1, 6.2). */
import assert from 'node:assert/strict';
import { ATTACH_FLAGS, DMA_DIRECTION, DMABUF_KIND, DMABUF_SYNC_FLAGS, FILE_FLAGS, SEEK_WHENCE } from '@pedrera/uapi';
import { exportWindow, HUGE, hostBuffer, hostExport, PAGE, PEER, RDWR } from '../framework/buffers.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const dmaBuf = new TestList();

const { BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE } = DMA_DIRECTION;

// --- exporting -----------------------------------------------------------------------------------------------------------

dmaBuf.add('export@sub-range', { policy: 'shared' }, async (env) => {
  const [one, two] = [await env.open(), await env.open()];
  const { handle } = await one.call('MEMORY_ALLOC', { size: 2 * HUGE, pageSize: 0, flags: 0 });
  const { deviceVirtAddr } = await one.call('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
  await one.run(packets().fill(deviceVirtAddr, 2 * HUGE, 0x0101_0101));
  await one.run(packets().fill(deviceVirtAddr + HUGE - PAGE, 2 * PAGE, 0x0202_0202));
  // Across the end of a page of device memory.
  const range = { offset: HUGE - PAGE, size: 2 * PAGE };
  const { fd } = await one.call('DMABUF_EXPORT', { handle, ...range, flags: RDWR });
  const { token } = await one.call('DMABUF_TOKEN', { fd });
  const { address, size } = await two.call('DMABUF_IMPORT', { token });
  assert.equal(size, 2 * PAGE);
  assert.deepEqual(await two.peek(address, 2 * PAGE), new Uint8Array(2 * PAGE).fill(2));
  // Not one byte beyond.
  const beyond = await two.submit(packets().fill(address + 2 * PAGE, 4, 0));
  assert.equal((await two.attempt('WAIT_CS', { seq: beyond, timeoutUs: 10_000_000n, flags: 0 })).errno, 'EIO');
});

dmaBuf.add('export@unknown-handle', { policy: 'both', covers: ['DMABUF_EXPORT/EINVAL/handle'] }, async (env) => {
  const client = await env.open();
  const range = { offset: 0, size: PAGE, flags: RDWR };
  await client.fails('EINVAL', 'DMABUF_EXPORT', { handle: 99n, ...range });
  await client.fails('EINVAL', 'DMABUF_EXPORT', { handle: 0x4000_0000_0000_1000n, ...range });
  const { handle } = await client.call('CB_CREATE', { size: PAGE, flags: 0 });
  await client.fails('EINVAL', 'DMABUF_EXPORT', { handle, ...range });
});

dmaBuf.add('export@foreign', { policy: 'shared', covers: ['DMABUF_EXPORT/EPERM/not-owner'] }, async (env) => {
  const [owner, other] = [await env.open(), await env.open()];
  const { handle } = await owner.call('MEMORY_ALLOC', { size: HUGE, pageSize: 0, flags: 0 });
  await other.fails('EPERM', 'DMABUF_EXPORT', { handle, offset: 0, size: PAGE, flags: RDWR });
});

dmaBuf.add(
  'export@ranges-that-are-none',
  {
    policy: 'both',
    covers: [
      'DMABUF_EXPORT/EINVAL/alignment',
      'DMABUF_EXPORT/EINVAL/range',
      'DMABUF_EXPORT/EPERM/not-shareable',
      'HOST_ALLOC/EINVAL/flags',
    ],
  },
  async (env) => {
    const client = await env.open();
    const handle = await hostBuffer(client);
    const ranges = (offset: number, size: number) => ({ handle, offset, size, flags: RDWR });
    for (const offset of [1, 2048, PAGE + 4]) {
      await client.fails('EINVAL', 'DMABUF_EXPORT', ranges(offset, PAGE));
    }
    for (const [offset, size] of [
      [0, 0],
      [0, PAGE - 1],
      [0, 5 * PAGE],
      [4 * PAGE, PAGE],
      [0, 2 ** 60],
    ] as const) {
      await client.fails('EINVAL', 'DMABUF_EXPORT', ranges(offset, size));
    }
    const { handle: beside } = await client.call('HOST_ALLOC', { size: PAGE });
    await client.fails('EPERM', 'DMABUF_EXPORT', { handle: beside, offset: 0, size: PAGE, flags: RDWR });
    await client.fails('EINVAL', 'HOST_ALLOC', { size: PAGE, flags: 2 });
  },
);

// --- importing ---------------------------------------------------------------------------------------------------------------

dmaBuf.add('export@attach-map-unmap-detach', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const fd = env.policy === 'exclusive' ? await exportWindow(client) : (await hostExport(client)).fd;
  const { attachment, peer2peer } = await client.call('DMABUF_ATTACH', { fd, flags: PEER });
  assert.equal(peer2peer, true);
  const one = await client.call('DMABUF_MAP', { attachment, direction: BIDIRECTIONAL });
  const two = await client.call('DMABUF_MAP', { attachment, direction: TO_DEVICE });
  assert.notEqual(one.address, two.address);
  await client.run(packets().fill(one.address, 64, 0x0505_0505));
  assert.equal((await client.peek(two.address, 1))[0], 5);
  await client.call('DMABUF_UNMAP', { attachment, address: one.address });
  // The descriptor may go first: attachments hold the buffer.
  await client.call('DMABUF_CLOSE', { fd });
  await client.call('MEMORY_UNMAP', { deviceVirtAddr: two.address });
  await client.call('DMABUF_DETACH', { attachment });
});

dmaBuf.add(
  'export@import-out-of-order',
  {
    policy: 'both',
    covers: [
      'DMABUF_MAP/EINVAL/attachment',
      'DMABUF_UNMAP/EINVAL/attachment',
      'DMABUF_UNMAP/EINVAL/address',
      'DMABUF_DETACH/EINVAL/attachment',
      'DMABUF_DETACH/EBUSY/mapped',
      'DMABUF_MAP/EINVAL/direction',
    ],
  },
  async (env) => {
    const client = await env.open();
    const { fd } = await hostExport(client);
    // Map before attach.
    await client.fails('EINVAL', 'DMABUF_MAP', { attachment: 1, direction: 0 });
    await client.fails('EINVAL', 'DMABUF_UNMAP', { attachment: 1, address: 0 });
    const { attachment } = await client.call('DMABUF_ATTACH', { fd, flags: 0 });
    for (const direction of [3, 100]) {
      await client.fails('EINVAL', 'DMABUF_MAP', { attachment, direction });
    }
    const { address } = await client.call('DMABUF_MAP', { attachment, direction: 0 });
    await client.fails('EINVAL', 'DMABUF_UNMAP', { attachment, address: address + PAGE });
    await client.fails('EBUSY', 'DMABUF_DETACH', { attachment });
    await client.call('DMABUF_UNMAP', { attachment, address });
    await client.fails('EINVAL', 'DMABUF_UNMAP', { attachment, address });
    await client.call('DMABUF_DETACH', { attachment });
    // Detach twice, and a map after it.
    await client.fails('EINVAL', 'DMABUF_DETACH', { attachment });
    await client.fails('EINVAL', 'DMABUF_MAP', { attachment, direction: 0 });
  },
);

dmaBuf.add(
  'export@mapping-is-kept-for-its-direction',
  { policy: 'both', covers: ['DMABUF_MAP/EBUSY/direction-cached'] },
  async (env) => {
    const client = await env.open();
    const { fd } = await hostExport(client);
    const { attachment } = await client.call('DMABUF_ATTACH', { fd, flags: 0 });
    const { address } = await client.call('DMABUF_MAP', { attachment, direction: TO_DEVICE });
    await client.call('DMABUF_UNMAP', { attachment, address });
    for (const direction of [FROM_DEVICE, BIDIRECTIONAL]) {
      await client.fails('EBUSY', 'DMABUF_MAP', { attachment, direction });
    }
    const again = await client.call('DMABUF_MAP', { attachment, direction: TO_DEVICE });
    await client.call('DMABUF_UNMAP', { attachment, address: again.address });
    await client.call('DMABUF_DETACH', { attachment });
    // For both directions, it serves each.
    const { attachment: both } = await client.call('DMABUF_ATTACH', { fd, flags: ATTACH_FLAGS.DYNAMIC });
    for (const direction of [FROM_DEVICE, TO_DEVICE, BIDIRECTIONAL]) {
      await client.call('DMABUF_MAP', { attachment: both, direction });
    }
  },
);

dmaBuf.add(
  'export@static-importer-gets-no-device-memory',
  {
    covers: ['DMABUF_MAP/EPERM/no-peer-to-peer', 'DMABUF_ATTACH/EPERM/no-peer-to-peer', 'DMABUF_ATTACH/EINVAL/flags'],
  },
  async (env) => {
    const client = await env.open();
    const fd = await exportWindow(client);
    const { attachment, peer2peer } = await client.call('DMABUF_ATTACH', { fd, flags: 0 });
    assert.equal(peer2peer, false);
    await client.fails('EPERM', 'DMABUF_MAP', { attachment, direction: 0 });
    // A dynamic one is mapped at attach, so that is where it fails (6.1).
    await client.fails('EPERM', 'DMABUF_ATTACH', { fd, flags: ATTACH_FLAGS.DYNAMIC });
    for (const flags of [ATTACH_FLAGS.PEER2PEER, 4, 7]) {
      await client.fails('EINVAL', 'DMABUF_ATTACH', { fd, flags });
    }
  },
);

dmaBuf.add('export@segments', { covers: ['DMABUF_ATTACH/EINVAL/segment-size'] }, async (env) => {
  const client = await env.open();
  const fd = await exportWindow(client, 40 * PAGE + 100);
  for (const [maxSegmentBytes, expected] of [
    [16 * PAGE, 3],
    [16 * PAGE + 4095, 3],
    [PAGE, 41],
    [HUGE, 1],
  ] as const) {
    const { attachment } = await client.call('DMABUF_ATTACH', { fd, flags: PEER, maxSegmentBytes });
    const { segments, size } = await client.call('DMABUF_MAP', { attachment, direction: 0 });
    assert.deepEqual([segments, size], [expected, 40 * PAGE + 100]);
  }
  for (const maxSegmentBytes of [0, 1, PAGE - 1]) {
    await client.fails('EINVAL', 'DMABUF_ATTACH', { fd, flags: PEER, maxSegmentBytes });
  }
});

dmaBuf.add(
  'export@addresses-run-out',
  { policy: 'shared', modes: ['in-process'], covers: ['DMABUF_MAP/ENOMEM/no-address'] },
  async (env) => {
    const client = await env.open();
    const size = 0x7_0000_0000;
    const { handle } = await client.call('MEMORY_ALLOC', { size, pageSize: 0, flags: 0 });
    const { fd } = await client.call('DMABUF_EXPORT', { handle, offset: 0, size, flags: RDWR });
    const { attachment } = await client.call('DMABUF_ATTACH', { fd, flags: PEER });
    let refused = '';
    for (let i = 0; i < 20_000 && refused === ''; i++) {
      refused = (await client.attempt('DMABUF_MAP', { attachment, direction: 0 })).errno;
    }
    assert.equal(refused, 'ENOMEM');
    await client.fails('ENOMEM', 'DMABUF_MAP', { attachment, direction: 0 });
  },
);

dmaBuf.add(
  'export@attachments-and-mappings-run-out',
  {
    modes: ['in-process'],
    covers: ['DMABUF_ATTACH/EMFILE/attachments', 'DMABUF_MMAP/EMFILE/mappings'],
  },
  async (env) => {
    const client = await env.open();
    const fd = await exportWindow(client);
    for (let i = 0; i < 65_536; i++) {
      await client.call('DMABUF_ATTACH', { fd, flags: 0 });
    }
    await client.fails('EMFILE', 'DMABUF_ATTACH', { fd, flags: 0 });
    const { fd: host } = await hostExport(client);
    for (let i = 0; i < 65_536; i++) {
      await client.call('DMABUF_MMAP', { fd: host, offset: 0, length: PAGE, writable: true });
    }
    await client.fails('EMFILE', 'DMABUF_MMAP', { fd: host, offset: 0, length: PAGE, writable: true });
  },
);

dmaBuf.add('export@free-while-exported', { policy: 'shared' }, async (env) => {
  const [one, two] = [await env.open(), await env.open()];
  const handle = await hostBuffer(one);
  (await one.map(handle)).fill(9);
  const { fd } = await one.call('DMABUF_EXPORT', { handle, offset: 0, size: PAGE, flags: RDWR });
  const { token } = await one.call('DMABUF_TOKEN', { fd });
  const { address, kind } = await two.call('DMABUF_IMPORT', { token });
  assert.equal(kind, DMABUF_KIND.HOST_MEMORY);
  await one.call('MUNMAP', { offset: handle });
  await one.call('HOST_FREE', { handle: handle });
  await one.close();
  assert.deepEqual(await two.peek(address, 4), new Uint8Array(4).fill(9));
});

dmaBuf.add('export@own-import-holds-nothing-at-close', {}, async (env) => {
  const client = await env.open();
  const { token } = await client.call('DMABUF_TOKEN', { fd: await exportWindow(client) });
  await client.call('DMABUF_IMPORT', { token });
  await client.close();
  const next = await env.opened();
  await next.close();
});

// --- the object itself -----------------------------------------------------------------------------------------------------------

dmaBuf.add('export@cpu-access', { policy: 'both', covers: ['DMABUF_SYNC/EINVAL/flags'] }, async (env) => {
  const client = await env.open();
  const { fd } = await hostExport(client);
  const { READ, WRITE, END } = DMABUF_SYNC_FLAGS;
  for (const flags of [READ, WRITE, READ | WRITE, READ | END, WRITE | END, READ | WRITE | END]) {
    // Pairs that do not match are not noticed.
    await client.call('DMABUF_SYNC', { fd, flags });
  }
  for (const flags of [0, END, 8, READ | 8, 2 ** 32 + READ, 2 ** 63]) {
    await client.fails('EINVAL', 'DMABUF_SYNC', { fd, flags });
  }
});

dmaBuf.add(
  'export@name-size-and-info',
  { policy: 'both', covers: ['DMABUF_SET_NAME/EINVAL/name', 'DMABUF_SEEK/EINVAL/where'] },
  async (env) => {
    const client = await env.open();
    const { fd } = await hostExport(client, { flags: FILE_FLAGS.O_CLOEXEC | FILE_FLAGS.O_NONBLOCK | 0o100 });
    const { SET, CUR, END } = SEEK_WHENCE;
    assert.equal((await client.call('DMABUF_SEEK', { fd, offset: 0, whence: END })).position, 4 * PAGE);
    assert.equal((await client.call('DMABUF_SEEK', { fd, offset: 0, whence: SET })).position, 0);
    for (const [offset, whence] of [
      [0, CUR],
      [1, SET],
      [1, END],
      [0, 3],
    ] as const) {
      await client.fails('EINVAL', 'DMABUF_SEEK', { fd, offset, whence });
    }
    await client.call('DMABUF_SET_NAME', { fd, name: 'a'.repeat(31) });
    await client.fails('EINVAL', 'DMABUF_SET_NAME', { fd, name: 'a'.repeat(32) });
    await client.fails('EINVAL', 'DMABUF_SET_NAME', { fd, name: 'é'.repeat(16) });
    await client.call('DMABUF_ATTACH', { fd, flags: 0 });
    const info = await client.call('DMABUF_INFO', { fd });
    assert.deepEqual(info, {
      size: 4 * PAGE,
      count: 2,
      exporterName: 'habanalabs',
      name: 'a'.repeat(31),
      // Of all the flags, O_CREAT is the one that is dropped.
      flags: FILE_FLAGS.O_CLOEXEC | FILE_FLAGS.O_NONBLOCK,
      kind: DMABUF_KIND.HOST_MEMORY,
      exporterDevice: 0,
    });
  },
);

dmaBuf.add('export@mmap', { policy: 'shared', modes: ['sockets'] }, async (env) => {
  const [one, two] = [await env.open(), await env.open()];
  const { handle, fd } = await hostExport(one);
  const bytes = await one.map(handle);
  const { token } = await one.call('DMABUF_TOKEN', { fd });
  const { fd: own } = await two.call('DMABUF_OPEN', { token });
  const request = { fd: own, offset: PAGE, length: 2 * PAGE, writable: true };
  const place = await two.call('DMABUF_MMAP', request);
  const seen = two.link.segment(place.segment, place.segmentSize).subarray(place.offset, place.offset + place.length);
  bytes[PAGE + 5] = 77;
  assert.equal(seen[5], 77);
  seen[6] = 78;
  assert.equal(bytes[PAGE + 6], 78);
  // The mapping holds the memory when everything else is gone.
  await two.call('DMABUF_CLOSE', { fd: own });
  await one.close();
  assert.equal(seen[5], 77);
  await two.call('DMABUF_MUNMAP', { mapping: place.mapping });
});

dmaBuf.add(
  'export@mmap-of-what-has-none',
  {
    covers: ['DMABUF_MMAP/EINVAL/not-mappable', 'DMABUF_MMAP/EINVAL/range', 'DMABUF_MUNMAP/EINVAL/mapping'],
  },
  async (env) => {
    const client = await env.open();
    const map = (fd: number, offset = 0, length = PAGE) => ({ fd, offset, length, writable: false });
    await client.fails('EINVAL', 'DMABUF_MMAP', map(await exportWindow(client)));
    const { handle, fd } = await hostExport(client);
    const { fd: part } = await client.call('DMABUF_EXPORT', { handle, offset: PAGE, size: PAGE, flags: RDWR });
    await client.fails('EINVAL', 'DMABUF_MMAP', map(part));
    for (const [offset, length] of [
      [1, PAGE],
      [0, 0],
      [0, 5 * PAGE],
      [4 * PAGE, PAGE],
    ] as const) {
      await client.fails('EINVAL', 'DMABUF_MMAP', map(fd, offset, length));
    }
    await client.fails('EINVAL', 'DMABUF_MUNMAP', { mapping: 1 });
  },
);

dmaBuf.add(
  'export@not-during-a-reset',
  {
    covers: [
      'DMABUF_EXPORT/EBUSY/not-operational',
      'DMABUF_ATTACH/EBUSY/not-operational',
      'DMABUF_MAP/EBUSY/not-operational',
      'DMABUF_UNMAP/EBUSY/not-operational',
      'CS_SYNCED/EBUSY/not-operational',
    ],
  },
  async (env) => {
    const client = await env.open();
    const { handle, fd } = await hostExport(client);
    const { attachment } = await client.call('DMABUF_ATTACH', { fd, flags: 0 });
    const { address } = await client.call('DMABUF_MAP', { attachment, direction: 0 });
    await env.disable();
    await client.fails('EBUSY', 'DMABUF_EXPORT', { handle, offset: 0, size: PAGE, flags: RDWR });
    await client.fails('EBUSY', 'DMABUF_ATTACH', { fd, flags: 0 });
    await client.fails('EBUSY', 'DMABUF_MAP', { attachment, direction: 0 });
    await client.fails('EBUSY', 'DMABUF_UNMAP', { attachment, address });
    const submission = { chunksRestore: [], chunksExecute: [], seq: 0, timeoutSec: 0, flags: 0 };
    await client.fails('EBUSY', 'CS_SYNCED', { submission, buffers: [], waitFor: [], exportFence: false });
    // Descriptors answer as before.
    assert.equal((await client.call('DMABUF_SEEK', { fd, offset: 0, whence: 2 })).position, 4 * PAGE);
    await env.enable();
  },
);
