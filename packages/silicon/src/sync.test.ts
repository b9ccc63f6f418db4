/** Sync objects, monitors, fences and leases. */
import {
  DCORE,
  type FaultRecord,
  fenceRdataAddress,
  monitorRegisters,
  SRAM_USER_BASE,
  sobAddress,
  sobValue,
} from '@pedrera/hw';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HBM, HOST_VA, leaseOf, openMachine, rights, TestMachine } from './test-harness.js';

const only = (bit: number) => 0xff & ~(1 << bit);
/** A monitor's payload of `data` to a word of HBM. */
const toHbm = (word: number, data: number) => ({ address: HBM + 4 * word, data });
const hbmWord = (machine: TestMachine, word: number) => new DataView(machine.bank(1).buffer).getUint32(4 * word, true);

describe('sync objects', () => {
  it('set-and-add', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.sob(5, 'set', 7).sob(5, 'add', 3).sobLong(DCORE.E_N, 5, 'add', 1));
    expect(machine.sobOf(1, 5)).toBe(11);
    machine.run(1, 0, (p) => p.sob(5, 'set', 2));
    expect(machine.sobOf(1, 5)).toBe(2);
  });

  it('overflow-saturates-and-is-reported-and-stops-nothing', () => {
    const machine = openMachine();
    const faults = machine.run(1, 0, (p) =>
      p.sob(9, 'set', 0x7ffe).sob(9, 'add', 1).sob(9, 'add', 1).sob(9, 'add', 500).sob(10, 'set', 1),
    );
    expect(faults).toMatchObject([{ cause: 'sob-overflow', address: sobAddress(2, 9), queue: 0, ringSlot: 0 }]);
    expect(machine.device.machine.snapshot().counters.faults).toBe(2);
    expect(machine.sobOf(1, 9)).toBe(0x7fff);
    expect(machine.sobOf(1, 10)).toBe(1);
  });

  it('all-four-instances', () => {
    const machine = new TestMachine();
    machine.device.createContext(
      1,
      rights({ physicalHbm: true, sync: [0, 1, 2, 3].map((dcore) => leaseOf(dcore, 0, 16, 0, 8)) }),
    );
    for (const dcore of [0, 1, 2, 3])
      expect(
        machine.run(1, 0, (p) =>
          p
            .monitor(dcore, 1, toHbm(dcore, 100 + dcore), { group: 1, mask: only(0), mode: 'eq', value: 4 })
            .sobLong(dcore, 8, 'set', 4),
        ),
      ).toEqual([]);
    expect([0, 1, 2, 3].map((word) => hbmWord(machine, word))).toEqual([100, 101, 102, 103]);
  });

  it('w_s-by-its-short-bases', () => {
    const machine = new TestMachine();
    machine.device.createContext(1, rights({ physicalHbm: true, sync: [leaseOf(0, 0, 2048, 0, 512)] }));
    machine.run(1, 0, (p) =>
      p
        .short(2, 4 * 7, HBM)
        .short(2, 0x800 + 4 * 7, 0)
        .short(2, 0x1000 + 4 * 7, 77)
        .short(2, 0x1800 + 4 * 7, 0x0003_fe00 | 0x10)
        .short(3, 4 * 128, sobValue('add', 1)),
    );
    expect(machine.faults).toEqual([]);
    expect(hbmWord(machine, 0)).toBe(77);
  });

  it('cleared-by-the-kernel', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p.sob(0, 'set', 3).monitor(2, 0, toHbm(0, 5), { group: 0, mask: only(0), mode: 'eq', value: 0 }),
    );
    expect(hbmWord(machine, 0)).toBe(0);
    machine.device.clearSyncObjects(2, 0, 2048);
    expect(hbmWord(machine, 0)).toBe(5);
    expect(() => machine.device.clearSyncObjects(2, 2000, 100)).toThrow(RangeError);
  });
});

