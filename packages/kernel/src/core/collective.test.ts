/** Collective waits: who takes part, what blocks, what is given back (uapi.md 4.10, device.md 7). */
import { encodeMsgShort, HOST_VA_BASE, sobValue } from '@pedrera/hw';
import { ALL_ONES_U64, CS_FLAGS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import type { OpenFile } from './open-file.js';
import type { PolicyName } from './policy.js';
import { TestRig } from './test-rig.js';
import { codeNow, done, nop, release, stuck } from './test-support.js';

const W_S = 0;
const DMA_5 = 5;
const TPC_7 = 19;
const DMA_5_0 = 21;
const TPC_7_0 = 69;
const NIC_0_0 = 73;
const ALL_PORTS = { nicPortsMask: 0x3ff };
const onQueue = (queueIndex: number) => ({ handle: 0n, queueIndex, size: 0, flags: 0 });

const signal = (rig: TestRig, file: OpenFile, queue: number) =>
  rig.csNow(file, { flags: CS_FLAGS.SIGNAL, chunksExecute: [onQueue(queue)] });

const collective = (
  rig: TestRig,
  file: OpenFile,
  { queue, seq, engine = DMA_5 }: { queue: number; seq: number; engine?: number },
) =>
  rig.csNow(file, {
    flags: CS_FLAGS.COLLECTIVE_WAIT,
    chunksExecute: [{ ...onQueue(queue), collectiveEngineId: engine, signalSeqs: [seq] }],
  });

describe('COLLECTIVE_WAIT', () => {
  it('without-ports-is-EINVAL-as-upstream', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    const { seq } = signal(rig, file, 0);
    expect(codeNow(() => collective(rig, file, { queue: 1, seq }))).toBe('EINVAL');
    expect(file.requireContext.counters.validation).toBe(1);
    expect(file.requireContext.pending.nextSeq).toBe(3);
    await file.requireContext.stop();
  });

  it('only-DMA5-and-TPC7-reduce-and-asking-for-another-spends-a-number', async () => {
    await using rig = new TestRig('exclusive', 1, ALL_PORTS);
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    const { seq } = signal(rig, file, 0);
    for (const engine of [0, 4, 12, 20, 99]) {
      expect(codeNow(() => collective(rig, file, { queue: 1, seq, engine }))).toBe('EINVAL');
    }
    expect(file.requireContext.counters).toMatchObject({ validation: 0, parsing: 0 });
    expect(file.requireContext.pending.nextSeq).toBe(8);
    expect(codeNow(() => collective(rig, file, { queue: 9, seq }))).toBe('EINVAL');
    expect(file.requireContext.counters.validation).toBe(1);
    await file.requireContext.stop();
  });

  it('a-given-signal-answers-all-ones', async () => {
    await using rig = new TestRig('exclusive', 1, ALL_PORTS);
    const file = await rig.open();
    const { seq } = signal(rig, file, 0);
    rig.run();
    expect(collective(rig, file, { queue: 1, seq }).seq).toBe(ALL_ONES_U64);
  });

  for (const policy of ['exclusive', 'shared'] satisfies PolicyName[]) {
    it(`master-and-eleven-slaves-wait-for-the-signal-${policy}`, async () => {
      await using rig = new TestRig(policy, 1, ALL_PORTS);
      const file = await rig.open();
      const context = file.requireContext;
      rig.submit(file, 0, stuck);
      const { seq } = signal(rig, file, 0);
      const waiting = collective(rig, file, { queue: 6, seq });
      const behind = rig.submit(file, 6, nop);
      const used = context.pending.lookup(waiting.seq);
      const nics = Array.from({ length: 10 }, (_, port) => NIC_0_0 + 4 * port + 2);
      expect(typeof used === 'object' && used.queuesUsed()).toEqual([6, DMA_5_0 + 2, ...nics]);
      rig.run();
      expect([done(file, waiting.seq), behind.finished]).toEqual([false, false]);
      rig.submit(file, 1, release(0));
      rig.run();
      expect([done(file, waiting.seq), behind.finished]).toEqual([true, true]);
      expect(context.faults).toBe(0);
      expect(context.queue(NIC_0_0 + 2).inFlight).toBe(0);
      expect(context.syncStream.queue(0).current.users).toBe(0);
    });
  }

  it('each-stream-counts-in-its-own-group', async () => {
    await using rig = new TestRig('exclusive', 1, ALL_PORTS);
    const file = await rig.open();
    for (const [round, engine] of [DMA_5, TPC_7, DMA_5].entries()) {
      rig.submit(file, 0, stuck);
      const { seq } = signal(rig, file, 0);
      const waiting = collective(rig, file, { queue: 5, seq, engine });
      rig.submit(file, 1, release(0));
      rig.run();
      expect(done(file, waiting.seq)).toBe(true);
      // Group 2: stream 1, its first. Ten ports and one engine each.
      const values = await Promise.all(Array.from({ length: 12 }, (_, i) => rig.sob(W_S, 32 + i)));
      expect(values).toEqual([...new Array<number>(11).fill(round + 1), 0]);
    }
    expect(file.requireContext.queue(TPC_7_0 + 1).completed).toBe(1);
  });

  it('waits-for-reserved-signals-too', async () => {
    await using rig = new TestRig('exclusive', 1, ALL_PORTS);
    const file = await rig.open();
    const { reserved } = rig.csNow(file, { flags: CS_FLAGS.RESERVE_SIGNALS_ONLY, signals: { count: 2, queue: 0 } });
    const add = (words: Uint32Array) =>
      encodeMsgShort(words, 0, { base: 3, addressOffset: 4 * 128, value: sobValue('add', 1) });
    const chunksExecute = [rig.chunk(file, 0, add)];
    const first = CS_FLAGS.STAGED | CS_FLAGS.STAGED_FIRST | CS_FLAGS.ENCAP_SIGNALS;
    const group = rig.csNow(file, { flags: first, chunksExecute, reservation: reserved?.handleId ?? 0 });
    const flags = CS_FLAGS.COLLECTIVE_WAIT | CS_FLAGS.ENCAP_SIGNALS;
    const awaited = { handle: BigInt(group.seq), queueIndex: 1, size: 2, flags: 0, collectiveEngineId: TPC_7 };
    const waiting = rig.csNow(file, { flags, chunksExecute: [awaited] });
    rig.run();
    expect(done(file, waiting.seq)).toBe(false);
    const last = CS_FLAGS.STAGED | CS_FLAGS.STAGED_LAST;
    rig.csNow(file, { flags: last, stagedSeq: group.seq, chunksExecute });
    rig.run();
    expect([done(file, waiting.seq), done(file, group.seq)]).toEqual([true, true]);
    expect(file.requireContext.syncStream.queue(0).current.users).toBe(0);
  });

  it('some-ports-only', async () => {
    await using rig = new TestRig('exclusive', 1, { nicPortsMask: 0x104 });
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    const { seq } = signal(rig, file, 0);
    const waiting = collective(rig, file, { queue: 4, seq, engine: TPC_7 });
    const used = file.requireContext.pending.lookup(waiting.seq);
    expect(typeof used === 'object' && used.queuesUsed()).toEqual([4, TPC_7_0, NIC_0_0 + 8, NIC_0_0 + 32]);
    rig.submit(file, 1, release(0));
    rig.run();
    expect(done(file, waiting.seq)).toBe(true);
    const values = await Promise.all([2, 8, 10, 3].map((i) => rig.sob(W_S, i)));
    expect(values).toEqual([1, 1, 1, 0]);
  });

  it('a-used-up-group-is-switched-and-zeroed', async () => {
    await using rig = new TestRig('exclusive', 1, ALL_PORTS);
    const file = await rig.open();
    const groups = file.requireContext.syncStream.collective(0);
    for (let value = 1; value < 32767; value++) {
      const taken = groups.take();
      expect(taken.value).toBe(value);
      taken.object.put();
    }
    const last = groups.take();
    expect([last.value, last.object.first]).toEqual([32767, 0]);
    void rig.device().hardware.writeRegister(last.object.offset, 32767);
    const next = groups.take();
    expect([next.value, next.object.first]).toEqual([1, 16]);
    expect(await rig.sob(W_S, 0)).toBe(32767);
    last.object.put();
    expect(await rig.sob(W_S, 0)).toBe(0);
    next.object.put();
  });

  it('slaves-are-read-from-the-drivers-pool', async () => {
    await using rig = new TestRig('exclusive', 1, ALL_PORTS);
    const file = await rig.open();
    const pool = file.requireContext.internalPool;
    const blocks = Array.from({ length: 2 ** 21 / 64 }, () => pool.allocate(48));
    expect(blocks[0]?.address).toBe(HOST_VA_BASE);
    rig.submit(file, 0, stuck);
    const { seq } = signal(rig, file, 0);
    expect(codeNow(() => collective(rig, file, { queue: 1, seq }))).toBe('EFAULT');
    expect(file.requireContext.counters.outOfMem).toBe(1);
    for (const block of blocks) {
      pool.free(block);
    }
    expect(codeNow(() => collective(rig, file, { queue: 1, seq }))).toBe('ok');
    await file.requireContext.stop();
  });
});
