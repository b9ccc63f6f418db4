/** Queues whose command buffers lie in the device's memory: two-level work, the lower processor, barriers, engines not modelled. */
import {
  BUS_SLOT_SIZE,
  CFG_BASE,
  cpFenceRdataAddress,
  DCORE,
  DMA_CORE_REGISTERS,
  ENGINES,
  fenceRdataAddress,
  OPCODE,
  QUEUES,
  queueByName,
  sobAddress,
  sobValue,
  tpcCfgBase,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { LOWER_FIFO_ENTRIES } from './lower-fifo.js';
import { HBM, HOST_SLOT, HOST_VA, OPEN_RIGHTS, openMachine, Packets, rights, TestMachine } from './test-harness.js';

function queue(name: string): number {
  const info = queueByName(name);
  if (info === undefined) throw new Error(name);
  return info.id;
}

const DMA2 = queue('DMA_2_0');
const DMA5 = queue('DMA_5_0');
const SRAM_CB = 0x7f_f000_1080;

/** A monitor of E_N on one object into a fence register, by MSG_SHORT on base 0, as the suites emit it (device.md 3.5). */
function shortWait(p: Packets, monitor: number, sob: number, value: number, fenceAddress: number): Packets {
  return p
    .short(0, 4 * monitor, fenceAddress % 2 ** 32)
    .short(0, 0x800 + 4 * monitor, Math.floor(fenceAddress / 2 ** 32))
    .short(0, 0x1000 + 4 * monitor, 1)
    .short(0, 0x1800 + 4 * monitor, ((value << 17) | 0x1_0000 | ((0xff & ~(1 << (sob & 7))) << 8) | (sob >> 3)) >>> 0)
    .fence({ id: 0, target: 1, dec: 1 });
}

describe('descriptors', () => {
  it('every-internal-queue-runs', () => {
    const machine = openMachine();
    const internal = QUEUES.filter(({ kind }) => kind === 'internal');
    for (const { id } of internal) machine.submitInternal(1, id, (p) => p.sob(id, 'add', 1));
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    for (const { id } of internal) {
      expect(machine.sobOf(1, id)).toBe(1);
      expect(machine.stream(1, id)).toMatchObject({ pi: 1, fetched: 1, state: 'idle', completed: 0 });
    }
    expect(machine.msis).toEqual([]);
  });

  it('read-when-executed', () => {
    const machine = openMachine();
    const before = new Packets().sob(0, 'set', 1);
    const address = machine.placeInHbm(before);
    machine.submitAt(1, DMA2, address, before.bytes);
    machine.placeInHbm(new Packets().sob(0, 'set', 2), address);
    machine.device.runUntilIdle();
    expect(machine.sobOf(1, 0)).toBe(2);
  });

  it('written-by-dma-into-sram-first', () => {
    const machine = openMachine();
    const upper = new Packets().sob(3, 'set', 7);
    const source = machine.placeInHbm(upper);
    machine.run(1, 0, (p) => p.dma({ size: upper.bytes, src: source, dst: SRAM_CB }));
    machine.submitAt(1, queue('TPC_0_0'), SRAM_CB, upper.bytes);
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(machine.sobOf(1, 3)).toBe(7);
  });

  it('through-mappings-that-cut-packets-in-two', () => {
    // Pieces of 12 and 20 bytes, one shifted against the words behind it.
    const machine = new TestMachine();
    machine.device.createContext(1, rights({ sync: OPEN_RIGHTS.sync }));
    const packets = new Packets().sob(0, 'add', 1);
    for (let i = 0; i < 9; i++) packets.long(sobAddress(DCORE.E_N, 1 + i), sobValue('set', i + 1)).sob(0, 'add', 1);
    packets.bulk(0x8000 + 0x308, [1, 1, 1, 1]).sob(0, 'add', 1);
    const bytes = new Uint8Array(packets.words.buffer, 0, packets.bytes);
    let placed = 0;
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = Math.min([12, 20, 7, 33][i % 4] as number, bytes.length - at);
      machine.hostBytes.set(bytes.subarray(at, at + size), placed);
      machine.device.map(1, {
        va: HOST_VA + at,
        size,
        target: { space: 'bus', address: HOST_SLOT * BUS_SLOT_SIZE + placed },
        writable: false,
      });
      at += size;
      placed += size + 5 + (i % 3);
    }
    machine.submitAt(1, DMA2, HOST_VA, packets.bytes);
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    const values = machine.device.machine.snapshot().syncObjects;
    expect(values.map(({ sob, value }) => [sob, value])).toEqual([
      [0, 11],
      ...Array.from({ length: 9 }, (_, i) => [1 + i, 1 + i]),
    ]);
    expect(machine.stream(1, DMA2)?.fenceCounters).toEqual([1, 0, 0, 0]);
  });

  it('in-memory-of-a-process', () => {
    const packets = new Packets();
    for (let i = 0; i < 1000; i++) packets.long(sobAddress(DCORE.E_N, 0), sobValue('add', 1)).nop();
    const process = new Uint8Array(packets.words.buffer, 0, packets.bytes);
    const machine = new TestMachine({
      memory: {
        hbmBank: () => new Uint8Array(2 ** 20),
        openProcess: () => ({
          read: (address, into) => {
            into.set(process.subarray(address, address + into.length));
            return into.length;
          },
          write: () => 0,
          close: () => {},
        }),
      },
    });
    machine.device.createContext(1, rights({ sync: OPEN_RIGHTS.sync }));
    machine.device.addBusRegion({ slot: 50, size: process.length, memory: { kind: 'process', pid: 1, address: 0 } });
    machine.device.map(1, {
      va: HOST_VA,
      size: process.length,
      target: { space: 'bus', address: 50 * BUS_SLOT_SIZE },
      writable: false,
    });
    machine.submitAt(1, DMA2, HOST_VA, packets.bytes);
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(machine.device.machine.snapshot().syncObjects).toMatchObject([{ sob: 0, value: 1000 }]);
  });

  it('unreadable-ones-are-dropped-and-the-stream-goes-on', () => {
    const machine = openMachine();
    machine.submitAt(1, DMA2, 0x7fff_0000_0000, 16);
    machine.submitAt(1, DMA2, 0x1000, 16);
    machine.submitAt(1, DMA2, sobAddress(2, 0), 16);
    machine.submitAt(1, DMA2, HBM, 12);
    machine.submitInternal(1, DMA2, (p) => p.sob(0, 'set', 1));
    machine.device.runUntilIdle();
    expect(machine.faults.map(({ cause, ringSlot }) => `${ringSlot} ${cause}`)).toEqual([
      '0 page-fault',
      '1 razwi',
      '2 razwi',
      '3 bad-descriptor',
    ]);
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('undefined-opcode-stops-the-stream-and-shows', async () => {
    const machine = openMachine();
    machine.submitInternal(1, DMA5, (p) => p.sob(0, 'set', 1).raw(0, 0x1f00_0000).sob(0, 'set', 2));
    machine.submitInternal(1, DMA5 + 1, (p) => p.sob(1, 'set', 1));
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'undefined-opcode', queue: DMA5, opcode: 0x1f, lowerCp: false }]);
    expect(machine.stream(1, DMA5)).toMatchObject({ state: 'stopped', head: { words: [0, 0x1f00_0000], offset: 8 } });
    const qm = 0x5a_8000;
    expect(await machine.device.readRegister(qm + 0x40)).toBe(1 << 3);
    expect((await machine.device.readRegister(qm + 0x38)) & (1 << 25)).not.toBe(0);
    expect([machine.sobOf(1, 0), machine.sobOf(1, 1)]).toEqual([1, 1]);
  });

  it('privileged-messages-are-the-drivers', () => {
    const machine = openMachine();
    machine.submitInternal(1, DMA2, (p) => p.prot(HBM, 1));
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'razwi', opcode: OPCODE.MSG_PROT }]);
  });
});

