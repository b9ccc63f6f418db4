/** Signals, waits for them, collective waits, reserved signals, engine cores (uapi.md 4.9 to 4.12). */
import assert from 'node:assert/strict';
import { ALL_ONES_U64, type Chunk, NR, type Req } from '@pedrera/uapi';
import { csBlock, rawChunk } from '../framework/block.js';
import { type Client, cs } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const csStreams = new TestList();

const SIGNAL = 0x2;
const WAIT = 0x4;
const COLLECTIVE = 0x8;
const STAGED = 0x40;
const FIRST = 0x80;
const LAST = 0x100;
const ENCAPS = 0x800;
const RESERVE = 0x1000;
const UNRESERVE = 0x2000;
const ENGINE_CORES = 0x4000;
const DMA_5 = 5;
const TPC_7 = 19;
/** Of the W_S sync manager's sync objects, from the start of the registers. */
const SOB_BASE = 0x49_2000;
const SOB_END = 32_768;
/** The sync manager signals live in, and what of it is not the driver's own (device.md 4.4). */
const W_S = 0;
const SOBS = 2048;
const FIRST_FREE_SOB = 144;

function chunkOn(queueIndex: number, more: Partial<Chunk> = {}): Chunk {
  return { handle: 0n, queueIndex, size: 0, flags: 0, ...more };
}

const signal = (client: Client, queue: number) => client.call('CS', cs([chunkOn(queue)], { flags: SIGNAL }));

function waitFor(queue: number, signalSeqs: number[], more: Partial<Chunk> = {}, flags = WAIT): Req<'CS'> {
  return cs([chunkOn(queue, { signalSeqs, collectiveEngineId: 0, ...more })], { flags });
}

const reserve = (queue: number, count: number): Req<'CS'> =>
  cs([], { flags: RESERVE, encapsSignalsCount: count, encapsSignalsQIdx: queue });

const unreserve = (handle: number): Req<'CS'> => cs([], { flags: UNRESERVE, encapsSigHandleId: handle });

// --- signals -------------------------------------------------------------------------------------------------------------

csStreams.add('cs@signal-values', { fresh: true }, async (env) => {
  const client = await env.open();
  for (let queue = 0; queue < 8; queue++) {
    for (const count of [1, 2]) {
      const { seq, status, sobBaseAddrOffset, sobCountBeforeSubmission } = await signal(client, queue);
      assert.deepEqual(
        [status, sobBaseAddrOffset, sobCountBeforeSubmission],
        [0, SOB_BASE + 4 * (128 + 2 * queue), count],
      );
      await client.completed(seq);
    }
  }
  await client.close();
  // The count is the device's, not the context's (4.9).
  const next = await env.opened();
  assert.equal((await signal(next, 3)).sobCountBeforeSubmission, 3);
});

csStreams.add('cs@signal-objects-all-leased', { policy: 'shared', covers: ['CS/ENOMEM/signal-lease'] }, async (env) => {
  const [greedy, client] = [await env.open(), await env.open()];
  const everything = { dcore: W_S, syncObjects: SOBS - FIRST_FREE_SOB, monitors: 1 };
  await greedy.call('SYNC_LEASE', everything);
  await client.fails('ENOMEM', 'CS', cs([chunkOn(0)], { flags: SIGNAL }), {
    counter: 'outOfMem',
    seq: 'consumed',
  });
  await greedy.close();
  const request = cs([chunkOn(0)], { flags: SIGNAL });
  // A close is not answered: the objects are free some time after it.
  const { seq } = await env.until('the objects are free', async () => (await client.attempt('CS', request)).res);
  await client.completed(seq);
});

csStreams.add('cs@signal-moves-sync-object', { fresh: true }, async (env) => {
  const client = await env.open();
  await signal(client, 2);
  const where = { dcore: 0, sob: 128 + 4, monitor: 100, queue: 5, fence: 1 };
  const seq = await client.submit(packets().watchSob(where, 2).fence(1), { queue: 5 });
  await client.busy(seq);
  await signal(client, 2);
  await client.completed(seq);
});

csStreams.add('cs@signal-in-queue-order', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { release } = await client.blocked({ queue: 1 });
  const { seq } = await signal(client, 1);
  await client.busy(seq);
  await release();
  await client.completed(seq);
});

csStreams.add('cs@signal-chunk-count', { policy: 'both', covers: ['CS/EINVAL/signal-chunk-count'] }, async (env) => {
  const client = await env.open();
  for (const flags of [SIGNAL, WAIT, COLLECTIVE]) {
    for (const count of [0, 2, 512, 513]) {
      await client.fails('EINVAL', 'CS', cs(new Array(count).fill(chunkOn(0)), { flags }));
    }
  }
});

