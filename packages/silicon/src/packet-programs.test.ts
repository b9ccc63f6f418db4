/** Packets that decide, wait or take turns: LOAD_AND_EXE, ARB_POINT, WAIT, WREG_BULK, and the sequences every program emits. */
import {
  CFG_BASE,
  cpFenceRdataAddress,
  DCORE,
  encodeArbPoint,
  encodeCpDma,
  encodeFence,
  encodeLoadAndExe,
  encodeMsgLong,
  encodeMsgShort,
  encodeNop,
  fenceRdataAddress,
  QM_REGISTERS,
  qmBase,
  queueByName,
  sobAddress,
  sobValue,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { Arbitration } from './arbitration.js';
import { HBM, HOST_VA, openMachine, Packets, rights, type TestMachine } from './test-harness.js';

const TPC0 = queueByName('TPC_0_0')?.id ?? -1;
const TABLE = HBM + 2 ** 18;

function poke(machine: TestMachine, address: number, words: readonly number[]): void {
  new Uint32Array(machine.bank(1).buffer, address - HBM, words.length).set(words);
}

function packet(encode: (words: Uint32Array) => number): Uint32Array {
  const words = new Uint32Array(8);
  return words.slice(0, encode(words));
}

describe('LOAD_AND_EXE', () => {
  const add = (sob: number) =>
    packet((w) => encodeMsgShort(w, 0, { base: 1, addressOffset: 4 * sob, value: sobValue('add', 1) }));

  it('lower-and-upper-registers-hold-a-packet-each', () => {
    const machine = openMachine();
    poke(machine, TABLE, [...add(0), ...add(1)]);
    machine.submitInternal(1, TPC0, (p) => p.exe({ dst: 1, load: 1, exe: 1, src: TABLE }));
    machine.device.runUntilIdle();
    expect([machine.sobOf(1, 0), machine.sobOf(1, 1)]).toEqual([1, 0]);
    machine.submitInternal(1, TPC0, (p) => p.exe({ dst: 1, exe: 1, etype: 1, src: 0 }));
    machine.device.runUntilIdle();
    expect([machine.sobOf(1, 0), machine.sobOf(1, 1)]).toEqual([1, 1]);
    expect(machine.faults).toEqual([]);
  });

  it('never-runs-what-lies-in-the-other-half', () => {
    const machine = openMachine();
    poke(machine, TABLE, [...add(0), 0xffff_ffff, 0xffff_ffff]);
    machine.submitInternal(1, TPC0, (p) => p.exe({ dst: 1, load: 1, src: TABLE }).exe({ dst: 1, exe: 1, src: 0 }));
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('four-registers-are-a-packet-of-sixteen-bytes', () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) => p.sob(2, 'set', 1));
    const long = packet((w) => encodeMsgLong(w, 0, { address: sobAddress(DCORE.E_N, 0), value: sobValue('add', 1) }));
    poke(machine, TABLE, [...long]);
    poke(machine, TABLE + 128, [...packet((w) => encodeCpDma(w, 0, { src, size }))]);
    machine.submitInternal(1, TPC0, (p) =>
      p.exe({ dst: 1, load: 1, exe: 1, src: TABLE }).exe({ dst: 1, load: 1, exe: 1, src: TABLE + 128 }),
    );
    machine.device.runUntilIdle();
    expect([machine.sobOf(1, 0), machine.sobOf(1, 2)]).toEqual([1, 1]);
  });

  it('a-packet-that-waits-keeps-the-registers', () => {
    const machine = openMachine();
    poke(machine, TABLE, [...packet((w) => encodeFence(w, 0, { id: 1, target: 1, dec: 1 })), 0, 0]);
    machine.submitInternal(1, TPC0, (p) => p.exe({ dst: 1, load: 1, exe: 1, src: TABLE }).sob(0, 'add', 1));
    machine.device.runUntilIdle();
    expect(machine.state(1, TPC0)).toBe('fence');
    poke(machine, TABLE, [0, 0]);
    machine.run(1, 0, (p) => p.long(fenceRdataAddress(TPC0, 1), 1));
    expect([machine.state(1, TPC0), machine.sobOf(1, 0)]).toEqual(['idle', 1]);
    expect(machine.faults).toEqual([]);
  });

  it('what-cannot-be-executed-from-registers', () => {
    const machine = openMachine();
    const cases: [number[], number, string][] = [
      [[0, 0x0900_0000], 0, 'truncated-packet'],
      [[0, 0, 0, 0x0300_0000], 1, 'truncated-packet'],
      [[...packet((w) => encodeLoadAndExe(w, 0, { exe: 1, dst: 1, src: 0 }))], 0, 'not-modelled'],
      [[0, 0, 0, 0], 0, 'undefined-opcode'],
    ];
    for (const [words, etype, cause] of cases) {
      poke(machine, TABLE, [...words, 0, 0, 0, 0].slice(0, 4));
      machine.submitInternal(1, TPC0, (p) => p.exe({ dst: 1, load: 1, exe: 1, etype, src: TABLE }));
      machine.device.runUntilIdle();
      expect(machine.faults.pop()?.cause).toBe(cause);
    }
    expect(machine.state(1, TPC0)).toBe('stopped');
  });

  it('loads-need-their-alignment-and-rights', () => {
    const machine = openMachine();
    machine.submitInternal(1, TPC0, (p) => p.exe({ dst: 1, load: 1, src: TABLE + 64 }));
    machine.submitInternal(1, TPC0, (p) => p.exe({ load: 1, src: 0x7fff_0000_0000 }));
    machine.device.runUntilIdle();
    expect(machine.faults.map(({ cause }) => cause)).toEqual(['misaligned', 'page-fault']);
  });

  it('predicates-decide-about-every-packet-that-names-one', () => {
    const machine = openMachine();
    // Bit 0 of dword i is P[i]: P5 is false, P6 true.
    poke(
      machine,
      TABLE,
      Array.from({ length: 32 }, (_, i) => (i === 6 ? 3 : i === 5 ? 2 : 0)),
    );
    const [src, size] = machine.lower((p) => p.sob(7, 'add', 1));
    machine.submitInternal(1, TPC0, (p) => {
      p.exe({ load: 1, src: TABLE });
      for (const pred of [5, 6]) {
        p.cpDma(src, size, { pred })
          .long(sobAddress(2, 0), sobValue('add', 1), { pred })
          .wreg(0x8000 + QM_REGISTERS.CP_FENCE_RDATA, 1, { pred })
          .exe({ dst: 1, load: 1, src: TABLE + 4 * (pred - 6), pred });
      }
      p.fence({ id: 3, target: 9, dec: 0, pred: 5 });
    });
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect([machine.sobOf(1, 0), machine.sobOf(1, 7)]).toEqual([1, 1]);
    expect(machine.stream(1, TPC0)?.fenceCounters[0]).toBe(1);
    expect(machine.state(1, TPC0)).toBe('idle');
  });
});

