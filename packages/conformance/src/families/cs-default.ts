/** Plain submissions: order of checks, chunks, restore phase, sequence numbers, counters (uapi.md 4.1 to 4.6, 4.17). */
import assert from 'node:assert/strict';
import { type Chunk, type CommandBufferHandle, NR, type Req } from '@pedrera/uapi';
import { csBlock, rawChunk } from '../framework/block.js';
import { type Client, cs } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const csDefault = new TestList();

const FORCE_RESTORE = 1;
const CUSTOM_TIMEOUT = 0x200;
const TYPE_FLAGS = [0x2, 0x4, 0x8, 0x1000, 0x2000, 0x4000];
const RING = 16_384;

const nop = (client: Client, queue = 0) => client.chunk(packets().nop(), queue);

csDefault.add('cs@all-external-queues', { policy: 'both' }, async (env) => {
  const client = await env.open();
  for (let queue = 0; queue < 8; queue++) {
    assert.equal(await client.run(packets().nop(), { queue }), queue + 1, 'the first number is 1');
  }
});

csDefault.add('cs@moves-bytes', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const memory = await client.hostMemory(16_384);
  memory.bytes.subarray(0, 8192).forEach((_, i) => {
    memory.bytes[i] = (i * 31) & 0xff;
  });
  await client.run(packets().copy(memory.deviceAddress, memory.deviceAddress + 8192, 8192));
  assert.deepEqual(memory.bytes.slice(8192), memory.bytes.slice(0, 8192));
});

csDefault.add('cs@user-memory-in-dram', {}, async (env) => {
  const client = await env.open();
  for (const address of [0x2000_0000, 0x7_ffff_f000, 0x7f_f000_0080]) {
    await client.run(packets().fill(address, 64, 0x5566_7788));
    assert.deepEqual([...(await client.peek(address, 4))], [0x88, 0x77, 0x66, 0x55]);
  }
});

csDefault.add('cs@nothing-to-execute', { policy: 'both', covers: ['CS/EINVAL/nothing-to-execute'] }, async (env) => {
  const client = await env.open();
  await client.fails('EINVAL', 'CS', cs([]));
  const chunksRestore = [await nop(client)];
  await client.fails('EINVAL', 'CS', cs([], { chunksRestore }));
  await client.fails('EINVAL', 'CS', cs([], { chunksRestore, flags: FORCE_RESTORE }));
});

csDefault.add('cs@two-types', { policy: 'both', covers: ['CS/EINVAL/two-types'] }, async (env) => {
  const client = await env.open();
  const chunk = await nop(client);
  for (const one of TYPE_FLAGS) {
    for (const other of TYPE_FLAGS.filter((flag) => flag > one)) {
      await client.fails('EINVAL', 'CS', cs([chunk], { flags: one | other }));
    }
  }
});

csDefault.add('cs@unknown-flags-ignored', { policy: 'both' }, async (env) => {
  const client = await env.open();
  await client.run(packets().nop(), { flags: 0xffff_8010 });
  // Without STAGED, FIRST and LAST say nothing (4.8).
  for (const flags of [0x80, 0x100, 0x180]) {
    await client.run(packets().nop(), { flags });
  }
});

csDefault.add('cs@chunk-flags-ignored', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const chunk = { ...(await nop(client)), flags: 0xffff_ffff };
  await client.completed((await client.call('CS', cs([chunk]))).seq);
});

csDefault.add('cs@chunk-count', { policy: 'both', covers: ['CS/EINVAL/chunk-count'] }, async (env) => {
  const client = await env.open();
  const chunk = await nop(client);
  await client.completed((await client.call('CS', cs(new Array(512).fill(chunk)))).seq);
  await client.fails('EINVAL', 'CS', cs(new Array(513).fill(chunk)), { counter: 'validation' });
});

csDefault.add('cs@chunk-array-unreadable', { covers: ['CS/EFAULT/chunk-array'] }, async (env) => {
  const client = await env.open();
  const before = await client.counters();
  const first = await client.probeSeq();
  for (const buffers of [[], [null], [new Uint8Array(63)]]) {
    const { errno, view } = await client.raw(NR.CS, csBlock({}), buffers);
    assert.equal(errno, 'EFAULT');
    assert.equal(view.getBigUint64(0, true), 2n ** 64n - 1n);
    assert.equal(view.getInt32(8, true), -14);
  }
  assert.equal(await client.probeSeq(), first + 1, 'no number was taken');
  assert.equal((await client.counters()).ctxValidationDropCnt, before.ctxValidationDropCnt + 3);
});

