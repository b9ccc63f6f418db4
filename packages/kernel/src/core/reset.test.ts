/** Hard resets, time-outs, opening rules and the heartbeat of one device, under a virtual clock. */
import { CFG_BASE, encodeMsgLong, fenceRdataAddress, sobAddress } from '@pedrera/hw';
import { CS_FLAGS, DEVICE_STATUS, NOTIFIER_EVENT } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { importDmaBuf } from './dma-buf/context-import.js';
import { exportMemory } from './dma-buf/exporters.js';
import { TestRig } from './test-rig.js';
import { codeOf, nop, stuck } from './test-support.js';
import { waitForSubmission } from './wait.js';

const FOREVER = 2n ** 63n - 1n;
/** A window of device memory, as any can be exported under `exclusive`. */
const EXPORTED = { extents: [{ address: 2 ** 30, size: 2 ** 21 }], size: 2 ** 21, allocation: undefined };
const S = 1e9;

describe('hard reset', () => {
  it('order-of-the-steps', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    const file = await rig.open();
    const done = rig.submit(file, 0, nop);
    rig.run();
    // Complete in the silicon, its interrupt not yet seen: it keeps its result.
    const running = rig.submit(file, 0, stuck);
    device.requestReset({ kind: 'manual' });
    expect(device.status).toBe(DEVICE_STATUS.IN_RESET);
    expect(device.operational).toBe(false);
    await rig.settle();
    expect(done.outcome?.error).toBeUndefined();
    expect(running.outcome?.error).toBe('EIO');
    // The grace period: rolled back, and the file is still what it was.
    expect(file.revoked).toBeUndefined();
    expect(device.life.hardResets).toBe(0);
    rig.clock.advance(device.settings.resetGraceNs);
    await rig.settle();
    expect(file.revoked).toContain('hard reset');
    expect(device.status).toBe(DEVICE_STATUS.IN_RESET);
    await rig.finishReset();
    expect(device.status).toBe(DEVICE_STATUS.OPERATIONAL);
    expect(device.life.hardResets).toBe(1);
    expect(device.contexts.size).toBe(0);
  });

  it('a-second-request-while-one-runs-is-ignored', async () => {
    await using rig = new TestRig('exclusive');
    rig.device().requestReset({ kind: 'manual' });
    rig.device().requestReset({ kind: 'heartbeat' });
    await rig.finishReset();
    expect(rig.device().life.hardResets).toBe(1);
  });

  it('nobody-has-it-open-no-grace', async () => {
    await using rig = new TestRig('exclusive', 1, { resetDurationNs: 0 });
    rig.device().requestReset({ kind: 'manual' });
    for (let i = 0; i < 5; i++) {
      await rig.settle();
    }
    expect(rig.device().life.hardResets).toBe(1);
  });

  it('a-new-open-starts-from-scratch', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, nop);
    rig.run();
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
    const next = await rig.open();
    expect(rig.submit(next, 0, nop).seq).toBe(1);
    rig.run();
    expect(next.requireContext.unfinished).toBe(0);
  });

  it('control-files-live-on', async () => {
    await using rig = new TestRig('exclusive');
    const control = await rig.open(0, 'control');
    await rig.open();
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
    expect(control.revoked).toBeUndefined();
    rig.device().notify(NOTIFIER_EVENT.GENERAL_HW_ERR);
    expect(control.notifier.take()).toBe(NOTIFIER_EVENT.GENERAL_HW_ERR);
  });

  it('another-device-is-not-touched', async () => {
    await using rig = new TestRig('exclusive', 2);
    const other = await rig.open(1);
    const running = rig.submit(other, 0, stuck);
    rig.run();
    await rig.open(0);
    rig.device(0).requestReset({ kind: 'manual' });
    await rig.finishReset(0);
    expect(rig.device(0).life.hardResets).toBe(1);
    expect(rig.device(1).life.hardResets).toBe(0);
    expect(running.finished).toBe(false);
    rig.submit(other, 1, (words) => encodeMsgLong(words, 0, { address: fenceRdataAddress(0, 0), value: 1 }));
    rig.run();
    expect(running.outcome?.error).toBeUndefined();
    expect(running.finished).toBe(true);
  });

  it('an-export-that-is-never-let-go-ends-in-malfunction', async () => {
    await using rig = new TestRig('exclusive', 2, { resetReleaseNs: 1 * S });
    const [exporter, importer] = [await rig.open(0), await rig.open(1)];
    const { dmaBufs } = rig.machine;
    const object = exportMemory(dmaBufs, exporter.requireContext, EXPORTED);
    exporter.descriptors.add(dmaBufs, object, { flags: 2, readOnly: false });
    importDmaBuf(importer.requireContext, object);
    rig.device(0).requestReset({ kind: 'manual' });
    await rig.finishReset(0);
    expect(rig.device(0).status).toBe(DEVICE_STATUS.MALFUNCTION);
    expect(rig.device(0).life.hardResets).toBe(1);
    expect(await codeOf(rig.open(0))).toBe('EPERM');
    // A manual reset of a malfunctioning device runs, and succeeds once nothing holds it.
    await rig.close(importer);
    rig.device(0).requestReset({ kind: 'manual' });
    await rig.finishReset(0);
    expect(rig.device(0).status).toBe(DEVICE_STATUS.OPERATIONAL);
  });

  it('under-shared-an-export-breaks-nobody', async () => {
    await using rig = new TestRig('shared', 2);
    const [exporter, importer] = [await rig.open(0), await rig.open(1)];
    const context = exporter.requireContext;
    const { dmaBufs } = rig.machine;
    const object = exportMemory(dmaBufs, context, EXPORTED);
    exporter.descriptors.add(dmaBufs, object, { flags: 2, readOnly: false });
    importDmaBuf(importer.requireContext, object);
    rig.device(0).requestReset({ kind: 'manual' });
    await rig.finishReset(0);
    expect(rig.device(0).status).toBe(DEVICE_STATUS.OPERATIONAL);
    const next = await rig.open(0);
    expect(next.requireContext.asid).not.toBe(context.asid);
  });

  it('kills-the-owner-only-when-told-to', async () => {
    for (const killOnReset of [false, true]) {
      const killed: number[] = [];
      await using rig = new TestRig('exclusive', 1, { killOnReset }, (pid) => killed.push(pid));
      const file = await rig.open();
      rig.device().requestReset({ kind: 'manual' });
      await rig.finishReset();
      expect(killed).toEqual(killOnReset ? [file.requireContext.pid] : []);
    }
  });

  it('event-counters-are-cleared-the-aggregate-is-not', async () => {
    await using rig = new TestRig('exclusive');
    rig.device().raiseEvent(46);
    await rig.finishReset();
    expect(rig.device().hwEvents[46]).toBe(0);
    expect(rig.device().hwEventsAggregate[46]).toBe(1);
  });

  it('two-fatal-events-in-a-row-are-survived', async () => {
    await using rig = new TestRig('exclusive');
    for (let i = 1; i <= 2; i++) {
      rig.device().raiseEvent(46);
      await rig.finishReset();
      expect(rig.device().life.hardResets).toBe(i);
    }
    expect(rig.device().operational).toBe(true);
  });
});

