/** Descriptors of dma-bufs and sync files: how many, how they travel, what they refuse (uapi.md 6.2). */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { DMA_DIRECTION, DMABUF_KIND, TOKEN_FLAGS } from '@pedrera/uapi';
import { hostExport, NO_FD, PAGE, PEER, RDWR, signalledFile } from '../framework/buffers.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const descriptors = new TestList();

const { BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE } = DMA_DIRECTION;

descriptors.add(
  'export@no-more-descriptors',
  {
    policy: 'both',
    covers: [
      'DMABUF_EXPORT/EMFILE/descriptors',
      'DMABUF_OPEN/EMFILE/descriptors',
      'DMABUF_RECEIVE/EMFILE/descriptors',
      'DMABUF_EXPORT_SYNC_FILE/EMFILE/descriptors',
      'SYNC_FILE_CREATE/EMFILE/descriptors',
      'SYNC_FILE_MERGE/EMFILE/descriptors',
      'CS_SYNCED/EMFILE/descriptors',
    ],
  },
  async (env) => {
    const client = await env.open();
    const { handle, fd } = await hostExport(client);
    const { token } = await client.call('DMABUF_TOKEN', { fd });
    const file = await signalledFile(client);
    const seq = await client.probeSeq();
    const more = { handle, offset: 0, size: PAGE, flags: RDWR };
    for (let i = 2; i < 1024; i++) {
      await client.call('DMABUF_EXPORT', more);
    }
    await client.fails('EMFILE', 'DMABUF_EXPORT', more);
    await client.fails('EMFILE', 'DMABUF_OPEN', { token });
    await client.fails('EMFILE', 'DMABUF_RECEIVE', { descriptor: 0 });
    await client.fails('EMFILE', 'DMABUF_EXPORT_SYNC_FILE', { fd, flags: 1 });
    await client.fails('EMFILE', 'SYNC_FILE_CREATE', { seq });
    await client.fails('EMFILE', 'SYNC_FILE_MERGE', { fd: file, name: '', fd2: file, flags: 0, pad: 0 });
    const chunk = await client.chunk(packets().nop());
    const submission = { chunksRestore: [], chunksExecute: [chunk], seq: 0, timeoutSec: 0, flags: 0 };
    await client.fails('EMFILE', 'CS_SYNCED', { submission, buffers: [], waitFor: [], exportFence: true });
  },
);

descriptors.add('export@token-for-one-use', { policy: 'both', covers: ['DMABUF_OPEN/ENOENT/token'] }, async (env) => {
  const client = await env.open();
  const { fd } = await hostExport(client);
  const { token: once } = await client.call('DMABUF_TOKEN', { fd, flags: TOKEN_FLAGS.ONCE });
  const { token: always } = await client.call('DMABUF_TOKEN', { fd });
  assert.notEqual(once, always);
  assert.equal((await client.call('DMABUF_TOKEN', { fd })).token, always);
  const opened = await client.call('DMABUF_OPEN', { token: once });
  assert.deepEqual([opened.kind, opened.size], [DMABUF_KIND.HOST_MEMORY, 4 * PAGE]);
  await client.fails('ENOENT', 'DMABUF_OPEN', { token: once });
  await client.fails('ENOENT', 'DMABUF_IMPORT', { token: once });
  const { address } = await client.call('DMABUF_IMPORT', { token: always });
  await client.call('MEMORY_UNMAP', { deviceVirtAddr: address });
  // The object lives on in the second descriptor, the names of the first do not.
  await client.call('DMABUF_CLOSE', { fd });
  await client.fails('ENOENT', 'DMABUF_OPEN', { token: always });
  assert.equal((await client.call('DMABUF_INFO', { fd: opened.fd })).size, 4 * PAGE);
});

descriptors.add(
  'export@token-for-one-use-is-not-spent-by-a-failure',
  { policy: 'both', covers: ['DMABUF_IMPORT/EINVAL/kind'] },
  async (env) => {
    const client = await env.open();
    const { token } = await client.call('DMABUF_TOKEN', { fd: await signalledFile(client), flags: TOKEN_FLAGS.ONCE });
    await client.fails('EINVAL', 'DMABUF_IMPORT', { token });
    assert.equal((await client.call('DMABUF_OPEN', { token })).kind, DMABUF_KIND.SYNC_FILE);
  },
);

descriptors.add('export@token-flags', { policy: 'both', covers: ['DMABUF_TOKEN/EINVAL/flags'] }, async (env) => {
  const client = await env.open();
  const { fd } = await hostExport(client);
  await client.fails('EINVAL', 'DMABUF_TOKEN', { fd, flags: 4 });
});