csStreams.add('cs@signal-queue', { policy: 'both', covers: ['CS/EINVAL/signal-queue'] }, async (env) => {
  const client = await env.open();
  for (const queue of [8, 9, 41, 72, 73, 113, 0xffff_ffff]) {
    await client.fails('EINVAL', 'CS', cs([chunkOn(queue)], { flags: SIGNAL }), { counter: 'validation' });
  }
});

csStreams.add(
  'cs@signal-wrap',
  { fresh: true, covers: ['CS/EINVAL/unreserve-moved', 'CS/EINVAL/sob-in-use'] },
  async (env) => {
    const client = await env.open();
    // Reserving moves the count at once, so the end of a sync object is a step away.
    const first = await client.call('CS', reserve(1, SOB_END - 2));
    assert.equal(first.count, SOB_END - 1);
    // The wrapping submission reads 0 with the other object's address, although it still uses the old one (4.9).
    const wrap = await signal(client, 1);
    assert.deepEqual([wrap.sobBaseAddrOffset, wrap.sobCountBeforeSubmission], [SOB_BASE + 4 * 131, 0]);
    const after = await signal(client, 1);
    assert.deepEqual([after.sobBaseAddrOffset, after.sobCountBeforeSubmission], [SOB_BASE + 4 * 131, 1]);
    await client.fails('EINVAL', 'CS', unreserve(first.handleId ?? 0));
    const second = await client.call('CS', reserve(1, SOB_END - 3));
    assert.equal(second.count, SOB_END - 1);
    // The object to switch to is still held by the first reservation.
    await client.fails('EINVAL', 'CS', cs([chunkOn(1)], { flags: SIGNAL }), { seq: 'consumed' });
  },
);

csStreams.add('cs@signal-wrap-by-signals', { modes: ['in-process'], fresh: true }, async (env) => {
  const client = await env.open();
  let last = { sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 };
  for (let i = 1; i < SOB_END - 1; i++) {
    last = await signal(client, 0);
  }
  assert.deepEqual([last.sobBaseAddrOffset, last.sobCountBeforeSubmission], [SOB_BASE + 4 * 128, SOB_END - 2]);
  last = await signal(client, 0);
  assert.deepEqual([last.sobBaseAddrOffset, last.sobCountBeforeSubmission], [SOB_BASE + 4 * 129, 0]);
  last = await signal(client, 0);
  assert.deepEqual([last.sobBaseAddrOffset, last.sobCountBeforeSubmission], [SOB_BASE + 4 * 129, 1]);
});

csStreams.add('cs@signal-block-out', { fresh: true }, async (env) => {
  const client = await env.open();
  const { errno, view } = await client.raw(NR.CS, csBlock({ flags: SIGNAL }), [
    rawChunk({ handle: 77n, queue: 4, size: 3 }),
  ]);
  assert.equal(errno, '');
  assert.deepEqual(
    [view.getBigUint64(0, true), view.getUint32(8, true), view.getUint32(12, true), view.getUint16(16, true)],
    [1n, 0, SOB_BASE + 4 * 136, 1],
  );
});

// --- waits for signals -----------------------------------------------------------------------------------------------------

csStreams.add('cs@wait-for-signal', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { release } = await client.blocked({ queue: 0 });
  const signalled = await signal(client, 0);
  const { seq, status } = await client.call('CS', waitFor(1, [signalled.seq]));
  assert.equal(status, 0);
  const behind = await client.submit(packets().nop(), { queue: 1 });
  await client.busy(seq);
  await client.busy(behind);
  await release();
  for (const done of [signalled.seq, seq, behind]) {
    await client.completed(done);
  }
});

csStreams.add('cs@wait-on-the-same-queue', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { release } = await client.blocked({ queue: 0 });
  const signalled = await signal(client, 0);
  const { seq } = await client.call('CS', waitFor(0, [signalled.seq]));
  await release();
  await client.completed(seq);
});

csStreams.add('cs@wait-many-waiters', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { release } = await client.blocked({ queue: 0 });
  const one = await signal(client, 0);
  const two = await signal(client, 0);
  const waits: number[] = [];
  for (const queue of [1, 2, 3, 4]) {
    waits.push((await client.call('CS', waitFor(queue, [queue % 2 === 0 ? one.seq : two.seq]))).seq);
  }
  await release();
  for (const seq of waits) {
    await client.completed(seq);
  }
});

