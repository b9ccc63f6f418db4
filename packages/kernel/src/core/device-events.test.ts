/** Events: what each class leads to, faults of the silicon as events, what is captured, who is told. */
import {
  EVENT,
  EVENT_COUNT,
  EVENTS,
  encodeCpDma,
  encodeLinDma,
  encodeMsgLong,
  encodeNop,
  eventByName,
  eventName,
  SRAM_BASE,
  SRAM_USER_BASE,
  sobAddress,
} from '@pedrera/hw';
import { DEVICE_STATUS, NOTIFIER_EVENT } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { NO_ENGINE, RAZWI_TYPE } from './captures.js';
import { CAUSE_QM_ERROR, effectOf, judge } from './event-effects.js';
import { inject } from './inject.js';
import { TestRig } from './test-rig.js';
import { codeOf } from './test-support.js';

const { TPC_ASSERT, UNDEFINED_OPCODE, DEVICE_RESET, USER_ENGINE_ERR, GENERAL_HW_ERR } = NOTIFIER_EVENT;

/** A host address no context has mapped. */
const UNMAPPED = 0x1_0000_4000_0000;
const copyFrom = (src: number) => (words: Uint32Array) =>
  encodeLinDma(words, 0, { src, dst: SRAM_USER_BASE, size: 64 });

describe('event ids', () => {
  it('classes-are-where-the-contract-has-them', () => {
    const classOf = (id: number) => EVENTS.get(id)?.class;
    for (const id of [
      33, 35, 37, 46, 53, 55, 69, 78, 85, 87, 90, 91, 124, 155, 166, 170, 180, 183, 189, 192, 194, 483, 499,
    ])
      expect([id, classOf(id)]).toEqual([id, 'ecc-double']);
    for (const id of [32, 34, 36, 38, 45, 54, 68, 70, 77, 86, 88, 89, 92, 123, 156, 160, 176, 179, 185, 188, 193])
      expect([id, classOf(id)]).toEqual([id, 'ecc-single']);
    for (const id of [184, 217, 218, 239, 256, 395, 399, 403, 407])
      expect([id, classOf(id)]).toEqual([id, 'system-fatal']);
    for (const id of [396, 400, 404, 408]) expect([id, classOf(id)]).toEqual([id, 'hbm-spi']);
    for (const id of [201, 215]) expect([id, classOf(id)]).toEqual([id, 'tpc-decode']);
    for (const id of [301, 343]) expect([id, classOf(id)]).toEqual([id, 'tpc-kernel']);
    for (const id of [219, 220, 224, 225, 229, 230, 234, 235]) expect([id, classOf(id)]).toEqual([id, 'response']);
    for (const id of [572, 579, 581, 582, 583, 590, 594, 603]) expect([id, classOf(id)]).toEqual([id, 'qm']);
    for (const id of [604, 611]) expect([id, classOf(id)]).toEqual([id, 'dma-core']);
    for (const id of [645, 646, 647]) expect([id, classOf(id)]).toEqual([id, 'firmware-request']);
    expect([EVENTS.size, Math.max(...EVENTS.keys())]).toEqual([
      new Set([...EVENTS.values()].map(({ name }) => name)).size,
      EVENT_COUNT - 1,
    ]);
    expect([eventByName('TPC3_DERR')?.id, eventName(38), eventName(500)]).toEqual([49, 'TPC0_SERR', 'event 500']);
  });
});

