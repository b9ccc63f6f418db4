/** Who worked and who waited, for how long: the times of engines, and how streams stand with their arbiter. */
import { ARB_CFG_0_ENABLE, cpFenceRdataAddress, MSI_VECTORS, msiAddress, QM_REGISTERS, qmBase } from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { OPEN_RIGHTS, openMachine, rights, type TestMachine } from './test-harness.js';

const DMA0_FENCE = cpFenceRdataAddress('DMA0', 0, 0);

function times(machine: TestMachine, asid: number, engine: string) {
  const row = machine.device.machine.snapshot().engineTimes.find((one) => one.asid === asid && one.engine === engine);
  if (row === undefined) return undefined;
  return [row.busyNs, row.waitSyncNs, row.waitMemoryNs];
}

function whole(machine: TestMachine, engine: string) {
  const found = machine.device.machine.snapshot().engines.find(({ name }) => name === engine);
  return found === undefined ? undefined : [found.times.busyNs, found.times.waitSyncNs, found.times.waitMemoryNs];
}

describe('engine times', () => {
  it('idle-engines-are-not-listed-and-count-nothing', () => {
    const machine = openMachine();
    machine.nowNs = 1000;
    expect(machine.device.machine.snapshot().engineTimes).toEqual([]);
    expect(whole(machine, 'DMA0')).toEqual([0, 0, 0]);
  });

  it('busy-from-the-doorbell-to-the-last-packet', () => {
    const machine = openMachine({ turn: { packets: 2, bytes: 4096 } });
    machine.nowNs = 100;
    machine.submit(1, 0, (p) => p.nop(3));
    machine.device.step();
    machine.nowNs = 400;
    // It runs on: not yet settled at the end of a turn, but told at the moment of the snapshot.
    expect(times(machine, 1, 'DMA0')).toEqual([300, 0, 0]);
    machine.device.runUntilIdle();
    machine.nowNs = 900;
    expect(times(machine, 1, 'DMA0')).toEqual([300, 0, 0]);
    expect(whole(machine, 'DMA0')).toEqual([300, 0, 0]);
  });

  it('waits-at-a-fence-until-it-is-fed', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }));
    machine.nowNs = 500;
    expect(times(machine, 1, 'DMA0')).toEqual([0, 500, 0]);
    machine.run(1, 4, (p) => p.long(DMA0_FENCE, 1));
    machine.nowNs = 700;
    expect(times(machine, 1, 'DMA0')).toEqual([0, 500, 0]);
    expect(machine.state(1, 0)).toBe('idle');
  });

  it('busy-while-any-of-its-streams-can-go-on', () => {
    const machine = openMachine({ turn: { packets: 1, bytes: 4096 } });
    machine.submit(1, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }));
    machine.device.runUntilIdle();
    machine.nowNs = 100;
    machine.submit(1, 1, (p) => p.nop(2));
    machine.device.step();
    machine.nowNs = 160;
    machine.device.runUntilIdle();
    machine.nowNs = 200;
    expect(times(machine, 1, 'DMA0')).toEqual([60, 140, 0]);
  });

  it('waits-for-memory-while-a-fifo-to-the-host-is-full', () => {
    const machine = openMachine({ interruptEntries: 4 });
    machine.device.onInterrupt = null;
    machine.submit(1, 0, (p) => {
      for (let i = 0; i < 8; i++) p.prot(msiAddress(i % MSI_VECTORS), 1);
    });
    expect(machine.device.runUntilIdle()).toBe('stalled');
    machine.nowNs = 250;
    // Trying again in vain makes no work of it.
    machine.device.step();
    machine.nowNs = 300;
    expect(times(machine, 1, 'DMA0')).toEqual([0, 0, 300]);
    for (let i = 0; i < 8; i++) {
      machine.drain();
      machine.device.step();
    }
    machine.nowNs = 1000;
    expect(times(machine, 1, 'DMA0')).toEqual([0, 0, 300]);
    expect(machine.msis).toHaveLength(8);
  });

  it('contexts-count-apart-and-the-engine-once', () => {
    const machine = openMachine({ turn: { packets: 1, bytes: 4096 } });
    machine.device.createContext(2, rights());
    machine.submit(1, 0, (p) => p.nop(2));
    machine.submit(2, 0, (p) => p.nop(2));
    machine.device.step();
    machine.nowNs = 50;
    machine.device.runUntilIdle();
    machine.nowNs = 80;
    expect([times(machine, 1, 'DMA0'), times(machine, 2, 'DMA0')]).toEqual([
      [50, 0, 0],
      [50, 0, 0],
    ]);
    expect(whole(machine, 'DMA0')).toEqual([50, 0, 0]);
  });

  it('a-context-that-is-gone-leaves-its-share-with-the-engine', async () => {
    const machine = openMachine();
    machine.device.createContext(2, rights());
    machine.run(2, 4, (p) => p.fence({ id: 1, target: 1, dec: 1 }));
    machine.nowNs = 400;
    await machine.device.destroyContext(2);
    machine.nowNs = 900;
    expect(times(machine, 2, 'DMA1')).toBeUndefined();
    expect(whole(machine, 'DMA1')).toEqual([0, 400, 0]);
  });

  it('a-reset-ends-what-runs-and-keeps-the-sums-of-the-engines', async () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }));
    machine.nowNs = 300;
    await machine.device.reset();
    machine.nowNs = 800;
    expect(machine.device.machine.snapshot().engineTimes).toEqual([]);
    expect(whole(machine, 'DMA0')).toEqual([0, 300, 0]);
  });

  it('a-hung-engine-neither-works-nor-waits', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }));
    machine.nowNs = 300;
    machine.device.hangEngine('DMA0');
    expect(times(machine, 1, 'DMA0')).toEqual([0, 300, 0]);
    machine.nowNs = 900;
    expect(times(machine, 1, 'DMA0')).toEqual([0, 300, 0]);
  });
});

