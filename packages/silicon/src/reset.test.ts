/** Reset, hung engines, persistent leases: what is gone, what stays, and that nobody else notices. */
import { CFG_BASE, DCORE, fenceRdataAddress, peerCfgBusAddress, qmBase, sobAddress, sobValue } from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { createFabric, runAllUntilIdle } from './in-process-device.js';
import { HBM, leaseOf, OPEN_RIGHTS, openMachine, rights, TestMachine } from './test-harness.js';

const W_S_SOB = (sob: number) => sobAddress(DCORE.W_S, sob) - CFG_BASE;

describe('hung engine', () => {
  it('makes-no-progress-and-says-so', async () => {
    const machine = openMachine();
    machine.ring(1, 0);
    machine.device.hangEngine('DMA0');
    machine.run(1, 0, (p) => p.sob(0, 'set', 1));
    machine.run(1, 4, (p) => p.sob(1, 'set', 1));
    const snapshot = machine.device.machine.snapshot();
    expect(snapshot.syncObjects).toMatchObject([{ sob: 1 }]);
    expect(snapshot.engines.slice(0, 2)).toMatchObject([
      { name: 'DMA0', busy: true, hung: true },
      { name: 'DMA1', busy: false, hung: false },
    ]);
    expect([machine.state(1, 0), machine.state(1, 4)]).toEqual(['hung', 'idle']);
    expect((await machine.device.engineStatus())[0]).toMatchObject({ idle: false, status: 0x8000_0000 });
    expect(machine.device.machine.step()).toBe('idle');
  });

  it('engines-without-work-hang-too', async () => {
    const machine = openMachine();
    for (const name of ['MME1', 'TPC5', 'NIC2'] as const) machine.device.hangEngine(name);
    const busy = (await machine.device.engineStatus()).filter(({ idle }) => !idle);
    expect(busy.map(({ name, status }) => [name, status])).toEqual([
      ['MME1', 0],
      ['TPC5', 0],
      ['NIC2', undefined],
    ]);
    expect(() => machine.device.hangEngine('DMA9')).toThrow(RangeError);
  });

  it('a-fence-fed-from-elsewhere-does-not-wake-it', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }).sob(0, 'set', 1));
    machine.device.hangEngine('DMA0');
    machine.run(1, 4, (p) => p.long(fenceRdataAddress(0, 0), 1));
    expect(machine.device.machine.snapshot().syncObjects).toEqual([]);
    expect(machine.state(1, 0)).toBe('hung');
  });
});

