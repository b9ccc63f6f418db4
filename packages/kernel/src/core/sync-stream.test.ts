/** Signal, wait and reserved signals: the driver's own command buffers, counts that outlive contexts (uapi.md 4.9 to 4.11). */
import { encodeMsgShort, sobValue } from '@pedrera/hw';
import { ALL_ONES_U64, type Chunk, CS_FLAGS, MAX_PENDING } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import type { OpenFile } from './open-file.js';
import { TestRig } from './test-rig.js';
import { codeNow, done, nop, release, stuck } from './test-support.js';

const SOB_0 = 0x49_2000;
const W_S = 0;
const onQueue = (queueIndex: number): Chunk => ({ handle: 0n, queueIndex, size: 0, flags: 0 });
const awaiting = (queueIndex: number, ...signalSeqs: number[]): Chunk => ({ ...onQueue(queueIndex), signalSeqs });
function signal(rig: TestRig, file: OpenFile, queue: number) {
  return rig.csNow(file, { flags: CS_FLAGS.SIGNAL, chunksExecute: [onQueue(queue)] });
}

function wait(rig: TestRig, file: OpenFile, queue: number, ...seqs: number[]) {
  return rig.csNow(file, { flags: CS_FLAGS.WAIT, chunksExecute: [awaiting(queue, ...seqs)] });
}

function reserve(rig: TestRig, file: OpenFile, queue: number, count: number) {
  return rig.csNow(file, { flags: CS_FLAGS.RESERVE_SIGNALS_ONLY, signals: { queue, count } });
}

function unreserve(rig: TestRig, file: OpenFile, handle: number) {
  return rig.csNow(file, { flags: CS_FLAGS.UNRESERVE_SIGNALS_ONLY, reservation: handle });
}

describe('SIGNAL', () => {
  it('counts-up-and-answers-with-object-and-value', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    expect(signal(rig, file, 3)).toEqual({
      seq: 1,
      sobBaseAddrOffset: SOB_0 + 4 * (128 + 6),
      sobCountBeforeSubmission: 1,
    });
    expect(signal(rig, file, 3)).toMatchObject({ seq: 2, sobCountBeforeSubmission: 2 });
    rig.run();
    expect(await rig.sob(W_S, 134)).toBe(2);
    expect([done(file, 1), done(file, 2)]).toEqual([true, true]);
  });

  it('a-new-context-goes-on-counting', async () => {
    await using rig = new TestRig('exclusive');
    for (let opens = 1; opens <= 3; opens++) {
      const file = await rig.open();
      expect(signal(rig, file, 0)).toMatchObject({ seq: 1, sobCountBeforeSubmission: opens });
      rig.run();
      expect(await rig.sob(W_S, 128)).toBe(opens);
      await rig.close(file);
    }
  });

  it('a-reset-starts-from-one', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    signal(rig, file, 0);
    rig.run();
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
    await rig.close(file);
    expect(signal(rig, await rig.open(), 0)).toMatchObject({ sobCountBeforeSubmission: 1 });
    rig.run();
    expect(await rig.sob(W_S, 128)).toBe(1);
  });

  it('queues-without-a-sync-stream-are-EINVAL-and-counted', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    for (const queue of [8, 9, 73, 113, 0xffff_ffff]) {
      expect(codeNow(() => signal(rig, file, queue))).toBe('EINVAL');
    }
    expect(file.requireContext.counters.validation).toBe(5);
    expect(file.requireContext.pending.nextSeq).toBe(1);
  });

  it('needs-exactly-one-chunk-and-counts-nothing', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    for (const chunksExecute of [[], [onQueue(0), onQueue(0)]]) {
      for (const flags of [CS_FLAGS.SIGNAL, CS_FLAGS.WAIT, CS_FLAGS.COLLECTIVE_WAIT]) {
        expect(codeNow(() => rig.cs(file, { flags, chunksExecute }))).toBe('EINVAL');
      }
    }
    expect(file.requireContext.counters).toMatchObject({ validation: 0, parsing: 0 });
  });

  it('without-memory-for-its-command-buffer-is-EFAULT', async () => {
    await using rig = new TestRig('exclusive', 1, { kernelMemoryBytes: 64 * 2 ** 21 });
    const file = await rig.open();
    const pool = file.requireContext.patchedPool;
    const taken = Array.from({ length: 64 }, () => pool.allocate(2 ** 21));
    expect(codeNow(() => signal(rig, file, 0))).toBe('EFAULT');
    expect(file.requireContext.counters.outOfMem).toBe(1);
    expect(file.requireContext.pending.nextSeq).toBe(2);
    for (const block of taken) {
      pool.free(block);
    }
    expect(signal(rig, file, 0).sobCountBeforeSubmission).toBe(1);
  });

  it('on-a-stopped-device-is-EFAULT', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.device().life.disabled = true;
    expect(codeNow(() => signal(rig, file, 0))).toBe('EFAULT');
    expect(file.requireContext.counters).toMatchObject({ outOfMem: 1, deviceInReset: 0 });
    rig.device().life.disabled = false;
  });

  it('shared-contexts-do-not-see-each-others-counts', async () => {
    await using rig = new TestRig('shared');
    const [one, two] = [await rig.open(), await rig.open()];
    const first = signal(rig, one, 0);
    const second = signal(rig, two, 0);
    expect([first.sobCountBeforeSubmission, second.sobCountBeforeSubmission]).toEqual([1, 1]);
    expect(first.sobBaseAddrOffset).not.toBe(second.sobBaseAddrOffset);
    rig.run();
    expect([done(one, 1), done(two, 1)]).toEqual([true, true]);
    expect(one.requireContext.faults + two.requireContext.faults).toBe(0);
  });
});

