/** Moving memory: copies and fills against a model, strided walks, faults on the way. */
import { BUS_SLOT_SIZE, encodeWreg32, HBM_BANK_SIZE, SRAM_BASE, SRAM_USER_BASE, sobAddress } from '@pedrera/hw';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillPattern } from './fill-pattern.js';
import { BANK_BYTES, HBM, HOST_SLOT, HOST_VA, openMachine, type Packets, rights, TestMachine } from './test-harness.js';

/** Deterministic bytes, different everywhere. */
function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Context 1, whose mapping consists of pieces of the given sizes, scattered over host memory and HBM. */
function scattered(pieces: readonly number[], seed: number, slice = 2 ** 26) {
  const machine = new TestMachine({ turn: { packets: 10, bytes: slice } });
  machine.device.createContext(1, rights());
  const model = new Uint8Array(pieces.reduce((sum, size) => sum + size, 0));
  const locate: { bytes: Uint8Array; offset: number }[] = [];
  let va = HOST_VA;
  let used = 0;
  for (const [i, size] of pieces.entries()) {
    const onBus = (seed >> (i % 16)) & 1;
    const bytes = onBus ? machine.hostBytes : machine.bank(1);
    const offset = used;
    used += size + (i % 5) * 4096;
    locate.push({ bytes, offset });
    machine.device.map(1, {
      va,
      size,
      target: onBus
        ? { space: 'bus', address: HOST_SLOT * BUS_SLOT_SIZE + offset }
        : { space: 'hbm', address: HBM + offset },
      writable: true,
    });
    const content = pattern(size, seed + i);
    bytes.set(content, offset);
    model.set(content, va - HOST_VA);
    va += size;
  }
  const read = (): Uint8Array => {
    const all = new Uint8Array(model.length);
    let at = 0;
    for (const [i, size] of pieces.entries()) {
      const { bytes, offset } = locate[i] as { bytes: Uint8Array; offset: number };
      all.set(bytes.subarray(offset, offset + size), at);
      at += size;
    }
    return all;
  };
  return { machine, model, read };
}

const piecesArbitrary = fc.array(
  fc.integer({ min: 1, max: 12 }).map((pages) => pages * 1024),
  { minLength: 1, maxLength: 8 },
);

