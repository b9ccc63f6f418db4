/** Fences: sync files, what is left on buffers, submissions that wait for both (uapi.md 6.2 to 6.5). */
import assert from 'node:assert/strict';
import { DMABUF_KIND, FILE_FLAGS, HOST_ALLOC_FLAGS, POLL_EVENTS, type Req, type Res } from '@pedrera/uapi';
import type { Client } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { type Packets, packets } from '../framework/packets.js';

export const fences = new TestList();

const PAGE = 4096;
const { IN, OUT } = POLL_EVENTS;
const READ = 1;
const WRITE = 2;
const EIO = 5;
const ETIMEDOUT = 110;

async function buffer(client: Client): Promise<number> {
  const { handle } = await client.call('HOST_ALLOC', { size: PAGE, flags: HOST_ALLOC_FLAGS.SHAREABLE });
  return (await client.call('DMABUF_EXPORT', { handle, offset: 0, size: PAGE, flags: FILE_FLAGS.O_RDWR })).fd;
}

/** The same object in another file. */
async function share(from: Client, fd: number, to: Client): Promise<number> {
  const { token } = await from.call('DMABUF_TOKEN', { fd });
  return (await to.call('DMABUF_OPEN', { token })).fd;
}

interface Synced {
  readonly queue?: number;
  readonly buffers?: Req<'CS_SYNCED'>['buffers'];
  readonly waitFor?: number[];
  readonly exportFence?: boolean;
  readonly timeoutSec?: number;
}

async function submit(client: Client, content: Packets, options: Synced = {}): Promise<Res<'CS_SYNCED'>> {
  const { queue = 0, buffers = [], waitFor = [], exportFence = false, timeoutSec = 0 } = options;
  const submission = {
    chunksRestore: [],
    chunksExecute: [await client.chunk(content, queue)],
    seq: 0,
    timeoutSec,
    flags: timeoutSec === 0 ? 0 : 0x200,
  };
  return client.call('CS_SYNCED', { submission, buffers: [...buffers], waitFor, exportFence });
}

/** 1 signalled, 0 pending, below 0 the error. */
async function status(client: Client, fd: number): Promise<number> {
  return (await client.call('SYNC_FILE_INFO', { fd, flags: 0, pad: 0, numFences: 0 })).status;
}

/** What was released takes its time. */
function signalled(client: Client, fd: number): Promise<true> {
  return client.env.until('the fence signals', async () => ((await status(client, fd)) === 1 ? true : undefined));
}

async function ready(client: Client, fd: number, events = IN | OUT): Promise<number> {
  return (await client.call('DESCRIPTOR_POLL', { fd, events, timeoutMs: 0 })).revents;
}

/** Work under way may begin, or come to its fence, at any moment. */
const WORKING = { except: ['INFO_HW_IDLE'] } as const;

/** Work that stands still until it is released. */
function stuck(client: Client, options: Synced = {}) {
  return submit(client, packets().fence(1), options);
}

const release = (client: Client, queue = 0) => client.run(packets().release(queue, 1), { queue: 6 });

// --- sync files ------------------------------------------------------------------------------------------------------------------

fences.add('own@sync-file', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq } = await stuck(client);
  const { fd } = await client.call('SYNC_FILE_CREATE', { seq });
  assert.equal(await status(client, fd), 0);
  assert.equal(await ready(client, fd), 0);
  const info = await client.call('SYNC_FILE_INFO', { fd, flags: 0, pad: 0, numFences: 1 });
  assert.equal(info.numFences, 1);
  assert.match(info.name, /^habanalabs-hl0\.asid\d+\.\d+-\d+$/);
  assert.deepEqual(
    info.fences.map(({ driverName, status: one, timestampNs }) => [driverName, one, timestampNs]),
    [['habanalabs', 0, 0]],
  );
  const poll = client.start('DESCRIPTOR_POLL', { fd, events: IN, timeoutMs: -1 });
  await release(client);
  assert.equal((await env.finish(poll)).res?.revents, IN);
  assert.equal(await status(client, fd), 1);
  const after = await client.call('SYNC_FILE_INFO', { fd, flags: 0, pad: 0, numFences: 4 });
  // Virtual time begins at 0.
  assert(env.mode === 'in-process' || after.fences.every(({ timestampNs }) => timestampNs > 0));
});

fences.add('own@sync-file-in-another-process', { policy: 'shared' }, async (env) => {
  const [producer, consumer] = [await env.open(), await env.open()];
  const { seq, fd } = await stuck(producer, { exportFence: true });
  const { token } = await producer.call('DMABUF_TOKEN', { fd: fd as number });
  const opened = await consumer.call('DMABUF_OPEN', { token });
  assert.deepEqual([opened.kind, opened.size], [DMABUF_KIND.SYNC_FILE, 0]);
  const work = await submit(consumer, packets().nop(), { waitFor: [opened.fd] });
  assert.equal(work.held, true);
  await consumer.busy(work.seq);
  await release(producer);
  await producer.completed(seq);
  await consumer.completed(work.seq);
});