describe('arbitration', () => {
  const config = qmBase('DMA0') + QM_REGISTERS.ARB_CFG_0;
  const weights = qmBase('DMA0') + QM_REGISTERS.ARB_WRR_WEIGHT_0;

  it('nothing-to-tell-while-it-is-off', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.nop());
    expect(machine.stream(1, 0)?.arbitration).toBeNull();
  });

  it('says-who-has-the-lock-and-who-waits-for-it', async () => {
    const machine = openMachine();
    machine.device.createContext(2, { ...OPEN_RIGHTS, sync: [] });
    await machine.device.writeRegister(config, ARB_CFG_0_ENABLE);
    machine.run(1, 1, (p) => p.arb({ priority: 1 }).fence({ id: 0, target: 1, dec: 1 }));
    machine.run(1, 2, (p) => p.arb({ priority: 9 }));
    expect(machine.stream(1, 1)?.arbitration).toEqual({
      mode: 'priority',
      waiting: false,
      holder: 1,
      quiet: false,
      priority: 1,
      weight: 0,
    });
    expect(machine.stream(1, 2)).toMatchObject({
      state: 'arbitration',
      arbitration: { waiting: true, holder: 1, priority: 9 },
    });
    machine.nowNs = 40;
    expect(times(machine, 1, 'DMA0')).toEqual([0, 40, 0]);
  });

  it('weights-and-the-quiet-time', async () => {
    const machine = openMachine();
    await machine.device.writeRegister(config, ARB_CFG_0_ENABLE | 1);
    await machine.device.writeRegister(weights + 4, 3);
    await machine.device.writeRegister(qmBase('DMA0') + QM_REGISTERS.ARB_MST_QUIET_PER, 1000);
    machine.submit(1, 0, (p) => p.arb({ priority: 0 }).arb({ release: 1 }));
    machine.submit(1, 1, (p) => p.arb({ priority: 0 }).nop());
    while (machine.device.step() === 'busy');
    expect(machine.stream(1, 1)?.arbitration).toEqual({
      mode: 'weighted',
      waiting: true,
      holder: null,
      quiet: true,
      priority: 0,
      weight: 3,
    });
    machine.device.runUntilIdle();
    expect(machine.stream(1, 1)).toMatchObject({
      state: 'idle',
      arbitration: { waiting: false, holder: 1, quiet: false },
    });
  });
});
