/** The CS call as a whole: what is checked first, the restore phase, a device that stops half-way (uapi.md 4.1, 4.2, 4.17). */
import { encodeMsgLong, SRAM_USER_BASE } from '@pedrera/hw';
import { type Chunk, CS_FLAGS, CS_TYPE_MASK, WAIT_STATUS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import type { OpenFile } from './open-file.js';
import { TestRig } from './test-rig.js';
import { codeOf, nop, release, stuck } from './test-support.js';
import { waitForSubmission } from './wait.js';

const RESTORE = { flags: CS_FLAGS.FORCE_RESTORE };

const drops = (file: OpenFile) => {
  const { outOfMem, parsing, queueFull, deviceInReset, maxCsInFlight, validation } = file.requireContext.counters;
  return { outOfMem, parsing, queueFull, deviceInReset, maxCsInFlight, validation };
};
const NO_DROPS = { outOfMem: 0, parsing: 0, queueFull: 0, deviceInReset: 0, maxCsInFlight: 0, validation: 0 };

describe('form', () => {
  it('two-types-at-once-are-EINVAL', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const types = Array.from({ length: 16 }, (_, bit) => 1 << bit).filter((bit) => (bit & CS_TYPE_MASK) !== 0);
    const chunksExecute = [rig.chunk(file, 0, nop)];
    for (const one of types) {
      for (const two of types.filter((other) => other > one)) {
        expect(await codeOf(() => rig.cs(file, { flags: one | two, chunksExecute }))).toBe('EINVAL');
      }
    }
    expect([drops(file), file.requireContext.pending.nextSeq]).toEqual([NO_DROPS, 1]);
  });

  it('nothing-to-execute-is-EINVAL-even-with-restore-chunks', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksRestore = [rig.chunk(file, 0, nop)];
    expect(await codeOf(() => rig.cs(file, { ...RESTORE, chunksRestore }))).toBe('EINVAL');
    expect([drops(file), file.requireContext.pending.nextSeq]).toEqual([NO_DROPS, 1]);
  });

  it('unknown-flags-are-ignored', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    expect(rig.csNow(file, { flags: 0x8000_8010, chunksExecute: [rig.chunk(file, 0, nop)] }).seq).toBe(1);
    rig.run();
  });

  it('engine-cores-are-EINVAL-for-any-count', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    expect(await codeOf(() => rig.cs(file, { flags: CS_FLAGS.ENGINE_CORE_COMMAND }))).toBe('EINVAL');
    expect([drops(file), file.requireContext.pending.nextSeq]).toEqual([NO_DROPS, 1]);
  });

  it('513-chunks-are-EINVAL-counted-and-spend-no-number', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunk = rig.chunk(file, 0, nop);
    const many = (count: number) => rig.cs(file, { chunksExecute: new Array<Chunk>(count).fill(chunk) });
    expect(await codeOf(() => many(513))).toBe('EINVAL');
    expect([drops(file), file.requireContext.pending.nextSeq]).toEqual([{ ...NO_DROPS, validation: 1 }, 1]);
    expect(await codeOf(() => many(512))).toBe('ok');
    rig.run();
    expect(file.requireContext.unfinished).toBe(0);
  });
});