fences.add('own@sync-file-of-a-dying-producer', { policy: 'shared' }, async (env) => {
  const [producer, consumer] = [await env.open(), await env.open()];
  const { fd } = await stuck(producer, { exportFence: true });
  const file = await share(producer, fd as number, consumer);
  const poll = consumer.start('DESCRIPTOR_POLL', { fd: file, events: IN, timeoutMs: -1 });
  const work = await submit(consumer, packets().nop(), { waitFor: [file] });
  await producer.close();
  assert.equal((await env.finish(poll)).res?.revents, IN);
  assert.equal(await status(consumer, file), -EIO);
  // Who waits goes on; whether that makes sense is his own to ask.
  await consumer.completed(work.seq);
});

fences.add(
  'own@sync-file-of-no-submission',
  {
    policy: 'both',
    covers: ['SYNC_FILE_CREATE/EINVAL/never-issued', 'SYNC_FILE_CREATE/ENOENT/gone'],
  },
  async (env) => {
    const client = await env.open();
    await client.fails('EINVAL', 'SYNC_FILE_CREATE', { seq: 1000 });
    await client.fails('EINVAL', 'SYNC_FILE_CREATE', { seq: 2 ** 64 });
    await client.fails('ENOENT', 'SYNC_FILE_CREATE', { seq: 0 });
  },
);

fences.add(
  'own@sync-file-merge',
  { policy: 'both', covers: ['SYNC_FILE_MERGE/EINVAL/reserved', 'SYNC_FILE_INFO/EINVAL/reserved'] },
  async (env) => {
    const client = await env.open();
    const one = (await stuck(client, { queue: 0, exportFence: true })).fd as number;
    const later = (await stuck(client, { queue: 0, exportFence: true })).fd as number;
    const other = (await stuck(client, { queue: 4, exportFence: true })).fd as number;
    const merge = (fd: number, fd2: number) => ({ fd, fd2, name: 'merged', flags: 0, pad: 0 });
    // Of one queue the later one counts for both.
    const same = (await client.call('SYNC_FILE_MERGE', merge(one, later))).fd;
    const count = async (fd: number) =>
      (await client.call('SYNC_FILE_INFO', { fd, flags: 0, pad: 0, numFences: 0 })).numFences;
    assert.equal(await count(same), 1);
    const all = (await client.call('SYNC_FILE_MERGE', merge(same, other))).fd;
    assert.equal(await count(all), 2);
    await client.fails('EINVAL', 'SYNC_FILE_MERGE', { ...merge(one, other), flags: 1 }, WORKING);
    await client.fails('EINVAL', 'SYNC_FILE_MERGE', { ...merge(one, other), pad: 1 }, WORKING);
    await client.fails('EINVAL', 'SYNC_FILE_INFO', { fd: one, flags: 1, pad: 0, numFences: 0 }, WORKING);
    // Closing the parts takes nothing from the whole.
    await client.call('DMABUF_CLOSE', { fd: other });
    await release(client, 0);
    await release(client, 0);
    await signalled(client, same);
    assert.equal(await status(client, all), 0);
    await release(client, 4);
    await signalled(client, all);
    const done = (await client.call('SYNC_FILE_MERGE', merge(one, later))).fd;
    assert.equal(await status(client, done), 1);
  },
);

fences.add('own@sync-file-info-room', { policy: 'both', covers: ['SYNC_FILE_INFO/EINVAL/room'] }, async (env) => {
  const client = await env.open();
  const one = (await stuck(client, { queue: 0, exportFence: true })).fd as number;
  const two = (await stuck(client, { queue: 4, exportFence: true })).fd as number;
  const { fd } = await client.call('SYNC_FILE_MERGE', { fd: one, fd2: two, name: '', flags: 0, pad: 0 });
  await client.fails('EINVAL', 'SYNC_FILE_INFO', { fd, flags: 0, pad: 0, numFences: 1 }, WORKING);
  await release(client, 0);
  await release(client, 4);
});

// --- buffers -----------------------------------------------------------------------------------------------------------------------