describe('monitors', () => {
  it('ge-fires-when-reached-or-passed', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p.monitor(2, 0, toHbm(0, 1), { group: 0, mask: only(2), mode: 'ge', value: 3 }).sob(2, 'set', 2),
    );
    expect(hbmWord(machine, 0)).toBe(0);
    machine.run(1, 0, (p) => p.sob(2, 'add', 5));
    expect(hbmWord(machine, 0)).toBe(1);
  });

  it('eq-that-is-jumped-over-does-not-fire', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p
        .monitor(2, 0, toHbm(0, 1), { group: 0, mask: only(2), mode: 'eq', value: 3 })
        .sob(2, 'add', 2)
        .sob(2, 'add', 2),
    );
    expect(hbmWord(machine, 0)).toBe(0);
    expect(machine.device.machine.snapshot().monitors).toMatchObject([
      {
        dcore: 2,
        monitor: 0,
        asid: 1,
        mode: 'eq',
        value: 3,
        payloadAddress: HBM,
        payloadData: 1,
        objects: [{ sob: 2, value: 4 }],
      },
    ]);
  });

  it('fires-on-arm-when-already-true', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p.sob(0, 'set', 4).monitor(2, 0, toHbm(3, 9), { group: 0, mask: only(0), mode: 'eq', value: 4 }),
    );
    expect(hbmWord(machine, 3)).toBe(9);
    expect(machine.device.machine.snapshot().monitors).toEqual([]);
  });

  it('fires-once', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p
        .monitor(
          2,
          0,
          { address: sobAddress(2, 100), data: sobValue('add', 1) },
          { group: 0, mask: only(0), mode: 'ge', value: 1 },
        )
        .sob(0, 'add', 1)
        .sob(0, 'add', 1),
    );
    expect(machine.sobOf(1, 100)).toBe(1);
    expect(machine.device.machine.snapshot().counters.monitorsFired).toBe(1);
  });

  it('several-on-one-object-fire-on-one-write-in-the-order-armed', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => {
      for (const monitor of [5, 3, 9, 0])
        p.monitor(2, monitor, toHbm(0, monitor), { group: 0, mask: only(0), mode: 'eq', value: 1 });
      for (const monitor of [7, 8])
        p.monitor(2, monitor, toHbm(monitor, 1), { group: 0, mask: only(0), mode: 'eq', value: 2 });
      return p.sob(0, 'set', 1);
    });
    expect(hbmWord(machine, 0)).toBe(0);
    expect(machine.device.machine.snapshot().monitors.map(({ monitor }) => monitor)).toEqual([7, 8]);
    machine.run(1, 0, (p) => p.sob(0, 'set', 2));
    expect([hbmWord(machine, 7), hbmWord(machine, 8)]).toEqual([1, 1]);
  });

  it('mask-selects-several-objects', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p.monitor(2, 0, toHbm(0, 1), { group: 2, mask: 0b1111_0110, mode: 'ge', value: 2 }).sob(16, 'set', 2),
    );
    expect(hbmWord(machine, 0)).toBe(0);
    expect(machine.device.machine.snapshot().monitors[0]?.objects).toEqual([
      { sob: 16, value: 2 },
      { sob: 19, value: 0 },
    ]);
    machine.run(1, 0, (p) => p.sob(17, 'set', 9).sob(19, 'set', 3));
    expect(hbmWord(machine, 0)).toBe(1);
  });

  it('re-armed-while-armed-takes-the-new-condition', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p
        .monitor(2, 0, toHbm(0, 1), { group: 0, mask: only(0), mode: 'eq', value: 1 })
        .monitor(2, 0, toHbm(1, 2), { group: 7, mask: only(1), mode: 'eq', value: 1 })
        .sob(0, 'set', 1),
    );
    expect([hbmWord(machine, 0), hbmWord(machine, 1)]).toEqual([0, 0]);
    machine.run(1, 0, (p) => p.sob(57, 'set', 1));
    expect(hbmWord(machine, 1)).toBe(2);
  });

  it('status-write-disarms', () => {
    const machine = openMachine();
    const { status } = monitorRegisters(2, 0);
    machine.run(1, 0, (p) =>
      p
        .monitor(2, 0, toHbm(0, 1), { group: 0, mask: only(0), mode: 'eq', value: 1 })
        .long(status, 0)
        .sob(0, 'set', 1),
    );
    expect(hbmWord(machine, 0)).toBe(0);
    expect(machine.run(1, 0, (p) => p.long(status, 1))).toMatchObject([{ cause: 'not-modelled' }]);
  });

  it('chains-through-other-objects', () => {
    const machine = openMachine();
    const length = 400;
    machine.run(1, 0, (p) => {
      for (let i = 0; i < length; i++)
        p.monitor(
          2,
          i,
          { address: sobAddress(2, 8 * ((i + 1) % 256)), data: sobValue('add', 1) },
          { group: i % 256, mask: only(0), mode: 'ge', value: i < 256 ? 1 : 2 },
        );
      return p.sob(0, 'set', 1);
    });
    expect(machine.device.machine.snapshot().counters.monitorsFired).toBe(length);
  });

  it('payload-to-host-memory-and-sram', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p
        .monitor(2, 0, { address: HOST_VA + 8, data: 0xdead_beef }, { group: 0, mask: only(0), mode: 'eq', value: 0 })
        .monitor(2, 1, { address: SRAM_USER_BASE + 4, data: 7 }, { group: 0, mask: only(0), mode: 'eq', value: 0 })
        .dma({ size: 4, src: SRAM_USER_BASE + 4, dst: HOST_VA }),
    );
    expect(machine.faults).toEqual([]);
    expect([...new Uint32Array(machine.host, 0, 3)]).toEqual([7, 0, 0xdead_beef]);
  });

  it('payload-that-cannot-be-written-is-reported-in-the-name-of-who-armed', () => {
    const machine = openMachine();
    const faults = machine.run(1, 6, (p) =>
      p
        .monitor(2, 0, { address: 0x7fff_0000_0000, data: 1 }, { group: 0, mask: only(0), mode: 'eq', value: 1 })
        .monitor(2, 1, { address: HBM + 2, data: 1 }, { group: 0, mask: only(0), mode: 'eq', value: 1 })
        .monitor(
          2,
          2,
          { address: monitorRegisters(2, 3).arm, data: 1 },
          { group: 0, mask: only(0), mode: 'eq', value: 1 },
        )
        .sob(0, 'set', 1),
    );
    const common: Partial<FaultRecord> = { asid: 1, queue: 6, ringSlot: -1, opcode: -1 };
    expect(faults).toMatchObject([
      { ...common, cause: 'page-fault', address: 0x7fff_0000_0000 },
      { ...common, cause: 'misaligned', address: HBM + 2 },
      { ...common, cause: 'not-modelled' },
    ]);
  });

  /** Against a model that does everything the slow way. */
  it('fire-exactly-when-the-model-says', () => {
    const action = fc.oneof(
      fc.record({
        kind: fc.constant('arm' as const),
        monitor: fc.integer({ min: 0, max: 5 }),
        group: fc.integer({ min: 0, max: 1 }),
        mask: fc.integer({ min: 0, max: 255 }),
        mode: fc.constantFrom('ge' as const, 'eq' as const),
        value: fc.integer({ min: 0, max: 3 }),
      }),
      fc.record({
        kind: fc.constant('sob' as const),
        sob: fc.integer({ min: 0, max: 15 }),
        mode: fc.constantFrom('set' as const, 'add' as const),
        value: fc.integer({ min: 0, max: 2 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const machine = openMachine();
        const sobs = new Array<number>(16).fill(0);
        const armed = new Map<number, Extract<(typeof actions)[number], { kind: 'arm' }>>();
        const fires = new Array<number>(6).fill(0);
        const holds = (monitor: Extract<(typeof actions)[number], { kind: 'arm' }>) =>
          [...Array(8).keys()]
            .filter((bit) => (monitor.mask & (1 << bit)) === 0)
            .map((bit) => sobs[monitor.group * 8 + bit] as number)
            .every((value) => (monitor.mode === 'ge' ? value >= monitor.value : value === monitor.value));
        for (const step of actions) {
          if (step.kind === 'sob') sobs[step.sob] = step.value + (step.mode === 'add' ? (sobs[step.sob] as number) : 0);
          else armed.set(step.monitor, step);
          for (const [index, monitor] of armed) {
            const concerned = step.kind === 'sob' ? step.sob >> 3 === monitor.group : step.monitor === index;
            if (!concerned || !holds(monitor)) continue;
            armed.delete(index);
            fires[index] = (fires[index] as number) + 1;
          }
        }
        machine.run(1, 0, (p) => {
          for (const step of actions) {
            if (step.kind === 'sob') p.sob(step.sob, step.mode, step.value);
            else
              p.monitor(
                2,
                step.monitor,
                { address: sobAddress(2, 1000 + step.monitor), data: sobValue('add', 1) },
                step,
              );
          }
          return p;
        });
        const left = machine.device.machine.snapshot().monitors;
        expect(left.map(({ monitor }) => monitor)).toEqual([...armed.keys()].sort((a, b) => a - b));
        expect(fires.map((_, index) => machine.sobOf(1, 1000 + index))).toEqual(fires);
      }),
      { numRuns: 150 },
    );
  });
});

