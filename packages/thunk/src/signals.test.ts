/** Signals, waits for them, reservations and staged submissions: what is asked of the daemon, over a real socket. */
import { CFG_BASE, DCORE, sobAddress } from '@pedrera/hw';
import { ALL_ONES_U64, CS_FLAGS, type Req, type Res } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { type Device, openDevice } from './device.js';
import { CollectiveEngine } from './signals.js';
import { FakeDaemon } from './testing/fake-daemon.js';

const SOB_144 = sobAddress(DCORE.W_S, 144) - CFG_BASE;

function answered(fields: Partial<Res<'CS'>>): Res<'CS'> {
  return { seq: 0, status: 0, sobBaseAddrOffset: SOB_144, sobCountBeforeSubmission: 0, ...fields };
}

/** What arrived with CS, in order. */
function submissions(daemon: FakeDaemon): Req<'CS'>[] {
  return daemon.calls.filter(({ name }) => name === 'CS').map(({ req }) => req as unknown as Req<'CS'>);
}

async function withDevice(daemon: FakeDaemon): Promise<Device> {
  return await openDevice(0, { socketPath: daemon.socketPath });
}

describe('signal', () => {
  it('says-where-it-will-show', async () => {
    await using daemon = await FakeDaemon.start({ CS: () => answered({ seq: 7, sobCountBeforeSubmission: 3 }) });
    using dev = await withDevice(daemon);
    const given = await dev.signal(2, { timestamp: true, timeoutSec: 4 });
    expect(given).toMatchObject({ queue: 2, seq: 7, value: 3, sobAddress: sobAddress(DCORE.W_S, 144) });
    expect(submissions(daemon)[0]).toMatchObject({
      flags: CS_FLAGS.SIGNAL | CS_FLAGS.TIMESTAMP | CS_FLAGS.CUSTOM_TIMEOUT,
      timeoutSec: 4,
      chunksExecute: [{ queueIndex: 2 }],
    });
  });

  it('is-waited-for-by-queues', async () => {
    let seq = 0;
    await using daemon = await FakeDaemon.start({ CS: () => answered({ seq: ++seq }) });
    using dev = await withDevice(daemon);
    const given = await dev.signal(0);
    const waiting = await dev.waitForSignal(4, given);
    const collective = await dev.collectiveWait(5, given, CollectiveEngine.TPC_7);
    expect([waiting.seq, collective.seq]).toEqual([2, 3]);
    expect(submissions(daemon).slice(1)).toMatchObject([
      { flags: CS_FLAGS.WAIT, chunksExecute: [{ queueIndex: 4, signalSeqs: [1] }] },
      {
        flags: CS_FLAGS.COLLECTIVE_WAIT,
        chunksExecute: [{ queueIndex: 5, signalSeqs: [1], collectiveEngineId: 19 }],
      },
    ]);
  });

  it('given-already-nothing-to-wait-for', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const given = await dev.signal(0);
    daemon.answers.CS = () => answered({ seq: ALL_ONES_U64 });
    const waiting = await dev.waitForSignal(4, given, { timestamp: true });
    expect(waiting.seq).toBe(0);
    expect([waiting.peek(), await waiting.poll(), await waiting.wait()]).toEqual([
      true,
      true,
      { timestampNs: undefined },
    ]);
    expect(daemon.names).not.toContain('WAIT_CS');
  });

  it('of-another-open-file', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    using other = await withDevice(daemon);
    const given = await other.signal(0);
    await expect(dev.waitForSignal(1, given)).rejects.toThrow(/another open file \(hl0\).*exported sync objects/);
  });
});