csDefault.add('cs@queue', { policy: 'both', covers: ['CS/EINVAL/queue'] }, async (env) => {
  const client = await env.open();
  const chunk = await nop(client);
  for (const queueIndex of [8, 113, 114, 0x7fff_ffff, 0xffff_ffff]) {
    await client.fails('EINVAL', 'CS', cs([{ ...chunk, queueIndex }]), { counter: 'validation', seq: 'consumed' });
  }
});

csDefault.add('cs@nic-queue', { policy: 'both', covers: ['CS/EINVAL/nic-disabled'] }, async (env) => {
  const client = await env.open();
  const memory = await client.hostMemory(4096);
  memory.words.set(packets().nop().words);
  for (const queueIndex of [73, 112]) {
    const chunk: Chunk = { handle: BigInt(memory.deviceAddress), queueIndex, size: 8, flags: 0 };
    await client.fails('EINVAL', 'CS', cs([await nop(client), chunk]), { counter: 'parsing', seq: 'consumed' });
  }
});

csDefault.add('cs@cb-handle', { policy: 'both', covers: ['CS/EINVAL/cb-handle'] }, async (env) => {
  const client = await env.open();
  const chunk = await nop(client);
  await client.call('CB_DESTROY', { handle: chunk.handle as CommandBufferHandle });
  for (const handle of [chunk.handle, 0n, 0x1000_0000_0000_9000n, 2n ** 64n - 1n]) {
    await client.fails('EINVAL', 'CS', cs([{ ...chunk, handle }]), { counter: 'validation', seq: 'consumed' });
  }
});

csDefault.add('cs@cb-size', { policy: 'both', covers: ['CS/EINVAL/cb-size'] }, async (env) => {
  const client = await env.open();
  const chunk = await nop(client);
  for (const size of [0, 4, 7, 4097, 0xffff_ffff]) {
    await client.fails('EINVAL', 'CS', cs([{ ...chunk, size }]), { counter: 'validation', seq: 'consumed' });
  }
  // The size that counts is the one asked for, not the one that is mappable (3.1).
  const { handle } = await client.call('CB_CREATE', { size: 4104, flags: 0 });
  await client.fails('EINVAL', 'CS', cs([{ ...chunk, handle, size: 4112 }]), {
    counter: 'validation',
    seq: 'consumed',
  });
});

csDefault.add('cs@largest-command-buffer', { policy: 'both' }, async (env) => {
  const client = await env.open();
  await client.run(packets().nop(0x1f_ffe0 / 8));
});

csDefault.add('cs@command-buffer-is-copied', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const memory = await client.hostMemory(4096);
  const blocker = await client.blocked({ queue: 0 });
  const content = packets().fill(memory.deviceAddress, 64, 0x11);
  const { handle, size } = await client.commandBuffer(content);
  const { seq } = await client.call('CS', cs([{ handle, queueIndex: 0, size, flags: 0 }]));
  // Overwritten and destroyed before it runs (3.5).
  const bytes = await client.map(handle);
  bytes.fill(0xff);
  await client.call('MUNMAP', { offset: handle });
  await client.call('CB_DESTROY', { handle: handle as CommandBufferHandle });
  await blocker.release();
  await client.completed(seq);
  assert.equal(memory.bytes[0], 0x11);
});

csDefault.add('cs@first-error-wins', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const forbidden = await client.chunk(packets().add('STOP', {}));
  const badQueue = { ...forbidden, queueIndex: 8 };
  const parse = { counter: 'parsing', seq: 'consumed' } as const;
  const validate = { counter: 'validation', seq: 'consumed' } as const;
  await client.fails('EPERM', 'CS', cs([forbidden, badQueue]), parse);
  await client.fails('EINVAL', 'CS', cs([badQueue, forbidden]), validate);
  // In one chunk: queue, then command buffer, then what is in it (4.3).
  await client.fails('EINVAL', 'CS', cs([{ ...forbidden, queueIndex: 8, handle: 0n }]), validate);
});

csDefault.add('cs@all-or-nothing', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const memory = await client.hostMemory(4096);
  const good = await client.chunk(packets().fill(memory.deviceAddress, 64, 0x77));
  await client.fails('EINVAL', 'CS', cs([good, { ...good, size: 4 }]), { counter: 'validation', seq: 'consumed' });
  assert.equal(memory.bytes[0], 0);
});