describe('effects', () => {
  const of = (id: number, cause = 0, allowed = true) => judge(effectOf(EVENTS.get(id)?.class), cause, allowed);

  it('what-is-told-and-what-resets', () => {
    expect(of(46)).toEqual({ notify: GENERAL_HW_ERR | DEVICE_RESET, reset: true });
    expect(of(38)).toEqual({ notify: GENERAL_HW_ERR, reset: false });
    expect(of(200)).toEqual({ notify: GENERAL_HW_ERR, reset: false });
    expect(of(583)).toEqual({ notify: USER_ENGINE_ERR | DEVICE_RESET, reset: false });
    expect(of(604)).toEqual({ notify: USER_ENGINE_ERR | DEVICE_RESET, reset: false });
    expect(of(662)).toEqual({ notify: USER_ENGINE_ERR | DEVICE_RESET, reset: true });
    expect(of(646)).toEqual({ notify: GENERAL_HW_ERR | DEVICE_RESET, reset: true });
    expect(of(648)).toEqual({ notify: 0, reset: false });
    expect(of(500)).toEqual({ notify: 0, reset: false });
  });

  it('tpc-errors-reset-only-with-a-queue-manager-error', () => {
    expect(of(201)).toEqual({ notify: TPC_ASSERT | USER_ENGINE_ERR | DEVICE_RESET, reset: false });
    expect(of(201, CAUSE_QM_ERROR).reset).toBe(true);
    expect(of(301, CAUSE_QM_ERROR)).toEqual({ notify: USER_ENGINE_ERR | DEVICE_RESET, reset: true });
  });

  it('with-resets-switched-off-they-only-notify', () => {
    expect(of(46, 0, false)).toEqual({ notify: GENERAL_HW_ERR, reset: false });
  });
});

