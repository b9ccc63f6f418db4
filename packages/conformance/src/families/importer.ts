/** The importer node (uapi.md 6.6): memory regions of a network card, and transfers between them. */
import assert from 'node:assert/strict';
import {
  MAX_MEMORY_REGIONS,
  MAX_RDMA_BYTES,
  MAX_RDMA_COMPLETIONS,
  MR_ACCESS,
  POLL_EVENTS,
  RDMA_OP,
  RDMA_STATUS,
  type Req,
  TOKEN_FLAGS,
} from '@pedrera/uapi';
import type { Client } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import type { Env } from '../framework/env.js';
import { packets } from '../framework/packets.js';

export const importer = new TestList();

const MIB = 2 ** 20;
const SIZE = 2 * MIB;
const FILE_FLAGS = 0o2000002;
const NO_HANDLE = 77;
const READ = 1;
const WRITE = 2;

interface Card {
  readonly owner: Client;
  readonly card: Client;
  /** A descriptor of the card's own. */
  readonly fd: number;
  readonly token: string;
  /** Exporter's descriptor. */
  readonly exported: number;
}

/** A card that holds a descriptor of `size` bytes of a device's memory. */
async function cardWithMemory(env: Env, size = SIZE, tokenFlags = 0): Promise<Card> {
  const owner = await env.open();
  const { handle } = await owner.call('MEMORY_ALLOC', { size, pageSize: 0, flags: 0 });
  const { fd: exported } = await owner.call('MEMORY_EXPORT_DMABUF_FD', { handle, size, flags: FILE_FLAGS });
  const { token } = await owner.call('DMABUF_TOKEN', { fd: exported, flags: tokenFlags });
  const card = await env.open('hli');
  const { fd } = await card.call('DMABUF_OPEN', { token });
  return { owner, card, fd, token, exported };
}

function registration(fd: number, more: Partial<Req<'IMPORTER_REG_MR'>> = {}): Req<'IMPORTER_REG_MR'> {
  return { fd, offset: 0, length: SIZE, iova: 0, accessFlags: 0, ...more };
}

async function region({ card, fd }: Card, accessFlags = 0): Promise<number> {
  return (await card.call('IMPORTER_REG_MR', registration(fd, { accessFlags }))).mrHandle;
}

importer.add('own@mr-write-read', { policy: 'shared' }, async (env) => {
  const held = await cardWithMemory(env);
  const { card } = held;
  const mrHandle = await region(held);
  // The region keeps the buffer: descriptor and exporter may go.
  await card.call('DMABUF_CLOSE', { fd: held.fd });
  await held.owner.close();
  const data = Uint8Array.from({ length: 5000 }, (_, i) => (i * 13) & 0xff);
  await card.call('MR_PUT', { mrHandle, offset: 777, data });
  assert.deepEqual((await card.call('MR_GET', { mrHandle, offset: 777, size: 5000 })).data, data);
  assert.deepEqual((await card.call('MR_GET', { mrHandle, offset: 5777, size: 4 })).data, new Uint8Array(4));
  await card.call('IMPORTER_DEREG_MR', { mrHandle });
});