csStreams.add('cs@wait-already-signalled', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const done = await signal(client, 0);
  await client.completed(done.seq);
  const before = await client.probeSeq();
  const { seq, status } = await client.call('CS', waitFor(1, [done.seq]));
  assert.deepEqual([seq, status], [ALL_ONES_U64, 0]);
  assert.equal((await client.call('CS', waitFor(1, [0]))).seq, ALL_ONES_U64, 'gone is as good as done');
  assert.equal(await client.probeSeq(), before + 1, 'nothing was submitted');
});

csStreams.add('cs@wait-signal-count', { policy: 'both', covers: ['CS/EINVAL/signal-count'] }, async (env) => {
  const client = await env.open();
  const { seq } = await signal(client, 0);
  for (const list of [[], [seq, seq]]) {
    await client.fails('EINVAL', 'CS', waitFor(1, list), { counter: 'validation' });
  }
});

csStreams.add('cs@wait-signal-future', { policy: 'both', covers: ['CS/EINVAL/signal-future'] }, async (env) => {
  const client = await env.open();
  const { seq } = await signal(client, 0);
  await client.fails('EINVAL', 'CS', waitFor(1, [seq + 1000]), { counter: 'validation' });
});

csStreams.add('cs@wait-signal-type', { policy: 'both', covers: ['CS/EINVAL/signal-type'] }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked();
  await client.fails('EINVAL', 'CS', waitFor(1, [seq]), { counter: 'validation' });
  await release();
  await client.completed(seq);
  // Even when it is long complete.
  await client.fails('EINVAL', 'CS', waitFor(1, [seq]), { counter: 'validation' });
});

csStreams.add('cs@wait-queue', { policy: 'both', covers: ['CS/EINVAL/wait-queue'] }, async (env) => {
  const client = await env.open();
  const { seq } = await signal(client, 0);
  for (const queue of [8, 9, 200]) {
    await client.fails('EINVAL', 'CS', waitFor(queue, [seq]), { counter: 'validation' });
    // The queue is looked at first (4.10).
    await client.fails('EINVAL', 'CS', waitFor(queue, []), { counter: 'validation' });
  }
});

csStreams.add('cs@wait-signal-array-unreadable', { covers: ['CS/EFAULT/signal-array'] }, async (env) => {
  const client = await env.open();
  const before = await client.counters();
  const chunk = rawChunk({ handle: 0x7000n, queue: 1, size: 1 });
  const { errno, view } = await client.raw(NR.CS, csBlock({ flags: WAIT }), [chunk, null]);
  assert.deepEqual([errno, view.getInt32(8, true)], ['EFAULT', -14]);
  assert.equal((await client.counters()).ctxValidationDropCnt, before.ctxValidationDropCnt + 1);
});

// --- collective waits --------------------------------------------------------------------------------------------------------

csStreams.add(
  'cs@collective-without-nics',
  { policy: 'both', covers: ['CS/EINVAL/collective-nic-disabled'] },
  async (env) => {
    const client = await env.open();
    const { seq } = await signal(client, 0);
    const request = waitFor(1, [seq], { collectiveEngineId: DMA_5 }, COLLECTIVE);
    await client.fails('EINVAL', 'CS', request, { counter: 'validation' });
  },
);

for (const engine of [DMA_5, TPC_7]) {
  csStreams.add(`cs@collective-engine-${engine}`, { policy: 'both', nics: true }, async (env) => {
    const client = await env.open();
    for (const queue of [1, 6]) {
      const { release } = await client.blocked({ queue: 0, from: 3 });
      const signalled = await signal(client, 0);
      const { seq } = await client.call(
        'CS',
        waitFor(queue, [signalled.seq], { collectiveEngineId: engine }, COLLECTIVE),
      );
      await client.busy(seq);
      await release();
      await client.completed(seq);
    }
  });
}

csStreams.add('cs@collective-already-signalled', { nics: true }, async (env) => {
  const client = await env.open();
  const { seq } = await signal(client, 0);
  await client.completed(seq);
  const answer = await client.call('CS', waitFor(1, [seq], { collectiveEngineId: DMA_5 }, COLLECTIVE));
  assert.equal(answer.seq, ALL_ONES_U64);
});

csStreams.add(
  'cs@collective-engine-wrong',
  { policy: 'both', nics: true, covers: ['CS/EINVAL/collective-engine'] },
  async (env) => {
    const client = await env.open();
    const { release } = await client.blocked({ queue: 0 });
    const { seq } = await signal(client, 0);
    for (const collectiveEngineId of [0, 4, 6, 12, 20, 99]) {
      await client.fails('EINVAL', 'CS', waitFor(1, [seq], { collectiveEngineId }, COLLECTIVE), { seq: 'consumed' });
    }
    await release();
    await client.completed(seq);
  },
);

