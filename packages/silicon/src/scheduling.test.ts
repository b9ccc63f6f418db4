/** Who has the next turn, and what is left of a context, a mapping or a bus region when it is taken away. */
import { describe, expect, it } from 'vitest';
import {
  HBM,
  HOST_SLOT,
  HOST_VA,
  leaseOf,
  OPEN_RIGHTS,
  openMachine,
  Packets,
  rights,
  TestMachine,
} from './test-harness.js';

describe('scheduling', () => {
  it('flooding-and-blocked-contexts-do-not-hold-up-a-third', () => {
    const machine = new TestMachine();
    for (let asid = 1; asid <= 40; asid++)
      machine.device.createContext(asid, rights({ physicalHbm: true, sync: [leaseOf(2, 8 * asid, 8, asid, 1)] }));
    machine.submit(1, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }));
    const flood = machine.place(new Packets().nop(3000));
    for (let asid = 2; asid <= 9; asid++)
      for (let queue = 0; queue < 8; queue++)
        for (let i = 0; i < 20; i++) machine.submitAt(asid, queue, flood, 3000 * 8);
    for (let i = 0; i < 8; i++) machine.submit(10, i, (p) => p.dma({ size: 900_000, src: HBM, dst: HBM + 10_000 }));
    for (let i = 0; i < 30; i++) machine.device.step();
    machine.submit(40, 0, (p) => p.sob(320, 'set', 1), 3);
    let steps = 0;
    while (machine.msis.length === 0) {
      machine.device.step();
      steps++;
    }
    expect(steps).toBeLessThanOrEqual(8 * 8 + 8 + 1);
    expect(machine.state(1, 0)).toBe('fence');
  });

  it('contexts-take-turns-not-streams', () => {
    const machine = new TestMachine({ turn: { packets: 1, bytes: 64 } });
    for (const asid of [1, 2]) machine.device.createContext(asid, rights());
    for (const queue of [0, 1, 2, 3, 4, 5, 6]) machine.submit(1, queue, (p) => p.nop(50));
    machine.submit(2, 0, (p) => p.nop(50));
    const turns = { 1: 0, 2: 0 };
    while (machine.state(2, 0) !== 'idle') {
      const next = machine.device.machine.runnable()[0];
      turns[next?.asid === 2 ? 2 : 1]++;
      machine.device.step();
    }
    expect(Math.abs(turns[1] - turns[2])).toBeLessThanOrEqual(2);
  });

  it('idle-contexts-cost-nothing-to-a-step', () => {
    const machine = new TestMachine();
    for (let asid = 1; asid <= 300; asid++) {
      machine.device.createContext(asid, rights());
      machine.run(asid, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }));
    }
    expect(machine.device.machine.runnable()).toEqual([]);
    expect(machine.device.step()).toBe('idle');
    machine.submit(200, 4, (p) => p.nop());
    expect(machine.device.machine.runnable()).toEqual([{ asid: 200, queue: 4 }]);
    expect(machine.device.machine.snapshot().streams).toHaveLength(301);
    expect(machine.device.machine.snapshot().engines.slice(0, 3)).toMatchObject([
      { name: 'DMA0', busy: true, hung: false },
      { name: 'DMA1', busy: true, hung: false },
      { name: 'DMA2', busy: false, hung: false },
    ]);
  });

  it('same-inputs-same-run', () => {
    const trace = () => {
      const machine = openMachine();
      machine.device.createContext(2, rights({ physicalHbm: true }));
      for (let i = 0; i < 30; i++) {
        machine.submit(
          1,
          i % 8,
          (p) =>
            p
              .nop(i * 7)
              .sob(i, 'add', 1)
              .dma({ size: i * 999, src: HBM, dst: HBM + 65_536 }),
          i % 4,
        );
        machine.submit(2, i % 8, (p) => p.long(0x1000 + 4 * i, 1).nop(i * 31), 1);
      }
      const order: unknown[] = [];
      for (;;) {
        order.push(machine.device.machine.runnable()[0]);
        if (machine.device.step() !== 'busy') break;
      }
      return { order, msis: machine.msis, faults: machine.faults, snapshot: machine.device.machine.snapshot() };
    };
    expect(trace()).toEqual(trace());
  });

  it('endless-work-is-noticed', () => {
    const machine = openMachine({ turn: { packets: 1, bytes: 1 } });
    machine.submit(1, 0, (p) => p.nop(500));
    expect(() => machine.device.runUntilIdle(100)).toThrow('still busy');
  });
});

