/** WAIT_CS: one sequence number, several, interrupts (uapi.md 4.14 to 4.16). */
import assert from 'node:assert/strict';
import { NR, WAIT_STATUS } from '@pedrera/uapi';
import { BLOCK_SIZE, block, SOME_POINTER } from '../framework/block.js';
import { type Client, cs, FOREVER_US } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const wait = new TestList();

const GONE = 1;
const TIMESTAMP_VLD = 2;
const INTERRUPT = 2;
const MULTI_CS = 4;
const TIMESTAMP = 0x20;
const RING = 16_384;

function several(sequences: number[], timeoutUs = 0n) {
  return { seq: 0, timeoutUs, flags: MULTI_CS, sequences };
}

/** Submissions that are refused, but take their number: the quickest way to grow old. */
async function spendSequences(client: Client, count: number): Promise<void> {
  const refused = cs([{ handle: 0n, queueIndex: 0, size: 8, flags: 0 }]);
  for (let left = count; left > 0; left -= 1000) {
    await client.env.finish(
      Promise.all(Array.from({ length: Math.min(left, 1000) }, () => client.start('CS', refused))),
    );
  }
}

wait.add('wait@completed', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  const done = { status: WAIT_STATUS.COMPLETED, flags: 0, timestampNs: 0n };
  // Waiting does not consume the fence (4.14).
  for (const timeoutUs of [0n, 1n, FOREVER_US, 0n]) {
    const { status, flags, timestampNs } = await client.wait(seq, timeoutUs);
    assert.deepEqual({ status, flags, timestampNs }, done);
  }
});

wait.add('wait@poll-busy', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked();
  assert.deepEqual((await client.wait(seq, 0n)).status, WAIT_STATUS.BUSY);
  await release();
  await client.completed(seq);
});

wait.add('wait@expiry-is-busy', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked();
  const { status, flags, timestampNs } = await client.wait(seq, 3000n);
  assert.deepEqual({ status, flags, timestampNs }, { status: WAIT_STATUS.BUSY, flags: 0, timestampNs: 0n });
  await release();
  await client.completed(seq);
});

wait.add('wait@timeout-has-32-bits', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked();
  // 2^32 + x behaves as x; LONG_MAX and low words just below 2^32 mean for ever.
  for (const timeoutUs of [2n ** 32n, 2n ** 32n + 1000n, 2n ** 63n, 2n ** 63n + 500n]) {
    assert.equal((await client.wait(seq, timeoutUs)).status, WAIT_STATUS.BUSY, String(timeoutUs));
  }
  const waiting = [2n ** 63n - 1n, 2n ** 32n - 1n, 2n ** 64n - 1n].map((timeoutUs) =>
    client.start('WAIT_CS', { seq, timeoutUs, flags: 0 }),
  );
  await release();
  for (const { res } of await env.finish(Promise.all(waiting))) {
    assert.equal(res?.status, WAIT_STATUS.COMPLETED);
  }
});

wait.add('wait@many-waiters', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked();
  const waiting = Array.from({ length: 20 }, () => client.start('WAIT_CS', { seq, timeoutUs: FOREVER_US, flags: 0 }));
  await release();
  for (const { res } of await env.finish(Promise.all(waiting))) {
    assert.equal(res?.status, WAIT_STATUS.COMPLETED);
  }
});

wait.add('wait@never-issued', { policy: 'both', covers: ['WAIT_CS/EINVAL/never-issued'] }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  for (const wrong of [seq + 1, seq + 100_000, 2 ** 40]) {
    await client.fails('EINVAL', 'WAIT_CS', { seq: wrong, timeoutUs: 0n, flags: 0 });
  }
});