describe('fences', () => {
  it('block-until-fed-and-keep-what-is-left', () => {
    const machine = openMachine();
    machine.submit(1, 0, (p) => p.fence({ id: 1, target: 5, dec: 2 }).sob(0, 'set', 1));
    expect(machine.device.runUntilIdle()).toBe('idle');
    expect(machine.stream(1, 0)).toMatchObject({
      state: 'fence',
      fence: { id: 1, target: 5, value: 0, rdataAddress: fenceRdataAddress(0, 1) },
      head: { offset: 0, bytes: 16, words: [0x4005_0002, 0x0800_0000] },
    });
    machine.run(1, 4, (p) => p.long(fenceRdataAddress(0, 1), 0x13));
    expect(machine.stream(1, 0)?.fence?.value).toBe(3);
    machine.run(1, 4, (p) => p.long(fenceRdataAddress(0, 1), 4));
    expect(machine.stream(1, 0)).toMatchObject({ state: 'idle', fence: null, fenceCounters: [0, 5, 0, 0] });
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('already-satisfied-costs-nothing', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p.long(fenceRdataAddress(0, 0), 2).fence({ id: 0, target: 2, dec: 1 }).fence({ id: 0, target: 1, dec: 1 }),
    );
    expect(machine.stream(1, 0)).toMatchObject({ state: 'idle', fenceCounters: [0, 0, 0, 0] });
  });

  it('underflow-clips-and-is-reported', () => {
    const machine = openMachine();
    const faults = machine.run(1, 0, (p) =>
      p.long(fenceRdataAddress(0, 0), 1).fence({ id: 0, target: 1, dec: 3 }).sob(0, 'set', 1),
    );
    expect(faults).toMatchObject([{ cause: 'fence-underflow', opcode: 8 }]);
    expect(machine.stream(1, 0)?.fenceCounters[0]).toBe(0);
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('overflow-clips-and-is-reported', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.nop());
    const faults = machine.run(1, 4, (p) => {
      for (let i = 0; i < 1093; i++) p.long(fenceRdataAddress(0, 3), 15);
      return p;
    });
    expect(faults).toMatchObject([{ cause: 'fence-overflow', queue: 0, ringSlot: -1 }]);
    expect(machine.stream(1, 0)?.fenceCounters[3]).toBe(0x3fff);
  });

  it('predicate-skips', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.fence({ id: 0, target: 1, dec: 1, pred: 4 }).sob(0, 'set', 1));
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('of-another-context-are-other-fences', () => {
    const machine = openMachine();
    machine.device.createContext(2, rights());
    machine.run(2, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }));
    machine.run(1, 0, (p) => p.long(fenceRdataAddress(0, 0), 1));
    expect(machine.state(2, 0)).toBe('fence');
    expect(machine.stream(1, 0)?.fenceCounters[0]).toBe(1);
    machine.run(2, 4, (p) => p.long(fenceRdataAddress(0, 0), 1));
    expect(machine.state(2, 0)).toBe('idle');
  });

  it('of-a-stream-without-a-ring', () => {
    const machine = openMachine();
    expect(machine.run(1, 0, (p) => p.long(fenceRdataAddress(7, 0), 1).long(fenceRdataAddress(40, 0), 1))).toEqual([]);
    machine.run(1, 7, (p) => p.fence({ id: 0, target: 1, dec: 1 }).sob(0, 'set', 1));
    expect(machine.sobOf(1, 0)).toBe(1);
    // A NIC's queue manager has no fifth processor.
    expect(machine.run(1, 0, (p) => p.long(fenceRdataAddress(76, 0) + 4, 1))).toMatchObject([{ cause: 'razwi' }]);
  });
});