describe('contexts', () => {
  it('destroyed-in-the-middle-of-everything-and-made-anew', async () => {
    const machine = openMachine({ turn: { packets: 4, bytes: 1000 } });
    machine.device.createContext(2, rights({ physicalHbm: true }));
    machine.submit(1, 0, (p) => p.dma({ size: 60_000, src: HOST_VA, dst: HBM }).sob(0, 'set', 1), 0);
    machine.submit(1, 1, (p) => p.sob(9, 'set', 3).waitFor(1, 0, 8, 'eq', 1));
    machine.submit(1, 2, (p) => p.nop(5000));
    machine.submit(2, 0, (p) => p.nop(100), 7);
    machine.hostBytes.fill(1);
    for (let i = 0; i < 12; i++) machine.device.step();
    expect(machine.state(1, 0)).toBe('dma');
    const copied = machine.bank(1).reduce((sum, byte) => sum + byte, 0);
    expect(copied).toBeLessThan(60_000);
    await machine.device.destroyContext(1);
    machine.forgetRings(1);
    machine.device.runUntilIdle();
    expect(machine.bank(1).reduce((sum, byte) => sum + byte, 0)).toBe(copied);
    expect(machine.msis).toEqual([{ asid: 2, vector: 7 }]);
    const snapshot = machine.device.machine.snapshot();
    expect(snapshot.streams.map(({ asid }) => asid)).toEqual([2]);
    expect(snapshot.monitors).toEqual([]);
    await expect(machine.device.unmap(1, HOST_VA, 4096)).rejects.toThrow('no context 1');

    machine.device.createContext(1, OPEN_RIGHTS);
    machine.mapHost(1);
    expect([machine.sobOf(1, 9), machine.sobOf(1, 0)]).toEqual([0, 0]);
    expect(machine.run(1, 0, (p) => p.dma({ size: 4, src: HOST_VA, dst: HBM + 500_000 }))).toEqual([]);
    expect(machine.state(1, 0)).toBe('idle');
    expect(machine.stream(1, 0)?.fenceCounters).toEqual([0, 0, 0, 0]);
  });

  it('a-context-cannot-be-made-twice', () => {
    const machine = openMachine();
    expect(() => machine.device.createContext(1, rights())).toThrow('exists');
    expect(() => machine.device.createContext(0, rights())).toThrow(RangeError);
    expect(() => machine.device.createContext(1024, rights())).toThrow(RangeError);
  });

  it('mapping-rules', () => {
    const machine = openMachine();
    const map = (va: number, size: number) =>
      machine.device.map(1, { va, size, target: { space: 'hbm', address: HBM }, writable: true });
    expect(() => map(HOST_VA + 4096, 4096)).toThrow('mapped already');
    expect(() => map(HOST_VA - 4096, 8192)).toThrow('run into a mapping');
    expect(() => map(0x1000, 4096)).toThrow(RangeError);
    map(HOST_VA - 4096, 4096);
  });

  it('unmap-keeps-what-lies-outside', async () => {
    const machine = openMachine();
    machine.hostBytes.fill(3);
    await machine.device.unmap(1, HOST_VA + 100, 200);
    const ok = (at: number) =>
      machine.run(1, 0, (p) => p.dma({ size: 1, src: HOST_VA + at, dst: HBM + at })).length === 0;
    expect([0, 99, 100, 299, 300, 2 ** 20 - 1, 2 ** 20].map(ok)).toEqual([true, true, false, false, true, true, false]);
    expect([...machine.bank(1).subarray(298, 302)]).toEqual([0, 0, 3, 0]);
    await machine.device.unmap(1, 0, 2 ** 52);
    expect(ok(0)).toBe(false);
  });

  it('bus-region-taken-away', async () => {
    const machine = openMachine();
    machine.submit(1, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }).sob(0, 'set', 1));
    machine.device.runUntilIdle();
    await machine.device.removeBusRegion(HOST_SLOT);
    expect(machine.run(1, 4, (p) => p.dma({ size: 4, src: HOST_VA, dst: HBM }))).toMatchObject([
      { cause: 'bus-error' },
    ]);
    expect(machine.run(1, 4, (p) => p.long(HOST_VA, 1))).toMatchObject([{ cause: 'bus-error' }]);
    await machine.device.removeBusRegion(1);
    machine.device.addBusRegion({
      slot: 1,
      size: 4096,
      memory: { kind: 'shared', buffer: new SharedArrayBuffer(4096), offset: 0 },
    });
    await machine.device.removeBusRegion(1);
    await expect(machine.device.removeBusRegion(1)).rejects.toThrow('not in use');
  });

  it('command-buffer-taken-away-under-the-stream', async () => {
    const machine = openMachine({ turn: { packets: 2, bytes: 64 } });
    machine.submit(1, 0, (p) => p.nop(100));
    machine.device.step();
    await machine.device.removeBusRegion(1);
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'bus-error', queue: 0, ringSlot: 0 }]);
    expect(machine.state(1, 0)).toBe('idle');
  });

  it('memory-by-descriptor-is-mapped-and-let-go', async () => {
    const log: string[] = [];
    const bytes = new Uint8Array(4096);
    const machine = openMachine({
      memory: {
        hbmBank: () => new Uint8Array(4096),
        mapBusRegion: (region) => {
          log.push(`map ${region.slot}`);
          return bytes;
        },
        unmapBusRegion: (region, unmapped) => log.push(`unmap ${region.slot} ${unmapped === bytes}`),
      },
    });
    machine.device.addBusRegion({ slot: 50, size: 4096, memory: { kind: 'fd', fd: 9, offset: 0 } });
    expect(() => machine.device.addBusRegion({ slot: 50, size: 1, memory: { kind: 'fd', fd: 9, offset: 0 } })).toThrow(
      'in use',
    );
    expect(() =>
      machine.device.addBusRegion({ slot: 2 ** 16, size: 1, memory: { kind: 'fd', fd: 9, offset: 0 } }),
    ).toThrow(RangeError);
    await machine.device.close();
    expect(log).toEqual(['map 50', 'unmap 50 true']);
    const plain = openMachine();
    expect(() => plain.device.addBusRegion({ slot: 50, size: 4096, memory: { kind: 'fd', fd: 9, offset: 0 } })).toThrow(
      'descriptor',
    );
  });
});
