/** Submissions, waits, time-outs and teardown of the core, on silicon in the same thread under a virtual clock. */
import { encodeLinDma } from '@pedrera/hw';
import { CS_FLAGS, WAIT_OUT_FLAGS, WAIT_STATUS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { submitDefault } from './submit.js';
import { TestRig } from './test-rig.js';
import { codeOf, nop, release, stuck } from './test-support.js';
import { effectiveTimeoutUs, waitForSubmission } from './wait.js';

const FOREVER = 2n ** 63n - 1n;

describe('WAIT_CS', () => {
  it('finished-is-COMPLETED-for-any-number-of-waits', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { seq } = rig.submit(file, 0, nop);
    expect(seq).toBe(1);
    rig.run();
    for (let i = 0; i < 2; i++) {
      expect(waitForSubmission(file, seq, 0n)).toEqual({ status: WAIT_STATUS.COMPLETED, flags: 0, timestampNs: 0n });
    }
  });

  it('timeout-zero-polls', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { seq } = rig.submit(file, 0, nop);
    expect(waitForSubmission(file, seq, 0n)).toMatchObject({ status: WAIT_STATUS.BUSY });
  });

  it('never-issued-is-EINVAL', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    expect(() => waitForSubmission(file, 1, 0n)).toThrow('never issued');
  });

  it('sequence-zero-is-GONE', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.submit(file, 0, nop);
    rig.run();
    expect(waitForSubmission(file, 0, 0n)).toMatchObject({ status: WAIT_STATUS.COMPLETED, flags: WAIT_OUT_FLAGS.GONE });
  });

  it('expires-exactly-and-is-BUSY', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { seq } = rig.submit(file, 0, stuck);
    rig.run();
    let answer: unknown;
    const waiting = Promise.resolve(waitForSubmission(file, seq, 1000n)).then((result) => {
      answer = result;
    });
    rig.clock.advance(999_999);
    await rig.settle();
    expect(answer).toBeUndefined();
    rig.clock.advance(1);
    await waiting;
    expect(answer).toMatchObject({ status: WAIT_STATUS.BUSY });
  });

  it('timestamp-only-when-asked-for', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.clock.advance(12_345);
    const { seq } = rig.submit(file, 0, nop, { flags: CS_FLAGS.TIMESTAMP });
    rig.run();
    expect(waitForSubmission(file, seq, 0n)).toEqual({
      status: WAIT_STATUS.COMPLETED,
      flags: WAIT_OUT_FLAGS.TIMESTAMP_VLD,
      timestampNs: 12_345n,
    });
  });

  it('timeout-is-truncated-to-32-bits', () => {
    expect(effectiveTimeoutUs(5n)).toBe(5);
    expect(effectiveTimeoutUs(2n ** 32n + 5n)).toBe(5);
    expect(effectiveTimeoutUs(2n ** 32n - 1n)).toBe(Number.POSITIVE_INFINITY);
    expect(effectiveTimeoutUs(2n ** 64n - 1n)).toBe(Number.POSITIVE_INFINITY);
    expect(effectiveTimeoutUs(FOREVER)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('CS', () => {
  it('refused-submissions-spend-a-number-and-read-COMPLETED', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    expect(() => rig.submit(file, 8, nop)).toThrow('queue 8');
    const { seq } = rig.submit(file, 0, nop);
    expect(seq).toBe(2);
    rig.run();
    expect(waitForSubmission(file, 1, 0n)).toMatchObject({ status: WAIT_STATUS.COMPLETED });
    expect(file.requireContext.counters).toMatchObject({ validation: 1, parsing: 0 });
    expect(rig.device().counters).toMatchObject({ validation: 1 });
  });

  it('a-full-ring-is-EAGAIN-and-queues-nothing', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const chunk = { ...rig.commandBuffer(file, stuck), queueIndex: 0, flags: 0 };
    const options = { flags: 0, timeoutSec: 0, defaultTimeoutNs: Number.POSITIVE_INFINITY };
    for (let i = 0; i < 4096; i++) {
      submitDefault(file, [chunk], options);
    }
    const other = { ...chunk, queueIndex: 1 };
    expect(() => submitDefault(file, [other, chunk], options)).toThrow('0 free slots');
    expect(file.requireContext.counters.queueFull).toBe(1);
    expect(file.requireContext.queues[1]?.inFlight ?? 0).toBe(0);
    expect(file.requireContext.unfinished).toBe(4096);
  });

  it('a-stream-that-waits-stops-no-other', async () => {
    await using rig = new TestRig('shared');
    const one = await rig.open();
    const two = await rig.open();
    const blocked = rig.submit(one, 0, stuck);
    const sameQueue = rig.submit(two, 0, nop);
    const sameContext = rig.submit(one, 1, nop);
    rig.run();
    expect([blocked.finished, sameQueue.finished, sameContext.finished]).toEqual([false, true, true]);
    const releasing = rig.submit(one, 1, release(0));
    rig.run();
    expect([blocked.finished, releasing.finished]).toEqual([true, true]);
  });

  it('a-fault-fails-the-submission-under-shared', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const bad = rig.submit(file, 0, (words) =>
      encodeLinDma(words, 0, { size: 64, src: 0x1000000200000, dst: 0x1000000400000 }),
    );
    const good = rig.submit(file, 0, nop);
    rig.run();
    expect(() => waitForSubmission(file, bad.seq, 0n)).toThrow('page-fault at 0x1000000200000, LIN_DMA on DMA_0_0');
    expect(await codeOf(Promise.resolve().then(() => waitForSubmission(file, bad.seq, 0n)))).toBe('EIO');
    expect(waitForSubmission(file, good.seq, 0n)).toMatchObject({ status: WAIT_STATUS.COMPLETED });
    expect(file.requireContext.faults).toBeGreaterThan(0);
  });

  it('a-fault-completes-the-submission-under-exclusive', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const bad = rig.submit(file, 0, (words) =>
      encodeLinDma(words, 0, { size: 64, src: 0x1000000200000, dst: 0x20000000 }),
    );
    rig.run();
    expect(waitForSubmission(file, bad.seq, 0n)).toMatchObject({ status: WAIT_STATUS.COMPLETED });
    expect(file.requireContext.faults).toBeGreaterThan(0);
  });
});