fences.add('own@implicit-writers-and-readers', { policy: 'shared' }, async (env) => {
  const [one, two, three] = [await env.open(), await env.open(), await env.open()];
  const fd = await buffer(one);
  const [second, third] = [await share(one, fd, two), await share(one, fd, three)];
  const write = await stuck(one, { buffers: [{ fd, access: WRITE }] });
  assert.equal(write.held, false);
  // Nobody may read what is being written, or write what is being read.
  assert.equal(await ready(one, fd), 0);
  const reads = await submit(two, packets().fence(1), { buffers: [{ fd: second, access: READ }] });
  const alsoReads = await submit(three, packets().nop(), { buffers: [{ fd: third, access: READ }] });
  assert.deepEqual([reads.held, alsoReads.held], [true, true]);
  await release(one);
  await one.completed(write.seq);
  // Two readers do not wait for each other.
  await three.completed(alsoReads.seq);
  await two.busy(reads.seq);
  assert.equal(await ready(one, fd), IN);
  const writesAgain = await submit(three, packets().nop(), { buffers: [{ fd: third, access: READ | WRITE }] });
  assert.equal(writesAgain.held, true);
  await release(two);
  await two.completed(reads.seq);
  await three.completed(writesAgain.seq);
  await env.until('nobody uses it', async () => ((await ready(one, fd)) === (IN | OUT) ? true : undefined));
});

fences.add('own@implicit-work-stays-in-order', { policy: 'shared' }, async (env) => {
  const [one, two] = [await env.open(), await env.open()];
  const fd = await buffer(one);
  const other = await share(one, fd, two);
  await stuck(one, { buffers: [{ fd, access: WRITE }] });
  const held = await submit(two, packets().nop(), { buffers: [{ fd: other, access: READ }] });
  // Plain work on the same queue stays behind it, on another one it does not.
  const behind = await two.submit(packets().nop(), { queue: 0 });
  const beside = await two.submit(packets().nop(), { queue: 1 });
  await two.completed(beside);
  await two.busy(behind);
  await release(one);
  await two.completed(held.seq);
  await two.completed(behind);
});

fences.add('own@implicit-same-queue-needs-no-wait', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const fd = await buffer(client);
  const first = await stuck(client, { buffers: [{ fd, access: WRITE }] });
  const second = await submit(client, packets().nop(), { buffers: [{ fd, access: WRITE }] });
  assert.deepEqual([first.held, second.held], [false, false]);
  const elsewhere = await submit(client, packets().nop(), { queue: 4, buffers: [{ fd, access: WRITE }] });
  assert.equal(elsewhere.held, true);
  await release(client);
  await client.completed(elsewhere.seq);
});

fences.add(
  'own@explicit-through-a-buffer',
  {
    policy: 'shared',
    covers: ['DMABUF_EXPORT_SYNC_FILE/EINVAL/flags', 'DMABUF_IMPORT_SYNC_FILE/EINVAL/flags'],
  },
  async (env) => {
    const [one, two] = [await env.open(), await env.open()];
    const fd = await buffer(one);
    // Nothing to wait for: signalled already.
    const { fd: idle } = await one.call('DMABUF_EXPORT_SYNC_FILE', { fd, flags: READ | WRITE });
    assert.equal(await status(one, idle), 1);
    const work = (await stuck(one, { exportFence: true })).fd as number;
    await one.call('DMABUF_IMPORT_SYNC_FILE', { fd, flags: READ, syncFile: work });
    const other = await share(one, fd, two);
    const { fd: forReading } = await two.call('DMABUF_EXPORT_SYNC_FILE', { fd: other, flags: READ });
    const { fd: forWriting } = await two.call('DMABUF_EXPORT_SYNC_FILE', { fd: other, flags: WRITE });
    assert.deepEqual([await status(two, forReading), await status(two, forWriting)], [1, 0]);
    for (const flags of [0, 4, READ | 8]) {
      await two.fails('EINVAL', 'DMABUF_EXPORT_SYNC_FILE', { fd: other, flags }, WORKING);
      await two.fails('EINVAL', 'DMABUF_IMPORT_SYNC_FILE', { fd: other, flags, syncFile: forReading }, WORKING);
    }
    const sync = two.start('DMABUF_SYNC', { fd: other, flags: WRITE });
    const reads = two.start('DMABUF_SYNC', { fd: other, flags: READ });
    assert.equal((await env.finish(reads)).errno, '');
    await release(one);
    assert.equal((await env.finish(sync)).errno, '');
    assert.equal(await status(two, forWriting), 1);
  },
);

fences.add('own@poll-times-out', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const fd = await buffer(client);
  await stuck(client, { buffers: [{ fd, access: WRITE }] });
  const { revents } = await client.call('DESCRIPTOR_POLL', { fd, events: OUT, timeoutMs: 20 });
  assert.equal(revents, 0);
  // Nothing was asked for, so nothing holds.
  assert.equal((await client.call('DESCRIPTOR_POLL', { fd, events: 0, timeoutMs: 5 })).revents, 0);
  await release(client);
});

