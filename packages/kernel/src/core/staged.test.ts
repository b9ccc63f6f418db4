/** Internal queues and staged submissions: what is refused, what holds its slot, what completes what (uapi.md 4.3, 4.8). */
import {
  DRAM_VA_BASE,
  encodeFence,
  encodeMsgLong,
  encodeMsgShort,
  fenceRdataAddress,
  HOST_VA_BASE,
  HOST_VA_END,
  monitorArm,
  monitorRegisters,
  queueByName,
  SRAM_USER_BASE,
  sobValue,
} from '@pedrera/hw';
import { type Chunk, CS_FLAGS, WAIT_OUT_FLAGS, WAIT_STATUS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { TestRig } from './test-rig.js';
import { codeNow, done, nop, release, stuck } from './test-support.js';
import { waitForSubmission } from './wait.js';

const FIRST = CS_FLAGS.STAGED | CS_FLAGS.STAGED_FIRST;
const MIDDLE = CS_FLAGS.STAGED;
const LAST = CS_FLAGS.STAGED | CS_FLAGS.STAGED_LAST;
const E_N = 2;
const DMA_2_0 = 9;
const TPC_0_0 = 41;
const NIC_0_0 = 73;

const addTo = (sob: number) => (words: Uint32Array) =>
  encodeMsgShort(words, 0, { base: 1, addressOffset: 4 * sob, value: sobValue('add', 1) });
/** Blocks queue `queue` until sync object `sob` (below 8) has reached 1. */
const awaitSob = (queue: number, sob: number) => (words: Uint32Array) => {
  const { addressLow, addressHigh, data, arm } = monitorRegisters(E_N, queue);
  const fence = fenceRdataAddress(queue, 0);
  let at = encodeMsgLong(words, 0, { address: addressLow, value: fence % 2 ** 32 });
  at = encodeMsgLong(words, at, { address: addressHigh, value: Math.floor(fence / 2 ** 32) });
  at = encodeMsgLong(words, at, { address: data, value: 1 });
  const condition = monitorArm({ group: 0, mask: ~(1 << sob) & 0xff, mode: 'ge', value: 1 });
  at = encodeMsgLong(words, at, { address: arm, value: condition });
  return encodeFence(words, at, { id: 0, target: 1, dec: 1 });
};
const at = (queueIndex: number, address: number, size = 8): Chunk => ({
  handle: BigInt(address),
  queueIndex,
  size,
  flags: 0,
});

describe('internal queues', () => {
  it('run-what-lies-at-the-device-address-when-it-is-executed', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const inner = await rig.sramChunk(DMA_2_0, SRAM_USER_BASE + 0x1000, addTo(3));
    const outer = rig.chunk(file, 0, awaitSob(0, 3));
    const { seq } = rig.csNow(file, { chunksExecute: [inner, outer] });
    rig.run();
    expect(done(file, seq)).toBe(true);
    expect(await rig.sob(E_N, 3)).toBe(1);
    const queue = file.requireContext.queue(DMA_2_0);
    expect([queue.pi, queue.ci, queue.inFlight, queue.length]).toEqual([1, 1, 0, 4096]);
  });

  it('addresses-outside-the-ranges-are-EFAULT-and-count-as-parsing', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const outer = rig.chunk(file, 0, nop);
    const bad = [
      at(DMA_2_0, SRAM_USER_BASE, 0),
      at(DMA_2_0, SRAM_USER_BASE - 8),
      at(DMA_2_0, 0x7f_f140_0000 - 8, 16),
      at(DMA_2_0, 0x2000_0000 - 8),
      at(DMA_2_0, 0x8_0000_0000 - 4),
      at(DMA_2_0, HOST_VA_BASE - 8),
      at(DMA_2_0, HOST_VA_END - 4),
      at(DMA_2_0, DRAM_VA_BASE),
      { ...at(DMA_2_0, 0), handle: 2n ** 64n - 8n },
    ];
    for (const chunk of bad) {
      expect(codeNow(() => rig.cs(file, { chunksExecute: [outer, chunk] }))).toBe('EFAULT');
    }
    expect(file.requireContext.counters).toMatchObject({ parsing: bad.length, validation: 0 });
    for (const address of [SRAM_USER_BASE, 0x7f_f140_0000 - 8, 0x2000_0000, 0x8_0000_0000 - 8, HOST_VA_BASE]) {
      expect(codeNow(() => rig.cs(file, { flags: FIRST, chunksExecute: [at(DMA_2_0, address)] }))).toBe('ok');
    }
    await file.requireContext.stop();
  });

  it('device-memory-has-addresses-of-its-own-where-it-is-shared', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const submit = (address: number) =>
      codeNow(() => rig.cs(file, { flags: FIRST, chunksExecute: [at(DMA_2_0, address)] }));
    expect([submit(DRAM_VA_BASE), submit(DRAM_VA_BASE - 8)]).toEqual(['ok', 'EFAULT']);
    // Accepted is not reachable: nothing is mapped there.
    rig.run();
    expect(file.requireContext.faults).toBeGreaterThan(0);
  });

  it('nic-queues-need-their-port', async () => {
    await using rig = new TestRig('exclusive', 1, { nicPortsMask: 0x2 });
    const file = await rig.open();
    const chunksExecute = [at(NIC_0_0, SRAM_USER_BASE)];
    expect(codeNow(() => rig.cs(file, { flags: FIRST, chunksExecute }))).toBe('EINVAL');
    expect(file.requireContext.counters.parsing).toBe(1);
    expect(codeNow(() => rig.cs(file, { flags: FIRST, chunksExecute: [at(NIC_0_0 + 4, SRAM_USER_BASE)] }))).toBe('ok');
    await file.requireContext.stop();
  });

  it('alone-they-are-EINVAL-unless-staged-and-not-last', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunk = await rig.sramChunk(DMA_2_0, SRAM_USER_BASE, nop);
    expect(codeNow(() => rig.cs(file, { chunksExecute: [chunk] }))).toBe('EINVAL');
    expect(codeNow(() => rig.cs(file, { flags: FIRST | LAST, chunksExecute: [chunk] }))).toBe('EINVAL');
    expect(file.requireContext.counters).toMatchObject({ validation: 2, parsing: 0 });
    const group = rig.csNow(file, { flags: FIRST, chunksExecute: [chunk] });
    const stagedSeq = group.seq;
    expect(codeNow(() => rig.cs(file, { flags: LAST, stagedSeq, chunksExecute: [chunk] }))).toBe('EINVAL');
    expect(codeNow(() => rig.cs(file, { flags: MIDDLE, stagedSeq, chunksExecute: [chunk] }))).toBe('ok');
    rig.csNow(file, { flags: LAST, stagedSeq, chunksExecute: [rig.chunk(file, 0, nop)] });
    rig.run();
    expect(done(file, stagedSeq)).toBe(true);
  });

  it('a-parse-error-comes-before-internal-only-and-a-bad-queue-behind-it', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const far = at(DMA_2_0, 0);
    expect(codeNow(() => rig.cs(file, { chunksExecute: [far, at(8, 0)] }))).toBe('EFAULT');
    expect(codeNow(() => rig.cs(file, { chunksExecute: [at(8, 0), far] }))).toBe('EINVAL');
    expect(file.requireContext.counters).toMatchObject({ parsing: 1, validation: 1 });
  });

  it('hold-their-slots-until-the-submission-is-released', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const inner = await rig.sramChunk(TPC_0_0, SRAM_USER_BASE, nop);
    const chunksExecute = [rig.chunk(file, 0, stuck), ...new Array<Chunk>(511).fill(inner)];
    rig.csNow(file, { chunksExecute });
    rig.csNow(file, { chunksExecute });
    rig.run();
    const queue = file.requireContext.queue(TPC_0_0);
    expect([queue.length, queue.free, queue.pending]).toEqual([1024, 2, 0]);
    expect(codeNow(() => rig.cs(file, { chunksExecute }))).toBe('EAGAIN');
    expect(file.requireContext.counters.queueFull).toBe(1);
    rig.submit(file, 1, release(0));
    rig.run();
    expect(queue.free).toBe(513);
    expect(codeNow(() => rig.cs(file, { chunksExecute }))).toBe('ok');
    await file.requireContext.stop();
  });
});