describe('streams and monitors', () => {
  it('one-stream-releases-another', () => {
    const machine = openMachine();
    machine.submit(1, 0, (p) => p.waitFor(0, 0, 0, 'eq', 1).sob(1, 'set', 1));
    machine.device.runUntilIdle();
    expect(machine.state(1, 0)).toBe('fence');
    machine.submit(1, 3, (p) => p.sob(0, 'set', 1));
    machine.device.runUntilIdle();
    expect(machine.state(1, 0)).toBe('idle');
    expect(machine.sobOf(1, 1)).toBe(1);
  });

  it('signal-before-the-wait-is-not-lost', () => {
    const machine = openMachine();
    machine.run(1, 3, (p) => p.sob(0, 'set', 1));
    machine.run(1, 0, (p) => p.waitFor(0, 0, 0, 'ge', 1));
    expect(machine.state(1, 0)).toBe('idle');
  });

  /** The effect of a write is complete before the next packet of any stream (device.md 4.3). */
  it('whatever-the-order-of-steps', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(7)), (choices) => {
        const machine = openMachine({ turn: { packets: 1, bytes: 64 } });
        const rounds = 5;
        for (const queue of [0, 1, 4, 7])
          machine.submit(1, queue, (p) => {
            const next = { 0: 1, 1: 4, 4: 7, 7: 0 }[queue] as number;
            for (let round = 1; round <= rounds; round++) {
              if (queue === 0) p.sob(8 * next, 'set', round);
              p.waitFor(queue, queue, 8 * queue, 'eq', round);
              if (queue !== 0) p.sob(8 * next, 'set', round);
            }
            return p.long(HBM + 4 * queue, 1);
          });
        for (const choice of choices) {
          const runnable = machine.device.machine.runnable();
          if (runnable.length === 0) break;
          machine.device.step(runnable[choice % runnable.length]);
        }
        expect([0, 1, 4, 7].map((queue) => hbmWord(machine, queue))).toEqual([1, 1, 1, 1]);
      }),
      { numRuns: 100 },
    );
  });
});