describe('two levels', () => {
  it('dma-by-the-lower-processor', () => {
    const machine = openMachine();
    machine.bank(1).fill(7, 0, 4096);
    const [src, size] = machine.lower((p) => p.dma({ size: 4096, src: HBM, dst: HOST_VA }).sob(0, 'add', 1));
    machine.submitInternal(1, DMA2, (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(machine.hostBytes.subarray(0, 4096).every((byte) => byte === 7)).toBe(true);
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('lower-buffers-run-in-the-order-of-their-cp-dma', () => {
    const machine = openMachine({ turn: { packets: 1, bytes: 64 } });
    for (let i = 0; i < 2; i++) {
      machine.submitInternal(1, DMA5 + i, (p) => {
        for (let n = 0; n < 2 * LOWER_FIFO_ENTRIES; n++) {
          const [src, size] = machine.lower((q) => q.dma({ size: 100, src: HBM, dst: HBM + 4096 }).sob(i, 'add', 1));
          p.cpDma(src, size);
        }
      });
    }
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect([machine.sobOf(1, 0), machine.sobOf(1, 1)]).toEqual([2 * LOWER_FIFO_ENTRIES, 2 * LOWER_FIFO_ENTRIES]);
  });

  it('a-full-fifo-holds-the-stream-not-the-machine', () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) => p.fence({ id: 3, target: 1, dec: 1 }).sob(0, 'add', 1));
    const count = LOWER_FIFO_ENTRIES + 10;
    machine.submitInternal(1, DMA2, (p) => {
      for (let n = 0; n < count; n++) p.cpDma(src, size);
      p.sob(1, 'set', 1);
    });
    machine.device.runUntilIdle();
    expect(machine.state(1, DMA2)).toBe('barrier');
    for (let n = 0; n < count; n++) machine.run(1, 0, (p) => p.long(cpFenceRdataAddress('DMA2', 4, 3), 1));
    expect(machine.state(1, DMA2)).toBe('idle');
    expect([machine.sobOf(1, 0), machine.sobOf(1, 1)]).toEqual([count, 1]);
  });

  it('the-upper-one-goes-on-until-an-engine-barrier', () => {
    const machine = openMachine();
    const fence = cpFenceRdataAddress('TPC4', 4, 0);
    const [src, size] = machine.lower((p) => shortWait(p, 0, 0, 1, fence).sob(2, 'set', 1));
    const tpc = queue('TPC_4_2');
    machine.submitInternal(1, tpc, (p) =>
      p.cpDma(src, size).sob(1, 'set', 1).nop(1, { eb: 1 }).long(HBM, 5).sob(3, 'set', 1),
    );
    machine.device.runUntilIdle();
    expect(machine.state(1, tpc)).toBe('barrier');
    expect([1, 2, 3].map((sob) => machine.sobOf(1, sob))).toEqual([1, 0, 0]);
    // "cmdq fence": the monitor reaches RDATA_4.
    machine.run(1, 0, (p) => p.sob(0, 'add', 1));
    expect(machine.state(1, tpc)).toBe('idle');
    expect([1, 2, 3].map((sob) => machine.sobOf(1, sob))).toEqual([1, 1, 1]);
    expect(machine.faults).toEqual([]);
  });

  it('a-barrier-waits-for-what-was-before-it-alone', () => {
    const machine = openMachine({ turn: { packets: 2, bytes: 64 } });
    const [src, size] = machine.lower((p) => p.sob(0, 'add', 1));
    const [blocked, bytes] = machine.lower((p) => p.fence({ id: 0, target: 1, dec: 1 }));
    machine.submitInternal(1, DMA2, (p) => p.cpDma(src, size).nop(1, { eb: 1 }).sob(1, 'set', 1));
    machine.submitInternal(1, DMA2 + 1, (p) => p.nop(3).cpDma(blocked, bytes).nop(1, { eb: 1 }));
    machine.device.runUntilIdle();
    expect([machine.state(1, DMA2), machine.state(1, DMA2 + 1)]).toEqual(['idle', 'barrier']);
    expect([machine.sobOf(1, 0), machine.sobOf(1, 1)]).toEqual([1, 1]);
    machine.run(1, 0, (p) => p.long(cpFenceRdataAddress('DMA2', 4, 0), 1));
    expect(machine.state(1, DMA2 + 1)).toBe('idle');
  });

  it('a-barrier-waits-for-the-last-slice', () => {
    const machine = openMachine({ turn: { packets: 4, bytes: 4096 } });
    machine.bank(1).fill(9, 0, 2 ** 18);
    const [src, size] = machine.lower((p) => p.dma({ size: 2 ** 18, src: HBM, dst: HOST_VA }));
    machine.submitInternal(1, DMA2, (p) => p.cpDma(src, size).nop(1, { eb: 1 }).sob(9, 'set', 1));
    while (machine.state(1, DMA2) !== 'idle') {
      const before = machine.hostBytes[2 ** 18 - 1];
      machine.device.step();
      if (machine.device.machine.snapshot().syncObjects.some(({ sob }) => sob === 9)) expect(before).toBe(9);
    }
    expect(machine.sobOf(1, 9)).toBe(1);
  });

  it('faults-of-the-lower-processor-are-in-its-streams-name', () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) => p.long(0x1000, 1).dma({ size: 8, src: 0x7fff_0000_0000, dst: HBM }));
    machine.submitInternal(1, DMA2 + 3, (p) => p.nop());
    machine.submitInternal(1, DMA2 + 3, (p) => p.cpDma(src, size).cpDma(0x7fff_0000_0000, 8).cpDma(HBM, 4));
    machine.device.runUntilIdle();
    expect(machine.faults.map(({ cause, queue: q, ringSlot, lowerCp }) => [cause, q, ringSlot, lowerCp])).toEqual([
      ['bad-descriptor', DMA2 + 3, 1, false],
      ['razwi', DMA2 + 3, 1, true],
      ['page-fault', DMA2 + 3, 1, true],
      ['page-fault', DMA2 + 3, 1, true],
    ]);
  });

  it('undefined-opcode-below-stops-the-lower-processor-alone', async () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) => p.raw(0, 0));
    machine.submitInternal(1, DMA2, (p) => p.cpDma(src, size).sob(0, 'set', 1));
    machine.submitInternal(1, DMA2, (p) => p.nop(1, { eb: 1 }));
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'undefined-opcode', lowerCp: true }]);
    expect(machine.sobOf(1, 0)).toBe(1);
    expect(machine.state(1, DMA2)).toBe('barrier');
    expect(await machine.device.readRegister(0x54_8050)).toBe(1 << 3);
  });

  it('only-where-there-is-one', () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) => p.cpDma(HBM, 8).sob(0, 'add', 1));
    machine.run(1, 0, (p) => p.cpDma(src, size).sob(0, 'add', 1));
    machine.submitInternal(1, queue('NIC_3_0'), (p) => p.cpDma(src, size).sob(0, 'add', 1));
    machine.submitInternal(1, DMA2, (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect(machine.faults.map(({ cause, lowerCp }) => [cause, lowerCp])).toEqual([
      ['wrong-engine', false],
      ['wrong-engine', false],
      ['wrong-engine', true],
    ]);
    expect(machine.sobOf(1, 0)).toBe(3);
  });
});