describe('staged submissions', () => {
  it('complete-with-the-last-part-and-are-known-by-the-first', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksExecute = [rig.chunk(file, 0, nop)];
    const { seq } = rig.csNow(file, { flags: FIRST | CS_FLAGS.TIMESTAMP, chunksExecute });
    expect(rig.csNow(file, { flags: MIDDLE, stagedSeq: seq, chunksExecute }).seq).toBe(seq);
    rig.run();
    expect(done(file, seq)).toBe(false);
    expect(file.requireContext.queue(0).inFlight).toBe(2);
    rig.clock.advance(77);
    expect(rig.csNow(file, { flags: LAST, stagedSeq: seq, chunksExecute }).seq).toBe(seq);
    rig.run();
    expect(waitForSubmission(file, seq, 0n)).toEqual({
      status: WAIT_STATUS.COMPLETED,
      flags: WAIT_OUT_FLAGS.TIMESTAMP_VLD,
      timestampNs: 77n,
    });
    expect(file.requireContext.queue(0).inFlight).toBe(0);
    // Each part spent a number of its own.
    expect([done(file, 2), done(file, 3), rig.submit(file, 0, nop).seq]).toEqual([true, true, 4]);
    rig.run();
  });

  it('parts-before-the-last-go-out-without-a-tail', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const sizes = (queue: number) => file.requireContext.queue(queue).jobs.find((job) => job !== undefined)?.sizeBytes;
    const { seq } = rig.csNow(file, { flags: FIRST, chunksExecute: [rig.chunk(file, 0, nop)] });
    rig.csNow(file, { flags: LAST, stagedSeq: seq, chunksExecute: [rig.chunk(file, 1, nop)] });
    expect([sizes(0), sizes(1)]).toEqual([8, 40]);
    rig.run();
  });

  it('bad-sequences-are-EINVAL-spend-a-number-and-count-nothing', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksExecute = [rig.chunk(file, 0, nop)];
    const plain = rig.submit(file, 0, stuck);
    const { seq } = rig.csNow(file, { flags: FIRST, chunksExecute });
    const refused = (flags: number, stagedSeq: number) =>
      expect(codeNow(() => rig.cs(file, { flags, stagedSeq, chunksExecute }))).toBe('EINVAL');
    refused(LAST, 0);
    refused(LAST, 17);
    refused(MIDDLE, plain.seq);
    // The number of a part is not that of the group.
    const middle = file.requireContext.pending.nextSeq;
    rig.csNow(file, { flags: MIDDLE, stagedSeq: seq, chunksExecute });
    refused(LAST, middle);
    rig.csNow(file, { flags: LAST, stagedSeq: seq, chunksExecute });
    refused(LAST, seq);
    refused(MIDDLE, seq);
    rig.submit(file, 1, release(0));
    rig.run();
    expect(done(file, seq)).toBe(true);
    refused(LAST, seq);
    expect(file.requireContext.counters).toMatchObject({ validation: 0, parsing: 0, queueFull: 0 });
    // plain, first, 3 refused, middle, refused, last, 2 refused, the one that releases, 1 refused.
    expect(file.requireContext.pending.nextSeq).toBe(13);
  });

  it('first-and-last-in-one-and-flags-without-STAGED', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksExecute = [rig.chunk(file, 0, nop)];
    const one = rig.csNow(file, { flags: FIRST | LAST, chunksExecute });
    const two = rig.csNow(file, { flags: CS_FLAGS.STAGED_LAST, stagedSeq: 99, chunksExecute });
    rig.run();
    expect([done(file, one.seq), done(file, two.seq)]).toEqual([true, true]);
  });

  it('a-fault-of-one-part-fails-all-under-shared', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const bad = rig.chunk(file, 0, (words) => encodeMsgLong(words, 0, { address: 0x1000000200000, value: 1 }));
    const { seq } = rig.csNow(file, { flags: FIRST, chunksExecute: [bad] });
    rig.csNow(file, { flags: LAST, stagedSeq: seq, chunksExecute: [rig.chunk(file, 0, nop)] });
    rig.run();
    expect(codeNow(() => waitForSubmission(file, seq, 0n))).toBe('EIO');
  });

  it('a-command-buffer-the-device-may-still-read-is-not-used-again', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const blocked = rig.csNow(file, { flags: FIRST, chunksExecute: [rig.chunk(file, 0, stuck)] });
    rig.csNow(file, { flags: LAST, stagedSeq: blocked.seq, chunksExecute: [rig.chunk(file, 1, nop)] });
    rig.run();
    // Complete, although the first part stands at its fence.
    expect(done(file, blocked.seq)).toBe(true);
    const { patchedPool } = file.requireContext;
    expect([file.requireContext.queue(0).free, patchedPool.liveBytes]).toEqual([4096, 128]);
    const more = [1, 2, 3].map(() => rig.submit(file, 1, addTo(5)));
    rig.run();
    expect([more.every(({ finished }) => finished), patchedPool.liveBytes]).toEqual([true, 128]);
    rig.submit(file, 1, release(0));
    const behind = rig.submit(file, 0, nop);
    rig.run();
    expect([behind.finished, await rig.sob(E_N, 5)]).toEqual([true, 3]);
    rig.submit(file, 0, nop);
    rig.run();
    expect(patchedPool.liveBytes).toBe(0);
  });

  it('unfinished-at-close-under-shared-leaves-nothing', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.csNow(file, { flags: FIRST, chunksExecute: [rig.chunk(file, 0, nop), rig.chunk(file, 1, stuck)] });
    rig.run();
    await rig.close(file);
    expect(rig.device().contexts.size).toBe(0);
  });

  it('only-the-first-part-has-a-timer', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const chunksExecute = [rig.chunk(file, 0, nop)];
    const timed = { flags: FIRST | CS_FLAGS.CUSTOM_TIMEOUT, timeoutSec: 5, chunksExecute };
    const { seq } = rig.csNow(file, timed);
    rig.csNow(file, { flags: MIDDLE | CS_FLAGS.CUSTOM_TIMEOUT, timeoutSec: 1, stagedSeq: seq, chunksExecute });
    rig.run();
    rig.clock.advance(4e9);
    await rig.settle();
    expect(done(file, seq)).toBe(false);
    rig.clock.advance(1e9);
    await rig.settle();
    await rig.settle();
    expect(codeNow(() => waitForSubmission(file, seq, 0n))).toBe('ETIMEDOUT');
  });
});