describe('open', () => {
  it('in-reset-is-EAGAIN-and-EPERM-for-control', async () => {
    await using rig = new TestRig('exclusive');
    rig.device().requestReset({ kind: 'manual' });
    expect(await codeOf(rig.open())).toBe('EAGAIN');
    expect(await codeOf(rig.open(0, 'control'))).toBe('EPERM');
    await rig.finishReset();
    expect(await codeOf(rig.open())).toBe('ok');
  });

  it('needs-reset-and-disabled-are-EPERM', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    device.life.needsReset = true;
    expect(device.status).toBe(DEVICE_STATUS.NEEDS_RESET);
    expect(await codeOf(rig.open())).toBe('EPERM');
    device.life.needsReset = false;
    device.life.disabled = true;
    expect(device.status).toBe(DEVICE_STATUS.MALFUNCTION);
    expect(await codeOf(rig.open(0, 'control'))).toBe('EPERM');
  });

  it('a-scrub-puts-it-off', async () => {
    await using rig = new TestRig('exclusive');
    rig.device().scrubbing = true;
    expect(await codeOf(rig.open())).toBe('EAGAIN');
    rig.device().scrubbing = false;
  });

  it('a-device-that-is-not-idle-is-ENOMEM', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    device.hardware.engineStatus = async () => [{ name: 'DMA0', idle: false, qmGlblSts0: 0, qmCgmSts: 0, status: 0 }];
    expect(await codeOf(rig.open())).toBe('ENOMEM');
    await rig.settle();
    Reflect.deleteProperty(device.hardware, 'engineStatus');
    expect(await codeOf(rig.open())).toBe('ok');
  });

  it('sync-objects-of-the-driver-survive-a-context-and-not-a-reset', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    const value = async (sob: number) => device.hardware.readRegister(sobAddress(0, sob) - CFG_BASE);
    const file = await rig.open();
    for (const sob of [128, 144]) {
      await device.hardware.writeRegister(sobAddress(0, sob) - CFG_BASE, 7);
    }
    await rig.close(file);
    await rig.close(await rig.open());
    expect([await value(128), await value(144)]).toEqual([7, 0]);
    device.requestReset({ kind: 'manual' });
    await rig.finishReset();
    expect(await value(128)).toBe(0);
  });

  it('open-stats', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    rig.clock.advance(3 * S);
    const file = await rig.open();
    expect(device.contexts.lastOpenNs).toBe(rig.clock.nowNs());
    rig.clock.advance(2 * S);
    await rig.close(file);
    expect(device.contexts).toMatchObject({ opens: 1, lastOpenDurationMs: 2000 });
  });
});

