/** Streams and monitors of one device that reach the sync objects of another. */
import { CFG_BASE, peerCfgBusAddress, sobAddress, sobValue } from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { createFabric, runAllUntilIdle } from './in-process-device.js';
import { HBM, HOST_VA, OPEN_RIGHTS, openMachine, type TestMachine } from './test-harness.js';

describe('several devices', () => {
  const SIGNAL_VA = HOST_VA + 2 ** 32;
  /** Two machines; context 1 of each may signal objects 0..7 of the other through a mapping. */
  function pair(entries?: number) {
    const fabric = createFabric(2, entries);
    const machines = [0, 1].map((index) => {
      const machine = openMachine({ index, ...(fabric[index] === undefined ? {} : { fabric: fabric[index] }) });
      for (const device of [0, 1])
        machine.device.map(1, {
          va: SIGNAL_VA + device * 2 ** 20,
          size: 32,
          target: { space: 'bus', address: peerCfgBusAddress(device, sobAddress(2, 0) - CFG_BASE) },
          writable: true,
        });
      return machine;
    });
    return machines as [TestMachine, TestMachine];
  }

  it('a-stream-releases-one-of-another-device', () => {
    const [first, second] = pair();
    second.submit(1, 4, (p) => p.waitFor(4, 0, 3, 'eq', 1).long(SIGNAL_VA + 4 * 5, sobValue('add', 2)));
    first.submit(1, 0, (p) => p.long(SIGNAL_VA + 2 ** 20 + 4 * 3, sobValue('set', 1)).waitFor(0, 0, 5, 'ge', 2));
    expect(runAllUntilIdle([first.device, second.device])).toBe('idle');
    expect([first.state(1, 0), second.state(1, 4)]).toEqual(['idle', 'idle']);
    expect([...first.faults, ...second.faults]).toEqual([]);
  });

  it('a-monitor-reaches-over-too', () => {
    const [first, second] = pair();
    second.submit(1, 0, (p) => p.waitFor(0, 0, 1, 'eq', 9));
    first.submit(1, 0, (p) =>
      p
        .monitor(
          2,
          0,
          { address: SIGNAL_VA + 2 ** 20 + 4, data: sobValue('set', 9) },
          { group: 1, mask: 0xfe, mode: 'eq', value: 1 },
        )
        .sob(8, 'set', 1),
    );
    expect(runAllUntilIdle([first.device, second.device])).toBe('idle');
    expect(second.state(1, 0)).toBe('idle');
  });

  it('own-device-through-the-window', () => {
    const [first] = pair();
    expect(first.run(1, 0, (p) => p.long(SIGNAL_VA + 8, sobValue('set', 4)))).toEqual([]);
    expect(first.sobOf(1, 2)).toBe(4);
  });

  it('exactly-the-mapped-registers', () => {
    const [first] = pair();
    expect(first.run(1, 0, (p) => p.long(SIGNAL_VA + 2 ** 20 + 32, 1))).toMatchObject([{ cause: 'page-fault' }]);
    expect(first.run(1, 0, (p) => p.dma({ size: 4, src: HBM, dst: SIGNAL_VA }))).toMatchObject([{ cause: 'razwi' }]);
    expect(first.run(1, 0, (p) => p.long(SIGNAL_VA + 2, 1))).toMatchObject([{ cause: 'misaligned' }]);
    first.device.map(1, {
      va: HOST_VA + 2 ** 33,
      size: 4096,
      target: { space: 'bus', address: peerCfgBusAddress(1, 0x4f4000) },
      writable: true,
    });
    first.device.map(1, {
      va: HOST_VA + 2 ** 34,
      size: 4096,
      target: { space: 'bus', address: peerCfgBusAddress(9, 0x4f2000) },
      writable: true,
    });
    expect(first.run(1, 0, (p) => p.long(HOST_VA + 2 ** 33, 1))).toMatchObject([{ cause: 'razwi' }]);
    expect(first.run(1, 0, (p) => p.long(HOST_VA + 2 ** 34, 1))).toMatchObject([{ cause: 'bus-error' }]);
  });

  it('full-fabric-stalls-and-loses-nothing', () => {
    const [first, second] = pair(4);
    first.submit(1, 0, (p) => {
      for (let i = 0; i < 300; i++) p.long(SIGNAL_VA + 2 ** 20, sobValue('add', 1));
      return p;
    });
    first.submit(1, 4, (p) => {
      // Monitors: their payloads find the way full, and are held.
      for (let i = 0; i < 100; i++)
        p.monitor(
          2,
          i,
          { address: SIGNAL_VA + 2 ** 20 + 4, data: sobValue('add', 1) },
          { group: 1, mask: 0xfe, mode: 'eq', value: 1 },
        );
      return p.sob(8, 'set', 1).sob(16, 'set', 1);
    });
    expect(first.device.runUntilIdle()).toBe('stalled');
    expect(first.sobOf(1, 16)).toBe(1);
    expect(runAllUntilIdle([first.device, second.device])).toBe('idle');
    expect([second.sobOf(1, 0), second.sobOf(1, 1)]).toEqual([300, 100]);
    expect(first.device.machine.snapshot().counters.monitorsFired).toBeGreaterThanOrEqual(100);
  });

  it('held-payloads-die-with-their-context', async () => {
    const [first, second] = pair(4);
    first.submit(1, 4, (p) => {
      for (let i = 0; i < 10; i++)
        p.monitor(
          2,
          i,
          { address: SIGNAL_VA + 2 ** 20 + 4, data: sobValue('add', 1) },
          { group: 1, mask: 0xfe, mode: 'eq', value: 1 },
        );
      return p.sob(8, 'set', 1);
    });
    expect(first.device.runUntilIdle()).toBe('stalled');
    await first.device.destroyContext(1);
    expect(first.device.runUntilIdle()).toBe('idle');
    expect(runAllUntilIdle([first.device, second.device])).toBe('idle');
    expect(second.sobOf(1, 1)).toBe(4);
  });

  it('writes-on-their-way-do-not-reach-the-next-holder', async () => {
    const [first, second] = pair();
    first.run(1, 0, (p) => p.long(SIGNAL_VA + 2 ** 20, sobValue('set', 7)));
    await second.device.destroyContext(1);
    second.forgetRings(1);
    second.device.createContext(1, OPEN_RIGHTS);
    expect(second.sobOf(1, 0)).toBe(0);
    first.run(1, 0, (p) => p.long(SIGNAL_VA + 2 ** 20, sobValue('set', 7)));
    second.device.clearSyncObjects(2, 0, 1);
    expect(second.sobOf(1, 0)).toBe(0);
  });

  it('overflow-by-a-peer-is-the-owners-fault-entry', () => {
    const [first, second] = pair();
    first.submit(1, 0, (p) =>
      p.long(SIGNAL_VA + 2 ** 20, sobValue('set', 0x7fff)).long(SIGNAL_VA + 2 ** 20, sobValue('add', 1)),
    );
    runAllUntilIdle([first.device, second.device]);
    expect(second.faults).toMatchObject([{ asid: 1, queue: -1, ringSlot: -1, cause: 'sob-overflow' }]);
    expect(first.faults).toEqual([]);
  });

  it('a-stalled-pair-that-nobody-drains', () => {
    const machine = openMachine({ interruptEntries: 2 });
    machine.device.onInterrupt = null;
    for (let i = 0; i < 5; i++) machine.submit(1, 0, (p) => p.nop(), 0);
    expect(runAllUntilIdle([machine.device])).toBe('stalled');
  });
});