wait.add('wait@never-issued-block-out', {}, async (env) => {
  const client = await env.open();
  const request = block(BLOCK_SIZE.WAIT_CS)
    .fill(0x11)
    .u64(0, 2n ** 63n)
    .u64(8, 0)
    .u32(20, 0)
    .u64(24, 0).bytes;
  const { errno, block: out } = await client.raw(NR.WAIT_CS, request);
  // Zeroed first, so the status reads as completed: trust errno.
  assert.deepEqual([errno, [...out]], ['EINVAL', new Array(56).fill(0)]);
});

wait.add('wait@sequence-zero-is-gone', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { status, flags } = await client.wait(0, 0n);
  assert.deepEqual({ status, flags }, { status: WAIT_STATUS.COMPLETED, flags: GONE });
});

wait.add('wait@failed-submission-reads-completed', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  await client.attempt('CS', cs([{ handle: 0n, queueIndex: 0, size: 8, flags: 0 }]));
  const { status, flags } = await client.wait(seq + 1, 0n);
  assert.deepEqual({ status, flags }, { status: WAIT_STATUS.COMPLETED, flags: 0 });
});

wait.add('wait@timestamp', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop(), { flags: TIMESTAMP });
  const first = await client.wait(seq);
  assert.equal(first.flags, TIMESTAMP_VLD);
  assert(first.timestampNs > 0n || env.mode === 'in-process');
  assert.deepEqual(await client.wait(seq), first, 'it is kept as long as the fence is');
});

wait.add('wait@gone-after-16384', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const plain = await client.run(packets().nop());
  await env.passMs(1);
  const stamped = await client.run(packets().nop(), { flags: TIMESTAMP });
  await spendSequences(client, RING - 2);
  assert.equal((await client.wait(plain, 0n)).flags, 0, 'its slot is not taken yet');
  await spendSequences(client, 2);
  assert.equal((await client.wait(plain, 0n)).flags, GONE);
  // The outcome store has what carried a timestamp, once (4.14).
  assert.equal((await client.wait(stamped, 0n)).flags, TIMESTAMP_VLD);
  const again = await client.wait(stamped, 0n);
  assert.deepEqual([again.flags, again.timestampNs], [GONE, 0n]);
});

wait.add('wait@outcome-store-has-256', { policy: 'both', modes: ['in-process'] }, async (env) => {
  const client = await env.open();
  await env.passMs(1);
  const first = await client.run(packets().nop(), { flags: TIMESTAMP });
  let last = first;
  for (let i = 0; i < 256; i++) {
    last = await client.run(packets().nop(), { flags: TIMESTAMP });
  }
  await spendSequences(client, RING);
  assert.equal((await client.wait(first, 0n)).flags, GONE, 'the 257th drove it out');
  assert.equal((await client.wait(first + 1, 0n)).flags, TIMESTAMP_VLD);
  assert.equal((await client.wait(last, 0n)).flags, TIMESTAMP_VLD);
});

wait.add('wait@sequences-are-the-contexts-own', { policy: 'shared' }, async (env) => {
  const one = await env.open();
  const other = await env.open();
  for (let i = 0; i < 3; i++) {
    await one.run(packets().nop());
  }
  await other.fails('EINVAL', 'WAIT_CS', { seq: 3, timeoutUs: 0n, flags: 0 });
});

wait.add('wait@2021-block', {}, async (env) => {
  const client = await env.open();
  await env.passMs(1);
  const seq = await client.run(packets().nop(), { flags: TIMESTAMP });
  const request = block(BLOCK_SIZE.WAIT_CS_2021).u64(0, seq).u64(8, 0).bytes;
  const { errno, view, block: out } = await client.raw(NR.WAIT_CS, request);
  assert.equal(errno, '');
  assert.deepEqual([out.length, view.getUint32(0, true), view.getUint32(4, true)], [24, 0, TIMESTAMP_VLD]);
  assert(view.getBigUint64(8, true) > 0n);
});

// --- interrupts --------------------------------------------------------------------------------------------------------