describe('engines', () => {
  it('linear-dma-only-where-a-core-hangs-below', () => {
    const machine = openMachine();
    const dma = { size: 8, src: HBM, dst: HBM + 64 };
    const [src, size] = machine.lower((p) => p.dma(dma));
    for (const name of ['TPC_1_0', 'MME_0_0'])
      machine.submitInternal(1, queue(name), (p) => p.dma(dma).cpDma(src, size));
    machine.submitInternal(1, DMA2, (p) => p.dma(dma));
    machine.submitInternal(1, queue('NIC_0_0'), (p) => p.dma(dma));
    machine.device.runUntilIdle();
    expect(machine.faults).toHaveLength(6);
    expect(machine.faults.every(({ cause, opcode }) => cause === 'wrong-engine' && opcode === OPCODE.LIN_DMA)).toBe(
      true,
    );
  });

  it('strided-by-wreg-on-dma5', () => {
    const machine = openMachine();
    const row = 64;
    machine.bank(1).fill(0xff, 4096, 4096 + 4 * row * 2);
    for (let i = 0; i < row; i++) machine.bank(1)[i] = i;
    const R = DMA_CORE_REGISTERS;
    const [src, size] = machine.lower((p) =>
      p
        .wreg(R.SRC_BASE_LO, HBM)
        .wreg(R.SRC_BASE_HI, 0)
        .wreg(R.DST_BASE_LO, HBM + 4096)
        .wreg(R.DST_BASE_HI, 0)
        .wreg(R.SRC_TSIZE_0, row)
        .wreg(R.DST_TSIZE_0, row)
        .bulk(R.SRC_TSIZE_1, [4, 0, 1, 0, 1, 0, 1, 0])
        .bulk(R.DST_TSIZE_1, [4, 2 * row, 1, 0, 1, 0, 1, 0])
        .wreg(R.WR_COMP_ADDR_LO, sobAddress(2, 11) % 2 ** 32)
        .wreg(R.WR_COMP_ADDR_HI, Math.floor(sobAddress(2, 11) / 2 ** 32))
        .wreg(R.WR_COMP_WDATA, sobValue('add', 1))
        .wreg(R.COMMIT, 1)
        .sob(12, 'set', 1),
    );
    machine.submitInternal(1, DMA5, (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    for (let r = 0; r < 4; r++) {
      const at = 4096 + r * 2 * row;
      expect([...machine.bank(1).subarray(at, at + row)]).toEqual([...machine.bank(1).subarray(0, row)]);
      expect(
        machine
          .bank(1)
          .subarray(at + row, at + 2 * row)
          .every((byte) => byte === 0xff),
      ).toBe(true);
    }
    expect([machine.sobOf(1, 11), machine.sobOf(1, 12)]).toEqual([1, 1]);
  });

  it('completion-is-the-one-of-the-commit', () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) =>
      p.dma({ memSet: 1, patternLow: 1, patternHigh: 2, size: 32, dst: HBM, wrComp: 1 }),
    );
    machine.submitInternal(1, queue('DMA_7_1'), (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect([...new Uint32Array(machine.bank(1).buffer, 0, 4)]).toEqual([1, 2, 1, 2]);
    // The driver's default: an add to the object with the core's number (device.md 4.5).
    expect(machine.sobOf(1, 7)).toBe(1);
  });

  it('starting-a-tpc-is-said-to-be-not-modelled', async () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) =>
      p.bulk(0xa00, [1, 2, 3, 4]).wreg(0x930, 0xf, { eb: 1 }).wreg(0x938, 1).sob(0, 'set', 1),
    );
    machine.submitInternal(1, queue('TPC_3_0'), (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([
      { cause: 'not-modelled', queue: queue('TPC_3_0'), address: CFG_BASE + tpcCfgBase(3) + 0x938, lowerCp: true },
    ]);
    expect(machine.sobOf(1, 0)).toBe(1);
    expect(await machine.device.readRegister(tpcCfgBase(3) + 0xa08)).toBe(3);
    expect(await machine.device.readRegister(tpcCfgBase(3) + 0x930)).toBe(0xf);
  });

  it('starting-an-mme-with-an-unknown-header-is-said-to-be-not-modelled', async () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) => p.wreg(0x28, 0x202).wreg(0x280, 1, { eb: 1, mb: 1 }).sob(0, 'add', 1));
    // The queue map crosses the names (device.md 2.1).
    machine.submitInternal(1, queue('MME_0_0'), (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'not-modelled', address: CFG_BASE + 0x16_0280 }]);
    expect(await machine.device.readRegister(0x16_0028)).toBe(0x202);
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('a-nic-has-no-engine-window', () => {
    const machine = openMachine();
    machine.submitInternal(1, queue('NIC_9_0'), (p) => p.wreg(0x10, 1).sob(0, 'add', 1));
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'wrong-engine' }]);
    expect(ENGINES[29]).toBe('NIC9');
  });
});