describe('copy', () => {
  it('any-alignment-across-pieces-overlapping-or-not', () => {
    fc.assert(
      fc.property(
        piecesArbitrary,
        fc.nat(0xffff),
        fc.nat(),
        fc.nat(),
        fc.nat(),
        fc.constantFrom(1, 700, 4096, 2 ** 26),
        (pieces, seed, a, b, c, slice) => {
          const { machine, model, read } = scattered(pieces, seed, slice);
          const size = c % (model.length + 1);
          const src = a % (model.length - size + 1);
          const dst = b % (model.length - size + 1);
          model.copyWithin(dst, src, src + size);
          const faults = machine.run(1, 0, (p) => p.dma({ size, src: HOST_VA + src, dst: HOST_VA + dst }));
          expect(faults).toEqual([]);
          expect(Buffer.compare(read(), model)).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('in-slices-with-others-running', () => {
    const machine = openMachine({ turn: { packets: 4, bytes: 1000 } });
    const source = pattern(50_000);
    machine.hostBytes.set(source, 3);
    machine.submit(1, 0, (p) => p.dma({ size: source.length, src: HOST_VA + 3, dst: HBM + 7 }).sob(0, 'set', 1));
    machine.submit(1, 4, (p) => p.nop(100));
    let steps = 0;
    while (machine.device.step() === 'busy') steps++;
    expect(steps).toBeGreaterThan(50);
    expect(Buffer.compare(machine.bank(1).subarray(7, 7 + source.length), source)).toBe(0);
  });

  it('across-a-bank-boundary', () => {
    const banks = [new Uint8Array(HBM_BANK_SIZE), new Uint8Array(HBM_BANK_SIZE)];
    const machine = openMachine({ memory: { hbmBank: (bank) => banks[bank] as Uint8Array } });
    const source = pattern(10_001);
    machine.hostBytes.set(source);
    machine.run(1, 0, (p) => p.dma({ size: source.length, src: HOST_VA, dst: HBM_BANK_SIZE - 5000 }));
    machine.run(1, 0, (p) => p.dma({ size: source.length, src: HBM_BANK_SIZE - 5000, dst: HOST_VA + 20_000 }));
    // Overlapping, upwards and downwards, over the boundary.
    machine.run(1, 0, (p) => p.dma({ size: source.length, src: HBM_BANK_SIZE - 5000, dst: HBM_BANK_SIZE - 4999 }));
    machine.run(1, 0, (p) => p.dma({ size: source.length, src: HBM_BANK_SIZE - 4999, dst: HBM_BANK_SIZE - 5001 }));
    machine.run(1, 0, (p) => p.dma({ size: source.length, src: HBM_BANK_SIZE - 5001, dst: HOST_VA + 40_000 }));
    const host = machine.hostBytes;
    expect(Buffer.compare(host.subarray(20_000, 20_000 + source.length), source)).toBe(0);
    expect(Buffer.compare(host.subarray(40_000, 40_000 + source.length), source)).toBe(0);
    expect(machine.faults).toEqual([]);
  });

  it('sram', () => {
    const machine = openMachine();
    const source = pattern(9999);
    machine.hostBytes.set(source);
    machine.run(1, 0, (p) => p.dma({ size: 9999, src: HOST_VA, dst: SRAM_USER_BASE + 1 }));
    machine.run(1, 4, (p) => p.dma({ size: 9999, src: SRAM_USER_BASE + 1, dst: HOST_VA + 16_384 }));
    expect(Buffer.compare(machine.hostBytes.subarray(16_384, 16_384 + 9999), source)).toBe(0);
  });

  it('of-nothing', () => {
    const machine = openMachine();
    expect(machine.run(1, 0, (p) => p.dma({ size: 0, src: 0, dst: 0 }).sob(0, 'set', 3))).toEqual([]);
    expect(machine.sobOf(1, 0)).toBe(3);
  });

  it('peer-hbm', () => {
    const peer = pattern(4096);
    const machine = openMachine();
    const other = new TestMachine({
      memory: {
        hbmBank: (bank) => machine.bank(bank),
        peerHbmBank: (device, bank) => (device === 3 && bank === 2 ? peer : new Uint8Array(0)),
      },
    });
    other.device.createContext(1, rights());
    other.mapHost(1);
    const target = (device: number) => ({
      space: 'bus' as const,
      address: 0x4000_0000_0000 + device * 2 ** 35 + 2 * 2 ** 30,
    });
    other.device.map(1, { va: HOST_VA + 2 ** 30, size: 4096, target: target(3), writable: true });
    other.device.map(1, { va: HOST_VA + 2 ** 31, size: 4096, target: target(4), writable: true });
    expect(other.run(1, 0, (p) => p.dma({ size: 4096, src: HOST_VA + 2 ** 30, dst: HOST_VA }))).toEqual([]);
    expect(Buffer.compare(other.hostBytes.subarray(0, 4096), peer)).toBe(0);
    expect(other.run(1, 0, (p) => p.dma({ size: 4096, src: HOST_VA + 2 ** 31, dst: HOST_VA }))).toMatchObject([
      { cause: 'bus-error', address: HOST_VA + 2 ** 31 },
    ]);
  });
});

describe('memset', () => {
  it('pattern-counts-from-the-start', () => {
    fc.assert(
      fc.property(
        piecesArbitrary,
        fc.nat(),
        fc.nat(),
        fc.nat(0xffff_ffff),
        fc.nat(0xffff_ffff),
        fc.boolean(),
        (pieces, a, b, low, high, uniform) => {
          const { machine, model, read } = scattered(pieces, 0xa5a5);
          const size = a % (model.length + 1);
          const dst = b % (model.length - size + 1);
          const patternLow = uniform ? Math.imul(low & 0xff, 0x0101_0101) >>> 0 : low;
          const patternHigh = uniform ? patternLow : high;
          for (let i = 0; i < size; i++) {
            const half = i % 8 < 4 ? patternLow : patternHigh;
            model[dst + i] = half >>> (8 * (i % 4));
          }
          const faults = machine.run(1, 0, (p) =>
            p.dma({ size, memSet: true, patternLow, patternHigh, dst: HOST_VA + dst }),
          );
          expect(faults).toEqual([]);
          expect(Buffer.compare(read(), model)).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('longer-than-the-chunk', () => {
    const bytes = new Uint8Array(2 ** 20 + 13);
    fillPattern(bytes, 5, bytes.length - 7, 0x44332211, 0x88776655, 3);
    for (let i = 5; i < bytes.length - 2; i++) {
      if (bytes[i] !== 0x11 * (((i - 5 + 3) % 8) + 1)) throw new Error(`byte ${i} is ${bytes[i]}`);
    }
    expect([bytes[4], bytes[bytes.length - 2]]).toEqual([0, 0]);
  });
});

describe('completion write', () => {
  it('default-is-an-add-to-the-engines-object', () => {
    const machine = openMachine();
    machine.run(1, 4, (p) =>
      p.dma({ size: 8, src: HBM, dst: HBM + 64, wrComp: true }).dma({ size: 8, src: HBM, dst: HBM, wrComp: true }),
    );
    expect(machine.sobOf(1, 1)).toBe(2);
    expect(machine.sobOf(1, 0)).toBe(0);
  });

  it('programmed-by-wreg', () => {
    const machine = openMachine();
    const target = sobAddress(2, 77);
    machine.run(1, 0, (p) =>
      wreg(p, 0x80, target % 2 ** 32, 0x84, Math.floor(target / 2 ** 32), 0x7c, 9).dma({
        size: 8,
        src: HBM,
        dst: HBM + 64,
        wrComp: true,
      }),
    );
    expect(machine.sobOf(1, 77)).toBe(9);
  });

  it('comes-after-the-data-even-in-slices', () => {
    const machine = openMachine({ turn: { packets: 8, bytes: 600 } });
    machine.bank(1).fill(7, 0, 5000);
    machine.submit(1, 4, (p) => p.waitFor(4, 0, 0, 'eq', 1).dma({ size: 5000, src: HBM + 10_000, dst: HOST_VA }));
    machine.submit(1, 0, (p) => p.dma({ size: 5000, src: HBM, dst: HBM + 10_000, wrComp: true }));
    machine.device.runUntilIdle();
    expect(machine.hostBytes.subarray(0, 5000).every((byte) => byte === 7)).toBe(true);
  });

  it('to-a-foreign-object-faults', () => {
    const machine = new TestMachine();
    machine.device.createContext(1, rights({ physicalHbm: true }));
    expect(machine.run(1, 0, (p) => p.dma({ size: 8, src: HBM, dst: HBM, wrComp: true }))).toMatchObject([
      { cause: 'razwi', address: sobAddress(2, 0), queue: 0, opcode: 9 },
    ]);
  });
});

function wreg(packets: Packets, ...registers: number[]): Packets {
  for (let i = 0; i < registers.length; i += 2)
    packets.at = encodeWreg32(packets.words, packets.at, {
      regOffset: registers[i] as number,
      value: registers[i + 1] as number,
    });
  return packets;
}

describe('registers of the DMA core', () => {
  /** device.md 5.3, in small. */
  it('strided', () => {
    const machine = openMachine();
    const source = pattern(1024);
    machine.bank(1).set(source);
    machine.bank(1).fill(0xff, 8192, 8192 + 20_480);
    const faults = machine.run(1, 0, (p) =>
      wreg(
        p,
        0x14,
        HBM,
        0x18,
        0,
        0x1c,
        HBM + 8192,
        0x20,
        0,
        0x4c,
        1024,
        0x2c,
        10,
        0x30,
        0,
        0x74,
        1024,
        0x54,
        10,
        0x58,
        2048,
        0x7c,
        0x8000_0001,
        0x78,
        1,
      ),
    );
    expect(faults).toEqual([]);
    for (let row = 0; row < 10; row++) {
      const at = 8192 + row * 2048;
      expect(Buffer.compare(machine.bank(1).subarray(at, at + 1024), source)).toBe(0);
      expect(
        machine
          .bank(1)
          .subarray(at + 1024, at + 2048)
          .every((byte) => byte === 0xff),
      ).toBe(true);
    }
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('strided-gather-against-a-model', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: -40, max: 40 })), {
          minLength: 4,
          maxLength: 4,
        }),
        fc.integer({ min: 0, max: 4000 }),
        fc.constantFrom(64, 2 ** 26),
        (run, outer, start, bytes) => {
          const machine = openMachine({ turn: { packets: 100, bytes } });
          const bank = machine.bank(1);
          bank.set(pattern(16_384));
          const model: number[] = [];
          const base = 8000 + start;
          for (let d = 0; d < (outer[3]?.[0] ?? 1); d++)
            for (let c = 0; c < (outer[2]?.[0] ?? 1); c++)
              for (let b = 0; b < (outer[1]?.[0] ?? 1); b++)
                for (let a = 0; a < (outer[0]?.[0] ?? 1); a++)
                  for (let i = 0; i < run; i++)
                    model.push(
                      bank[base + i + [a, b, c, d].reduce((sum, n, k) => sum + n * (outer[k]?.[1] ?? 0), 0)] as number,
                    );
          const registers = outer.flatMap(([count, stride], k) => [0x2c + 8 * k, count, 0x30 + 8 * k, stride >>> 0]);
          const faults = machine.run(1, 0, (p) =>
            wreg(
              p,
              0x14,
              HBM + base,
              0x18,
              0,
              0x4c,
              run,
              ...registers,
              0x1c,
              HBM + 100_000,
              0x20,
              0,
              0x74,
              model.length,
              0x78,
              0,
            ),
          );
          expect(faults).toEqual([]);
          expect([...bank.subarray(100_000, 100_000 + model.length + 1)]).toEqual([...model, 0]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('commit-repeats-the-last-linear-move', () => {
    const machine = openMachine();
    machine.bank(1).set([1, 2, 3, 4]);
    machine.submit(1, 0, (p) => p.dma({ size: 4, src: HBM, dst: HBM + 64 }));
    machine.device.runUntilIdle();
    machine.bank(1).fill(0, 64, 68);
    machine.run(1, 1, (p) => wreg(p, 0x78, 0x08));
    expect([...machine.bank(1).subarray(64, 68)]).toEqual([1, 2, 3, 4]);
  });

  it('what-is-not-modelled-says-so', () => {
    const machine = openMachine();
    expect(machine.run(1, 0, (p) => wreg(p, 0x160, 1))).toMatchObject([{ cause: 'not-modelled', opcode: 1 }]);
    expect(machine.run(1, 0, (p) => p.dma({ size: 8, src: HBM, dst: HBM + 8, transpose: true }))).toMatchObject([
      { cause: 'not-modelled', opcode: 9 },
    ]);
    expect(machine.run(1, 0, (p) => p.dma({ size: 8, src: HBM, dst: HBM + 8, compress: true }))).toMatchObject([
      { cause: 'not-modelled' },
    ]);
  });

  it('byte-by-byte-walks-do-not-hold-up-others', () => {
    const machine = openMachine();
    machine.submit(1, 0, (p) =>
      wreg(
        p,
        0x14,
        HBM,
        0x18,
        0,
        0x1c,
        HBM,
        0x20,
        0,
        0x4c,
        1,
        0x2c,
        500_000,
        0x30,
        1,
        0x74,
        1,
        0x54,
        500_000,
        0x58,
        1,
        0x78,
        0,
      ),
    );
    machine.submit(1, 4, (p) => p.nop(300));
    for (let steps = 0; machine.state(1, 4) !== 'idle'; steps++) {
      expect(steps).toBeLessThan(10);
      machine.device.step();
    }
    expect(machine.state(1, 0)).toBe('dma');
    expect(machine.device.machine.snapshot().counters.dmaBytes).toBeLessThan(100_000);
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
  });
});

describe('faults', () => {
  it('page-fault-drops-the-rest-and-the-stream-goes-on', () => {
    const machine = new TestMachine();
    machine.device.createContext(
      1,
      rights({ physicalHbm: true, sync: [{ dcore: 2, firstSob: 0, sobs: 8, firstMonitor: 0, monitors: 512 }] }),
    );
    machine.mapHost(1);
    machine.hostBytes.fill(1);
    const end = HOST_VA + machine.host.byteLength;
    const faults = machine.run(1, 0, (p) => p.dma({ size: 100, src: end - 40, dst: HBM }).sob(3, 'set', 5));
    expect(faults).toEqual([
      { asid: 1, queue: 0, lowerCp: false, ringSlot: 0, address: end, cause: 'page-fault', opcode: 9 },
    ]);
    expect(
      machine
        .bank(1)
        .subarray(0, 101)
        .reduce((sum, byte) => sum + byte, 0),
    ).toBe(40);
    expect(machine.sobOf(1, 3)).toBe(5);
  });

  it('raw-client-pointer', () => {
    const machine = openMachine();
    expect(machine.run(1, 0, (p) => p.dma({ size: 8, src: 0x7fff_1234_5000, dst: HBM }))).toMatchObject([
      { cause: 'page-fault', address: 0x7fff_1234_5000 },
    ]);
  });

  it('absurd-addresses', () => {
    const machine = openMachine();
    for (const src of [2 ** 53 - 1, 2 ** 52, 0x8_0000_0000, 0x7f_fbfe_0000, 0x7f_fc00_0000]) {
      expect(machine.run(1, 0, (p) => p.dma({ size: 8, src, dst: HBM }))).toHaveLength(1);
    }
    expect(
      machine.run(1, 0, (p) => p.raw(8, 0x4900_0008, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff)),
    ).toMatchObject([{ cause: 'page-fault' }]);
    expect(machine.device.runUntilIdle()).toBe('idle');
  });

  it('write-protect', () => {
    const machine = new TestMachine();
    machine.device.createContext(1, rights({ physicalHbm: true }));
    machine.mapHost(1, false);
    machine.bank(1).fill(9, 0, 64);
    expect(machine.run(1, 0, (p) => p.dma({ size: 64, src: HBM, dst: HOST_VA }))).toMatchObject([
      { cause: 'write-protect', address: HOST_VA },
    ]);
    expect(machine.run(1, 0, (p) => p.long(HOST_VA + 4, 1))).toMatchObject([{ cause: 'write-protect', opcode: 3 }]);
    expect(machine.hostBytes.subarray(0, 64).every((byte) => byte === 0)).toBe(true);
    expect(machine.run(1, 0, (p) => p.dma({ size: 64, src: HOST_VA, dst: HBM }))).toEqual([]);
  });

  it('protected-ranges', () => {
    const machine = openMachine();
    const blocked = (src: number, dst: number) =>
      machine.run(1, 0, (p) => p.dma({ size: 4, src, dst })).map(({ cause }) => cause);
    expect(blocked(0x1fff_fffc, HBM)).toEqual(['razwi']);
    expect(blocked(HBM, 0x1000)).toEqual(['razwi']);
    expect(blocked(HBM, SRAM_BASE)).toEqual(['razwi']);
    expect(blocked(HBM, sobAddress(2, 0))).toEqual(['razwi']);
    expect(blocked(SRAM_BASE + 0x140_0000, HBM)).toEqual(['razwi']);
  });

  it('rights-of-a-shared-device', () => {
    const machine = new TestMachine();
    machine.device.createContext(1, rights({ sram: { base: SRAM_USER_BASE + 0x1000, size: 0x1000 } }));
    machine.mapHost(1);
    const blocked = (src: number, dst: number, size = 4) =>
      machine
        .run(1, 0, (p) => p.dma({ size, src, dst }))
        .map(({ cause, address }) => `${cause} 0x${address.toString(16)}`);
    expect(blocked(HBM, HOST_VA)).toEqual([`razwi 0x${HBM.toString(16)}`]);
    expect(blocked(SRAM_USER_BASE, HOST_VA)).toEqual([`razwi 0x${SRAM_USER_BASE.toString(16)}`]);
    expect(blocked(SRAM_USER_BASE + 0x1000, HOST_VA, 0x1000)).toEqual([]);
    const behind = SRAM_USER_BASE + 0x2000;
    expect(blocked(SRAM_USER_BASE + 0x1ff0, HOST_VA, 0x11)).toEqual([`razwi 0x${behind.toString(16)}`]);
    machine.device.setRights(1, rights());
    expect(blocked(SRAM_USER_BASE + 0x1000, HOST_VA, 4)).toHaveLength(1);
  });

  it('reserved-sram-is-readable-when-granted', () => {
    const machine = new TestMachine();
    machine.device.createContext(1, rights({ sram: { base: SRAM_BASE, size: 0x1000 } }));
    machine.mapHost(1);
    expect(machine.run(1, 0, (p) => p.dma({ size: 4, src: SRAM_BASE, dst: HOST_VA }))).toEqual([]);
    expect(machine.run(1, 0, (p) => p.dma({ size: 4, src: HOST_VA, dst: SRAM_BASE }))).toMatchObject([
      { cause: 'razwi' },
    ]);
  });

  it('memory-that-is-not-there', () => {
    const machine = openMachine();
    expect(machine.run(1, 0, (p) => p.dma({ size: 8, src: HBM + BANK_BYTES - 4, dst: HOST_VA }))).toMatchObject([
      { cause: 'bus-error', address: HBM + BANK_BYTES },
    ]);
  });

  it('unmap-in-the-middle', async () => {
    const machine = openMachine({ turn: { packets: 8, bytes: 1024 } });
    machine.submit(1, 0, (p) => p.dma({ size: 65_536, src: HOST_VA, dst: HBM }));
    machine.device.step();
    machine.device.step();
    await machine.device.unmap(1, HOST_VA + 4096, 2 ** 20);
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'page-fault', address: HOST_VA + 4096 }]);
  });
});