describe('arbitration', () => {
  const qm = CFG_BASE + qmBase('DMA0');
  const enable = (p: Packets, type: number, quiet: number) => {
    p.long(qm + QM_REGISTERS.ARB_CFG_0, type | 0x110).long(qm + QM_REGISTERS.ARB_MST_QUIET_PER, quiet);
    for (let s = 0; s < 4; s++) p.long(qm + QM_REGISTERS.ARB_WRR_WEIGHT_0 + 4 * s, 1);
    return p;
  };

  /** The suites' order: wait, lock, unlock, lock, work, unlock on both streams; a third one lets them go. */
  function contend(priorities: readonly number[], type = 0): { machine: TestMachine; bytes: number } {
    const machine = openMachine({ turn: { packets: 3, bytes: 64 } });
    machine.run(1, 3, (p) => enable(p, type, 0x10));
    for (const [stream, priority] of priorities.entries()) {
      poke(machine, HBM + 4096 * (1 + stream), new Array(32).fill(stream + 1));
      machine.submit(1, stream, (p) => {
        p.waitFor(stream, stream, 0, 'eq', 1);
        for (let round = 0; round < 2; round++) {
          p.arb({ priority });
          if (round === 1) for (let i = 0; i < 32; i++) p.dma({ size: 128, src: HBM + 4096 * (1 + stream), dst: HBM });
          p.arb({ release: 1 });
        }
      });
    }
    machine.device.runUntilIdle();
    machine.submit(1, 2, (p) => p.sob(0, 'add', 1));
    while (machine.device.runUntilIdle() === 'stalled') machine.nowNs += 1000;
    expect(machine.faults).toEqual([]);
    expect(machine.state(1, 0)).toBe('idle');
    expect(machine.state(1, 1)).toBe('idle');
    return { machine, bytes: machine.bank(1)[0] as number };
  }

  it('the-lower-priority-runs-last', () => {
    expect(contend([1, 2]).bytes).toBe(1);
    expect(contend([2, 1]).bytes).toBe(2);
    expect(contend([3, 200]).bytes).toBe(1);
  });

  it('weighted-round-robin-takes-turns', () => {
    expect(contend([1, 2], 1).bytes).toBe(2);
  });

  it('weights-are-grants-in-a-row', () => {
    const arbitration = new Arbitration();
    arbitration.config = 0x111;
    arbitration.weights.set([1, 3, 0, 1]);
    const grants: number[] = [];
    for (let i = 0; i < 12; i++) {
      for (const stream of [0, 1, 2]) arbitration.request(stream, 0);
      const stream = arbitration.grant();
      grants.push(stream);
      expect(arbitration.release((stream + 1) % 4)).toBe(false);
      expect(arbitration.release(stream)).toBe(true);
    }
    expect(grants).toEqual([0, 1, 1, 1, 2, 0, 1, 1, 1, 2, 0, 1]);
  });

  it('nothing-outside-a-lock-is-gated-and-switching-off-lets-all-go', () => {
    const machine = openMachine();
    machine.run(1, 3, (p) => enable(p, 0, 0));
    machine.run(1, 0, (p) => p.arb({ priority: 1 }));
    machine.run(1, 1, (p) => p.sob(1, 'set', 1).arb({ priority: 9 }).sob(2, 'set', 1));
    expect(machine.state(1, 1)).toBe('arbitration');
    expect([machine.sobOf(1, 1), machine.sobOf(1, 2)]).toEqual([1, 0]);
    machine.run(1, 4, (p) => p.long(qm + QM_REGISTERS.ARB_CFG_0, 0));
    expect([machine.state(1, 1), machine.sobOf(1, 2)]).toEqual(['idle', 1]);
  });

  it('off-it-does-nothing', () => {
    const machine = openMachine();
    expect(machine.run(1, 0, (p) => p.arb({ priority: 1 }).arb({ release: 1 }).sob(0, 'set', 1))).toEqual([]);
    expect(machine.sobOf(1, 0)).toBe(1);
    const words = packet((w) => encodeArbPoint(w, 0, { priority: 2, rb: 1 }));
    expect([...words]).toEqual([2, 0x4c00_0000]);
  });

  it('is-each-contexts-own', () => {
    const machine = openMachine();
    machine.device.createContext(2, rights());
    machine.run(1, 3, (p) => enable(p, 0, 0));
    machine.run(1, 0, (p) => p.arb({ priority: 1 }));
    machine.run(2, 0, (p) => p.arb({ priority: 1 }));
    machine.run(2, 1, (p) => p.arb({ priority: 1 }));
    expect(machine.state(2, 1)).toBe('idle');
  });
});