/** What is no device's needs none: fences can be waited for, merged and left on buffers from a card's node too. */
importer.add('own@fences-without-a-device', { policy: 'shared' }, async (env) => {
  const { owner, card, fd } = await cardWithMemory(env);
  const chunksExecute = [await owner.chunk(packets().fence(1))];
  const { seq } = await owner.call('CS', { chunksRestore: [], chunksExecute, seq: 0, timeoutSec: 0, flags: 0 });
  const made = await owner.call('SYNC_FILE_CREATE', { seq });
  const { fd: fence } = await card.call('DMABUF_OPEN', await owner.call('DMABUF_TOKEN', { fd: made.fd, flags: 0 }));
  const merged = await card.call('SYNC_FILE_MERGE', { fd: fence, name: 'both', fd2: fence, flags: 0, pad: 0 });
  await card.call('DMABUF_IMPORT_SYNC_FILE', { fd, flags: WRITE, syncFile: merged.fd });
  const all = await card.call('DMABUF_EXPORT_SYNC_FILE', { fd, flags: READ });
  const status = async (file: number) =>
    (await card.call('SYNC_FILE_INFO', { fd: file, flags: 0, pad: 0, numFences: 0 })).status;
  assert.equal(await status(all.fd), 0);
  assert.deepEqual(await card.call('DESCRIPTOR_POLL', { fd, events: POLL_EVENTS.IN, timeoutMs: 0 }), { revents: 0 });
  const waits = [
    card.call('DESCRIPTOR_POLL', { fd: all.fd, events: POLL_EVENTS.IN, timeoutMs: -1 }),
    card.call('DMABUF_SYNC', { fd, flags: READ }),
  ];
  await owner.run(packets().release(0, 1), { queue: 6 });
  assert.deepEqual(await Promise.all(waits), [{ revents: POLL_EVENTS.IN }, {}]);
  assert.equal(await status(merged.fd), 1);
});

importer.add(
  'own@mr-register-refused',
  {
    policy: 'shared',
    covers: [
      'IMPORTER_REG_MR/EBADF/fd',
      'IMPORTER_REG_MR/EINVAL/kind',
      'IMPORTER_REG_MR/EINVAL/access',
      'IMPORTER_REG_MR/EINVAL/range',
    ],
  },
  async (env) => {
    const { owner, card, fd } = await cardWithMemory(env);
    await card.fails('EBADF', 'IMPORTER_REG_MR', registration(NO_HANDLE));
    await card.fails('EINVAL', 'IMPORTER_REG_MR', registration(fd, { accessFlags: 8 }));
    for (const range of [{ length: 0 }, { length: SIZE + 1 }, { offset: SIZE, length: 1 }, { offset: 2 ** 52 }]) {
      await card.fails('EINVAL', 'IMPORTER_REG_MR', registration(fd, range));
    }
    const { firstSyncObject } = await owner.call('SYNC_LEASE', { dcore: 1, syncObjects: 8, monitors: 0 });
    const sync = await owner.call('SYNC_EXPORT', { dcore: 1, firstSyncObject, count: 4 });
    const { token } = await owner.call('DMABUF_TOKEN', { fd: sync.fd });
    const other = await card.call('DMABUF_OPEN', { token });
    await card.fails('EINVAL', 'IMPORTER_REG_MR', registration(other.fd, { length: 16 }));
  },
);

importer.add(
  'own@mr-given-for-reading',
  {
    policy: 'shared',
    covers: [
      'IMPORTER_REG_MR/EPERM/read-only',
      'IMPORTER_WRITE_MR/EPERM/read-only',
      'MR_PUT/EPERM/read-only',
      'RDMA_POST/EPERM/read-only',
    ],
  },
  async (env) => {
    const held = await cardWithMemory(env, SIZE, TOKEN_FLAGS.READ_ONLY);
    const { card, fd } = held;
    const accessFlags = MR_ACCESS.REMOTE_WRITE;
    await card.fails('EPERM', 'IMPORTER_REG_MR', registration(fd, { accessFlags }));
    const mrHandle = await region(held, MR_ACCESS.REMOTE_READ);
    await card.fails('EPERM', 'IMPORTER_WRITE_MR', { mrHandle, userptr: 0, size: 4, offset: 0 });
    await card.fails('EPERM', 'MR_PUT', { mrHandle, offset: 0, data: Uint8Array.of(1) });
    const { key } = await card.call('MR_KEY', { mrHandle });
    const read = { op: RDMA_OP.READ, mrHandle, offset: 0, key, remoteOffset: 0, size: 4 };
    await card.fails('EPERM', 'RDMA_POST', read);
    await card.call('MR_GET', { mrHandle, offset: 0, size: 4 });
  },
);

