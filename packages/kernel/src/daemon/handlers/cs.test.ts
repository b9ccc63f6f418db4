/** What a CS call leaves in a C program's argument block, and what unreadable arrays cost (uapi.md 4.1, 4.3, 4.10). */
import { HlError } from '@pedrera/base';
import { encodeMsgLong } from '@pedrera/hw';
import { CS_FLAGS, decodeArgs, encodeArgs, encodeCall, entryOf, type Req } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import type { OpenFile } from '../../core/open-file.js';
import { TestRig } from '../../core/test-rig.js';
import { nop, release, stuck } from '../../core/test-support.js';
import type { Session } from '../session.js';
import { CS_HANDLERS } from './cs.js';

const ALL_ONES = 2n ** 64n - 1n;

interface Left {
  readonly errno: string;
  readonly seq: bigint;
  readonly status: number;
  readonly sobBaseAddrOffset: number;
  readonly sobCount: number;
  readonly untouched: boolean;
}

/** Of a client nobody records. */
function sessionOf(file: OpenFile): Session {
  return { openFile: file, table: { calls: { submits: () => undefined } } } as unknown as Session;
}

/** Makes the call as bytes; `unreadable` is how many of the arrays behind pointers, from the last, cannot be read. */
async function rawCs(file: OpenFile, req: Partial<Req<'CS'>>, unreadable = 0): Promise<Left> {
  const entry = entryOf('CS');
  const whole = { chunksRestore: [], chunksExecute: [], seq: 0, timeoutSec: 0, flags: 0, ...req };
  const { cmd, block, buffers } = encodeCall(entry, whole);
  const given = buffers.map((buffer, i) => (i < buffers.length - unreadable ? buffer : null));
  const call = decodeArgs(cmd, block, given);
  let outcome: object;
  let code = '';
  try {
    if (call.error !== null) {
      throw call.error;
    }
    outcome = await CS_HANDLERS.CS(sessionOf(file), call.req as Req<'CS'>);
  } catch (error) {
    if (!(error instanceof HlError)) {
      throw error;
    }
    code = error.code;
    outcome = error;
  }
  const after = encodeArgs(call, outcome as HlError).block;
  const view = new DataView(after.buffer, after.byteOffset, after.length);
  return {
    errno: code,
    seq: view.getBigUint64(0, true),
    status: view.getInt32(8, true),
    sobBaseAddrOffset: view.getUint32(12, true),
    sobCount: view.getUint16(16, true),
    untouched: Buffer.compare(after, block) === 0,
  };
}

const plain = (rig: TestRig, file: OpenFile, queue: number, encode = nop) => ({
  ...rig.chunk(file, queue, encode),
  collectiveEngineId: 0,
});

