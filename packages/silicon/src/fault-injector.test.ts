/** Rules of failure: what they count, what they do to what they strike, and that it is the same each time. */
import {
  createTraceRing,
  DEVICE_TRACE,
  type DeviceFaultHit,
  type DeviceFaultRule,
  OPCODE,
  TraceReader,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { HBM, openMachine, rights, type TestMachine } from './test-harness.js';

const DMA2_0 = 9;

function rule(changes: Partial<DeviceFaultRule>): DeviceFaultRule {
  return {
    id: 1,
    queue: null,
    asids: null,
    opcode: null,
    addresses: null,
    after: 0,
    times: 1,
    perMillion: 1_000_000,
    seed: 1,
    action: 'page-fault',
    delayNs: 0,
    ...changes,
  };
}

function arm(machine: TestMachine, ...rules: Partial<DeviceFaultRule>[]): void {
  machine.device.setFaultRules(rules.map(rule));
}

function counts(machine: TestMachine) {
  return machine.device.machine.snapshot().faultRules.map(({ matched, struck }) => [matched, struck]);
}

function values(machine: TestMachine) {
  return machine.device.machine.snapshot().syncObjects.map(({ sob, value }) => [sob, value]);
}

describe('fault rules', () => {
  it('a-page-fault-on-the-nth-packet-of-an-opcode', () => {
    const machine = openMachine();
    arm(machine, { queue: 0, opcode: OPCODE.MSG_SHORT, after: 1 });
    machine.submit(1, 0, (p) => p.sob(1, 'set', 1).nop(5).sob(2, 'set', 1).sob(3, 'set', 1), 4);
    machine.submit(1, 4, (p) => p.sob(9, 'set', 1).sob(10, 'set', 1));
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([
      { asid: 1, queue: 0, ringSlot: 0, cause: 'page-fault', opcode: OPCODE.MSG_SHORT },
    ]);
    // The packet was dropped; the others, and those of another queue, were not, and the job is complete.
    expect(values(machine)).toEqual([
      [1, 1],
      [3, 1],
      [9, 1],
      [10, 1],
    ]);
    expect(machine.msis).toEqual([{ asid: 1, vector: 4 }]);
    expect(counts(machine)).toEqual([[3, 1]]);
  });

  it('a-range-of-addresses', () => {
    const machine = openMachine();
    arm(machine, { addresses: { start: HBM + 4096, length: 64 }, times: null });
    machine.bank(1).fill(7, 0, 64);
    machine.submit(1, 4, (p) =>
      p
        .dma({ src: HBM, dst: HBM + 4096 - 64, size: 64 })
        .dma({ src: HBM, dst: HBM + 4090, size: 64 })
        .dma({ src: HBM + 4159, dst: HBM + 8192, size: 64 })
        .long(HBM + 4160, 1),
    );
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'page-fault', address: HBM + 4096, opcode: OPCODE.LIN_DMA }]);
    expect(counts(machine)).toEqual([[2, 2]]);
    expect([machine.bank(1)[4095], machine.bank(1)[4096]]).toEqual([7, 0]);
  });

  it('contexts-that-are-not-meant-are-left-alone', () => {
    const machine = openMachine();
    machine.device.createContext(2, rights());
    arm(machine, { asids: [2] });
    machine.run(1, 0, (p) => p.nop());
    expect(machine.faults).toEqual([]);
    machine.run(2, 0, (p) => p.nop());
    expect(machine.faults).toMatchObject([{ asid: 2 }]);
    arm(machine, { asids: [], times: null });
    machine.run(2, 0, (p) => p.nop());
    expect(counts(machine)).toEqual([[1, 1]]);
  });

  it('a-lost-interrupt-leaves-the-completion-word', () => {
    const machine = openMachine();
    arm(machine, { queue: 0, action: 'lost-interrupt', after: 1 });
    for (let vector = 1; vector <= 3; vector++) machine.submit(1, 0, (p) => p.nop(), vector);
    machine.device.runUntilIdle();
    expect(machine.msis.map(({ vector }) => vector)).toEqual([1, 3]);
    expect(machine.stream(1, 0)).toMatchObject({ completed: 3, state: 'idle' });
    expect(counts(machine)).toEqual([[3, 1]]);
  });

  it('the-interrupt-of-the-job-with-such-a-packet-is-lost', () => {
    const machine = openMachine();
    arm(machine, { action: 'lost-interrupt', opcode: OPCODE.MSG_SHORT });
    machine.submit(1, 0, (p) => p.nop(), 1);
    machine.submit(1, 0, (p) => p.sob(1, 'set', 1).nop(), 2);
    machine.submit(1, 0, (p) => p.sob(1, 'set', 2), 3);
    machine.device.runUntilIdle();
    expect(machine.msis.map(({ vector }) => vector)).toEqual([1, 3]);
  });

  it('a-delay-holds-the-stream-and-nobody-else', () => {
    const machine = openMachine();
    arm(machine, { queue: 0, opcode: OPCODE.MSG_PROT, action: 'delay', delayNs: 5000 });
    machine.submit(1, 0, (p) => p.sob(1, 'set', 1), 1);
    machine.submit(1, 1, (p) => p.sob(2, 'set', 1), 2);
    while (machine.device.step() === 'busy');
    expect(machine.msis.map(({ vector }) => vector)).toEqual([2]);
    expect(machine.stream(1, 0)).toMatchObject({ state: 'running', completed: 0 });
    machine.nowNs = 4999;
    expect(machine.device.step()).toBe('stalled');
    machine.nowNs = 5000;
    machine.device.runUntilIdle();
    expect(machine.msis.map(({ vector }) => vector)).toEqual([2, 1]);
    // An engine that is slow is at work.
    expect(machine.device.machine.snapshot().engineTimes).toMatchObject([{ busyNs: 5000, waitSyncNs: 0 }]);
    expect(counts(machine)).toEqual([[1 + 1, 1]]);
  });

  it('a-hang-lasts-until-the-reset-and-strikes-no-second-time', async () => {
    const machine = openMachine();
    arm(machine, { queue: 0, opcode: OPCODE.NOP, after: 2, action: 'hang' });
    machine.run(1, 0, (p) => p.nop(2).sob(1, 'set', 1).nop().sob(2, 'set', 1));
    expect(machine.state(1, 0)).toBe('hung');
    expect(values(machine)).toEqual([[1, 1]]);
    expect(machine.device.machine.snapshot().engines[0]).toMatchObject({ name: 'DMA0', hung: true });
    await machine.device.reset();
    machine.forgetRings(1);
    machine.device.createContext(1, rights());
    await machine.device.removeBusRegion(100);
    machine.run(1, 0, (p) => p.nop(8));
    expect(machine.state(1, 0)).toBe('idle');
    expect(counts(machine)).toEqual([[11, 1]]);
  });

  it('packets-of-the-driver-count-only-by-name', () => {
    const machine = openMachine();
    arm(machine, { queue: 0, times: null });
    machine.submit(1, 0, (p) => p.sob(1, 'set', 1).nop(), 1);
    machine.device.runUntilIdle();
    expect(counts(machine)).toEqual([[2, 2]]);
    expect(machine.msis).toHaveLength(1);
    expect(values(machine)).toEqual([]);
  });

  it('internal-queues-and-their-lower-processors', () => {
    const machine = openMachine();
    arm(
      machine,
      { queue: DMA2_0, opcode: OPCODE.LIN_DMA },
      { id: 2, action: 'lost-interrupt', opcode: OPCODE.LIN_DMA },
    );
    const [src, size] = machine.lower((p) => p.dma({ src: HBM, dst: HBM + 4096, size: 64 }).sob(1, 'set', 1));
    machine.submitInternal(1, DMA2_0, (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ queue: DMA2_0, lowerCp: true, cause: 'page-fault' }]);
    expect(values(machine)).toEqual([[1, 1]]);
    expect(counts(machine)).toEqual([
      [1, 1],
      [0, 0],
    ]);
  });

  it('a-packet-that-has-to-wait-counts-once', () => {
    const machine = openMachine();
    arm(machine, { queue: 0, opcode: OPCODE.FENCE, after: 5 });
    machine.run(1, 0, (p) => p.waitFor(0, 1, 8, 'ge', 1));
    machine.run(1, 1, (p) => p.sob(8, 'set', 1));
    expect([machine.state(1, 0), counts(machine)]).toEqual(['idle', [[1, 0]]]);
  });

  it('the-first-that-strikes-is-the-only-one', () => {
    const machine = openMachine();
    arm(machine, { id: 7 }, { id: 8 });
    machine.run(1, 0, (p) => p.nop(3));
    expect(counts(machine)).toEqual([
      [3, 1],
      [2, 1],
    ]);
  });

  it('chance-is-the-seeds', () => {
    const struck = (seed: number) => {
      const machine = openMachine();
      arm(machine, { perMillion: 300_000, seed, times: null });
      machine.run(1, 0, (p) => {
        for (let i = 0; i < 64; i++) p.sob(i, 'set', 1);
      });
      return values(machine).map(([sob]) => sob);
    };
    const first = struck(5);
    expect(struck(5)).toEqual(first);
    expect(struck(6)).not.toEqual(first);
    expect(first.length).toBeGreaterThan(30);
    expect(first.length).toBeLessThan(60);
  });

  it('the-host-is-told-and-counting-goes-on-under-the-same-id', () => {
    const machine = openMachine();
    const hits: DeviceFaultHit[] = [];
    machine.device.onInterrupt = () => machine.drain({ faultHit: (hit) => void hits.push(hit) });
    arm(machine, { id: 3, after: 1, queue: 0 });
    machine.run(1, 0, (p) => p.nop());
    arm(machine, { id: 3, after: 1, queue: 0, asids: [1, 2] }, { id: 4, queue: 5 });
    machine.run(1, 0, (p) => p.nop());
    expect(hits).toEqual([{ rule: 3, asid: 1, queue: 0, action: 'page-fault' }]);
    expect(counts(machine)).toEqual([
      [2, 1],
      [0, 0],
    ]);
    arm(machine);
    expect(counts(machine)).toEqual([]);
  });

  it('a-fault-that-cannot-be-told-of-waits-and-counts-once', () => {
    const machine = openMachine({ interruptEntries: 4 });
    machine.device.onInterrupt = null;
    arm(machine, { queue: 0, opcode: OPCODE.NOP });
    machine.submit(1, 4, (p) => p.nop(), 1);
    machine.submit(1, 5, (p) => p.nop(), 2);
    machine.submit(1, 6, (p) => p.nop(), 3);
    while (machine.device.step() === 'busy');
    machine.submit(1, 0, (p) => p.nop());
    expect(machine.device.runUntilIdle()).toBe('stalled');
    expect(machine.state(1, 0)).toBe('stalled');
    machine.drain();
    machine.device.runUntilIdle();
    machine.drain();
    expect(machine.faults).toMatchObject([{ queue: 0, cause: 'page-fault' }]);
    expect(counts(machine)).toEqual([[1, 1]]);
  });

  it('rules-and-recording-go-together', () => {
    const machine = openMachine();
    const ring = createTraceRing(64);
    machine.device.setTrace(DEVICE_TRACE.FAULTS | DEVICE_TRACE.JOBS, ring);
    arm(machine, { queue: 0 });
    machine.run(1, 0, (p) => p.nop(2));
    const kinds: string[] = [];
    new TraceReader(ring).drain(({ kind }) => void kinds.push(kind));
    expect(kinds).toEqual(['job begin', 'fault', 'job end']);
  });

  it('nonsense-is-refused', () => {
    const machine = openMachine();
    for (const wrong of [{ after: -1 }, { perMillion: 2e6 }, { times: 1.5 }, { delayNs: Number.NaN }, { id: -1 }])
      expect(() => arm(machine, wrong)).toThrow(RangeError);
    expect(() => arm(machine, { id: 2 }, { id: 2 })).toThrow('same id');
  });
});