fences.add('own@dependencies-that-never-signal', { policy: 'shared', modes: ['in-process'] }, async (env) => {
  const [one, two] = [await env.open(), await env.open()];
  const fd = await buffer(one);
  const other = await share(one, fd, two);
  // A circle that leads through a device: the stream waits for a signal of work that waits for the stream.
  const waits = await stuck(one, { buffers: [{ fd, access: WRITE }], timeoutSec: 1000 });
  const held = await submit(two, packets().nop(), { buffers: [{ fd: other, access: WRITE }], timeoutSec: 1 });
  const behind = await two.submit(packets().nop());
  const answer = await env.finish(two.start('WAIT_CS', { seq: held.seq, timeoutUs: 2n ** 63n - 1n, flags: 0 }));
  assert.equal(answer.errno, 'ETIMEDOUT');
  // It alone: what came behind it goes on, and nobody's device is reset.
  await two.completed(behind);
  const file = (await two.call('SYNC_FILE_CREATE', { seq: held.seq })).fd;
  assert.equal(await status(two, file), -ETIMEDOUT);
  await release(one);
  await one.completed(waits.seq);
});

fences.add(
  'own@cs-synced-bounds',
  {
    policy: 'both',
    covers: [
      'CS_SYNCED/EINVAL/not-plain',
      'CS_SYNCED/EBADF/fd',
      'CS_SYNCED/EINVAL/not-a-dma-buf',
      'CS_SYNCED/EINVAL/access',
      'CS_SYNCED/EINVAL/not-a-sync-file',
      'CS_SYNCED/EINVAL/submission',
    ],
  },
  async (env) => {
    const client = await env.open();
    const fd = await buffer(client);
    const file = (await client.call('SYNC_FILE_CREATE', { seq: await client.probeSeq() })).fd;
    const chunk = await client.chunk(packets().nop());
    const submission = { chunksRestore: [], chunksExecute: [chunk], seq: 0, timeoutSec: 0, flags: 0 };
    const request = { submission, buffers: [], waitFor: [], exportFence: false };
    for (const flags of [0x2, 0x4, 0x8, 0x40, 0xc0, 0x1000, 0x2000, 0x4000]) {
      await client.fails('EINVAL', 'CS_SYNCED', { ...request, submission: { ...submission, flags } });
    }
    const restore = { ...submission, flags: 0x1, chunksRestore: [chunk] };
    await client.fails('EINVAL', 'CS_SYNCED', { ...request, submission: restore });
    await client.fails('EBADF', 'CS_SYNCED', { ...request, buffers: [{ fd: 99, access: READ }] });
    await client.fails('EBADF', 'CS_SYNCED', { ...request, waitFor: [99] });
    await client.fails('EINVAL', 'CS_SYNCED', { ...request, buffers: [{ fd: file, access: READ }] });
    await client.fails('EINVAL', 'CS_SYNCED', { ...request, waitFor: [file, fd] });
    for (const access of [0, 4, READ | 4]) {
      await client.fails('EINVAL', 'CS_SYNCED', { ...request, buffers: [{ fd, access }] });
    }
    await client.fails('EINVAL', 'CS_SYNCED', { ...request, submission: { ...submission, chunksExecute: [] } });
    const badCb = { ...submission, chunksExecute: [{ ...chunk, handle: 0x5000n }] };
    const was = await client.probeSeq();
    const buffers = [{ fd, access: WRITE }];
    assert.equal((await client.attempt('CS_SYNCED', { ...request, submission: badCb, buffers })).errno, 'EINVAL');
    // It cost its number, as a refused CS does, and left no fence.
    assert.equal((await client.probeSeq()) - was, 2);
    assert.equal(await ready(client, fd), IN | OUT);
    // The same buffer twice is no more than once, with the stronger access.
    const twice = [
      { fd, access: READ },
      { fd, access: WRITE },
    ];
    const { seq } = await client.call('CS_SYNCED', { ...request, buffers: twice });
    await client.completed(seq);
  },
);

fences.add('own@fences-in-the-snapshot', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const fd = await buffer(client);
  const work = await stuck(client, { buffers: [{ fd, access: WRITE }] });
  const watcher = await env.watcher();
  const look = async () => (await watcher.call('INSPECT_BUFFERS', {})).snapshot;
  const before = await look();
  assert.deepEqual(
    before.buffers[0]?.fences.map(({ usage, state, error }) => [usage, state, error]),
    [['write', 'pending', null]],
  );
  assert.equal(before.totals.pendingFences, 1);
  await release(client);
  await client.completed(work.seq);
  const after = await look();
  assert.deepEqual(
    after.buffers[0]?.fences.map(({ state }) => state),
    ['signalled'],
  );
  const { refs, references } = after.buffers[0] ?? { refs: 0, references: [] };
  assert.equal(
    references.reduce((sum, { count }) => sum + count, 0),
    refs,
  );
  assert.equal((await watcher.call('INSPECT_BUFFERS', { from: 2 ** 40 })).snapshot.buffers.length, 0);
});