descriptors.add(
  'export@read-only',
  {
    policy: 'shared',
    covers: ['DMABUF_MAP/EACCES/read-only', 'CS_SYNCED/EACCES/read-only', 'DMABUF_MMAP/EACCES/read-only'],
  },
  async (env) => {
    const [owner, reader] = [await env.open(), await env.open()];
    const { handle, fd } = await hostExport(owner);
    (await owner.map(handle)).fill(7);
    const { token } = await owner.call('DMABUF_TOKEN', { fd, flags: TOKEN_FLAGS.READ_ONLY });
    const { fd: own } = await reader.call('DMABUF_OPEN', { token });
    const { attachment } = await reader.call('DMABUF_ATTACH', { fd: own, flags: PEER });
    await reader.fails('EACCES', 'DMABUF_MAP', { attachment, direction: BIDIRECTIONAL });
    await reader.fails('EACCES', 'DMABUF_MAP', { attachment, direction: FROM_DEVICE });
    const { address } = await reader.call('DMABUF_MAP', { attachment, direction: TO_DEVICE });
    assert.equal((await reader.peek(address, 1))[0], 7);
    // The device itself cannot write either.
    const seq = await reader.submit(packets().fill(address, 4, 0));
    assert.equal((await reader.attempt('WAIT_CS', { seq, timeoutUs: 10_000_000n, flags: 0 })).errno, 'EIO');
    await reader.fails('EACCES', 'DMABUF_MMAP', { fd: own, offset: 0, length: PAGE, writable: true });
    const submission = {
      chunksRestore: [],
      chunksExecute: [await reader.chunk(packets().nop())],
      seq: 0,
      timeoutSec: 0,
      flags: 0,
    };
    const writes = { submission, buffers: [{ fd: own, access: 2 }], waitFor: [], exportFence: false };
    await reader.fails('EACCES', 'CS_SYNCED', writes);
    // What was given for reading is handed on for reading.
    const again = await reader.call('DMABUF_TOKEN', { fd: own });
    const { address: seen } = await owner.call('DMABUF_IMPORT', again);
    const write = await owner.submit(packets().fill(seen, 4, 0));
    assert.equal((await owner.attempt('WAIT_CS', { seq: write, timeoutUs: 10_000_000n, flags: 0 })).errno, 'EIO');
  },
);

descriptors.add(
  'export@receive-no-such-descriptor',
  { policy: 'both', covers: ['DMABUF_RECEIVE/EBADF/descriptor', 'DMABUF_RECEIVE/EINVAL/other-file'] },
  async (env) => {
    const client = await env.open();
    for (const descriptor of [-1, 100_000]) {
      await client.fails('EBADF', 'DMABUF_RECEIVE', { descriptor });
    }
    // Something else, and a socket that stands for nothing.
    await client.fails('EINVAL', 'DMABUF_RECEIVE', { descriptor: 0 });
  },
);

descriptors.add(
  'export@send-without-a-side-channel',
  { policy: 'both', covers: ['DMABUF_SEND/ENOTCONN/no-side-channel', 'DMABUF_MMAP/ENOTCONN/no-side-channel'] },
  async (env) => {
    const client = await env.greeted();
    await client.call('OPEN', { node: 'hl0' });
    const { fd } = await hostExport(client);
    await client.fails('ENOTCONN', 'DMABUF_SEND', { fd });
    await client.fails('ENOTCONN', 'DMABUF_MMAP', { fd, offset: 0, length: PAGE, writable: true });
  },
);