describe('WAIT', () => {
  it('feeds-a-fence-when-its-time-is-over', () => {
    const machine = openMachine();
    machine.submit(1, 0, (p) =>
      p.wait(2200, 2, 1).sob(0, 'set', 1).fence({ id: 1, target: 2, dec: 2 }).sob(1, 'set', 1),
    );
    machine.device.machine.step();
    expect(machine.device.machine.step()).toBe('stalled');
    expect(machine.state(1, 0)).toBe('fence');
    machine.nowNs = 999;
    expect(machine.device.machine.step()).toBe('stalled');
    machine.nowNs = 1000;
    machine.device.machine.step();
    expect(machine.device.machine.step()).toBe('idle');
    expect([machine.sobOf(1, 0), machine.sobOf(1, 1)]).toEqual([1, 1]);
  });

  it('one-at-a-time-for-each-fence', () => {
    const machine = openMachine();
    machine.submit(1, 0, (p) => p.wait(22, 1).wait(22, 1).wait(22, 1, 2).sob(0, 'set', 1));
    while (machine.device.machine.step() !== 'idle') machine.nowNs += 1;
    expect(machine.nowNs).toBeGreaterThanOrEqual(20);
    expect(machine.stream(1, 0)?.fenceCounters).toEqual([2, 0, 1, 0]);
  });

  it('ends-with-its-context', async () => {
    const machine = openMachine();
    machine.submit(1, 0, (p) => p.wait(2200, 1));
    machine.device.machine.step();
    await machine.device.destroyContext(1);
    machine.nowNs = 5000;
    expect(machine.device.runUntilIdle()).toBe('idle');
  });
});

describe('register windows', () => {
  it('a-bulk-write-reaches-registers-in-a-row', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.bulk(0x8000 + QM_REGISTERS.CP_FENCE_RDATA, [1, 2, 3, 4]));
    expect(machine.faults).toEqual([]);
    for (const [stream, count] of [1, 2, 3, 4].entries()) {
      machine.run(1, stream, (p) => p.nop());
      expect(machine.stream(1, stream)?.fenceCounters[0]).toBe(count);
    }
  });

  it('a-bulk-write-of-the-greatest-size-takes-a-turn-of-its-own', () => {
    const machine = openMachine();
    const packets = new Packets().bulk(0x400, new Array(2 * 65_535).fill(0)).sob(0, 'set', 1);
    machine.hostBytes.set(new Uint8Array(packets.words.buffer, 0, packets.bytes));
    machine.submitAt(1, TPC0, HOST_VA, packets.bytes);
    machine.device.step();
    expect(machine.device.machine.snapshot().syncObjects).toEqual([]);
    machine.device.runUntilIdle();
    expect(machine.sobOf(1, 0)).toBe(1);
    // The offsets count through the own queue manager's registers too, which are not all the user's.
    expect(machine.faults).toMatchObject([{ cause: 'razwi' }]);
  });

  it('cq4-by-its-registers', () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) => p.sob(0, 'add', 1));
    machine.submitInternal(1, TPC0, (p) =>
      p
        .wreg(0x81b4, src % 2 ** 32)
        .wreg(0x81b8, Math.floor(src / 2 ** 32))
        .wreg(0x81bc, size)
        .wreg(0x81c0, 0),
    );
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(machine.sobOf(1, 0)).toBe(1);
  });
});