it('the-mixed-external-ring-frees-slots-by-number', async () => {
  await using rig = new TestRig('exclusive');
  const file = await rig.open();
  const queue = file.requireContext.queue(0);
  const chunk = rig.chunk(file, 0, nop);
  // Parts without completion and plain submissions take turns, far beyond the ring's length.
  for (let round = 0; round < 5000; round++) {
    const { seq } = rig.csNow(file, { flags: FIRST, chunksExecute: [chunk] });
    const plain = rig.csNow(file, { chunksExecute: [chunk] });
    rig.csNow(file, { flags: LAST, stagedSeq: seq, chunksExecute: [chunk, chunk] });
    if (round % 500 === 0) {
      rig.run();
      expect([done(file, seq), done(file, plain.seq), queue.inFlight]).toEqual([true, true, 0]);
    }
  }
  rig.run();
  expect([queue.inFlight, queue.completed, file.requireContext.unfinished]).toEqual([0, 20000, 0]);
}, 20_000);

it('queues-of-a-submission-are-known', async () => {
  await using rig = new TestRig('exclusive');
  const file = await rig.open();
  const dma7 = queueByName('DMA_7_3')?.id as number;
  const inner = await rig.sramChunk(dma7, SRAM_USER_BASE, nop);
  const { seq } = rig.csNow(file, { flags: FIRST, chunksExecute: [inner, rig.chunk(file, 5, nop)] });
  rig.csNow(file, { flags: LAST, stagedSeq: seq, chunksExecute: [rig.chunk(file, 2, nop)] });
  const first = file.requireContext.pending.lookup(seq);
  expect(typeof first === 'object' && first.queuesUsed()).toEqual([2, 5, dma7]);
  rig.run();
});