describe('block', () => {
  it('success-has-the-number-and-zero', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const left = await rawCs(file, { chunksExecute: [plain(rig, file, 0)] });
    expect(left).toMatchObject({ errno: '', seq: 1n, status: 0, sobBaseAddrOffset: 0, sobCount: 0 });
    rig.run();
  });

  it('failure-has-all-ones-and-the-negated-errno', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    expect(await rawCs(file, { chunksExecute: [plain(rig, file, 8)] })).toMatchObject({ seq: ALL_ONES, status: -22 });
    expect(await rawCs(file, {})).toMatchObject({ seq: ALL_ONES, status: -22 });
    expect(await rawCs(file, { flags: 6 })).toMatchObject({ seq: ALL_ONES, status: -22 });
  });

  it('EAGAIN-leaves-it-as-it-was', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunk = plain(rig, file, 0, stuck);
    for (let i = 0; i < 4096; i++) {
      rig.csNow(file, { chunksExecute: [chunk] });
    }
    expect(await rawCs(file, { chunksExecute: [chunk], timeoutSec: 77 })).toMatchObject({
      errno: 'EAGAIN',
      untouched: true,
    });
    await file.requireContext.stop();
  });

  it('a-failed-reservation-has-zeros-and-one-that-never-got-there-all-ones', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const reserve = (count: number, flags = 0) =>
      rawCs(file, { flags: CS_FLAGS.RESERVE_SIGNALS_ONLY | flags, encapsSignalsCount: count, encapsSignalsQIdx: 1 });
    expect(await reserve(32768)).toMatchObject({ errno: 'EINVAL', seq: 0n, status: -22, sobBaseAddrOffset: 0 });
    expect(await reserve(5, CS_FLAGS.SIGNAL)).toMatchObject({ errno: 'EINVAL', seq: ALL_ONES });
    expect(await reserve(5)).toMatchObject({ seq: (6n << 32n) | 1n, status: 0, sobBaseAddrOffset: 0x492000 + 4 * 130 });
    const undo = { flags: CS_FLAGS.UNRESERVE_SIGNALS_ONLY, encapsSigHandleId: 1 };
    expect(await rawCs(file, undo)).toMatchObject({ errno: '', seq: ALL_ONES, status: 0 });
    expect(await rawCs(file, undo)).toMatchObject({ errno: 'EINVAL', seq: ALL_ONES, status: -22 });
  });

  it('a-failed-restore-phase-leaves-its-own-number', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const chunksRestore = [
      plain(rig, file, 0, (words) => encodeMsgLong(words, 0, { address: 0x1000000200000, value: 1 })),
    ];
    const left = rawCs(file, { flags: CS_FLAGS.FORCE_RESTORE, chunksRestore, chunksExecute: [plain(rig, file, 0)] });
    rig.run();
    expect(await left).toMatchObject({ errno: 'ENOEXEC', seq: 1n, status: -8 });
  });

  it('a-signal-has-object-and-count', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunk = { handle: 0n, queueIndex: 0, size: 0, flags: 0, collectiveEngineId: 0 };
    expect(await rawCs(file, { flags: CS_FLAGS.SIGNAL, chunksExecute: [chunk] })).toMatchObject({
      seq: 1n,
      status: 0,
      sobBaseAddrOffset: 0x492000 + 4 * 128,
      sobCount: 1,
    });
    rig.run();
  });
});

describe('unreadable arrays', () => {
  it('of-chunks-are-EFAULT-count-as-validation-and-spend-no-number', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunksExecute = [plain(rig, file, 0)];
    expect(await rawCs(file, { chunksExecute }, 1)).toMatchObject({ errno: 'EFAULT', seq: ALL_ONES, status: -14 });
    // More than 512 are refused before anybody looks at the pointer.
    const many = new Array(513).fill(chunksExecute[0]);
    expect(await rawCs(file, { chunksExecute: many }, 1)).toMatchObject({ errno: 'EINVAL' });
    const chunksRestore = chunksExecute;
    const restore = { flags: CS_FLAGS.FORCE_RESTORE, chunksRestore, chunksExecute };
    expect(await rawCs(file, restore, 2)).toMatchObject({ errno: 'EFAULT', seq: ALL_ONES });
    expect(file.requireContext.counters.validation).toBe(3);
    expect(file.requireContext.pending.nextSeq).toBe(1);
  });

  it('of-awaited-numbers-are-EFAULT-after-queue-and-length', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const wait = (queueIndex: number, signalSeqs: number[], unreadable = 1) => {
      const chunk = { handle: 0n, queueIndex, size: 0, flags: 0, collectiveEngineId: 0, signalSeqs };
      return rawCs(file, { flags: CS_FLAGS.WAIT, chunksExecute: [chunk] }, unreadable);
    };
    expect(await wait(0, [1])).toMatchObject({ errno: 'EFAULT', seq: ALL_ONES, status: -14 });
    expect(await wait(9, [1])).toMatchObject({ errno: 'EINVAL' });
    expect(await wait(0, [1, 2], 0)).toMatchObject({ errno: 'EINVAL' });
    expect(file.requireContext.counters.validation).toBe(3);
  });

  it('of-reservations-are-not-looked-at', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const blocked = rig.submit(file, 0, stuck);
    const reserve = { flags: CS_FLAGS.RESERVE_SIGNALS_ONLY, encapsSignalsCount: 1, encapsSignalsQIdx: 0 };
    expect(await rawCs(file, { ...reserve, chunksExecute: [plain(rig, file, 0)] }, 1)).toMatchObject({ errno: '' });
    rig.submit(file, 1, release(0));
    rig.run();
    expect(blocked.finished).toBe(true);
  });
});