wait.add('wait@interrupt-never', { policy: 'both', covers: ['WAIT_CS/EPERM/interrupt'] }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  for (const flags of [INTERRUPT, 0xfff0_0002, 0xffe0_0002, INTERRUPT | 0x10, INTERRUPT | 0x20, INTERRUPT | MULTI_CS]) {
    await client.fails('EPERM', 'WAIT_CS', { seq, timeoutUs: 0n, flags });
  }
});

wait.add('wait@interrupt-block-untouched', {}, async (env) => {
  const client = await env.open();
  for (const size of [BLOCK_SIZE.WAIT_CS, BLOCK_SIZE.WAIT_CS_2021]) {
    const request = block(size).u64(0, SOME_POINTER).u32(20, 0xfff0_0002).bytes;
    assert.equal((await client.raw(NR.WAIT_CS, request)).errno, 'EPERM');
  }
});

wait.add('wait@other-flags-ignored', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  const { status } = await client.call('WAIT_CS', { seq, timeoutUs: 0n, flags: 0x38 | 1 });
  assert.equal(status, WAIT_STATUS.COMPLETED);
});

// --- several -----------------------------------------------------------------------------------------------------------

wait.add('wait@multi-poll', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const done = await client.run(packets().nop(), { queue: 1 });
  const { seq, release } = await client.blocked();
  const poll = await client.call('WAIT_CS', several([seq, done, seq]));
  assert.deepEqual([poll.status, poll.completionMap], [WAIT_STATUS.COMPLETED, 0b010]);
  // No timestamp: GONE is set instead, even though nothing is (4.15).
  assert.deepEqual([poll.flags, poll.timestampNs], [GONE, 0n]);
  const busy = await client.call('WAIT_CS', several([seq]));
  assert.deepEqual([busy.status, busy.completionMap], [WAIT_STATUS.BUSY, 0]);
  await release();
  await client.completed(seq);
});

wait.add('wait@multi-first-wakes', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const one = await client.blocked({ queue: 0 });
  const two = await client.blocked({ queue: 1 });
  const waiting = client.start('WAIT_CS', several([one.seq, two.seq], FOREVER_US));
  await two.release();
  const { res } = await env.finish(waiting);
  assert.deepEqual([res?.status, res?.completionMap], [WAIT_STATUS.COMPLETED, 0b10]);
  await one.release();
  await client.completed(one.seq);
});

wait.add('wait@multi-expiry-is-busy', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const one = await client.blocked();
  const { status, completionMap } = await client.call('WAIT_CS', several([one.seq, one.seq], 2000n));
  assert.deepEqual([status, completionMap], [WAIT_STATUS.BUSY, 0]);
  await one.release();
  await client.completed(one.seq);
});

wait.add('wait@multi-timeout-has-64-bits', { policy: 'both', modes: ['in-process'] }, async (env) => {
  const client = await env.open();
  const one = await client.blocked();
  // Not truncated here (4.15): one and a half hours, not 500 ms.
  const waiting = client.start('WAIT_CS', several([one.seq], 2n ** 32n + 500_000n));
  await env.passMs(60_000);
  await one.release();
  const { res } = await env.finish(waiting);
  assert.equal(res?.status, WAIT_STATUS.COMPLETED);
});

wait.add('wait@multi-empty-list', { policy: 'both' }, async (env) => {
  const client = await env.open();
  for (const timeoutUs of [0n, 1000n]) {
    const { status, completionMap } = await client.call('WAIT_CS', several([], timeoutUs));
    assert.deepEqual([status, completionMap], [WAIT_STATUS.BUSY, 0]);
  }
});

wait.add('wait@multi-timestamp-earliest', { policy: 'both' }, async (env) => {
  const client = await env.open();
  await env.passMs(2);
  const one = await client.run(packets().nop(), { flags: TIMESTAMP });
  await env.passMs(2);
  const two = await client.run(packets().nop(), { flags: TIMESTAMP });
  const plain = await client.run(packets().nop());
  const expected = (await client.wait(one)).timestampNs;
  const both = await client.call('WAIT_CS', several([two, one]));
  assert.deepEqual([both.completionMap, both.flags, both.timestampNs], [0b11, TIMESTAMP_VLD, expected]);
  const mixed = await client.call('WAIT_CS', several([two, one, plain]));
  assert.deepEqual([mixed.completionMap, mixed.flags, mixed.timestampNs], [0b111, GONE, 0n]);
});

