/** Staged submissions and internal queues (uapi.md 4.3, 4.4, 4.8, 2.8). */
import assert from 'node:assert/strict';
import type { Chunk } from '@pedrera/uapi';
import { type Client, cs, type SharedBuffer } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { type Packets, packets } from '../framework/packets.js';

export const csStaged = new TestList();

const STAGED = 0x40;
const FIRST = STAGED | 0x80;
const LAST = STAGED | 0x100;
const SRAM = 0x7f_f000_0080;
/** A sync object and a monitor of W_N that nobody else uses. */
const DCORE = 1;
const SOB = 100;
const TPC_0 = 41;

/** A command buffer for an internal queue: at a device address of host memory. */
async function internal(
  client: Client,
  content: Packets,
  queueIndex: number,
): Promise<{ chunk: Chunk; memory: SharedBuffer }> {
  const memory = await client.hostMemory(4096);
  memory.words.set(content.words);
  const chunk = { handle: BigInt(memory.deviceAddress), queueIndex, size: content.words.length * 4, flags: 0 };
  return { chunk, memory };
}

/** Work on `queue` that goes on once the sync object has reached `value`. */
function afterSob(value: number, queue: number, monitor = 10): Packets {
  return packets().watchSob({ dcore: DCORE, sob: SOB, monitor, queue, fence: 0 }, value).fence(0);
}

// --- internal queues -------------------------------------------------------------------------------------------------------

csStaged.add('cs@internal-queues', {}, async (env) => {
  const client = await env.open();
  // DMA 2 to 7, MME 0 and 1, TPC 0 to 7: each stream.
  for (let queue = 9; queue <= 72; queue++) {
    await client.run(packets().setSob(DCORE, SOB, 0));
    const { chunk, memory } = await internal(client, packets().addToSob(DCORE, SOB), queue);
    const wait = await client.chunk(afterSob(1, 0), 0);
    const { seq } = await client.call('CS', cs([chunk, wait]));
    await client.completed(seq);
    await memory.free();
  }
});

csStaged.add('cs@internal-buffers-where-allowed', {}, async (env) => {
  const client = await env.open();
  const memory = await client.hostMemory(4096);
  const content = packets().addToSob(DCORE, SOB);
  const bytes = content.words.length * 4;
  memory.words.set(content.words);
  for (const address of [SRAM, 0x2000_0000, 0x8_0000_0000 - bytes, 0x7f_f140_0000 - bytes, memory.deviceAddress]) {
    await client.run(packets().setSob(DCORE, SOB, 0));
    if (address !== memory.deviceAddress) {
      await client.run(packets().copy(memory.deviceAddress, address, bytes));
    }
    const chunk = { handle: BigInt(address), queueIndex: 9, size: bytes, flags: 0 };
    await client.completed((await client.call('CS', cs([chunk, await client.chunk(afterSob(1, 0))]))).seq);
  }
});

csStaged.add('cs@internal-range', { covers: ['CS/EFAULT/internal-cb-range'] }, async (env) => {
  const client = await env.open();
  const external = await client.chunk(packets().nop());
  const ranges: [number, number][] = [
    [SRAM, 0],
    [0, 8],
    [0x1fff_fff8, 8],
    [0x1fff_fff8, 16],
    [0x8_0000_0000, 8],
    [0x7_ffff_fff8, 16],
    [0x7f_f000_0000, 8],
    [0x7f_f13f_fff8, 16],
    [0x7f_fc00_0000, 8],
    [0x80_0000_0000, 8],
    [0xffff_ffff_fff8, 8],
    [0x2_7fbf_ffff_eff8, 4096],
    [0x3_ff80_0000_0000, 8],
  ];
  for (const [address, size] of ranges) {
    const chunk = { handle: BigInt(address), queueIndex: 9, size, flags: 0 };
    await client.fails('EFAULT', 'CS', cs([external, chunk]), { counter: 'parsing', seq: 'consumed' });
  }
});

csStaged.add('cs@internal-is-not-parsed', {}, async (env) => {
  const client = await env.open();
  // A packet that a user may not send: the parser never sees it (4.4).
  const content = packets().raw(0, 0xb << 24);
  const { chunk } = await internal(
    client,
    packets()
      .addToSob(DCORE, SOB)
      .raw(...content.words),
    29,
  );
  await client.run(packets().setSob(DCORE, SOB, 0));
  const { seq } = await client.call('CS', cs([chunk, await client.chunk(afterSob(1, 0))]));
  await client.completed(seq);
});

csStaged.add('cs@internal-only', { policy: 'both', covers: ['CS/EINVAL/internal-only'] }, async (env) => {
  const client = await env.open();
  const { chunk } = await internal(client, packets().nop(), 9);
  const effect = { counter: 'validation', seq: 'consumed' } as const;
  await client.fails('EINVAL', 'CS', cs([chunk]), effect);
  await client.fails('EINVAL', 'CS', cs([chunk, chunk]), effect);
  await client.fails('EINVAL', 'CS', cs([chunk], { flags: FIRST | LAST }), effect);
  // The test comes after the last chunk (4.3).
  const bad = { ...chunk, size: 0 };
  await client.fails('EFAULT', 'CS', cs([chunk, bad]), { counter: 'parsing', seq: 'consumed' });
});