csDefault.add('cs@one-submission-many-queues', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const chunks = [await nop(client, 1), await client.chunk(packets().fence(1), 0), await nop(client, 2)];
  const { seq } = await client.call('CS', cs(chunks));
  // Complete only when every external job is (4.5).
  await client.busy(seq);
  await client.run(packets().release(0, 1), { queue: 3 });
  await client.completed(seq);
});

csDefault.add('cs@queues-are-independent', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const first = await client.blocked({ queue: 0 });
  const behind = await client.submit(packets().nop(), { queue: 0 });
  const beside = await client.run(packets().nop(), { queue: 1 });
  assert(beside > behind);
  await client.busy(behind);
  await first.release();
  await client.completed(behind);
});

csDefault.add('cs@block-out', {}, async (env) => {
  const client = await env.open();
  const { handle } = await client.commandBuffer(packets().nop());
  const chunk = rawChunk({ handle, size: 8 });
  const good = await client.raw(NR.CS, csBlock({ timeout: 77, seq: 99n }), [chunk]);
  assert.equal(good.errno, '');
  assert.equal(good.view.getBigUint64(0, true), 1n);
  assert.deepEqual([...good.block.subarray(8)], new Array(40).fill(0), 'status 0, no sync object, nothing else');
  const bad = await client.raw(NR.CS, csBlock({ execute: 0, seq: 99n }), []);
  assert.equal(bad.errno, 'EINVAL');
  assert.equal(bad.view.getBigUint64(0, true), 2n ** 64n - 1n);
  assert.equal(bad.view.getInt32(8, true), -22);
  assert.deepEqual([...bad.block.subarray(12)], new Array(36).fill(0));
});

// --- full ----------------------------------------------------------------------------------------------------------------

csDefault.add('cs@queue-full', { policy: 'both', covers: ['CS/EAGAIN/queue-full'] }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked({ queue: 0 });
  const chunk = await nop(client);
  const many = (count: number) => cs(new Array(count).fill(chunk));
  for (let i = 0; i < 7; i++) {
    await client.call('CS', many(512));
  }
  // 1 + 3584 of 4096 are taken.
  await client.fails('EAGAIN', 'CS', many(512), { counter: 'queueFull', seq: 'consumed' });
  const { seq: last } = await client.call('CS', many(511));
  await client.fails('EAGAIN', 'CS', many(1), { counter: 'queueFull', seq: 'consumed' });
  const request = csBlock({ seq: 0x1234n });
  const { errno, block: out } = await client.raw(NR.CS, request, [rawChunk({ handle: chunk.handle, size: 8 })]);
  assert.deepEqual([errno, out], ['EAGAIN', request], 'the block is untouched, so that the caller may retry');
  await release();
  await client.completed(seq);
  await client.completed(last);
  await client.completed((await client.call('CS', many(1))).seq);
});

csDefault.add('cs@max-in-flight', { policy: 'both', covers: ['CS/EAGAIN/max-in-flight'] }, async (env) => {
  const client = await env.open();
  const { seq } = await client.blocked({ queue: 0 });
  const refused = cs([{ handle: 0n, queueIndex: 0, size: 8, flags: 0 }]);
  // Refused ones take their number too (4.6): the distance counts, not what lies between.
  const left = RING - 2;
  for (let done = 0; done < left; done += 1000) {
    await env.finish(
      Promise.all(Array.from({ length: Math.min(1000, left - done) }, () => client.start('CS', refused))),
    );
  }
  const chunk = await nop(client, 1);
  await client.run(packets().nop(), { queue: 5 });
  await client.fails('EAGAIN', 'CS', cs([chunk]), { counter: 'maxCsInFlight', seq: 'unchecked' });
  await client.fails('EAGAIN', 'CS', cs([chunk]), { counter: 'maxCsInFlight', seq: 'unchecked' });
  assert.equal(seq, 1);
  // Nothing can be submitted that would release it.
  await client.close();
  if (env.policy === 'exclusive') {
    await env.resetDevice();
  }
});