describe('SOB switch', () => {
  /** Brings the queue to where the next signal is the last one of its object. */
  function nearTheEnd(rig: TestRig, file: OpenFile, queue: number): void {
    const { handleId } = reserve(rig, file, queue, 32766).reserved as { handleId: number };
    expect(file.requireContext.syncStream.queue(queue).next).toBe(32767);
    // Attached and completed, so that nobody refers to the object any more.
    const chunk = rig.chunk(file, queue, (words) =>
      encodeMsgShort(words, 0, { base: 3, addressOffset: 4 * (128 + 2 * queue), value: sobValue('set', 32766) }),
    );
    const flags = CS_FLAGS.STAGED | CS_FLAGS.STAGED_FIRST | CS_FLAGS.STAGED_LAST | CS_FLAGS.ENCAP_SIGNALS;
    rig.csNow(file, { flags, chunksExecute: [chunk], reservation: handleId });
    rig.run();
  }

  it('the-signal-at-the-limit-uses-the-old-object-and-answers-with-the-new', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    nearTheEnd(rig, file, 1);
    expect(signal(rig, file, 1)).toMatchObject({ sobBaseAddrOffset: SOB_0 + 4 * 131, sobCountBeforeSubmission: 0 });
    // The last reference of the old one went with the signal: it is zeroed.
    rig.run();
    expect(await rig.sob(W_S, 130)).toBe(0);
    expect(signal(rig, file, 1)).toMatchObject({ sobBaseAddrOffset: SOB_0 + 4 * 131, sobCountBeforeSubmission: 1 });
    rig.run();
    expect(await rig.sob(W_S, 131)).toBe(1);
  });

  it('is-EINVAL-while-the-other-object-is-used-and-spends-a-number', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    reserve(rig, file, 0, 32000);
    const second = reserve(rig, file, 0, 32000).reserved as { handleId: number };
    expect(codeNow(() => reserve(rig, file, 0, 32000))).toBe('EINVAL');
    reserve(rig, file, 0, 766);
    const before = file.requireContext.pending.nextSeq;
    expect(codeNow(() => signal(rig, file, 0))).toBe('EINVAL');
    expect(file.requireContext.pending.nextSeq).toBe(before + 1);
    expect(done(file, before)).toBe(true);
    expect(file.requireContext.counters).toMatchObject({ validation: 0, queueFull: 0, outOfMem: 0 });
    expect(second.handleId).toBe(2);
  });
});