describe('reservation', () => {
  async function reserved(daemon: FakeDaemon, dev: Device, count: number) {
    // The daemon answers with the queue's next value behind the reservation.
    daemon.answers.CS = () => answered({ handleId: 9, count: 5 + count });
    const reservation = await dev.reserveSignals(3, count);
    delete daemon.answers.CS;
    return reservation;
  }

  it('object-and-first-value', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const reservation = await reserved(daemon, dev, 8);
    expect(reservation).toMatchObject({ handle: 9, queue: 3, count: 8, firstValue: 5, stagedSeq: undefined });
    expect(reservation.object).toMatchObject({ dcore: DCORE.W_S, index: 144, address: sobAddress(DCORE.W_S, 144) });
    expect(submissions(daemon)[0]).toMatchObject({
      flags: CS_FLAGS.RESERVE_SIGNALS_ONLY,
      encapsSignalsCount: 8,
      encapsSignalsQIdx: 3,
    });
  });

  it('given-by-a-staged-submission', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const reservation = await reserved(daemon, dev, 2);
    await expect(reservation.waitFor(4, 1)).rejects.toThrow(/no staged submission/);
    const cb = (await dev.createCommandBuffer()).signal(reservation.object);
    const staged = dev.stage({ reservation, timestamp: true, timeoutSec: 8 });
    expect(staged.seq).toBeUndefined();
    // Not awaited one by one: they leave in order all the same.
    const added = staged.add({ queue: 3, cb });
    const last = staged.finish({ queue: 3, cb });
    await added;
    await reservation.waitFor(4, 2);
    await reservation.collectiveWait(5, 1, CollectiveEngine.DMA_5);
    const submission = await last;
    expect([submission.seq, staged.seq, reservation.stagedSeq]).toEqual([1, 1, 1]);
    const [first, ...others] = submissions(daemon).slice(1);
    const { STAGED, STAGED_FIRST, STAGED_LAST, TIMESTAMP, CUSTOM_TIMEOUT, ENCAP_SIGNALS } = CS_FLAGS;
    expect(first).toMatchObject({
      flags: STAGED | STAGED_FIRST | TIMESTAMP | CUSTOM_TIMEOUT | ENCAP_SIGNALS,
      encapsSigHandleId: 9,
      timeoutSec: 8,
    });
    const withFlags = (flags: number) => others.find((request) => request.flags === flags);
    expect(withFlags(STAGED | STAGED_LAST)).toMatchObject({ seq: 1 });
    expect(withFlags(CS_FLAGS.WAIT | ENCAP_SIGNALS)).toMatchObject({
      chunksExecute: [{ handle: 1n, size: 2, queueIndex: 4 }],
    });
    expect(withFlags(CS_FLAGS.COLLECTIVE_WAIT | ENCAP_SIGNALS)).toMatchObject({
      chunksExecute: [{ handle: 1n, size: 1, queueIndex: 5, collectiveEngineId: 5 }],
    });
    await expect(staged.add({ queue: 3, cb })).rejects.toThrow(/already got its last part/);
  });

  it('released-once-and-not-when-taken-over', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    {
      await using left = await reserved(daemon, dev, 1);
      await left.release();
    }
    expect(submissions(daemon).map(({ flags }) => flags)).toEqual([
      CS_FLAGS.RESERVE_SIGNALS_ONLY,
      CS_FLAGS.UNRESERVE_SIGNALS_ONLY,
    ]);
    {
      await using taken = await reserved(daemon, dev, 1);
      taken.attached(4);
    }
    expect(submissions(daemon)).toHaveLength(3);
  });
});

describe('staged submission', () => {
  it('one-part-alone-is-first-and-last', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop();
    await dev.stage().finish({ queue: 0, cb });
    const { STAGED, STAGED_FIRST, STAGED_LAST } = CS_FLAGS;
    expect(submissions(daemon)[0]?.flags).toBe(STAGED | STAGED_FIRST | STAGED_LAST);
  });

  it('a-refused-first-part-leaves-it-unbegun', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const cb = await dev.createCommandBuffer();
    const staged = dev.stage();
    await expect(staged.add({ queue: 0, cb })).rejects.toThrow(/empty/);
    expect(staged.seq).toBeUndefined();
    await staged.add({ queue: 0, cb: cb.nop() });
    expect(submissions(daemon)[0]?.flags).toBe(CS_FLAGS.STAGED | CS_FLAGS.STAGED_FIRST);
  });
});