describe('sequences every program emits', () => {
  it('monitor-and-fence', () => {
    // device.md 3.6: the words the suites' own headers give.
    const machine = openMachine();
    const fence = fenceRdataAddress(0, 0);
    machine.submit(1, 0, (p) =>
      p
        .short(0, 0, fence % 2 ** 32)
        .short(0, 0x800, Math.floor(fence / 2 ** 32))
        .short(0, 0x1000, 1)
        .raw(0x0003_fe00, 0xc400_1800)
        .raw(0x0001_0001, 0x4800_0000)
        .sob(9, 'set', 1),
    );
    machine.device.runUntilIdle();
    expect(machine.state(1, 0)).toBe('fence');
    machine.run(1, 1, (p) => p.raw(0x8000_0001, 0xe440_0000));
    expect([machine.state(1, 0), machine.sobOf(1, 9), machine.sobOf(1, 0)]).toEqual(['idle', 1, 1]);
  });

  it('sync-object-writes-with-every-barrier', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => {
      for (let i = 0; i < 512; i++) p.short(1, 4 * i, sobValue('set', 0));
      return p.raw(0x8000_0001, 0xe440_0000).nop(1, { eb: 1, rb: 1, mb: 1 });
    });
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('dma-both-ways', () => {
    const machine = openMachine();
    machine.hostBytes.fill(3, 0, 4096);
    machine.run(1, 0, (p) => p.dma({ size: 4096, src: HOST_VA, dst: HBM, eb: 1, mb: 1 }));
    machine.run(1, 4, (p) => p.dma({ size: 4096, src: HBM, dst: HOST_VA + 4096, eb: 1, mb: 1 }));
    expect(machine.hostBytes.subarray(4096, 8192).every((byte) => byte === 3)).toBe(true);
  });

  it('internal-job-fenced-below', () => {
    const machine = openMachine();
    const cmdqFence = cpFenceRdataAddress('TPC0', 4, 0);
    expect(cmdqFence).toBe(CFG_BASE + 0xe0_8000 + 0x308 + 16);
    const [src, size] = machine.lower((p) =>
      p
        .monitor(DCORE.E_N, 5, { address: cmdqFence, data: 1 }, { group: 0, mask: 0xfe, mode: 'eq', value: 1 })
        .fence({ id: 0, target: 1, dec: 1 })
        .sob(8, 'add', 1),
    );
    machine.submitInternal(1, TPC0, (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect(machine.sobOf(1, 8)).toBe(0);
    machine.run(1, 0, (p) => p.sob(0, 'add', 1));
    expect(machine.sobOf(1, 8)).toBe(1);
  });

  it('driver-signal-and-wait', () => {
    const machine = openMachine();
    const lease = { dcore: DCORE.W_S, firstSob: 128, sobs: 16, firstMonitor: 64, monitors: 8 };
    machine.device.setRights(1, { physicalHbm: true, sram: null, sync: [lease], failOnFault: false });
    const fence = fenceRdataAddress(4, 2);
    machine.submit(1, 4, (p) =>
      p
        .short(2, 4 * 68, fence % 2 ** 32)
        .short(2, 0x800 + 4 * 68, Math.floor(fence / 2 ** 32))
        .short(2, 0x1000 + 4 * 68, 1)
        .short(2, 0x1800 + 4 * 68, ((1 << 17) | (0xfe << 8) | 16) >>> 0)
        .raw(0x8001_0001, 0xc800_0000)
        .long(HBM, 77),
    );
    machine.device.runUntilIdle();
    expect(machine.state(1, 4)).toBe('fence');
    machine.run(1, 0, (p) => {
      p.at = encodeMsgShort(p.words, p.at, { base: 3, addressOffset: 4 * 128, value: 0x8000_0001, eb: 1 });
      p.at = encodeNop(p.words, p.at);
      return p;
    });
    expect(machine.faults).toEqual([]);
    expect(new Uint32Array(machine.bank(1).buffer)[0]).toBe(77);
  });
});
