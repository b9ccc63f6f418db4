/** Waiting for the first of several submissions, and its odd timestamp rules (uapi.md 4.15). */
import { ALL_ONES_U64, CS_FLAGS, MAX_PENDING, WAIT_OUT_FLAGS, WAIT_STATUS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { waitForAny } from './multi-wait.js';
import { TestRig } from './test-rig.js';
import { codeOf, nop, release, stuck } from './test-support.js';

const FOREVER = 2n ** 64n - 1n;
const BUSY = { status: WAIT_STATUS.BUSY, flags: 0, timestampNs: 0n, completionMap: 0 };
const timestamp = { flags: CS_FLAGS.TIMESTAMP };

describe('multi-CS wait', () => {
  it('answers-at-once-with-all-that-is-done', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    rig.clock.advance(10);
    rig.submit(file, 1, nop, timestamp);
    rig.run();
    rig.clock.advance(10);
    rig.submit(file, 1, nop, timestamp);
    rig.run();
    expect(waitForAny(file, [3, 1, 2, 1], FOREVER)).toEqual({
      status: WAIT_STATUS.COMPLETED,
      flags: WAIT_OUT_FLAGS.TIMESTAMP_VLD,
      timestampNs: 10n,
      completionMap: 0b0101,
    });
    await file.requireContext.stop();
  });

  it('one-without-a-timestamp-counts-as-zero-which-reads-GONE', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.clock.advance(10);
    rig.submit(file, 0, nop, timestamp);
    rig.submit(file, 0, nop);
    rig.run();
    expect(waitForAny(file, [1, 2], 0n)).toMatchObject({
      flags: WAIT_OUT_FLAGS.GONE,
      timestampNs: 0n,
      completionMap: 3,
    });
    expect(waitForAny(file, [1], 0n)).toMatchObject({ flags: WAIT_OUT_FLAGS.TIMESTAMP_VLD, timestampNs: 10n });
  });

  it('one-that-is-gone-is-done-and-takes-the-timestamp-away', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.clock.advance(10);
    rig.submit(file, 0, nop, timestamp);
    rig.run();
    expect(waitForAny(file, [1, 0], 0n)).toMatchObject({ flags: WAIT_OUT_FLAGS.GONE, completionMap: 3 });
  });

  it('wakes-with-the-first-completion-and-its-time', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    rig.submit(file, 1, stuck, timestamp);
    rig.submit(file, 2, stuck);
    rig.run();
    const waiting = waitForAny(file, [1, 2, 3], FOREVER);
    expect(rig.device().multiCsWaits).toBe(1);
    rig.clock.advance(25);
    rig.submit(file, 3, release(1));
    rig.run();
    expect(await waiting).toEqual({
      status: WAIT_STATUS.COMPLETED,
      flags: WAIT_OUT_FLAGS.TIMESTAMP_VLD,
      timestampNs: 25n,
      completionMap: 0b010,
    });
    expect(rig.device().multiCsWaits).toBe(0);
    await file.requireContext.stop();
  });

  it('signals-wake-it-too', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    const chunk = { handle: 0n, queueIndex: 0, size: 0, flags: 0 };
    const { seq } = rig.csNow(file, { flags: CS_FLAGS.SIGNAL, chunksExecute: [chunk] });
    const waiting = waitForAny(file, [seq], FOREVER);
    rig.submit(file, 1, release(0));
    rig.run();
    expect(await waiting).toMatchObject({ status: WAIT_STATUS.COMPLETED, completionMap: 1 });
  });

  it('nothing-done-in-time-is-BUSY-and-the-timeout-has-64-bits', async () => {
    await using rig = new TestRig('exclusive', 1, { defaultTimeoutNs: Number.POSITIVE_INFINITY });
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    expect(waitForAny(file, [1], 0n)).toEqual(BUSY);
    expect(await Promise.all([waitForAny(file, [], 5n), rig.clock.advance(5000)])).toEqual([BUSY, undefined]);
    let answer: unknown;
    const waiting = Promise.resolve(waitForAny(file, [1], 2n ** 32n + 5n)).then((result) => {
      answer = result;
    });
    rig.clock.advance(2 ** 32 * 1000);
    await rig.settle();
    expect(answer).toBeUndefined();
    rig.clock.advance(5000);
    await waiting;
    expect(answer).toEqual(BUSY);
    await file.requireContext.stop();
  });

  it('more-than-32-or-a-future-one-is-EINVAL', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, nop);
    rig.run();
    expect(await codeOf(() => waitForAny(file, new Array<number>(33).fill(1), 0n))).toBe('EINVAL');
    expect(await codeOf(() => waitForAny(file, new Array<number>(32).fill(1), 0n))).toBe('ok');
    expect(await codeOf(() => waitForAny(file, [1, 2], 0n))).toBe('EINVAL');
    expect(await codeOf(() => waitForAny(file, [ALL_ONES_U64], 0n))).toBe('EINVAL');
  });

  it('two-at-once-on-a-device-the-third-is-ENOMEM', async () => {
    await using rig = new TestRig('shared');
    const [one, two] = [await rig.open(), await rig.open()];
    rig.submit(one, 0, stuck);
    rig.submit(two, 0, stuck);
    const waits = [waitForAny(one, [1], FOREVER), waitForAny(two, [1], FOREVER)];
    expect(await codeOf(() => waitForAny(one, [1], 0n))).toBe('ENOMEM');
    // A wait that is given up, because its file closes, makes room.
    await rig.close(two);
    expect(await waits[1]).toEqual(BUSY);
    expect(waitForAny(one, [1], 0n)).toEqual(BUSY);
    rig.submit(one, 1, release(0));
    rig.run();
    expect(await waits[0]).toMatchObject({ completionMap: 1 });
  });

  it('a-failure-is-the-answer', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const options = { flags: CS_FLAGS.CUSTOM_TIMEOUT, timeoutSec: 1 };
    rig.submit(file, 0, stuck, options);
    rig.submit(file, 1, stuck);
    rig.run();
    const waiting = codeOf(() => waitForAny(file, [1], FOREVER));
    rig.clock.advance(1e9);
    await rig.settle();
    expect(await waiting).toBe('ETIMEDOUT');
    expect(await codeOf(() => waitForAny(file, [2], 0n))).toBe('EIO');
  });
});

describe('outcome store', () => {
  it('keeps-the-256-that-finished-last-once', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.clock.advance(5);
    // A refused one has an outcome too.
    expect(await codeOf(() => rig.submit(file, 8, nop, timestamp))).toBe('EINVAL');
    const chunksExecute = [rig.chunk(file, 0, nop)];
    for (let i = 0; i < 257; i++) {
      rig.csNow(file, { ...timestamp, chunksExecute });
      rig.run();
    }
    for (let i = 0; i < MAX_PENDING; i++) {
      rig.csNow(file, { chunksExecute });
      if (i % 2000 === 0) {
        rig.run();
      }
    }
    rig.run();
    const ask = (seq: number) => waitForAny(file, [seq], 0n);
    const { pending } = file.requireContext;
    expect([pending.takeOutcome(1), pending.takeOutcome(2)]).toEqual([undefined, undefined]);
    expect(pending.takeOutcome(3)).toEqual({ outcome: {}, timestampNs: 5 });
    expect(pending.takeOutcome(3)).toBeUndefined();
    // Of a list the outcome is done, and its time is not looked at.
    expect(ask(4)).toMatchObject({ completionMap: 1, flags: WAIT_OUT_FLAGS.GONE });
  }, 20_000);
});
