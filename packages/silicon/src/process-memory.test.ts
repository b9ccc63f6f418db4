/** Memory of a process: every way a packet reaches it, and that memory which is gone is a page fault and no more. */
import { BUS_SLOT_SIZE, busAddress, queueByName, SRAM_USER_BASE } from '@pedrera/hw';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProcessPort } from './memory.js';
import { BANK_BYTES, HBM, HOST_VA, OPEN_RIGHTS, Packets, TestMachine } from './test-harness.js';

const PAGE = 4096;
const PID = 42;
const SLOT = 7;
/** Where the process has memory, and where the window begins that is mapped of it. */
const BASE = 0x7f00_0000_1000;
const WINDOW = 0x7f00_0000_0000;
const PAGES = 64;
const VA = HOST_VA + 2 ** 30;
const DMA2 = queueByName('DMA_2_0')?.id as number;

/** A process of PAGES pages, of which any may be gone. */
class FakeProcess implements ProcessPort {
  readonly bytes = new Uint8Array(PAGES * PAGE);
  readonly gone = new Set<number>();
  closed = 0;

  read(address: number, into: Uint8Array): number {
    const count = this.#there(address, into.length);
    into.set(this.bytes.subarray(address - BASE, address - BASE + count));
    return count;
  }
  write(address: number, from: Uint8Array): number {
    const count = this.#there(address, from.length);
    this.bytes.set(from.subarray(0, count), address - BASE);
    return count;
  }
  close(): void {
    this.closed++;
  }
  /** As the kernel does it: whole pages, up to the first that is not there. */
  #there(address: number, count: number): number {
    let end = address;
    while (end < address + count) {
      const page = Math.floor((end - BASE) / PAGE);
      if (page < 0 || page >= PAGES || this.gone.has(page)) break;
      end = BASE + (page + 1) * PAGE;
    }
    return Math.max(0, Math.min(count, end - address));
  }
}

/** Context 1 with the whole process mapped at VA. */
function open(slice = 2 ** 26) {
  const process = new FakeProcess();
  const banks = new Map<number, Uint8Array>();
  const machine = new TestMachine({
    turn: { packets: 10, bytes: slice },
    memory: {
      hbmBank: (bank) => {
        const known = banks.get(bank) ?? new Uint8Array(BANK_BYTES);
        banks.set(bank, known);
        return known;
      },
      openProcess: (pid) => (pid === PID ? process : undefined),
    },
  });
  machine.device.createContext(1, { ...OPEN_RIGHTS, sram: { base: SRAM_USER_BASE, size: 2 ** 20 } });
  machine.mapHost(1);
  machine.device.addBusRegion({
    slot: SLOT,
    size: BUS_SLOT_SIZE,
    memory: { kind: 'process', pid: PID, address: WINDOW },
  });
  map(machine, SLOT);
  return { machine, process, hbm: () => banks.get(1) as Uint8Array };
}

function map(machine: TestMachine, slot: number): void {
  machine.device.map(1, {
    va: VA,
    size: PAGES * PAGE,
    target: { space: 'bus', address: busAddress(slot, BASE - WINDOW) },
    writable: true,
  });
}

function pattern(bytes: Uint8Array, seed = 1): Uint8Array {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (Math.imul(i + seed, 2654435761) >>> 24) & 0xff;
  return bytes;
}