descriptors.add(
  'export@no-such-descriptor',
  {
    policy: 'both',
    covers: [
      'DMABUF_ATTACH/EBADF/fd',
      'DMABUF_SYNC/EBADF/fd',
      'DMABUF_SET_NAME/EBADF/fd',
      'DMABUF_EXPORT_SYNC_FILE/EBADF/fd',
      'DMABUF_IMPORT_SYNC_FILE/EBADF/fd',
      'DMABUF_SEEK/EBADF/fd',
      'DMABUF_INFO/EBADF/fd',
      'DMABUF_MMAP/EBADF/fd',
      'DMABUF_SEND/EBADF/fd',
      'DESCRIPTOR_POLL/EBADF/fd',
      'SYNC_FILE_MERGE/EBADF/fd',
      'SYNC_FILE_INFO/EBADF/fd',
      'DMABUF_ATTACH/EINVAL/other-file',
      'DMABUF_SYNC/ENOTTY/other-file',
      'DMABUF_SET_NAME/ENOTTY/other-file',
      'DMABUF_EXPORT_SYNC_FILE/ENOTTY/other-file',
      'DMABUF_IMPORT_SYNC_FILE/ENOTTY/other-file',
      'DMABUF_SEEK/ESPIPE/other-file',
      'DMABUF_INFO/ENOTTY/other-file',
      'DMABUF_MMAP/ENODEV/other-file',
      'SYNC_FILE_MERGE/ENOTTY/other-file',
      'SYNC_FILE_INFO/ENOTTY/other-file',
      'SYNC_FILE_MERGE/ENOENT/fd2',
      'DMABUF_IMPORT_SYNC_FILE/EINVAL/sync-file',
    ],
  },
  async (env) => {
    const client = await env.open();
    const file = await signalledFile(client);
    const { fd: buffer } = await hostExport(client);
    const merge = { name: '', flags: 0, pad: 0 };
    for (const [fd, attach, call, seek, mmap] of [
      [NO_FD, 'EBADF', 'EBADF', 'EBADF', 'EBADF'],
      [file, 'EINVAL', 'ENOTTY', 'ESPIPE', 'ENODEV'],
    ] as const) {
      await client.fails(attach, 'DMABUF_ATTACH', { fd, flags: 0 });
      await client.fails(call, 'DMABUF_SYNC', { fd, flags: 1 });
      await client.fails(call, 'DMABUF_SET_NAME', { fd, name: 'x' });
      await client.fails(call, 'DMABUF_EXPORT_SYNC_FILE', { fd, flags: 1 });
      await client.fails(call, 'DMABUF_IMPORT_SYNC_FILE', { fd, flags: 1, syncFile: file });
      await client.fails(seek, 'DMABUF_SEEK', { fd, offset: 0, whence: 0 });
      await client.fails(call, 'DMABUF_INFO', { fd });
      await client.fails(mmap, 'DMABUF_MMAP', { fd, offset: 0, length: PAGE, writable: false });
    }
    await client.fails('EBADF', 'DMABUF_SEND', { fd: NO_FD });
    await client.fails('EBADF', 'DESCRIPTOR_POLL', { fd: NO_FD, events: 1, timeoutMs: 0 });
    for (const [fd, errno] of [
      [NO_FD, 'EBADF'],
      [buffer, 'ENOTTY'],
    ] as const) {
      await client.fails(errno, 'SYNC_FILE_MERGE', { fd, fd2: file, ...merge });
      await client.fails(errno, 'SYNC_FILE_INFO', { fd, flags: 0, pad: 0, numFences: 0 });
    }
    for (const other of [NO_FD, buffer]) {
      await client.fails('ENOENT', 'SYNC_FILE_MERGE', { fd: file, fd2: other, ...merge });
      await client.fails('EINVAL', 'DMABUF_IMPORT_SYNC_FILE', { fd: buffer, flags: 1, syncFile: other });
    }
  },
);

descriptors.add('export@send-and-receive', { policy: 'shared', modes: ['sockets'] }, async (env) => {
  const [one, two] = [await env.open(), await env.open()];
  const { fd } = await hostExport(one);
  const descriptor = one.link.descriptor((await one.call('DMABUF_SEND', { fd })).tag);
  // The file that made it is gone, and with it every token; the descriptor stands for the buffer all the same.
  await one.close();
  const received = await two.call('DMABUF_RECEIVE', { descriptor });
  assert.deepEqual([received.kind, received.size], [DMABUF_KIND.HOST_MEMORY, 4 * PAGE]);
  const again = await two.call('DMABUF_RECEIVE', { descriptor });
  assert.notEqual(again.fd, received.fd);
  await env.until('only they hold it', async () => {
    const { snapshot } = await (await env.watcher()).call('INSPECT_BUFFERS', {});
    const { references, refs } = snapshot.buffers[0] ?? {};
    const held = references?.map(({ holder, count }) => `${count} ${holder}`).sort();
    return refs === 3 && held?.join() === '1 handed-out,2 descriptor' ? true : undefined;
  });
  closeSync(descriptor);
  await env.until('the descriptor holds nothing any more', async () =>
    (await two.call('DMABUF_INFO', { fd: again.fd })).count === 2 ? true : undefined,
  );
});

descriptors.add(
  'export@send-too-many',
  { policy: 'shared', modes: ['sockets'], covers: ['DMABUF_SEND/EMFILE/handed-out'] },
  async (env) => {
    const client = await env.open();
    const { fd } = await hostExport(client);
    const taken: number[] = [];
    const send = async () => taken.push(client.link.descriptor((await client.call('DMABUF_SEND', { fd })).tag));
    try {
      for (let i = 0; i < 1024; i++) {
        await send();
      }
      await client.fails('EMFILE', 'DMABUF_SEND', { fd });
    } finally {
      for (const descriptor of taken.splice(0)) {
        closeSync(descriptor);
      }
    }
    await env.until('there is room again', async () =>
      (await client.call('DMABUF_INFO', { fd })).count === 1 ? true : undefined,
    );
    await send();
    closeSync(taken[0] as number);
  },
);