csStreams.add(
  'cs@collective-queue',
  { policy: 'both', nics: true, covers: ['CS/EINVAL/collective-queue'] },
  async (env) => {
    const client = await env.open();
    const { release } = await client.blocked({ queue: 0 });
    const { seq } = await signal(client, 0);
    for (const queue of [8, 9, 73, 200]) {
      const request = waitFor(queue, [seq], { collectiveEngineId: DMA_5 }, COLLECTIVE);
      await client.fails('EINVAL', 'CS', request, { counter: 'validation' });
    }
    await release();
    await client.completed(seq);
  },
);

// --- reserved signals ------------------------------------------------------------------------------------------------------

csStreams.add('cs@reserve-and-unreserve', { fresh: true }, async (env) => {
  const client = await env.open();
  const before = await client.probeSeq();
  const one = await client.call('CS', reserve(2, 5));
  assert.deepEqual(
    { handleId: one.handleId, count: one.count, sob: one.sobBaseAddrOffset, status: one.status },
    { handleId: 1, count: 6, sob: SOB_BASE + 4 * 132, status: 0 },
  );
  assert.equal((await client.call('CS', unreserve(1))).seq, ALL_ONES_U64);
  // Nothing was used: the next one starts where this one did.
  const two = await client.call('CS', reserve(2, 0));
  assert.equal(two.count, 1);
  await client.call('CS', unreserve(two.handleId ?? 0));
  assert.equal(await client.probeSeq(), before + 1, 'reserving takes no numbers');
});

csStreams.add('cs@reserve-count', { policy: 'both', covers: ['CS/EINVAL/reserve-count'] }, async (env) => {
  const client = await env.open();
  for (const count of [SOB_END, SOB_END + 1, 0xffff_ffff]) {
    await client.fails('EINVAL', 'CS', reserve(0, count));
  }
  const { handleId } = await client.call('CS', reserve(0, 100));
  await client.call('CS', unreserve(handleId ?? 0));
});

csStreams.add('cs@reserve-queue', { policy: 'both', covers: ['CS/EINVAL/reserve-queue'] }, async (env) => {
  const client = await env.open();
  for (const queue of [8, 9, 113, 0xffff_ffff]) {
    await client.fails('EINVAL', 'CS', reserve(queue, 1));
  }
});

csStreams.add('cs@reserve-block-out', { fresh: true }, async (env) => {
  const client = await env.open();
  // count @16, queue @20 (2.6).
  const request = (count: number, queue: number) =>
    csBlock({ execute: 0, flags: RESERVE, seq: BigInt(count) | (BigInt(queue) << 32n) });
  const good = await client.raw(NR.CS, request(3, 1));
  assert.equal(good.errno, '');
  const { view } = good;
  assert.deepEqual(
    [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true)],
    [1, 4, 0, SOB_BASE + 4 * 130],
  );
  const bad = await client.raw(NR.CS, request(SOB_END, 1));
  assert.equal(bad.errno, 'EINVAL');
  // Unlike all others: handle, count and address 0 (4.1).
  assert.deepEqual(
    [bad.view.getBigUint64(0, true), bad.view.getInt32(8, true), bad.view.getUint32(12, true)],
    [0n, -22, 0],
  );
  const undo = await client.raw(NR.CS, csBlock({ execute: 0, flags: UNRESERVE, seq: 1n }));
  assert.deepEqual([undo.errno, undo.view.getBigUint64(0, true)], ['', 2n ** 64n - 1n]);
});

csStreams.add('cs@unreserve-unknown', { policy: 'both', covers: ['CS/EINVAL/unreserve-handle'] }, async (env) => {
  const client = await env.open();
  for (const handle of [0, 1, 99, 0xffff_ffff]) {
    await client.fails('EINVAL', 'CS', unreserve(handle));
  }
  const { handleId = 0 } = await client.call('CS', reserve(0, 1));
  await client.call('CS', unreserve(handleId));
  await client.fails('EINVAL', 'CS', unreserve(handleId));
});

csStreams.add('cs@unreserve-out-of-order', { policy: 'both', covers: ['CS/EINVAL/unreserve-moved'] }, async (env) => {
  const client = await env.open();
  const one = await client.call('CS', reserve(0, 4));
  const two = await client.call('CS', reserve(0, 4));
  await client.fails('EINVAL', 'CS', unreserve(one.handleId ?? 0));
  await client.call('CS', unreserve(two.handleId ?? 0));
  await client.call('CS', unreserve(one.handleId ?? 0));
});