describe('repeated moves', () => {
  it('are-all-made-unless-told-otherwise', () => {
    const machine = openMachine();
    const dma = { size: 64, src: HBM, dst: HBM + 64 };
    machine.run(1, 0, (p) => p.dma(dma).dma(dma).dma(dma));
    expect(machine.device.machine.snapshot().counters.dmaBytes).toBe(192);
  });

  it('are-made-once-when-nobody-can-tell-and-that-was-asked-for', () => {
    const machine = openMachine({ collapseRepeatedDma: true });
    const dma = { size: 64, src: HBM, dst: HBM + 64 };
    machine.bank(1).fill(5, 0, 64);
    machine.run(1, 0, (p) => {
      for (let i = 0; i < 100; i++) p.dma(dma);
      return p.sob(0, 'set', 1);
    });
    expect(machine.bank(1)[127]).toBe(5);
    expect(machine.device.machine.snapshot().counters.dmaBytes).toBe(64);
    expect(machine.device.machine.snapshot().counters.packets).toBe(101);
  });

  it('not-when-each-counts', () => {
    const machine = openMachine({ collapseRepeatedDma: true });
    machine.bank(1).set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    // Each moves the bytes one further.
    machine.run(1, 0, (p) => p.dma({ size: 4, src: HBM, dst: HBM + 1 }).dma({ size: 4, src: HBM, dst: HBM + 1 }));
    expect([...machine.bank(1).subarray(0, 6)]).toEqual([1, 1, 1, 2, 3, 6]);
    const completed = { size: 4, src: HBM, dst: HBM + 64, wrComp: 1 };
    machine.run(1, 0, (p) => p.dma(completed).dma(completed).dma(completed));
    expect(machine.sobOf(1, 0)).toBe(3);
  });
});

