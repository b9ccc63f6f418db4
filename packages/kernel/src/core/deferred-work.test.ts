/** Submissions that wait for fences: order, room, time-outs, and what a stop or a reset makes of them. */
import { encodeMsgLong, fenceRdataAddress } from '@pedrera/hw';
import { CS_FLAGS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import type { CsRequest } from './cs.js';
import type { DmaBuf } from './dma-buf/dma-buf.js';
import { exportMemory } from './dma-buf/exporters.js';
import { DmaFence } from './fence/dma-fence.js';
import { USAGE } from './fence/reservation.js';
import { SyncFile } from './fence/sync-file.js';
import type { OpenFile } from './open-file.js';
import type { Submission } from './submission.js';
import { submissionFence } from './submission-fence.js';
import { submitSynced } from './synced-submit.js';
import { TestRig } from './test-rig.js';
import { nop, stuck } from './test-support.js';

const S = 1e9;
const RING = 4096;
const EXPORTED = { extents: [{ address: 2 ** 30, size: 2 ** 21 }], size: 2 ** 21, allocation: undefined };

class Rig extends TestRig {
  #nextPoint = 1;

  /** A fence that somebody outside signals. */
  fence(): DmaFence {
    const { fences } = this.machine;
    const timeline = { context: fences.newContext(), driverName: 'test', timelineName: 'outside' };
    return new DmaFence(fences, timeline, this.#nextPoint++);
  }

  /** A plain submission on a queue, after these fences. */
  after(file: OpenFile, queue: number, fences: readonly DmaFence[], { encode = nop, timeoutSec = 0 } = {}): Submission {
    return this.synced(file, [queue], { fences, encode, timeoutSec });
  }

  synced(
    file: OpenFile,
    queues: readonly number[],
    options: { fences?: readonly DmaFence[]; buffers?: DmaBuf[]; encode?: typeof nop; timeoutSec?: number },
  ): Submission {
    const { fences = [], buffers = [], encode = nop, timeoutSec = 0 } = options;
    const files = fences.map((fence) => new SyncFile(fence));
    const cs: CsRequest = {
      flags: timeoutSec === 0 ? 0 : CS_FLAGS.CUSTOM_TIMEOUT,
      chunksRestore: [],
      chunksExecute: queues.map((queue) => this.chunk(file, queue, encode)),
      timeoutSec,
      stagedSeq: 0,
      reservation: 0,
      signals: { count: 0, queue: 0 },
    };
    const used = buffers.map((object) => ({ object, write: true }));
    const { submission, fence } = submitSynced(file, this.machine.fences, { cs, buffers: used, waitFor: files });
    fence.put();
    for (const one of files) {
      one.put();
    }
    return submission;
  }

  async work(): Promise<void> {
    this.run();
    await this.settle();
    this.run();
  }

  release(file: OpenFile, queue: number): void {
    this.submit(file, 6, (words) => encodeMsgLong(words, 0, { address: fenceRdataAddress(queue, 0), value: 1 }));
  }
}

function states(...submissions: Submission[]): string {
  return submissions
    .map(({ finished, deferred, outcome }) => (finished ? (outcome?.error ?? 'done') : deferred ? 'held' : 'runs'))
    .join(' ');
}

describe('order', () => {
  it('nothing-overtakes-on-a-queue-and-everything-does-on-another', async () => {
    await using rig = new Rig('shared');
    const file = await rig.open();
    using fence = rig.fence();
    const held = rig.after(file, 0, [fence]);
    const behind = rig.submit(file, 0, nop);
    const beside = rig.submit(file, 1, nop);
    const across = rig.synced(file, [0, 1], {});
    const last = rig.submit(file, 1, nop);
    await rig.work();
    expect(states(held, behind, beside, across, last)).toBe('held held done held held');
    // The newest before each, on a queue of both.
    const inLine = [...(file.requireContext.deferred ?? [])].map(({ behind: before }) => before);
    expect(inLine).toEqual([undefined, held, behind, across]);
    fence.signal();
    await rig.work();
    expect(states(held, behind, beside, across, last)).toBe('done done done done done');
    expect(file.requireContext.deferred?.size).toBe(0);
    // From here on there is nothing to stay behind.
    expect(states(rig.submit(file, 0, nop))).toBe('runs');
  });

  it('parts-of-a-staged-submission-stay-together', async () => {
    await using rig = new Rig('shared');
    const file = await rig.open();
    using fence = rig.fence();
    const held = rig.after(file, 0, [fence]);
    const { STAGED, STAGED_FIRST, STAGED_LAST } = CS_FLAGS;
    const part = (queue: number, flags: number, stagedSeq: number) =>
      rig.csNow(file, { flags, stagedSeq, chunksExecute: [rig.chunk(file, queue, nop)] });
    const { seq } = part(0, STAGED | STAGED_FIRST, 0);
    // Alone on its queue, but the first part waits.
    part(1, STAGED | STAGED_LAST, seq);
    const first = file.requireContext.pending.lookup(seq) as Submission;
    await rig.work();
    expect(states(held, first)).toBe('held held');
    fence.signal();
    await rig.work();
    expect(states(held, first)).toBe('done done');
  });

  it('room-on-the-queue-is-kept-for-them', async () => {
    await using rig = new Rig('shared');
    const file = await rig.open();
    using fence = rig.fence();
    rig.after(file, 0, [fence]);
    const submissions = Array.from({ length: RING - 1 }, () => rig.submit(file, 0, nop));
    expect(() => rig.submit(file, 0, nop)).toThrow('0 free slots');
    fence.signal();
    await rig.work();
    expect(new Set(submissions.map((one) => states(one)))).toEqual(new Set(['done']));
  });

  it('signalled-fences-and-those-of-the-same-queue-hold-nothing-up', async () => {
    await using rig = new Rig('shared');
    const file = await rig.open();
    const running = rig.submit(file, 0, stuck);
    using fence = submissionFence(rig.machine.fences, running);
    using done = rig.fence();
    done.signal();
    expect(states(rig.after(file, 0, [fence, done]))).toBe('runs');
    const other = rig.after(file, 1, [fence, done]);
    expect(states(other)).toBe('held');
    rig.release(file, 0);
    await rig.work();
    expect(states(running, other)).toBe('done done');
  });
});

describe('an end', () => {
  it('that-never-comes-is-a-time-out-of-the-one-that-waits', async () => {
    await using rig = new Rig('shared', 1, { defaultTimeoutNs: 1 * S, dependencyTimeoutNs: 5 * S });
    const file = await rig.open();
    using fence = rig.fence();
    const endless = rig.after(file, 0, [fence]);
    const patient = rig.after(file, 1, [fence], { timeoutSec: 20 });
    const behind = rig.submit(file, 0, nop);
    await rig.work();
    rig.clock.advance(5 * S);
    await rig.work();
    expect(states(endless, patient, behind)).toBe('ETIMEDOUT held done');
    rig.clock.advance(15 * S);
    await rig.work();
    expect(states(patient)).toBe('ETIMEDOUT');
    expect(file.requireContext.lost).toBeUndefined();
    expect(rig.device().life.hardResets).toBe(0);
    using late = submissionFence(rig.machine.fences, endless);
    expect([late.status, late.timestampNs]).toEqual([-110, 5 * S]);
    expect(fence.watched).toBe(false);
  });

  it('comes-even-where-there-are-no-time-outs', async () => {
    await using rig = new Rig('shared', 1, { defaultTimeoutNs: Number.POSITIVE_INFINITY, dependencyTimeoutNs: 5 * S });
    const file = await rig.open();
    using fence = rig.fence();
    const held = rig.after(file, 0, [fence]);
    rig.clock.advance(5 * S);
    await rig.work();
    expect(states(held)).toBe('ETIMEDOUT');
  });

  it('time-on-the-device-counts-from-when-it-got-there', async () => {
    await using rig = new Rig('shared');
    const file = await rig.open();
    using fence = rig.fence();
    const held = rig.after(file, 0, [fence], { encode: stuck, timeoutSec: 10 });
    const running = rig.synced(file, [1], { encode: stuck, timeoutSec: 100 });
    await rig.work();
    rig.clock.advance(50 * S);
    await rig.work();
    fence.signal();
    await rig.work();
    expect(states(held, running)).toBe('runs runs');
    rig.clock.advance(9 * S);
    await rig.work();
    expect(states(held, running)).toBe('runs runs');
    rig.clock.advance(1 * S);
    await rig.work();
    expect(states(held, running)).toBe('ETIMEDOUT EIO');
  });

  it('a-time-out-of-work-behind-a-held-one-is-its-own', async () => {
    await using rig = new Rig('shared');
    const file = await rig.open();
    using fence = rig.fence();
    const held = rig.after(file, 0, [fence], { timeoutSec: 1000 });
    const first = rig.synced(file, [1], { encode: stuck, timeoutSec: 30 });
    const second = rig.synced(file, [1], { encode: stuck, timeoutSec: 30 });
    await rig.work();
    rig.clock.advance(20 * S);
    rig.release(file, 1);
    await rig.work();
    expect(states(held, first, second)).toBe('held done runs');
    rig.clock.advance(29 * S);
    await rig.work();
    expect(states(second)).toBe('runs');
    rig.clock.advance(1 * S);
    await rig.work();
    expect(states(held, second)).toBe('EIO ETIMEDOUT');
  });

  it('of-the-file-cancels-what-is-held-and-signals-its-fence', async () => {
    await using rig = new Rig('shared');
    const file = await rig.open();
    using fence = rig.fence();
    const held = rig.after(file, 0, [fence]);
    using own = submissionFence(rig.machine.fences, held);
    await rig.close(file);
    expect(states(held)).toBe('EIO');
    expect([own.status, fence.watched]).toEqual([-5, false]);
  });

  it('of-the-file-under-exclusive-lets-it-run-on', async () => {
    await using rig = new Rig('exclusive');
    const file = await rig.open();
    using fence = rig.fence();
    const held = rig.after(file, 0, [fence]);
    await rig.close(file);
    expect(states(held)).toBe('held');
    expect(rig.device().contexts.inRelease).toBe(true);
    fence.signal();
    await rig.work();
    await rig.settle();
    expect(states(held)).toBe('done');
    expect(rig.device().contexts.size).toBe(0);
  });

  it('by-reset-is-EIO', async () => {
    await using rig = new Rig('exclusive');
    const file = await rig.open();
    using fence = rig.fence();
    const held = rig.after(file, 0, [fence]);
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
    expect(states(held)).toBe('EIO');
    fence.signal();
    await rig.work();
    expect(states(held)).toBe('EIO');
  });

  it('on-a-stopped-device-is-EIO', async () => {
    await using rig = new Rig('exclusive');
    const file = await rig.open();
    using fence = rig.fence();
    const held = rig.after(file, 0, [fence]);
    rig.device().life.disabled = true;
    fence.signal();
    await rig.work();
    expect(states(held)).toBe('EIO');
    rig.device().life.disabled = false;
  });
});

describe('a buffer', () => {
  it('a-chain-of-contexts-runs-in-the-order-of-submission', async () => {
    await using rig = new Rig('shared', 2);
    const files = [await rig.open(0), await rig.open(1), await rig.open(0), await rig.open(1)];
    const object = exportMemory(rig.machine.dmaBufs, (files[0] as OpenFile).requireContext, EXPORTED);
    using fence = rig.fence();
    const chain = files.map((file, i) => rig.synced(file, [0], { buffers: [object], fences: i === 0 ? [fence] : [] }));
    await rig.work();
    expect(states(...chain)).toBe('held held held held');
    fence.signal();
    const order: number[] = [];
    for (const [i, one] of chain.entries()) {
      one.addWaiter({ timer: undefined, settle: () => order.push(i) });
    }
    for (let i = 0; i < 2 * chain.length; i++) {
      await rig.work();
    }
    expect(states(...chain)).toBe('done done done done');
    expect(order).toEqual([0, 1, 2, 3]);
    expect(object.reservation.entries().length).toBeLessThanOrEqual(chain.length);
    object.put();
  });

  it('a-refused-submission-leaves-no-fence', async () => {
    await using rig = new Rig('shared');
    const file = await rig.open();
    const object = exportMemory(rig.machine.dmaBufs, file.requireContext, EXPORTED);
    expect(() => rig.synced(file, [1000], { buffers: [object] })).toThrow('queue 1000');
    expect(object.reservation.entries()).toEqual([]);
    expect(object.reservation.lock.held).toBe(false);
    object.put();
  });

  it('nobody-asks-and-no-fence-is-made', async () => {
    await using rig = new Rig('shared');
    const file = await rig.open();
    const before = rig.tracker.counts()['dma-fence'] ?? 0;
    const submission = rig.submit(file, 0, nop);
    rig.run();
    expect(submission.fenceSource).toBeUndefined();
    expect(rig.tracker.counts()['dma-fence'] ?? 0).toBe(before);
    using late = submissionFence(rig.machine.fences, submission);
    expect(late.status).toBe(1);
    expect(USAGE.WRITE).toBeLessThan(USAGE.READ);
  });
});