describe('WAIT', () => {
  it('blocks-its-queue-until-the-signal', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    const { seq } = signal(rig, file, 0);
    const waiting = wait(rig, file, 4, seq);
    const behind = rig.submit(file, 4, nop);
    rig.run();
    expect([done(file, seq), done(file, waiting.seq), behind.finished]).toEqual([false, false, false]);
    rig.submit(file, 1, release(0));
    rig.run();
    expect([done(file, seq), done(file, waiting.seq), behind.finished]).toEqual([true, true, true]);
  });

  it('works-in-each-context-of-a-shared-device', async () => {
    await using rig = new TestRig('shared');
    for (let i = 0; i < 2; i++) {
      const file = await rig.open();
      rig.submit(file, 0, stuck);
      const waiting = wait(rig, file, 7, signal(rig, file, 0).seq);
      rig.run();
      expect(done(file, waiting.seq)).toBe(false);
      rig.submit(file, 1, release(0));
      rig.run();
      expect(done(file, waiting.seq)).toBe(true);
      expect(file.requireContext.faults).toBe(0);
    }
  });

  it('a-given-signal-answers-all-ones-and-submits-nothing', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const { seq } = signal(rig, file, 0);
    rig.run();
    expect(wait(rig, file, 1, seq)).toEqual({ seq: ALL_ONES_U64, sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 });
    expect(wait(rig, file, 1, 0).seq).toBe(ALL_ONES_U64);
    expect(file.requireContext.pending.nextSeq).toBe(2);
  });

  it('wrong-arrays-futures-and-types-are-EINVAL-and-counted', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const plain = rig.submit(file, 0, nop);
    rig.run();
    expect(codeNow(() => wait(rig, file, 0))).toBe('EINVAL');
    expect(codeNow(() => wait(rig, file, 0, 1, 1))).toBe('EINVAL');
    expect(codeNow(() => wait(rig, file, 0, 2))).toBe('EINVAL');
    expect(codeNow(() => wait(rig, file, 0, ALL_ONES_U64))).toBe('EINVAL');
    // Another type is refused even when it is long complete.
    expect(codeNow(() => wait(rig, file, 0, plain.seq))).toBe('EINVAL');
    expect(file.requireContext.counters.validation).toBe(5);
    expect(file.requireContext.pending.nextSeq).toBe(2);
  });

  it('holds-the-object-across-a-switch', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    const { seq } = signal(rig, file, 0);
    rig.submit(file, 2, stuck);
    const waiting = wait(rig, file, 2, seq);
    const [object] = file.requireContext.syncStream.queue(0).objects;
    expect(object.users).toBe(2);
    rig.submit(file, 1, release(0));
    rig.run();
    expect([done(file, seq), object.users]).toEqual([true, 1]);
    rig.submit(file, 1, release(2));
    rig.run();
    expect([done(file, waiting.seq), object.users]).toEqual([true, 0]);
  });

  it('a-full-queue-is-EAGAIN', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    const { seq } = signal(rig, file, 0);
    const chunk = rig.chunk(file, 1, stuck);
    for (let i = 0; i < 4096; i++) {
      rig.csNow(file, { chunksExecute: [chunk] });
    }
    expect(codeNow(() => wait(rig, file, 1, seq))).toBe('EAGAIN');
    expect(file.requireContext.counters.queueFull).toBe(1);
    await file.requireContext.stop();
  });
});

describe('RESERVE_SIGNALS_ONLY', () => {
  it('answers-with-handle-next-value-and-address', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    expect(reserve(rig, file, 2, 10)).toMatchObject({
      reserved: { handleId: 1, count: 11 },
      sobBaseAddrOffset: SOB_0 + 4 * 132,
    });
    expect(reserve(rig, file, 2, 0).reserved).toEqual({ handleId: 2, count: 11 });
    expect(signal(rig, file, 2).sobCountBeforeSubmission).toBe(11);
  });

  it('bad-counts-and-queues-are-EINVAL-and-not-counted', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    expect(codeNow(() => reserve(rig, file, 0, 32768))).toBe('EINVAL');
    expect(codeNow(() => reserve(rig, file, 8, 1))).toBe('EINVAL');
    expect(codeNow(() => reserve(rig, file, 200, 1))).toBe('EINVAL');
    expect(file.requireContext.counters.validation).toBe(0);
    expect(file.requireContext.pending.nextSeq).toBe(1);
    expect(reserve(rig, file, 0, 32767).reserved).toMatchObject({ handleId: 1, count: 32768 });
  });

  it('unreserve-undoes-only-what-came-last', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    reserve(rig, file, 0, 5);
    reserve(rig, file, 0, 3);
    expect(codeNow(() => unreserve(rig, file, 1))).toBe('EINVAL');
    expect(unreserve(rig, file, 2).seq).toBe(ALL_ONES_U64);
    expect(codeNow(() => unreserve(rig, file, 2))).toBe('EINVAL');
    expect(unreserve(rig, file, 1).seq).toBe(ALL_ONES_U64);
    // The lowest free handle, and the value it began with.
    expect(reserve(rig, file, 0, 1).reserved).toEqual({ handleId: 1, count: 2 });
  });

  it('attaching-twice-and-unreserving-what-is-attached-are-EINVAL', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    reserve(rig, file, 0, 1);
    const first = CS_FLAGS.STAGED | CS_FLAGS.STAGED_FIRST | CS_FLAGS.ENCAP_SIGNALS;
    const chunk = rig.chunk(file, 0, nop);
    const group = rig.csNow(file, { flags: first, chunksExecute: [chunk], reservation: 1 });
    expect(codeNow(() => rig.cs(file, { flags: first, chunksExecute: [chunk], reservation: 1 }))).toBe('EINVAL');
    expect(codeNow(() => rig.cs(file, { flags: first, chunksExecute: [chunk], reservation: 7 }))).toBe('EINVAL');
    expect(codeNow(() => unreserve(rig, file, 1))).toBe('EINVAL');
    const last = CS_FLAGS.STAGED | CS_FLAGS.STAGED_LAST;
    rig.csNow(file, { flags: last, chunksExecute: [chunk], stagedSeq: group.seq });
    rig.run();
    expect(done(file, group.seq)).toBe(true);
    expect(file.requireContext.syncStream.queue(0).current.users).toBe(0);
    expect(codeNow(() => unreserve(rig, file, 1))).toBe('EINVAL');
    expect(file.requireContext.counters).toMatchObject({ validation: 0, parsing: 0 });
  });

  it('what-is-left-at-close-is-dropped-and-the-count-stays-true', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    reserve(rig, file, 0, 4);
    signal(rig, file, 0);
    reserve(rig, file, 0, 100);
    reserve(rig, file, 1, 9);
    rig.run();
    await rig.close(file);
    const next = await rig.open();
    // Of queue 0 the four that a signal was counted on top of are given, the hundred undone; of queue 1 all is undone.
    const { seq, sobCountBeforeSubmission } = signal(rig, next, 0);
    expect(sobCountBeforeSubmission).toBe(6);
    expect(signal(rig, next, 1).sobCountBeforeSubmission).toBe(1);
    const waiting = wait(rig, next, 2, seq);
    rig.run();
    expect(await rig.sob(W_S, 128)).toBe(6);
    expect(done(next, waiting.seq)).toBe(true);
  });
});