describe('time-out', () => {
  it('starts-when-the-submission-becomes-the-oldest', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const options = { flags: CS_FLAGS.CUSTOM_TIMEOUT, timeoutSec: 10 };
    const first = rig.submit(file, 0, stuck, options);
    const second = rig.submit(file, 1, stuck, options);
    rig.run();
    rig.clock.advance(9e9);
    rig.submit(file, 2, release(0));
    rig.run();
    expect(first.finished).toBe(true);
    rig.clock.advance(9e9);
    await rig.settle();
    expect(second.finished).toBe(false);
    rig.clock.advance(1e9);
    await rig.settle();
    expect(second.outcome?.error).toBe('ETIMEDOUT');
  });

  it('ends-the-context-and-wakes-everyone', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const head = rig.submit(file, 0, stuck);
    const behind = rig.submit(file, 0, nop);
    rig.run();
    const waits = [head, behind].map(({ seq }) => codeOf(waitForSubmission(file, seq, FOREVER)));
    rig.clock.advance(600e9);
    expect(await Promise.all(waits)).toEqual(['ETIMEDOUT', 'EIO']);
    expect(() => rig.submit(file, 0, nop)).toThrow('can do nothing more');
    await rig.finishReset();
    expect(rig.device().life.hardResets).toBe(1);
  });
});

describe('open and release', () => {
  it('exclusive-second-open-is-EBUSY', async () => {
    await using rig = new TestRig('exclusive');
    await rig.open();
    expect(await codeOf(rig.open())).toBe('EBUSY');
  });

  it('exclusive-open-right-after-close-succeeds', async () => {
    await using rig = new TestRig('exclusive');
    for (let i = 0; i < 20; i++) {
      const file = await rig.open();
      expect(file.requireContext.asid).toBe(1);
      rig.submit(file, 0, nop);
      rig.run();
      // Not awaited: close() of an idle device is synchronous for whoever opens next.
      const closing = rig.close(file);
      const next = await rig.open();
      await Promise.all([closing, rig.close(next)]);
    }
  });

  it('exclusive-close-with-work-is-EAGAIN-until-it-ends', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, stuck);
    rig.run();
    await rig.close(file);
    expect(await codeOf(rig.open())).toBe('EAGAIN');
    rig.clock.advance(600e9);
    await rig.settle();
    expect(await codeOf(rig.open())).toBe('EAGAIN');
    await rig.finishReset();
    expect(await codeOf(rig.open())).toBe('ok');
  });

  it('shared-close-cancels-and-frees-everything', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const witness = await rig.open();
    rig.submit(file, 0, stuck);
    rig.run();
    const waiting = waitForSubmission(file, 1, FOREVER);
    await rig.close(file);
    // Nobody is left to hear the answer; it must not hang all the same.
    expect(await codeOf(waiting)).not.toBe('hangs');
    expect(rig.device().contexts.size).toBe(1);
    const still = rig.submit(witness, 0, nop);
    rig.run();
    expect(still.finished).toBe(true);
  });
});