importer.add(
  'own@mr-unknown-handle',
  {
    policy: 'shared',
    covers: [
      'IMPORTER_DEREG_MR/EINVAL/handle',
      'IMPORTER_WRITE_MR/EINVAL/handle',
      'IMPORTER_READ_MR/EINVAL/handle',
      'MR_PUT/EINVAL/handle',
      'MR_GET/EINVAL/handle',
      'MR_KEY/EINVAL/handle',
      'RDMA_POST/EINVAL/handle',
    ],
  },
  async (env) => {
    const held = await cardWithMemory(env);
    const { card } = held;
    const once = await region(held);
    await card.call('IMPORTER_DEREG_MR', { mrHandle: once });
    for (const mrHandle of [once, 0, NO_HANDLE, 2 ** 40]) {
      await card.fails('EINVAL', 'IMPORTER_DEREG_MR', { mrHandle });
      await card.fails('EINVAL', 'IMPORTER_WRITE_MR', { mrHandle, userptr: 0, size: 4, offset: 0 });
      await card.fails('EINVAL', 'IMPORTER_READ_MR', { mrHandle, userptr: 0, size: 4, offset: 0 });
      await card.fails('EINVAL', 'MR_PUT', { mrHandle, offset: 0, data: Uint8Array.of(1) });
      await card.fails('EINVAL', 'MR_GET', { mrHandle, offset: 0, size: 4 });
      await card.fails('EINVAL', 'MR_KEY', { mrHandle });
      const post = { op: RDMA_OP.WRITE, mrHandle, offset: 0, key: '', remoteOffset: 0, size: 4 };
      await card.fails('EINVAL', 'RDMA_POST', post);
    }
  },
);

importer.add(
  'own@mr-bounds',
  {
    policy: 'shared',
    covers: [
      'IMPORTER_WRITE_MR/EINVAL/range',
      'IMPORTER_READ_MR/EINVAL/range',
      'MR_PUT/EINVAL/range',
      'MR_GET/EINVAL/range',
      'MR_GET/EINVAL/size',
      'RDMA_POST/EINVAL/range',
      'RDMA_POST/EINVAL/op',
      'RDMA_POLL/EINVAL/max',
    ],
  },
  async (env) => {
    const held = await cardWithMemory(env);
    const { card } = held;
    const mrHandle = await region(held);
    await card.fails('EINVAL', 'IMPORTER_WRITE_MR', { mrHandle, userptr: 0, size: 4, offset: SIZE - 3 });
    await card.fails('EINVAL', 'IMPORTER_READ_MR', { mrHandle, userptr: 0, size: SIZE + 1, offset: 0 });
    await card.fails('EINVAL', 'MR_PUT', { mrHandle, offset: SIZE, data: Uint8Array.of(1) });
    await card.fails('EINVAL', 'MR_GET', { mrHandle, offset: 2 ** 50, size: 4 });
    await card.fails('EINVAL', 'MR_GET', { mrHandle, offset: 0, size: MAX_RDMA_BYTES + 1 });
    const post = { op: RDMA_OP.WRITE, mrHandle, offset: 0, key: '', remoteOffset: 0, size: 4 };
    await card.fails('EINVAL', 'RDMA_POST', { ...post, offset: SIZE - 3 });
    await card.fails('EINVAL', 'RDMA_POST', { ...post, op: 2 });
    await card.fails('EINVAL', 'RDMA_POLL', { max: 0 });
    await card.fails('EINVAL', 'RDMA_POLL', { max: MAX_RDMA_COMPLETIONS + 1 });
    // No bytes at all are no mistake.
    await card.call('IMPORTER_WRITE_MR', { mrHandle, userptr: 0, size: 0, offset: SIZE });
  },
);