describe('raise', () => {
  it('counts-tells-everybody-and-captures', async () => {
    await using rig = new TestRig('exclusive');
    const [control, file] = [await rig.open(0, 'control'), await rig.open()];
    const device = rig.device();
    device.raiseEvent(38);
    device.raiseEvent(38);
    expect([device.hwEvents[38], device.hwEventsAggregate[38]]).toEqual([2, 2]);
    expect([control.notifier.take(), file.notifier.take(), file.notifier.take()]).toEqual([
      GENERAL_HW_ERR,
      GENERAL_HW_ERR,
      0,
    ]);
    expect(device.captures.razwi.record).toMatchObject({ address: 0, engineId1: NO_ENGINE, type: RAZWI_TYPE.NONE });
    expect(device.status).toBe(DEVICE_STATUS.OPERATIONAL);
  });

  it('a-sink-is-signalled-once-an-event-not-for-what-was-pending', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    let signalled = 0;
    let closed = 0;
    const sink = { signal: () => void signalled++, close: () => void closed++ };
    rig.device().raiseEvent(38);
    file.notifier.register(sink);
    expect(signalled).toBe(0);
    expect(() => file.notifier.register(sink)).toThrow('registered already');
    rig.device().raiseEvent(38);
    rig.device().raiseEvent(38);
    expect(signalled).toBe(2);
    file.notifier.unregister();
    rig.device().raiseEvent(38);
    expect([signalled, closed]).toEqual([2, 1]);
    expect(() => file.notifier.unregister()).toThrow('no event descriptor');
    expect(file.notifier.take()).toBe(GENERAL_HW_ERR);
  });

  it('dropped-while-disabled-in-reset-and-beyond-the-last-id', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    device.life.disabled = true;
    device.raiseEvent(38);
    device.life.disabled = false;
    device.raiseEvent(EVENT_COUNT);
    device.raiseEvent(46);
    expect(device.status).toBe(DEVICE_STATUS.IN_RESET);
    device.raiseEvent(38);
    await rig.finishReset();
    expect(device.hwEventsAggregate.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it('nothing-is-captured-before-the-first-open', async () => {
    await using rig = new TestRig('exclusive');
    rig.device().raiseEvent(38);
    expect(rig.device().captures.razwi.record).toBeUndefined();
  });

  it('a-sync-manager-error-takes-a-state-dump', async () => {
    await using rig = new TestRig('exclusive');
    rig.device().raiseEvent(280);
    await rig.settle();
    expect(rig.device().stateDumps.texts).toHaveLength(1);
  });
});

describe('faults', () => {
  it('page-fault-is-380-with-the-address', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const { outcome } = rig.submit(file, 0, copyFrom(UNMAPPED));
    rig.run();
    expect(outcome?.error).toBeUndefined();
    expect(rig.device().hwEvents[EVENT.MMU_PAGE_FAULT]).toBe(1);
    expect(rig.device().captures.razwi.record).toMatchObject({
      address: UNMAPPED,
      engineId1: 0,
      engineId2: NO_ENGINE,
      type: RAZWI_TYPE.PAGE_FAULT,
    });
    expect(file.notifier.take()).toBe(USER_ENGINE_ERR);
  });

  it('an-earlier-memory-error-hides-it', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.device().raiseEvent(38);
    rig.submit(file, 0, copyFrom(UNMAPPED));
    rig.run();
    expect(rig.device().captures.razwi.record?.type).toBe(RAZWI_TYPE.NONE);
  });

  it('protected-memory-is-548-without-an-address', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.submit(file, 0, copyFrom(0x1000));
    rig.run();
    expect(rig.device().hwEvents[EVENT.RAZWI_OR_ADC]).toBe(1);
    expect(rig.device().captures.razwi.record).toMatchObject({ address: 0, engineId1: 0, type: RAZWI_TYPE.NONE });
    expect(file.notifier.take()).toBe(USER_ENGINE_ERR | DEVICE_RESET);
    expect(rig.device().operational).toBe(true);
  });

  it('sob-overflow-is-the-sync-managers-own', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    for (let i = 0; i < 2; i++) {
      // Adds the largest value twice.
      rig.submit(file, 0, (words) => encodeMsgLong(words, 0, { address: sobAddress(2, 9), value: 0x8000_7fff }));
    }
    rig.run();
    expect(rig.device().hwEvents[280]).toBe(1);
    expect(file.notifier.take()).toBe(USER_ENGINE_ERR);
  });

  it('shared-a-neighbour-hears-and-sees-nothing', async () => {
    await using rig = new TestRig('shared');
    const [control, file, neighbour] = [await rig.open(0, 'control'), await rig.open(), await rig.open()];
    rig.submit(file, 0, copyFrom(UNMAPPED));
    rig.run();
    expect([control.notifier.take(), file.notifier.take(), neighbour.notifier.take()]).toEqual([
      USER_ENGINE_ERR,
      USER_ENGINE_ERR,
      0,
    ]);
    expect(file.requireContext.captures.razwi.record?.address).toBe(UNMAPPED);
    expect(neighbour.requireContext.captures.razwi.record).toBeUndefined();
  });

  it('undefined-opcode-record', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const context = file.requireContext;
    rig.submit(file, 4, (words) => encodeNop(words, 0));
    rig.run();
    const entry = context.queue(4).entryAt(0);
    rig
      .device()
      .events.fault(
        { asid: 1, queue: 4, lowerCp: false, ringSlot: 0, address: 0, cause: 'undefined-opcode', opcode: 31 },
        context,
        'test',
      );
    expect(rig.device().hwEvents[584]).toBe(1);
    expect(file.notifier.take()).toBe(USER_ENGINE_ERR | DEVICE_RESET | UNDEFINED_OPCODE);
    expect(rig.device().captures.undefinedOpcode.record).toEqual({
      timestampNs: 0,
      streams: [[entry.address]],
      cqAddress: entry.address,
      cqSize: entry.bytes,
      engineId: 1,
      streamId: 0,
    });
  });

  it('undefined-opcode-of-an-internal-queue-stops-its-stream', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    // A packet of zeros has an opcode nobody knows; the parser sees no internal command buffers.
    const inner = await rig.sramChunk(10, SRAM_USER_BASE + 0x1000, () => 2);
    rig.csNow(file, { chunksExecute: [inner, rig.chunk(file, 0, (words) => encodeNop(words, 0))] });
    rig.run();
    expect(rig.device().hwEvents[585]).toBe(1);
    expect(rig.device().captures.undefinedOpcode.record).toMatchObject({
      streams: [[SRAM_USER_BASE + 0x1000]],
      cqAddress: SRAM_USER_BASE + 0x1000,
      cqSize: 8,
      engineId: 2,
      streamId: 1,
    });
    // The stream stays stopped, so the last put finds the engine busy.
    await rig.close(file);
    await rig.finishReset();
    expect(rig.device().life.hardResets).toBe(1);
  });

  it('undefined-opcode-below-the-lower-command-processor', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const below = SRAM_USER_BASE + 0x2000;
    await rig.device().hardware.writeSram(below - SRAM_BASE, new Uint8Array(16));
    const inner = await rig.sramChunk(9, SRAM_USER_BASE + 0x1000, (words) =>
      encodeCpDma(words, 0, { src: below, size: 16 }),
    );
    rig.csNow(file, { chunksExecute: [inner, rig.chunk(file, 0, (words) => encodeNop(words, 0))] });
    rig.run();
    await rig.settle();
    const record = rig.device().captures.undefinedOpcode.record;
    expect(record).toMatchObject({ cqSize: 16, engineId: 2, streamId: 4 });
    expect(record?.streams).toEqual([[SRAM_USER_BASE + 0x1000], [], [], []]);
    expect(Math.abs((record?.cqAddress ?? 0) - below)).toBeLessThanOrEqual(8);
    await rig.close(file);
    await rig.finishReset();
  });

  it('undefined-opcode-without-stop-on-err-is-an-empty-record', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.device().stopOnErr = false;
    rig.clock.advance(5);
    rig
      .device()
      .events.fault(
        { asid: 1, queue: 0, lowerCp: true, ringSlot: -1, address: 0, cause: 'undefined-opcode', opcode: 31 },
        file.requireContext,
        'test',
      );
    expect(file.notifier.take() & UNDEFINED_OPCODE).toBe(UNDEFINED_OPCODE);
    expect(rig.device().captures.undefinedOpcode.record).toMatchObject({ timestampNs: 0, streams: [] });
  });

  it('what-is-not-modelled-is-no-event', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const fault = {
      asid: 1,
      queue: 0,
      lowerCp: false,
      ringSlot: 0,
      address: 0,
      cause: 'not-modelled',
      opcode: 1,
    } as const;
    rig.device().events.fault(fault, file.requireContext, 'test');
    expect(rig.device().hwEventsAggregate.some((count) => count > 0)).toBe(false);
  });
});