csStaged.add('cs@internal-queue-full', { covers: ['CS/EAGAIN/internal-queue-full'] }, async (env) => {
  const client = await env.open();
  const { chunk } = await internal(client, packets().nop(), TPC_0);
  const fence = await client.chunk(packets().fence(1), 0);
  const nop = await client.chunk(packets().nop(), 0);
  const first = await client.call('CS', cs([fence, ...new Array(511).fill(chunk)]));
  const second = await client.call('CS', cs([nop, ...new Array(511).fill(chunk)]));
  // The slots of internal jobs are free only when their submission is (4.3): 1022 of 1024 are taken.
  await client.fails('EAGAIN', 'CS', cs([nop, chunk, chunk, chunk]), { counter: 'queueFull', seq: 'consumed' });
  const third = await client.call('CS', cs([nop, chunk, chunk]));
  await client.run(packets().release(0, 1), { queue: 3 });
  for (const { seq } of [first, second, third]) {
    await client.completed(seq);
  }
  await client.completed((await client.call('CS', cs([nop, chunk, chunk, chunk]))).seq);
});

// --- stages ------------------------------------------------------------------------------------------------------------------

csStaged.add('cs@staged-group', {}, async (env) => {
  const client = await env.open();
  await client.run(packets().setSob(DCORE, SOB, 0));
  const { chunk } = await internal(client, packets().addToSob(DCORE, SOB), 9);
  const first = await client.call('CS', cs([chunk], { flags: FIRST }));
  const middle = await client.call('CS', cs([chunk], { flags: STAGED, seq: first.seq }));
  assert.equal(middle.seq, first.seq, 'later parts answer with the group’s number');
  await client.busy(first.seq);
  const wait = await client.chunk(afterSob(2, 0), 0);
  const last = await client.call('CS', cs([wait], { flags: LAST, seq: first.seq }));
  assert.equal(last.seq, first.seq);
  await client.completed(first.seq);
  assert.equal(await client.probeSeq(), first.seq + 3, 'each part took a number of its own');
});

csStaged.add('cs@staged-external-parts', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const part = async () => [await client.chunk(packets().nop(), 0), await client.chunk(packets().nop(), 1)];
  const { seq } = await client.call('CS', cs(await part(), { flags: FIRST }));
  await client.call('CS', cs(await part(), { flags: STAGED, seq }));
  await client.busy(seq);
  // Others go on meanwhile.
  await client.run(packets().nop(), { queue: 2 });
  await client.run(packets().nop(), { queue: 0 });
  await client.busy(seq);
  await client.call('CS', cs(await part(), { flags: LAST, seq }));
  await client.completed(seq);
});

csStaged.add('cs@staged-first-and-last', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq } = await client.call('CS', cs([await client.chunk(packets().nop())], { flags: FIRST | LAST }));
  await client.completed(seq);
});

csStaged.add('cs@staged-waits-for-all-parts', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const fence = await client.chunk(packets().fence(1), 0);
  const nop = await client.chunk(packets().nop(), 1);
  const { seq } = await client.call('CS', cs([fence], { flags: FIRST }));
  await client.call('CS', cs([nop], { flags: LAST, seq }));
  await client.run(packets().release(0, 1), { queue: 3 });
  await client.completed(seq);
});

csStaged.add('cs@staged-timestamp-of-first', { policy: 'both' }, async (env) => {
  const client = await env.open();
  await env.passMs(1);
  const nop = await client.chunk(packets().nop(), 1);
  const stamped = await client.call('CS', cs([nop], { flags: FIRST | 0x20 }));
  await client.call('CS', cs([nop], { flags: LAST, seq: stamped.seq }));
  assert.equal((await client.wait(stamped.seq)).flags, 2);
  const plain = await client.call('CS', cs([nop], { flags: FIRST }));
  await client.call('CS', cs([nop], { flags: LAST | 0x20, seq: plain.seq }));
  assert.equal((await client.wait(plain.seq)).flags, 0);
});

csStaged.add('cs@staged-sequence', { policy: 'both', covers: ['CS/EINVAL/staged-sequence'] }, async (env) => {
  const client = await env.open();
  const nop = await client.chunk(packets().nop(), 1);
  const ordinary = await client.blocked({ queue: 0 });
  const finished = (await client.call('CS', cs([nop], { flags: FIRST | LAST }))).seq;
  await client.completed(finished);
  // Never issued, 0, finished, not a staged first.
  for (const seq of [0, 100_000, finished, ordinary.seq]) {
    for (const flags of [STAGED, LAST]) {
      await client.fails('EINVAL', 'CS', cs([nop], { flags, seq }), { seq: 'consumed' });
    }
  }
  await ordinary.release();
  await client.completed(ordinary.seq);
});

csStaged.add('cs@staged-after-last', { policy: 'both', covers: ['CS/EINVAL/staged-sequence'] }, async (env) => {
  const client = await env.open();
  const fence = await client.chunk(packets().fence(1), 0);
  const nop = await client.chunk(packets().nop(), 0);
  const { seq } = await client.call('CS', cs([fence], { flags: FIRST }));
  await client.call('CS', cs([nop], { flags: LAST, seq }));
  await client.busy(seq);
  const other = await client.chunk(packets().nop(), 1);
  await client.fails('EINVAL', 'CS', cs([other], { flags: STAGED, seq }), { seq: 'consumed' });
  await client.fails('EINVAL', 'CS', cs([other], { flags: LAST, seq }), { seq: 'consumed' });
  await client.run(packets().release(0, 1), { queue: 3 });
  await client.completed(seq);
});

csStaged.add('cs@staged-unfinished-at-close', { policy: 'shared' }, async (env) => {
  const client = await env.open();
  await client.call('CS', cs([await client.chunk(packets().nop(), 0)], { flags: FIRST }));
  await client.close();
  await (await env.opened()).run(packets().nop());
});