describe('final stage', () => {
  it('engines-busy-at-the-last-put-reset-the-device', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const done = rig.submit(file, 0, nop);
    rig.run();
    expect(done.finished).toBe(true);
    const device = rig.device();
    device.hardware.engineStatus = async () => [{ name: 'DMA2', idle: false, qmGlblSts0: 0, qmCgmSts: 0, status: 0 }];
    await rig.close(file);
    expect(device.status).toBe(DEVICE_STATUS.IN_RESET);
    Reflect.deleteProperty(device.hardware, 'engineStatus');
    await rig.finishReset();
    expect(device.life.hardResets).toBe(1);
    expect(await codeOf(rig.open())).toBe('ok');
  });

  it('idle-engines-do-not', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, nop);
    rig.run();
    await rig.close(file);
    await rig.settle();
    expect(rig.device().life).toMatchObject({ hardResets: 0, operational: true });
  });
});

describe('time-out', () => {
  it('exclusive-resets-with-ETIMEDOUT-for-one-and-EIO-for-the-rest', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const control = await rig.open(0, 'control');
    const [head, behind] = [rig.submit(file, 0, stuck), rig.submit(file, 1, stuck)];
    rig.run();
    const waits = [head, behind].map(({ seq }) => codeOf(waitForSubmission(file, seq, FOREVER)));
    rig.clock.advance(600 * S);
    const both = NOTIFIER_EVENT.CS_TIMEOUT | NOTIFIER_EVENT.DEVICE_RESET;
    expect([file.notifier.take(), control.notifier.take()]).toEqual([both, both]);
    expect(await Promise.all(waits)).toEqual(['ETIMEDOUT', 'EIO']);
    expect(rig.device().captures.csTimeout.record).toEqual({ timestampNs: 600 * S, seq: head.seq });
    await rig.finishReset();
    // Taken before anything was ended.
    expect(rig.device().stateDumps.texts).toHaveLength(1);
    expect(rig.device().stateDumps.texts[0]).toMatch(/armed\) fences:\n.*DMA/s);
    expect(rig.device().life.hardResets).toBe(1);
  });

  it('skip-flag-lets-it-go-on-and-complete', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const flags = CS_FLAGS.SKIP_RESET_ON_TIMEOUT | CS_FLAGS.CUSTOM_TIMEOUT;
    const head = rig.submit(file, 0, stuck, { flags, timeoutSec: 1 });
    const next = rig.submit(file, 1, stuck, { flags: CS_FLAGS.CUSTOM_TIMEOUT, timeoutSec: 1 });
    rig.run();
    rig.clock.advance(10 * S);
    await rig.settle();
    expect(rig.device().status).toBe(DEVICE_STATUS.OPERATIONAL);
    // Told without the reset bit, once; what is behind it waits for its turn.
    expect(file.notifier.take()).toBe(NOTIFIER_EVENT.CS_TIMEOUT);
    expect([head.finished, next.finished]).toEqual([false, false]);
    rig.submit(file, 2, (words) => encodeMsgLong(words, 0, { address: fenceRdataAddress(0, 0), value: 1 }));
    rig.run();
    expect(head.outcome).toEqual({});
    rig.clock.advance(1 * S);
    await rig.settle();
    expect(next.outcome?.error).toBe('ETIMEDOUT');
    await rig.finishReset();
  });

  it('debugfs-skip-counts-at-submission', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.device().skipResetOnTimeout = true;
    const head = rig.submit(file, 0, stuck);
    rig.device().skipResetOnTimeout = false;
    rig.run();
    rig.clock.advance(600 * S);
    await rig.settle();
    expect(head.finished).toBe(false);
    expect(rig.device().operational).toBe(true);
  });

  it('without-reset-on-lockup-the-device-needs-a-reset', async () => {
    await using rig = new TestRig('exclusive', 1, { resetOnLockup: false });
    const file = await rig.open();
    const head = rig.submit(file, 0, stuck);
    rig.submit(file, 1, stuck);
    rig.run();
    rig.clock.advance(600 * S);
    await rig.settle();
    expect(rig.device().status).toBe(DEVICE_STATUS.NEEDS_RESET);
    expect(file.notifier.take()).toBe(NOTIFIER_EVENT.CS_TIMEOUT);
    await rig.device().hardware.writeRegister(fenceRdataAddress(0, 0) - CFG_BASE, 1);
    rig.run();
    expect(head.outcome?.error).toBe('ETIMEDOUT');
    // Its completion armed nobody's timer.
    rig.clock.advance(6000 * S);
    await rig.settle();
    expect(rig.device().status).toBe(DEVICE_STATUS.NEEDS_RESET);
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
    expect(rig.device().status).toBe(DEVICE_STATUS.OPERATIONAL);
  });

  it('only-the-first-since-the-open-is-told', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const flags = CS_FLAGS.SKIP_RESET_ON_TIMEOUT | CS_FLAGS.CUSTOM_TIMEOUT;
    const first = rig.submit(file, 0, stuck, { flags, timeoutSec: 1 });
    const second = rig.submit(file, 1, stuck, { flags, timeoutSec: 1 });
    rig.run();
    rig.clock.advance(2 * S);
    expect(file.notifier.take()).toBe(NOTIFIER_EVENT.CS_TIMEOUT);
    rig.submit(file, 2, (words) => encodeMsgLong(words, 0, { address: fenceRdataAddress(0, 0), value: 1 }));
    rig.run();
    expect(first.finished).toBe(true);
    rig.clock.advance(2 * S);
    await rig.settle();
    expect(second.expired).toBe(true);
    expect(file.notifier.take()).toBe(0);
    expect(rig.device().captures.csTimeout.record?.seq).toBe(first.seq);
  });

  it('shared-costs-one-context', async () => {
    await using rig = new TestRig('shared');
    const [file, neighbour] = [await rig.open(), await rig.open()];
    const flags = CS_FLAGS.CUSTOM_TIMEOUT;
    const head = rig.submit(file, 0, stuck, { flags, timeoutSec: 1 });
    const other = rig.submit(neighbour, 0, stuck);
    rig.run();
    rig.clock.advance(1 * S);
    for (let i = 0; i < 5; i++) {
      await rig.settle();
    }
    expect(head.outcome?.error).toBe('ETIMEDOUT');
    expect(other.finished).toBe(false);
    expect(rig.device().life).toMatchObject({ operational: true, hardResets: 0 });
    expect([file.notifier.take(), neighbour.notifier.take()]).toEqual([NOTIFIER_EVENT.CS_TIMEOUT, 0]);
    expect(neighbour.requireContext.captures.csTimeout.record).toBeUndefined();
  });

  it('shared-with-a-hung-engine-resets-the-device', async () => {
    await using rig = new TestRig('shared');
    const [file, neighbour] = [await rig.open(), await rig.open()];
    rig.device().hardware.hangEngine('DMA0');
    const flags = CS_FLAGS.CUSTOM_TIMEOUT;
    const head = rig.submit(file, 0, nop, { flags, timeoutSec: 1 });
    const other = rig.submit(neighbour, 0, nop);
    rig.run();
    expect(head.finished).toBe(false);
    rig.clock.advance(1 * S);
    await rig.finishReset();
    expect([head.outcome?.error, other.outcome?.error]).toEqual(['ETIMEDOUT', 'EIO']);
    expect(rig.device().life.hardResets).toBe(1);
    const again = await rig.open();
    const works = rig.submit(again, 0, nop);
    rig.run();
    expect(works.outcome).toEqual({});
  });
});