describe('leases', () => {
  const shared = () => {
    const machine = new TestMachine();
    machine.device.createContext(
      1,
      rights({
        physicalHbm: true,
        sync: [leaseOf(2, 0, 16, 0, 4), leaseOf(2, 64, 8, 8, 1), leaseOf(0, 144, 8, 72, 4)],
      }),
    );
    machine.device.createContext(2, rights({ physicalHbm: true, sync: [leaseOf(2, 16, 16, 4, 4)] }));
    return machine;
  };
  const causes = (faults: FaultRecord[]) => faults.map(({ asid, cause }) => `${asid} ${cause}`);

  it('own-objects', () => {
    const machine = shared();
    expect(
      machine.run(1, 0, (p) =>
        p
          .sob(0, 'set', 1)
          .sob(15, 'add', 1)
          .sob(71, 'add', 1)
          .short(3, 4 * 144, 1),
      ),
    ).toEqual([]);
    expect(machine.run(2, 0, (p) => p.sob(16, 'set', 1).sobLong(2, 31, 'set', 1))).toEqual([]);
  });

  it('foreign-objects-are-not-touched', () => {
    const machine = shared();
    expect(causes(machine.run(1, 0, (p) => p.sob(16, 'set', 5)))).toEqual(['1 razwi']);
    expect(causes(machine.run(1, 0, (p) => p.sobLong(2, 16, 'set', 5)))).toEqual(['1 razwi']);
    expect(causes(machine.run(1, 0, (p) => p.short(3, 4 * 128, 5)))).toEqual(['1 razwi']);
    expect(causes(machine.run(2, 0, (p) => p.sob(72, 'set', 5)))).toEqual(['2 razwi']);
    machine.run(2, 0, (p) => p.monitor(2, 4, toHbm(0, 1), { group: 2, mask: only(0), mode: 'eq', value: 0 }));
    expect(hbmWord(machine, 0)).toBe(1);
  });

  it('foreign-monitors-are-not-touched', () => {
    const machine = shared();
    expect(causes(machine.run(1, 0, (p) => p.long(monitorRegisters(2, 4).data, 1)))).toEqual(['1 razwi']);
    expect(causes(machine.run(1, 0, (p) => p.short(0, 0x1800 + 4 * 4, 0)))).toEqual(['1 razwi']);
    expect(causes(machine.run(2, 0, (p) => p.long(monitorRegisters(0, 72).arm, 0)))).toEqual(['2 razwi']);
  });

  it('watching-foreign-objects-is-not-allowed', () => {
    const machine = shared();
    const watch = (mask: number, group: number) =>
      causes(machine.run(1, 0, (p) => p.monitor(2, 0, toHbm(0, 9), { group, mask, mode: 'eq', value: 0 })));
    expect(watch(only(0), 2)).toEqual(['1 razwi']);
    expect(watch(0, 2)).toEqual(['1 razwi']);
    expect(hbmWord(machine, 0)).toBe(0);
    expect(watch(0, 1)).toEqual([]);
  });

  it('payload-has-the-rights-of-who-armed', () => {
    const machine = shared();
    const faults = machine.run(1, 0, (p) =>
      p.monitor(2, 0, { address: sobAddress(2, 20), data: 1 }, { group: 0, mask: only(0), mode: 'eq', value: 0 }),
    );
    expect(causes(faults)).toEqual(['1 razwi']);
  });

  it('outside-the-register-arrays', () => {
    const machine = shared();
    for (const offset of [0x2800, 0x6000 - 4, 0xbffc])
      expect(machine.run(1, 0, (p) => p.short(0, offset, 0))).toHaveLength(1);
    expect(causes(machine.run(1, 0, (p) => p.short(1, 2, 0)))).toEqual(['1 misaligned']);
    expect(causes(machine.run(1, 0, (p) => p.long(0x7f_fc0e_8000, 1)))).toEqual(['1 razwi']);
    expect(causes(machine.run(1, 0, (p) => p.long(0x7f_fcc1_3000, 1)))).toEqual(['1 razwi']);
    expect(machine.msis).toEqual([]);
  });

  it('may-not-overlap', () => {
    const machine = shared();
    expect(() => machine.device.createContext(3, rights({ sync: [leaseOf(2, 8, 1, 0, 0)] }))).toThrow(
      'belongs to context 1',
    );
    expect(() => machine.device.createContext(3, rights({ sync: [leaseOf(2, 40, 8, 7, 1)] }))).toThrow(
      'belongs to context 2',
    );
    expect(() => machine.device.createContext(3, rights({ sync: [leaseOf(2, 2040, 9, 0, 0)] }))).toThrow(RangeError);
    expect(() => machine.device.setRights(3, rights())).toThrow('no context 3');
  });

  it('given-back-are-zeroed-and-disarmed', () => {
    const machine = shared();
    machine.run(1, 0, (p) =>
      p
        .sob(0, 'set', 3)
        .sob(64, 'set', 4)
        .monitor(2, 0, toHbm(0, 1), { group: 0, mask: only(0), mode: 'eq', value: 0 }),
    );
    machine.device.setRights(1, rights({ physicalHbm: true, sync: [leaseOf(2, 64, 8, 8, 1)] }));
    expect(hbmWord(machine, 0)).toBe(0);
    machine.device.setRights(2, rights({ physicalHbm: true, sync: [leaseOf(2, 0, 32, 0, 8)] }));
    machine.run(2, 0, (p) => p.monitor(2, 0, toHbm(1, 1), { group: 0, mask: only(0), mode: 'eq', value: 0 }));
    expect(hbmWord(machine, 1)).toBe(1);
    machine.run(1, 0, (p) => p.monitor(2, 8, toHbm(2, 1), { group: 8, mask: only(0), mode: 'eq', value: 4 }));
    expect(hbmWord(machine, 2)).toBe(1);
  });

  it('driver-packets-reach-everything', () => {
    const machine = shared();
    const faults = machine.run(1, 0, (p) => {
      const registers = monitorRegisters(0, 64);
      const fence = fenceRdataAddress(0, 2);
      return p
        .prot(sobAddress(0, 128), sobValue('add', 1))
        .prot(registers.addressLow, fence % 2 ** 32)
        .prot(registers.addressHigh, Math.floor(fence / 2 ** 32))
        .prot(registers.data, 1)
        .prot(registers.arm, 0x0002_fe10)
        .fence({ id: 2, target: 1, dec: 1 });
    });
    expect(faults).toEqual([]);
    expect(machine.state(1, 0)).toBe('idle');
  });
});