wait.add('wait@multi-counts-gone', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const one = await client.blocked();
  const { status, flags, completionMap } = await client.call('WAIT_CS', several([0, one.seq]));
  assert.deepEqual([status, flags, completionMap], [WAIT_STATUS.COMPLETED, GONE, 0b01]);
  await one.release();
  await client.completed(one.seq);
});

wait.add('wait@multi-too-many', { policy: 'both', covers: ['WAIT_CS/EINVAL/list-length'] }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  const { completionMap } = await client.call('WAIT_CS', several(new Array(32).fill(seq)));
  assert.equal(completionMap, 0xffff_ffff);
  await client.fails('EINVAL', 'WAIT_CS', several(new Array(33).fill(seq)));
  await client.fails('EINVAL', 'WAIT_CS', several(new Array(255).fill(seq)));
});

wait.add('wait@multi-never-issued', { policy: 'both', covers: ['WAIT_CS/EINVAL/never-issued'] }, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  await client.fails('EINVAL', 'WAIT_CS', several([seq, seq + 1]));
});

wait.add(
  'wait@multi-too-many-waiters',
  { policy: 'both', covers: ['WAIT_CS/ENOMEM/too-many-waiters'] },
  async (env) => {
    const client = await env.open();
    const one = await client.blocked();
    const waiting = [0, 1].map(() => client.start('WAIT_CS', several([one.seq], FOREVER_US)));
    await client.fails('ENOMEM', 'WAIT_CS', several([one.seq], 1000n));
    await one.release();
    for (const { res } of await env.finish(Promise.all(waiting))) {
      assert.equal(res?.status, WAIT_STATUS.COMPLETED);
    }
    assert.equal((await client.call('WAIT_CS', several([one.seq]))).status, WAIT_STATUS.COMPLETED);
  },
);

wait.add('wait@multi-unreadable-list', { covers: ['WAIT_CS/EFAULT/list'] }, async (env) => {
  const client = await env.open();
  const request = block(BLOCK_SIZE.WAIT_CS).u64(0, SOME_POINTER).u64(8, 0).u32(20, MULTI_CS).u8(24, 2).bytes;
  for (const buffers of [[], [null], [new Uint8Array(8)]]) {
    const { errno, block: out } = await client.raw(NR.WAIT_CS, request, buffers);
    assert.deepEqual([errno, out], ['EFAULT', request], 'on any error the block is untouched');
  }
});

wait.add('wait@multi-errors-leave-block', {}, async (env) => {
  const client = await env.open();
  const list = new Uint8Array(33 * 8);
  for (const [length, count] of [
    [33, 33],
    [1, 1],
  ] as const) {
    const request = block(BLOCK_SIZE.WAIT_CS).u64(0, SOME_POINTER).u32(20, MULTI_CS).u8(24, count).bytes;
    new DataView(list.buffer).setBigUint64(0, 1000n, true);
    const { errno, block: out } = await client.raw(NR.WAIT_CS, request, [list.subarray(0, length * 8)]);
    assert.deepEqual([errno, out], ['EINVAL', request]);
  }
});

wait.add('wait@multi-block-out', {}, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  const list = block(16).u64(0, seq).u64(8, seq).bytes;
  for (const size of [BLOCK_SIZE.WAIT_CS]) {
    const request = block(size).u64(0, SOME_POINTER).u32(20, MULTI_CS).u8(24, 2).bytes;
    const { errno, view } = await client.raw(NR.WAIT_CS, request, [list]);
    assert.deepEqual([errno, view.getUint32(0, true), view.getUint32(16, true)], ['', 0, 0b11]);
  }
});