describe('heartbeat', () => {
  it('beats-while-the-device-CPU-answers', async () => {
    await using rig = new TestRig('exclusive');
    rig.device().life.start();
    for (let i = 0; i < 10; i++) {
      rig.clock.advance(5 * S);
      await rig.settle();
    }
    expect(rig.device().life).toMatchObject({ operational: true, hardResets: 0 });
    await rig.device().life.quiesce();
    expect(rig.clock.pending).toBe(0);
  });

  it('a-halted-CPU-resets-the-device-within-a-period-and-it-beats-on', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    device.life.start();
    device.hardware.testFirmware = async () => undefined;
    rig.clock.advance(5 * S);
    await rig.settle();
    expect(device.status).toBe(DEVICE_STATUS.IN_RESET);
    Reflect.deleteProperty(device.hardware, 'testFirmware');
    await rig.finishReset();
    expect(device.life.hardResets).toBe(1);
    rig.clock.advance(5 * S);
    await rig.settle();
    expect(device.operational).toBe(true);
    await device.life.quiesce();
  });

  it('an-answer-that-never-comes-is-missed-after-one-more-period', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    device.life.start();
    device.hardware.testFirmware = () => new Promise(() => undefined);
    rig.clock.advance(9 * S);
    expect(device.operational).toBe(true);
    rig.clock.advance(1 * S);
    expect(device.status).toBe(DEVICE_STATUS.IN_RESET);
    await rig.finishReset();
  });
});