csDefault.add('cs@queued-bytes', { policy: 'both', covers: ['CS/ENOMEM/patched-cb'] }, async (env) => {
  const client = await env.open();
  const blocker = await client.blocked({ queue: 0 });
  // Just more than a block of 1 MiB holds.
  const chunk = await client.chunk(packets().nop(0x10_0008 / 8));
  let last = blocker.seq;
  let refused = '';
  // Copies of what is queued take memory until they have run.
  for (let i = 0; i < 4000 && refused === ''; i++) {
    const { errno, res } = await client.attempt('CS', cs([chunk]));
    refused = errno;
    last = res?.seq ?? last;
  }
  assert.equal(refused, 'ENOMEM');
  await client.fails('ENOMEM', 'CS', cs([chunk]), { counter: 'parsing', seq: 'consumed' });
  await blocker.release();
  await client.completed(last);
  await client.completed((await client.call('CS', cs([chunk]))).seq);
});

// --- restore -------------------------------------------------------------------------------------------------------------

csDefault.add('cs@restore-ignored-unless-forced', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const bad: Chunk = { handle: 0n, queueIndex: 99, size: 0, flags: 0 };
  const { seq } = await client.call('CS', cs([await nop(client)], { chunksRestore: [bad] }));
  assert.equal(seq, 1);
  await client.completed(seq);
});

csDefault.add('cs@restore-runs-first', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const memory = await client.hostMemory(4096);
  const restore = await client.chunk(packets().fill(memory.deviceAddress, 64, 0x22), 1);
  const execute = await client.chunk(packets().copy(memory.deviceAddress, memory.deviceAddress + 64, 64), 2);
  const { seq } = await client.call('CS', cs([execute], { chunksRestore: [restore], flags: FORCE_RESTORE }));
  assert.equal(seq, 2, 'the restore phase is a submission of its own');
  await client.completed(seq);
  assert.equal(memory.bytes[64], 0x22);
});

csDefault.add('cs@restore-forced-empty', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq } = await client.call('CS', cs([await nop(client)], { flags: FORCE_RESTORE }));
  assert.equal(seq, 1);
});

csDefault.add('cs@restore-refused', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const chunk = await nop(client);
  const request = cs([chunk], { chunksRestore: [{ ...chunk, queueIndex: 8 }], flags: FORCE_RESTORE });
  await client.fails('EINVAL', 'CS', request, { counter: 'validation', seq: 'consumed' });
});

csDefault.add('cs@restore-fails', { policy: 'shared', covers: ['CS/ENOEXEC/restore-failed'] }, async (env) => {
  const client = await env.open();
  // An address nobody mapped: under `shared` a fault ends the submission with EIO.
  const restore = await client.chunk(packets().fill(0x2_0000_0000_0000, 64, 1));
  const request = cs([await nop(client)], { chunksRestore: [restore], flags: FORCE_RESTORE });
  await client.fails('ENOEXEC', 'CS', request, { seq: 'consumed', except: ['objects', 'client'] });
});

// --- numbers and times -----------------------------------------------------------------------------------------------------

csDefault.add('cs@sequence-numbers', { policy: 'both' }, async (env) => {
  const client = await env.open();
  assert.equal(await client.run(packets().nop()), 1);
  await client.fails('EINVAL', 'CS', cs([]), {});
  const before = await client.probeSeq();
  const bad: Req<'CS'> = cs([{ handle: 0n, queueIndex: 0, size: 8, flags: 0 }]);
  await client.attempt('CS', bad);
  await client.attempt('CS', bad);
  assert.equal(await client.probeSeq(), before + 3);
});

csDefault.add('cs@custom-timeout-is-not-reached', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop(), { flags: CUSTOM_TIMEOUT, timeoutSec: 1 });
  await env.passMs(50);
  await client.completed(seq);
});

csDefault.add('cs@counters-of-control-node', {}, async (env) => {
  const client = await env.open();
  await client.attempt('CS', cs([{ handle: 0n, queueIndex: 0, size: 8, flags: 0 }]));
  const own = await client.counters();
  const control = await env.control();
  const seen = await control.counters();
  assert.equal(seen.totalValidationDropCnt, own.totalValidationDropCnt);
  assert.equal(seen.ctxValidationDropCnt, 0);
  assert.equal(own.ctxValidationDropCnt, 1);
  await client.close();
  const next = await env.opened();
  const after = await next.counters();
  // The context's go with it, the device's stay (4.17).
  assert.deepEqual([after.ctxValidationDropCnt, after.totalValidationDropCnt], [0, own.totalValidationDropCnt]);
});