describe('restore phase', () => {
  it('without-the-flag-the-chunks-are-ignored', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksExecute = [rig.chunk(file, 0, nop)];
    expect(rig.csNow(file, { chunksRestore: [rig.chunk(file, 8, nop)], chunksExecute }).seq).toBe(1);
    rig.run();
  });

  it('runs-first-as-a-submission-of-its-own', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksRestore = [rig.chunk(file, 0, stuck)];
    const pending = rig.cs(file, { ...RESTORE, chunksRestore, chunksExecute: [rig.chunk(file, 4, nop)] });
    rig.run();
    await rig.settle();
    expect(file.requireContext.pending.nextSeq).toBe(2);
    rig.submit(file, 1, release(0));
    rig.run();
    expect((await pending).seq).toBe(3);
    rig.run();
  });

  it('forced-with-no-chunks-is-nothing', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    expect(rig.csNow(file, { ...RESTORE, chunksExecute: [rig.chunk(file, 0, nop)] }).seq).toBe(1);
    rig.run();
  });

  it('comes-before-every-type', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksRestore = [rig.chunk(file, 0, nop)];
    const reserve = rig.cs(file, {
      flags: CS_FLAGS.FORCE_RESTORE | CS_FLAGS.RESERVE_SIGNALS_ONLY,
      chunksRestore,
      signals: { count: 1, queue: 0 },
    });
    rig.run();
    expect(await reserve).toMatchObject({ reserved: { handleId: 1 } });
    expect(file.requireContext.pending.nextSeq).toBe(2);
  });

  it('errors-of-submitting-it-are-returned-as-they-are', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksRestore = [rig.chunk(file, 8, nop)];
    expect(await codeOf(() => rig.cs(file, { ...RESTORE, chunksRestore, chunksExecute: chunksRestore }))).toBe(
      'EINVAL',
    );
    expect([drops(file), file.requireContext.pending.nextSeq]).toEqual([{ ...NO_DROPS, validation: 1 }, 2]);
  });

  it('its-failure-is-ENOEXEC', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const chunksExecute = [rig.chunk(file, 0, nop)];
    const chunksRestore = [
      rig.chunk(file, 0, (words) => encodeMsgLong(words, 0, { address: 0x1000000200000, value: 1 })),
    ];
    const failing = codeOf(() => rig.cs(file, { ...RESTORE, chunksRestore, chunksExecute }));
    rig.run();
    expect(await failing).toBe('ENOEXEC');
    expect(file.requireContext.pending.nextSeq).toBe(2);
  });

  it('its-wait-expiring-goes-unnoticed', async () => {
    await using rig = new TestRig('exclusive', 1, { defaultTimeoutNs: 1e9 });
    const file = await rig.open();
    // Behind another, so that its own timer has not begun when the wait for it is over.
    rig.csNow(file, { flags: CS_FLAGS.CUSTOM_TIMEOUT, timeoutSec: 100, chunksExecute: [rig.chunk(file, 0, stuck)] });
    const pending = rig.cs(file, {
      ...RESTORE,
      chunksRestore: [rig.chunk(file, 0, nop)],
      chunksExecute: [rig.chunk(file, 0, nop)],
    });
    rig.run();
    rig.clock.advance(1e9);
    expect((await pending).seq).toBe(3);
    await file.requireContext.stop();
  });

  it('nothing-is-submitted-for-a-file-that-closed-meanwhile', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunk = rig.chunk(file, 0, stuck);
    const pending = codeOf(() => rig.cs(file, { ...RESTORE, chunksRestore: [chunk], chunksExecute: [chunk] }));
    rig.run();
    await rig.close(file);
    expect(await pending).toBe('EIO');
    expect(file.requireContext.pending.nextSeq).toBe(2);
    await file.requireContext.stop();
  });
});

describe('a device that stops after the call began', () => {
  it('before-the-command-buffer-is-patched-EBUSY', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksExecute = [rig.chunk(file, 0, nop)];
    rig.device().life.disabled = true;
    expect(await codeOf(() => rig.cs(file, { chunksExecute }))).toBe('EBUSY');
    expect([drops(file), file.requireContext.pending.nextSeq]).toEqual([{ ...NO_DROPS, parsing: 1 }, 2]);
    rig.device().life.disabled = false;
  });

  it('before-it-is-queued-EPERM', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const inner: Chunk = { handle: BigInt(SRAM_USER_BASE), queueIndex: 9, size: 8, flags: 0 };
    rig.device().life.disabled = true;
    const flags = CS_FLAGS.STAGED | CS_FLAGS.STAGED_FIRST;
    expect(await codeOf(() => rig.cs(file, { flags, chunksExecute: [inner] }))).toBe('EPERM');
    expect([drops(file), file.requireContext.pending.nextSeq]).toEqual([{ ...NO_DROPS, deviceInReset: 1 }, 2]);
    rig.device().life.disabled = false;
    expect(file.requireContext.unfinished).toBe(0);
  });
});

describe('CUSTOM_TIMEOUT', () => {
  const timeoutOf = async (timeoutSec: number, defaultTimeoutNs = 600e9) => {
    await using rig = new TestRig('exclusive', 1, { defaultTimeoutNs });
    const file = await rig.open();
    const { timeoutNs } = rig.submit(file, 0, nop, { flags: CS_FLAGS.CUSTOM_TIMEOUT, timeoutSec });
    rig.run();
    return timeoutNs;
  };

  it('counts-milliseconds-in-32-bits', async () => {
    expect(await timeoutOf(30)).toBe(30e9);
    expect(await timeoutOf(0)).toBe(0);
    // 2^31 ms and more are the driver's longest; what wraps beyond that is short again.
    expect(await timeoutOf(2_147_484)).toBe((2 ** 32 - 2) * 4e6);
    expect(await timeoutOf(4_294_968)).toBe(704e6);
  });

  it('does-not-bring-back-what-is-switched-off', async () => {
    expect(await timeoutOf(30, Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
  });
});

it('a-wait-ends-with-its-file', async () => {
  await using rig = new TestRig('exclusive');
  const file = await rig.open();
  const { seq } = rig.submit(file, 0, stuck);
  rig.run();
  const waiting = waitForSubmission(file, seq, 2n ** 63n - 1n);
  await rig.close(file);
  expect(await waiting).toMatchObject({ status: WAIT_STATUS.BUSY });
  await file.requireContext.stop();
});