describe('WAIT with ENCAP_SIGNALS', () => {
  const flags = CS_FLAGS.WAIT | CS_FLAGS.ENCAP_SIGNALS;
  const add = (words: Uint32Array) =>
    encodeMsgShort(words, 0, { base: 3, addressOffset: 4 * 128, value: sobValue('add', 1) });
  const signalWait = (queueIndex: number, seq: number, offset: number): Chunk => ({
    handle: BigInt(seq),
    queueIndex,
    size: offset,
    flags: 0,
  });

  it('waits-for-the-signal-at-the-offset', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    reserve(rig, file, 0, 3);
    const first = CS_FLAGS.STAGED | CS_FLAGS.STAGED_FIRST | CS_FLAGS.ENCAP_SIGNALS;
    const group = rig.csNow(file, { flags: first, chunksExecute: [rig.chunk(file, 0, add)], reservation: 1 });
    const waits = [0, 1, 2, 3].map((offset) =>
      rig.csNow(file, { flags, chunksExecute: [signalWait(4 + offset, group.seq, offset)] }),
    );
    rig.run();
    const state = () => waits.map(({ seq }) => done(file, seq));
    expect(state()).toEqual([true, true, false, false]);
    const next = { flags: CS_FLAGS.STAGED, stagedSeq: group.seq };
    rig.csNow(file, { ...next, chunksExecute: [rig.chunk(file, 0, add)] });
    rig.run();
    expect(state()).toEqual([true, true, true, false]);
    const last = CS_FLAGS.STAGED | CS_FLAGS.STAGED_LAST;
    rig.csNow(file, { ...next, flags: last, chunksExecute: [rig.chunk(file, 0, add)] });
    rig.run();
    expect(state()).toEqual([true, true, true, true]);
    expect(done(file, group.seq)).toBe(true);
    expect(file.requireContext.syncStream.queue(0).objects[0].users).toBe(0);
    // The reservation went with the submission; a wait for it has nothing to wait for.
    const late = rig.csNow(file, { flags, chunksExecute: [signalWait(4, group.seq, 99)] });
    expect(late.seq).toBe(ALL_ONES_U64);
  });

  it('unknown-is-given-and-an-offset-too-far-is-EINVAL-not-counted', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    reserve(rig, file, 0, 3);
    expect(rig.csNow(file, { flags, chunksExecute: [signalWait(1, 17, 1)] }).seq).toBe(ALL_ONES_U64);
    const first = CS_FLAGS.STAGED | CS_FLAGS.STAGED_FIRST | CS_FLAGS.ENCAP_SIGNALS;
    const group = rig.csNow(file, { flags: first, chunksExecute: [rig.chunk(file, 0, nop)], reservation: 1 });
    expect(codeNow(() => rig.cs(file, { flags, chunksExecute: [signalWait(1, group.seq, 4)] }))).toBe('EINVAL');
    expect(file.requireContext.counters.validation).toBe(0);
    await file.requireContext.stop();
  });
});

it('a-stuck-submission-blocks-the-one-16384-later', async () => {
  await using rig = new TestRig('exclusive');
  const file = await rig.open();
  rig.submit(file, 0, stuck);
  for (let i = 1; i < MAX_PENDING; i++) {
    signal(rig, file, 1);
    if (i % 1000 === 0) {
      rig.run();
    }
  }
  rig.run();
  expect(codeNow(() => signal(rig, file, 1))).toBe('EAGAIN');
  expect(file.requireContext.counters.maxCsInFlight).toBe(1);
  expect(file.requireContext.unfinished).toBe(1);
  await file.requireContext.stop();
}, 20_000);