describe('DMA', () => {
  it('in-and-out-of-hbm', () => {
    const { machine, process, hbm } = open();
    pattern(process.bytes);
    expect(machine.run(1, 0, (p) => p.dma({ size: 10_001, src: VA + 3, dst: HBM + 7 }))).toEqual([]);
    expect(Buffer.compare(hbm().subarray(7, 10_008), process.bytes.subarray(3, 10_004))).toBe(0);
    expect(machine.run(1, 0, (p) => p.dma({ size: 5000, src: HBM + 7, dst: VA + 100_000 }))).toEqual([]);
    expect(Buffer.compare(process.bytes.subarray(100_000, 105_000), hbm().subarray(7, 5007))).toBe(0);
  });

  it('within-the-process-overlapping-or-not', () => {
    const size = fc.integer({ min: 0, max: 30_000 });
    const offset = fc.integer({ min: 0, max: PAGES * PAGE - 30_000 });
    fc.assert(
      fc.property(size, offset, offset, fc.constantFrom(1000, 4096, 2 ** 26), (bytes, src, dst, slice) => {
        const { machine, process } = open(slice);
        const model = pattern(process.bytes).slice();
        model.copyWithin(dst, src, src + bytes);
        expect(machine.run(1, 0, (p) => p.dma({ size: bytes, src: VA + src, dst: VA + dst }))).toEqual([]);
        expect(Buffer.compare(process.bytes, model)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('memset-in-slices', () => {
    const { machine, process } = open(1000);
    const fill = { size: 20_000, patternLow: 0x04030201, patternHigh: 0x08070605, dst: VA + 5, memSet: true };
    expect(machine.run(1, 0, (p) => p.dma(fill))).toEqual([]);
    expect(process.bytes[4]).toBe(0);
    for (let i = 0; i < 20_000; i++) expect(process.bytes[5 + i]).toBe(1 + (i % 8));
    expect(process.bytes[20_005]).toBe(0);
  });

  it('what-is-gone-is-a-page-fault-at-its-address', () => {
    const { machine, process, hbm } = open();
    pattern(process.bytes);
    process.gone.add(3);
    const read = machine.run(1, 0, (p) => p.dma({ size: 4 * PAGE, src: VA + PAGE, dst: HBM }).sob(0, 'set', 1));
    expect(read).toMatchObject([{ cause: 'page-fault', address: VA + 3 * PAGE }]);
    expect(Buffer.compare(hbm().subarray(0, 2 * PAGE), process.bytes.subarray(PAGE, 3 * PAGE))).toBe(0);
    expect(
      hbm()
        .subarray(2 * PAGE, 3 * PAGE)
        .every((byte) => byte === 0),
    ).toBe(true);
    expect(machine.sobOf(1, 0)).toBe(1);
    const write = machine.run(1, 0, (p) => p.dma({ size: 8, src: HBM, dst: VA + 3 * PAGE + 8 }));
    expect(write).toMatchObject([{ cause: 'page-fault', address: VA + 3 * PAGE + 8 }]);
    const set = machine.run(1, 0, (p) => p.dma({ size: 8 * PAGE, patternLow: 1, dst: VA, memSet: true }));
    expect(set).toMatchObject([{ cause: 'page-fault', address: VA + 3 * PAGE }]);
    const between = machine.run(1, 0, (p) => p.dma({ size: PAGE, src: VA + 8 * PAGE, dst: VA + 3 * PAGE }));
    expect(between).toMatchObject([{ cause: 'page-fault', address: VA + 3 * PAGE }]);
    const upwards = machine.run(1, 0, (p) => p.dma({ size: 2 * PAGE, src: VA + 2 * PAGE, dst: VA + 2 * PAGE + 8 }));
    expect(upwards).toMatchObject([{ cause: 'page-fault' }]);
  });
});

describe('single words', () => {
  it('message-and-monitor-payload', () => {
    const { machine, process } = open();
    const words = new Uint32Array(process.bytes.buffer);
    expect(machine.run(1, 0, (p) => p.long(VA + 8, 0xcafe_f00d))).toEqual([]);
    expect(words[2]).toBe(0xcafe_f00d);
    machine.run(1, 0, (p) =>
      p
        .monitor(2, 0, { address: VA + PAGE, data: 77 }, { group: 0, mask: 0xfe, mode: 'ge', value: 1 })
        .sob(0, 'add', 1),
    );
    expect(words[PAGE / 4]).toBe(77);
  });

  it('gone', () => {
    const { machine, process } = open();
    process.gone.add(0);
    expect(machine.run(1, 0, (p) => p.long(VA + 8, 1).sob(1, 'set', 5))).toMatchObject([
      { cause: 'page-fault', address: VA + 8 },
    ]);
    expect(machine.sobOf(1, 1)).toBe(5);
    machine.run(1, 0, (p) =>
      p.monitor(2, 0, { address: VA, data: 7 }, { group: 0, mask: 0xfe, mode: 'ge', value: 1 }).sob(0, 'add', 1),
    );
    expect(machine.faults.at(-1)).toMatchObject({ cause: 'page-fault', address: VA });
  });
});

describe('command buffers', () => {
  /** Packets in the process's own memory. */
  function place(process: FakeProcess, offset: number, fill: (packets: Packets) => void): number {
    const packets = new Packets();
    fill(packets);
    process.bytes.set(new Uint8Array(packets.words.buffer, 0, packets.bytes), offset);
    return packets.bytes;
  }

  it('of-an-internal-queue-longer-than-a-page', () => {
    const { machine, process } = open();
    const bytes = place(process, PAGE + 8, (p) => {
      for (let i = 0; i < 1500; i++) p.sob(3, 'add', 1);
      p.long(VA, 0x1234);
    });
    expect(bytes).toBeGreaterThan(2 * PAGE);
    machine.submitAt(1, DMA2, VA + PAGE + 8, bytes);
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(machine.sobOf(1, 3)).toBe(1500);
    expect(new Uint32Array(process.bytes.buffer)[0]).toBe(0x1234);
  });

  it('gone-while-a-stream-stands-in-it', () => {
    const { machine, process } = open();
    const bytes = place(process, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }).sob(3, 'add', 1));
    machine.submitAt(1, DMA2, VA, bytes);
    machine.device.runUntilIdle();
    expect(machine.stream(1, DMA2)?.head?.words.length).toBe(2);
    process.gone.add(0);
    expect(machine.stream(1, DMA2)?.head).toBeNull();
    process.gone.clear();
    const another = place(process, PAGE, (p) => p.sob(4, 'add', 1));
    process.gone.add(1);
    machine.submitAt(1, DMA2 + 1, VA + PAGE, another);
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'page-fault', address: VA + PAGE }]);
    expect(machine.stream(1, DMA2 + 1)?.state).toBe('idle');
  });
});

describe('slots', () => {
  it('share-one-port-that-closes-with-the-last', () => {
    const { machine, process } = open();
    const memory = { kind: 'process', pid: PID, address: WINDOW } as const;
    machine.device.addBusRegion({ slot: SLOT + 1, size: BUS_SLOT_SIZE, memory });
    machine.device.machine.removeBusRegion(SLOT);
    expect(process.closed).toBe(0);
    machine.device.machine.removeBusRegion(SLOT + 1);
    expect(process.closed).toBe(1);
    // The translation is still there, what it leads to is not.
    expect(machine.run(1, 0, (p) => p.dma({ size: 8, src: VA, dst: HBM }))).toMatchObject([{ cause: 'bus-error' }]);
  });

  it('of-a-process-nobody-finds', () => {
    const { machine } = open();
    machine.device.machine.unmap(1, VA, PAGES * PAGE);
    const memory = { kind: 'process', pid: PID + 1, address: WINDOW } as const;
    machine.device.addBusRegion({ slot: SLOT + 1, size: BUS_SLOT_SIZE, memory });
    map(machine, SLOT + 1);
    expect(machine.run(1, 0, (p) => p.dma({ size: 8, src: VA, dst: HBM }))).toMatchObject([{ cause: 'page-fault' }]);
    expect(machine.run(1, 0, (p) => p.long(VA, 1))).toMatchObject([{ cause: 'page-fault' }]);
  });
});