csStreams.add('cs@reservation-ends-with-file', {}, async (env) => {
  const client = await env.open();
  await client.call('CS', reserve(0, 4));
  await client.close();
  await env.opened();
});

csStreams.add('cs@encaps-signals', { fresh: true }, async (env) => {
  const client = await env.open();
  const { handleId = 0, sobBaseAddrOffset } = await client.call('CS', reserve(0, 3));
  const sob = (sobBaseAddrOffset - SOB_BASE) / 4;
  const blocker = await client.blocked({ queue: 0 });
  const content = packets().addToSob(0, sob).addToSob(0, sob).addToSob(0, sob);
  const chunk = await client.chunk(content, 0);
  const request = cs([chunk], { flags: STAGED | FIRST | LAST | ENCAPS, encapsSigHandleId: handleId });
  const { seq } = await client.call('CS', request);
  const waits: number[] = [];
  for (const [queue, offset] of [
    [1, 0],
    [2, 3],
  ] as const) {
    const awaited = chunkOn(queue, { handle: BigInt(seq), size: offset });
    waits.push((await client.call('CS', cs([awaited], { flags: WAIT | ENCAPS }))).seq);
  }
  for (const waiting of waits) {
    await client.busy(waiting);
  }
  await blocker.release();
  for (const done of [seq, ...waits]) {
    await client.completed(done);
  }
  await client.fails('EINVAL', 'CS', unreserve(handleId));
});

csStreams.add('cs@encaps-handle-unknown', { policy: 'both', covers: ['CS/EINVAL/encaps-handle'] }, async (env) => {
  const client = await env.open();
  const chunk = await client.chunk(packets().nop());
  const request = cs([chunk], { flags: STAGED | FIRST | LAST | ENCAPS, encapsSigHandleId: 55 });
  await client.fails('EINVAL', 'CS', request, { seq: 'consumed' });
});

csStreams.add('cs@encaps-handle-in-use', { policy: 'both', covers: ['CS/EINVAL/encaps-in-use'] }, async (env) => {
  const client = await env.open();
  const { handleId = 0 } = await client.call('CS', reserve(0, 1));
  const fence = await client.chunk(packets().fence(1), 1);
  const request = cs([fence], { flags: STAGED | FIRST | LAST | ENCAPS, encapsSigHandleId: handleId });
  const { seq } = await client.call('CS', request);
  // The driver does not notice and underflows a counter; refused instead (4.11).
  const nop = await client.chunk(packets().nop(), 2);
  await client.fails('EINVAL', 'CS', { ...request, chunksExecute: [nop] }, { seq: 'consumed' });
  await client.fails('EINVAL', 'CS', unreserve(handleId));
  await client.run(packets().release(1, 1), { queue: 3 });
  await client.completed(seq);
});

csStreams.add('cs@encaps-offset', { fresh: true, covers: ['CS/EINVAL/encaps-offset'] }, async (env) => {
  const client = await env.open();
  const { handleId = 0, sobBaseAddrOffset } = await client.call('CS', reserve(0, 2));
  const sob = (sobBaseAddrOffset - SOB_BASE) / 4;
  const chunk = await client.chunk(packets().fence(1).addToSob(0, sob).addToSob(0, sob), 0);
  const flags = STAGED | FIRST | LAST | ENCAPS;
  const { seq } = await client.call('CS', cs([chunk], { flags, encapsSigHandleId: handleId }));
  const past = cs([chunkOn(1, { handle: BigInt(seq), size: 3 })], { flags: WAIT | ENCAPS });
  await client.fails('EINVAL', 'CS', past);
  await client.run(packets().release(0, 1), { queue: 3 });
  await client.completed(seq);
});

csStreams.add('cs@encaps-wait-unknown-sequence', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  for (const unknown of [seq, seq + 77]) {
    const request = cs([chunkOn(1, { handle: BigInt(unknown), size: 0 })], { flags: WAIT | ENCAPS });
    assert.equal((await client.call('CS', request)).seq, ALL_ONES_U64, 'taken as finished');
  }
});

// --- engine cores ------------------------------------------------------------------------------------------------------------

csStreams.add('cs@engine-cores', { policy: 'both', covers: ['CS/EINVAL/engine-cores'] }, async (env) => {
  const client = await env.open();
  for (const [numEngineCores, coreCommand] of [
    [0, 1],
    [1, 1],
    [1, 2],
    [100, 2],
  ] as const) {
    await client.fails('EINVAL', 'CS', cs([], { flags: ENGINE_CORES, numEngineCores, coreCommand }));
  }
});