describe('streams meet', () => {
  it('an-engine-barrier-waits-for-the-neighbours-transfer-too', () => {
    const machine = openMachine({ turn: { packets: 4, bytes: 4096 } });
    machine.bank(1).fill(1, 0, 2 ** 17);
    machine.submit(1, 0, (p) => p.dma({ size: 2 ** 17, src: HBM, dst: HOST_VA }));
    machine.submit(1, 1, (p) => p.nop(1, { eb: 1 }).sob(0, 'set', 1));
    machine.submit(1, 4, (p) => p.nop(1, { eb: 1 }).sob(1, 'set', 1));
    machine.device.step();
    machine.device.step();
    expect(machine.state(1, 1)).toBe('barrier');
    machine.device.step();
    expect(machine.state(1, 4)).toBe('idle');
    machine.device.runUntilIdle();
    expect(machine.hostBytes[2 ** 17 - 1]).toBe(1);
    expect(machine.state(1, 1)).toBe('idle');
  });

  it('the-same-result-whatever-the-turns', () => {
    const run = (packets: number, bytes: number) => {
      const machine = openMachine({ turn: { packets, bytes } });
      for (let i = 0; i < 4096; i++) machine.bank(1)[i] = i % 251;
      for (let stage = 0; stage < 4; stage++) {
        // Each engine takes the block from its neighbour once that is done, and says so in turn.
        const engine = 2 + stage;
        const [src, size] = machine.lower((p) => {
          const fence = cpFenceRdataAddress(`DMA${engine}`, 4, 0);
          if (stage > 0) shortWait(p, stage, 8 * stage, 1, fence);
          p.dma({ size: 4096, src: HBM + 4096 * stage, dst: HBM + 4096 * (stage + 1), eb: 1 });
          return p.sob(8 * (stage + 1), 'add', 1);
        });
        machine.submitInternal(1, queue(`DMA_${engine}_${stage}`), (p) =>
          p.cpDma(src, size).nop(1, { eb: 1 }).sob(100, 'add', 1),
        );
      }
      machine.device.runUntilIdle();
      expect(machine.faults).toEqual([]);
      expect(machine.sobOf(1, 100)).toBe(4);
      expect(machine.bank(1).subarray(4 * 4096, 5 * 4096)).toEqual(machine.bank(1).subarray(0, 4096));
    };
    for (const packets of [1, 2, 7, 1000]) for (const bytes of [512, 5000, 2 ** 20]) run(packets, bytes);
  });

  it('ping-pong-over-tpc-queues', () => {
    const machine = openMachine();
    const rounds = 50;
    const players = Array.from({ length: 8 }, (_, n) => queue(`TPC_${n}_0`));
    for (const [n, player] of players.entries()) {
      machine.submitInternal(1, player, (p) => {
        const fence = fenceRdataAddress(player, 0);
        for (let round = 1; round <= rounds; round++) {
          if (!(n === 0 && round === 1)) shortWait(p, n, 8 * n, n === 0 ? round - 1 : round, fence);
          const next = 8 * ((n + 1) % 8);
          const [src, size] = machine.lower((q) => q.sob(next, 'add', 1));
          p.cpDma(src, size, { eb: 1 });
        }
      });
    }
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(players.map((_, n) => machine.sobOf(1, 8 * n))).toEqual(players.map(() => rounds));
  });

  it('fences-count-what-comes-before-the-first-submission', () => {
    const machine = openMachine();
    const tpc = queue('TPC_0_1');
    expect(machine.run(1, 0, (p) => p.long(fenceRdataAddress(tpc, 2), 3))).toEqual([]);
    machine.submitInternal(1, tpc, (p) => p.fence({ id: 2, target: 3, dec: 3 }).sob(0, 'set', 1));
    machine.device.runUntilIdle();
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('contexts-have-queue-managers-of-their-own', () => {
    const machine = openMachine();
    machine.device.createContext(2, { ...rights({ physicalHbm: true }) });
    const [src, size] = machine.lower((p) => p.fence({ id: 0, target: 1, dec: 1 }));
    machine.submitInternal(2, DMA2, (p) => p.cpDma(src, size));
    const [dma, bytes] = machine.lower((p) => p.dma({ size: 4, src: HBM, dst: HBM + 4 }).sob(0, 'set', 1));
    machine.submitInternal(1, DMA2, (p) => p.cpDma(dma, bytes));
    machine.device.runUntilIdle();
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('a-context-that-dies-takes-its-lower-processors-along', async () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) => p.fence({ id: 0, target: 1, dec: 1 }).sob(0, 'set', 1));
    machine.submitInternal(1, DMA2, (p) => p.cpDma(src, size).nop(1, { eb: 1 }));
    machine.device.runUntilIdle();
    await machine.device.destroyContext(1);
    expect(machine.device.runUntilIdle()).toBe('idle');
  });
});