describe('inject', () => {
  it('every-kind-says-what-it-did', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    const done = (kind: Parameters<typeof inject>[1]['kind'], target = '', value = 0) =>
      inject(device, { kind, target, value });
    expect(await done('ecc', 'hbm2', 0)).toContain('event 187');
    expect(await done('ecc', 'MMU', 0)).toContain('event 193');
    expect(await done('ecc', 'MME1', 0)).toContain('event 58');
    expect(await done('ecc', 'DMA7', 0)).toContain('event 77');
    expect(await done('event', 'tpc2_serr')).toContain('Event 40');
    expect(await done('event', '300')).toContain('TPC0_BMON_SPMU');
    expect(await done('link', 'NIC3', 0)).toContain('event 651');
    expect(device.linksDown).toBe(8);
    await done('link', '3', 1);
    expect(device.linksDown).toBe(0);
    rig.clock.advance(1e6);
    await done('thermal', 'start');
    rig.clock.advance(3e6);
    expect(device.firmware.throttle).toMatchObject({ mask: 2, startsUs: [0, 1000], durationsNs: [0, 3e6] });
    await done('thermal', 'end');
    rig.clock.advance(3e6);
    expect(device.firmware.throttle).toMatchObject({ mask: 0, durationsNs: [0, 3e6] });
    expect(await done('ecc', 'SRAM4', 1)).toContain('double');
    expect(device.status).toBe(DEVICE_STATUS.IN_RESET);
    await rig.finishReset();
    await done('reset');
    await rig.finishReset();
    expect(device.life.hardResets).toBe(2);
  });

  it('heartbeat-halts-the-CPU', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    device.life.start();
    await inject(device, { kind: 'heartbeat', target: '', value: 0 });
    rig.clock.advance(5e9);
    await rig.finishReset();
    expect(device.life.hardResets).toBe(1);
    expect(await device.hardware.testFirmware(5)).toBe(5);
    await device.life.quiesce();
  });

  it('unknown-targets-and-values-are-EINVAL', async () => {
    await using rig = new TestRig('exclusive');
    const device = rig.device();
    for (const [kind, target, value] of [
      ['hang', 'GPU0', 0],
      ['hang', 'MME1', 0],
      ['event', '663', 0],
      ['event', 'NOTHING', 0],
      ['ecc', 'HBM9', 0],
      ['ecc', 'HBM0', 2],
      ['link', '10', 0],
      ['link', '1', 2],
      ['thermal', 'now', 0],
    ] as const) {
      expect([target, await codeOf(inject(device, { kind, target, value }))]).toEqual([target, 'EINVAL']);
    }
  });
});