importer.add(
  'own@mr-dead-and-bad-memory',
  {
    policy: 'shared',
    covers: [
      'IMPORTER_WRITE_MR/EIO/dead',
      'IMPORTER_READ_MR/EIO/dead',
      'MR_PUT/EIO/dead',
      'MR_GET/EIO/dead',
      'IMPORTER_WRITE_MR/EFAULT/memory',
      'IMPORTER_READ_MR/EFAULT/memory',
    ],
  },
  async (env) => {
    const held = await cardWithMemory(env);
    const { card } = held;
    const mrHandle = await region(held);
    const access = { mrHandle, userptr: 0, size: 4, offset: 0 };
    await card.fails('EFAULT', 'IMPORTER_WRITE_MR', access);
    await card.fails('EFAULT', 'IMPORTER_READ_MR', access);
    await env.disable();
    await card.fails('EIO', 'IMPORTER_WRITE_MR', access);
    await card.fails('EIO', 'IMPORTER_READ_MR', access);
    await card.fails('EIO', 'MR_PUT', { mrHandle, offset: 0, data: Uint8Array.of(1) });
    await card.fails('EIO', 'MR_GET', { mrHandle, offset: 0, size: 4 });
    await env.enable();
    await card.call('MR_GET', { mrHandle, offset: 0, size: 4 });
  },
);

importer.add(
  'own@mr-too-many',
  { policy: 'shared', modes: ['in-process'], covers: ['IMPORTER_REG_MR/ENOMEM/regions'] },
  async (env) => {
    const held = await cardWithMemory(env);
    for (let i = 0; i < MAX_MEMORY_REGIONS; i++) {
      await region(held);
    }
    await held.card.fails('ENOMEM', 'IMPORTER_REG_MR', registration(held.fd));
  },
);

importer.add('own@rdma-between-files', { policy: 'shared' }, async (env) => {
  const [here, there] = [await cardWithMemory(env), await cardWithMemory(env)];
  const local = await region(here);
  const remote = await region(there, MR_ACCESS.REMOTE_WRITE);
  const { key } = await there.card.call('MR_KEY', { mrHandle: remote });
  await here.card.call('MR_PUT', { mrHandle: local, offset: 0, data: Uint8Array.of(1, 2, 3) });
  const post = { op: RDMA_OP.WRITE, mrHandle: local, offset: 0, key, remoteOffset: 100, size: 3 };
  const outcome = async (more: Partial<Req<'RDMA_POST'>> = {}) => {
    const { id } = await here.card.call('RDMA_POST', { ...post, ...more });
    const { completions } = await here.card.call('RDMA_POLL', { max: 8, wait: true });
    assert.deepEqual(
      completions.map((one) => one.id),
      [id],
    );
    return completions[0]?.status;
  };
  assert.equal(await outcome(), RDMA_STATUS.SUCCESS);
  const { data } = await there.card.call('MR_GET', { mrHandle: remote, offset: 99, size: 5 });
  assert.deepEqual([...data], [0, 1, 2, 3, 0]);
  assert.equal(await outcome({ op: RDMA_OP.READ }), RDMA_STATUS.REMOTE_ACCESS);
  assert.equal(await outcome({ remoteOffset: SIZE - 2 }), RDMA_STATUS.REMOTE_ACCESS);
  assert.equal(await outcome({ key: 'nobody' }), RDMA_STATUS.REMOTE_ACCESS);
  await there.card.close();
  // A close is not answered; from some time after it the region is gone.
  await env.until('the region is gone', async () => (await outcome()) === RDMA_STATUS.REMOTE_ACCESS || undefined);
  const { completions } = await here.card.call('RDMA_POLL', { max: 8, wait: true });
  assert.deepEqual(completions, []);
});

importer.add(
  'own@rdma-queue-full',
  { policy: 'shared', modes: ['in-process'], covers: ['RDMA_POST/EAGAIN/queue-full'] },
  async (env) => {
    const size = 64 * MIB;
    const held = await cardWithMemory(env, size);
    const { mrHandle } = await held.card.call(
      'IMPORTER_REG_MR',
      registration(held.fd, { length: size, accessFlags: 2 }),
    );
    const { key } = await held.card.call('MR_KEY', { mrHandle });
    const post = { op: RDMA_OP.WRITE, mrHandle, offset: 0, key, remoteOffset: 0, size };
    const posted = await Promise.all(Array.from({ length: 1500 }, () => held.card.start('RDMA_POST', post)));
    assert(posted.some(({ errno }) => errno === 'EAGAIN'));
    assert.equal(posted[0]?.errno, '');
  },
);