describe('reset', () => {
  it('power-on-values', async () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p
        .sob(3, 'set', 9)
        .long(HBM, 0x55)
        .long(CFG_BASE + 0x5000, 1),
    );
    machine.submit(1, 4, (p) => p.waitFor(4, 7, 3, 'eq', 0).sob(4, 'set', 1));
    machine.submit(1, 1, (p) => p.long(CFG_BASE + qmBase('DMA0') + 0xa00, 0x110).long(0x1000, 1));
    machine.device.runUntilIdle();
    machine.device.hangEngine('TPC0');
    await machine.device.writeSram(0x100, Uint8Array.of(5));
    await machine.device.reset();
    const snapshot = machine.device.machine.snapshot();
    // The monitor waited for zero: a reset is no write.
    expect(snapshot).toMatchObject({ streams: [], monitors: [], syncObjects: [] });
    expect(snapshot.engines.some(({ busy, hung }) => busy || hung)).toBe(false);
    const { machine: gaudi } = machine.device;
    expect([0x5000, qmBase('DMA0') + 0xa00, 0xc1_105c].map((offset) => gaudi.readRegister(offset))).toEqual([0, 0, 0]);
    expect(machine.bank(1)[0]).toBe(0x55);
    expect(await machine.device.readSram(0x100, 1)).toEqual(Uint8Array.of(5));
  });

  it('usable-at-once-under-the-same-asid', async () => {
    const machine = openMachine();
    machine.submit(1, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }));
    machine.submit(1, 1, (p) => p.nop(2000).sob(1, 'set', 1));
    machine.device.step();
    await machine.device.reset();
    machine.forgetRings(1);
    machine.device.createContext(1, OPEN_RIGHTS);
    machine.mapHost(1);
    machine.run(1, 1, (p) => p.sob(2, 'set', 1).long(HBM, 3));
    expect(machine.device.machine.snapshot().syncObjects).toMatchObject([{ sob: 2, value: 1, asid: 1 }]);
    expect(machine.stream(1, 1)).toMatchObject({ pi: 1, fetched: 1, state: 'idle' });
  });

  it('taking-down-what-was-forgotten-does-nothing', async () => {
    const machine = openMachine();
    await machine.device.reset();
    await machine.device.unmap(1, 0x1_0000_0020_0000, 4096);
    machine.device.setRights(1, rights());
    machine.device.ringDoorbell(1, 0, 1);
    await machine.device.destroyContext(1);
    await expect(machine.device.destroyContext(1)).rejects.toThrow('no context 1');
  });

  it('what-peers-had-sent-is-dropped-and-they-go-on', async () => {
    const fabric = createFabric(2);
    const [first, second] = fabric.map((ends, index) => new TestMachine({ index, fabric: ends })) as [
      TestMachine,
      TestMachine,
    ];
    for (const machine of [first, second]) machine.device.createContext(1, OPEN_RIGHTS);
    const va = 0x1_1000_0000_0000;
    const target = peerCfgBusAddress(1, sobAddress(DCORE.E_N, 0) - CFG_BASE);
    first.device.map(1, { va, size: 4096, target: { space: 'bus', address: target }, writable: true });
    first.submit(1, 0, (p) => p.long(va, sobValue('add', 1)));
    first.device.machine.step();
    await second.device.reset();
    // On its way after the reset: it finds nobody, and harms nobody.
    first.submit(1, 0, (p) => p.long(va, sobValue('add', 1)).sob(5, 'set', 1));
    runAllUntilIdle([first.device, second.device]);
    expect(first.faults).toEqual([]);
    expect(first.device.machine.snapshot().syncObjects).toMatchObject([{ sob: 5 }]);
    second.device.createContext(1, OPEN_RIGHTS);
    expect(second.device.machine.snapshot().syncObjects).toEqual([]);
    first.submit(1, 0, (p) => p.long(va, sobValue('add', 1)));
    runAllUntilIdle([first.device, second.device]);
    expect(second.device.machine.snapshot().syncObjects).toMatchObject([{ sob: 0, value: 1 }]);
  });
});

describe('persistent lease', () => {
  const driver = { ...leaseOf(DCORE.W_S, 0, 144, 0, 72), persistent: true };
  const exclusive = rights({ sync: [driver, leaseOf(DCORE.W_S, 144, 8, 72, 8)] });

  it('values-survive-their-holder', () => {
    const machine = new TestMachine();
    machine.device.createContext(1, exclusive);
    machine.run(1, 0, (p) => p.short(3, 4 * 128, sobValue('add', 3)).short(3, 4 * 144, sobValue('set', 3)));
    machine.device.machine.destroyContext(1);
    machine.forgetRings(1);
    const { machine: gaudi } = machine.device;
    expect([gaudi.readRegister(W_S_SOB(128)), gaudi.readRegister(W_S_SOB(144))]).toEqual([3, 0]);
    machine.device.createContext(1, exclusive);
    machine.run(1, 0, (p) => p.short(3, 4 * 128, sobValue('add', 1)));
    expect(gaudi.readRegister(W_S_SOB(128))).toBe(4);
    machine.device.machine.clearSyncObjects(DCORE.W_S, 128, 1);
    expect(gaudi.readRegister(W_S_SOB(128))).toBe(0);
  });

  it('a-monitor-stays-armed-but-speaks-for-nobody', () => {
    const machine = new TestMachine();
    machine.device.createContext(1, exclusive);
    machine.run(1, 0, (p) =>
      p.monitor(
        DCORE.W_S,
        64,
        { address: fenceRdataAddress(0, 2), data: 1 },
        { group: 16, mask: 0xfe, mode: 'ge', value: 1 },
      ),
    );
    machine.device.machine.destroyContext(1);
    machine.forgetRings(1);
    const status = 0x49_6000 + 4 * 64;
    const { machine: gaudi } = machine.device;
    expect(gaudi.readRegister(status) & 1).toBe(1);
    machine.device.createContext(1, exclusive);
    machine.ring(1, 0);
    machine.run(1, 1, (p) => p.short(3, 4 * 128, sobValue('add', 1)));
    expect(gaudi.readRegister(status) & 1).toBe(0);
    expect(machine.stream(1, 0)?.fenceCounters).toEqual([0, 0, 0, 0]);
  });
});
