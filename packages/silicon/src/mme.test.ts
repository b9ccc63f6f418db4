/** The matrix engine: the convolution of the suite's test, others like it, what it refuses, faults, barriers, hangs. */
import {
  BUS_SLOT_SIZE,
  busAddress,
  CFG_BASE,
  DCORE,
  FAULT_CAUSES,
  type FaultRecord,
  MME_DESCRIPTOR,
  MME_HEADER_LOWER_S,
  MME_ORIGIN,
  MME_STATUS_IDLE,
  MME_TENSOR,
  mmeCtrlBase,
  queueByName,
  sobAddress,
} from '@pedrera/hw';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProcessPort } from './memory.js';
import {
  BANK_BYTES,
  HBM,
  HOST_VA,
  OPEN_RIGHTS,
  openMachine,
  type Packets,
  rights,
  TestMachine,
} from './test-harness.js';

const REG = MME_DESCRIPTOR;
const CMD = 0x280;
const SRAM = 0x7f_f000_0080;
/** Control word of a MSG_SHORT on base 1 with EB. */
const ADD_TO_SOB_0_WITH_BARRIER = 0x2440_0000;

function queue(name: string): number {
  const info = queueByName(name);
  if (info === undefined) throw new Error(name);
  return info.id;
}

const MME_0 = queue('MME_0_0');
const MME_1 = queue('MME_1_0');

/** A descriptor as its registers, from 0x08 up to 0x224: 136 of them. */
type Descriptor = Map<number, number>;

interface Shape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: number;
  readonly padding: number;
  readonly columns: number;
  readonly lowered: boolean;
}

const SUITE: Shape = {
  height: 6,
  width: 6,
  channels: 3,
  kernelHeight: 3,
  kernelWidth: 3,
  stride: 1,
  padding: 0,
  columns: 1,
  lowered: true,
};

interface Places {
  readonly s: number;
  readonly l: number;
  readonly o: number;
}

function outputSize(shape: Shape): [rows: number, columns: number] {
  const along = (size: number, kernel: number) => Math.floor((size + 2 * shape.padding - kernel) / shape.stride) + 1;
  return [along(shape.height, shape.kernelHeight), along(shape.width, shape.kernelWidth)];
}

/** `engine` is the name in the suite: master 2 has columns 0 to 63 of 128, master 0 the others. */
function describeConvolution(shape: Shape, at: Places, engine: 'm0' | 'm2'): Descriptor {
  const { height, width, channels, kernelHeight, kernelWidth, stride, padding, columns, lowered } = shape;
  const [rows, across] = outputSize(shape);
  const outputs = rows * across;
  const words: Descriptor = new Map();
  for (let register = 0x08; register < 0x228; register += 4) words.set(register, 0);
  const put = (register: number, ...values: number[]) => {
    values.forEach((value, i) => {
      words.set(register + 4 * i, value >>> 0);
    });
  };
  put(REG.BASE_HIGH_S, ...[at.s, at.l, at.o].map((address) => Math.floor(address / 2 ** 32)));
  put(REG.BASE_LOW_S, ...[at.s, at.l, at.o].map((address) => address % 2 ** 32));
  put(REG.HEADER_LOW, lowered ? 0x7f0b_07a9 : 0x7f0b_0729, engine === 'm0' ? 0xc000_0010 : 0xc020_0210);
  put(REG.KERNEL_SIZE_MINUS_1, ((kernelHeight - 1) << 8) | (kernelWidth - 1), 0x9a_0051, 0x5_00e3);
  put(REG.NUM_ITERATIONS_MINUS_1, Math.ceil(outputs / 32) - 1, 0x16d);
  const line = width * channels;
  const image = height * line;
  const dense = lowered ? kernelWidth * channels : channels;
  put(REG.TENSOR_S + MME_TENSOR.VALID_ELEMENTS, dense, line, image, image, image);
  put(REG.TENSOR_S + MME_TENSOR.LOOP_STRIDE, 0, channels, line, image, 0);
  const step = stride * channels;
  put(REG.TENSOR_S + MME_TENSOR.ROI_SIZE, dense, across * step, rows * stride * line, image);
  put(REG.TENSOR_S + MME_TENSOR.SPATIAL_STRIDES, step, stride * line, image, image);
  put(REG.TENSOR_S + MME_TENSOR.SPATIAL_SIZE_MINUS_1, (outputs - 1) % 32);
  put(REG.ORIGIN_S + MME_ORIGIN.ROI_BASE, 0, -padding * channels, -padding * line);
  const filterLine = channels * columns;
  const filter = kernelWidth * filterLine;
  put(
    REG.TENSOR_L + MME_TENSOR.VALID_ELEMENTS,
    columns,
    filterLine,
    filter,
    kernelHeight * filter,
    kernelHeight * filter,
  );
  put(REG.TENSOR_L + MME_TENSOR.LOOP_STRIDE, 0x80, 0, filterLine, filter, kernelHeight * filter);
  put(REG.TENSOR_L + MME_TENSOR.ROI_SIZE, columns, filterLine, filterLine, filter);
  put(REG.TENSOR_L + MME_TENSOR.SPATIAL_STRIDES, columns, filterLine, filter, kernelHeight * filter);
  put(REG.TENSOR_L + MME_TENSOR.SPATIAL_SIZE_MINUS_1, channels - 1);
  put(REG.ORIGIN_L_LOCAL, engine === 'm0' ? 0x40 : 0);
  put(REG.ORIGIN_L_REMOTE, engine === 'm0' ? 0x60 : 0x20);
  const outputLine = across * columns;
  const output = rows * outputLine;
  put(REG.TENSOR_O + MME_TENSOR.VALID_ELEMENTS, columns, outputLine, output, output, output);
  put(REG.TENSOR_O + MME_TENSOR.LOOP_STRIDE, 0x80, 0, 0, 0, 0);
  put(REG.TENSOR_O + MME_TENSOR.ROI_SIZE, columns, outputLine, output, output);
  put(REG.TENSOR_O + MME_TENSOR.SPATIAL_STRIDES, columns, outputLine, output, output);
  put(REG.TENSOR_O + MME_TENSOR.SPATIAL_SIZE_MINUS_1, (outputs - 1) % 32);
  put(REG.ORIGIN_O_LOCAL, engine === 'm0' ? 0x40 : 0);
  put(REG.ORIGIN_O_REMOTE, engine === 'm0' ? 0x60 : 0x20);
  put(REG.SB_REPEAT, lowered ? 0xc000_c100 : 0xc000_c000, 0x2_0404);
  const first = engine === 'm0' ? 42 : 40;
  put(REG.SYNC_OBJECT_ADDR_LOW_LOCAL, ...[first, first + 1].map((sob) => sobAddress(DCORE.E_N, sob) % 2 ** 32), 0x7f);
  put(REG.SYNC_OBJECT_DATA, 0x8000_0001);
  put(0x1f0, 0x3f3_0000, 0x3f3_0000, 0x3f3_0000, 0x3f3_0000, 0x3f3_0000);
  put(0x220, 0x1_0000);
  return words;
}

/** As the suite does: every register, the last of S's offsets twice, CMD. */
function configure(p: Packets, descriptor: Descriptor): Packets {
  for (const [register, value] of descriptor) p.wreg(register, value);
  return p.wreg(0xa8, 0).wreg(CMD, 1, { eb: 1, mb: 1 });
}

/** In the engine's order of summation. */
function convolve(shape: Shape, input: Float32Array, filter: Float32Array): Float32Array {
  const { height, width, channels, kernelHeight, kernelWidth, stride, padding, columns } = shape;
  const [rows, across] = outputSize(shape);
  const out = new Float32Array(rows * across * columns);
  for (let oy = 0; oy < rows; oy++)
    for (let ox = 0; ox < across; ox++)
      for (let k = 0; k < columns; k++) {
        let sum = 0;
        for (let ky = 0; ky < kernelHeight; ky++)
          for (let kx = 0; kx < kernelWidth; kx++)
            for (let c = 0; c < channels; c++) {
              const y = oy * stride + ky - padding;
              const x = ox * stride + kx - padding;
              const isIn = y >= 0 && y < height && x >= 0 && x < width;
              const value = isIn ? (input[(y * width + x) * channels + c] as number) : 0;
              const weight = filter[((ky * kernelWidth + kx) * channels + c) * columns + k] as number;
              sum = Math.fround(sum + Math.fround(value * weight));
            }
        out[(oy * across + ox) * columns + k] = sum;
      }
  return out;
}

function floats(bytes: Uint8Array, at: number, count: number): Float32Array {
  return new Float32Array(bytes.slice(at, at + 4 * count).buffer);
}

function putFloats(bytes: Uint8Array, at: number, values: Float32Array): void {
  bytes.set(new Uint8Array(values.buffer), at);
}

function small(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * 7 + seed) % 5) + 1);
}

const IN_HBM: Places = { s: HBM, l: HBM + 0x1_0000, o: HBM + 0x2_0000 };

/** Runs one descriptor on the engine with the first columns; operands lie in HBM. */
function runInHbm(machine: TestMachine, descriptor: Descriptor, after?: (p: Packets) => void): FaultRecord[] {
  const [src, size] = machine.lower((p) => {
    configure(p, descriptor);
    after?.(p);
  });
  machine.submitInternal(1, MME_1, (p) => p.cpDma(src, size));
  machine.device.runUntilIdle();
  return machine.faults;
}

function fillOperands(machine: TestMachine, shape: Shape): Float32Array {
  const input = small(shape.height * shape.width * shape.channels, 3);
  const filter = small(shape.kernelHeight * shape.kernelWidth * shape.channels * shape.columns, 1);
  putFloats(machine.bank(1), 0, input);
  putFloats(machine.bank(1), 0x1_0000, filter);
  return convolve(shape, input, filter);
}

function outputOf(machine: TestMachine, count: number): Float32Array {
  return floats(machine.bank(1), 0x2_0000, count);
}

describe('the suite’s convolution', () => {
  it('two-masters-and-their-slaves-from-host-to-host', () => {
    const machine = openMachine();
    const places: Places = { s: SRAM, l: SRAM + 0x200, o: SRAM + 0x1d70 };
    const m0 = describeConvolution(SUITE, places, 'm0');
    const m2 = describeConvolution(SUITE, places, 'm2');
    expect(m0.size).toBe(136);
    // What the suite writes, word for word (device.md 6.2).
    const table: [number, number[]][] = [
      [0x20, [0x7f0b_07a9, 0xc020_0210, 0x202, 0x9a_0051, 0x5_00e3, 0, 0x16d]],
      [0x3c, [9, 0x12, 0x6c, 0x6c, 0x6c, 0, 3, 0x12, 0x6c, 0, 9, 0xc, 0x48, 0x6c, 3, 0x12, 0x6c, 0x6c, 0xf]],
      [0xac, [1, 3, 9, 0x1b, 0x1b, 0x80, 0, 3, 9, 0x1b, 1, 3, 3, 9, 1, 3, 9, 0x1b, 2, 0]],
      [0x140, [1, 4, 0x10, 0x10, 0x10, 0x80, 0, 0, 0, 0, 1, 4, 0x10, 0x10, 1, 4, 0x10, 0x10, 0xf, 0]],
      [0x1d4, [0xc000_c100, 0x2_0404, 0xfc4f_20a0, 0xfc4f_20a4, 0x7f, 0x8000_0001, 0]],
    ];
    for (const [register, values] of table) expect(values.map((_, i) => m2.get(register + 4 * i))).toEqual(values);
    const input = small(108, 3);
    const filter = small(27, 1);
    putFloats(machine.hostBytes, 0, input);
    putFloats(machine.hostBytes, 0x200, filter);
    const load = (at: number, offset: number, size: number) =>
      machine.run(1, 0, (p) => p.dma({ size, src: HOST_VA + at, dst: SRAM + offset, eb: 1, mb: 1 }).sob(0, 'set', 0));
    expect([...load(0, 0, 432), ...load(0x200, 0x200, 108)]).toEqual([]);
    const place = (descriptor: Descriptor): [number, number] => {
      const [src, size] = machine.lower((p) => configure(p, descriptor).raw(0x8000_0001, ADD_TO_SOB_0_WITH_BARRIER));
      expect(size).toBe(138 * 8 + 8);
      return [src, size];
    };
    const config0 = place(m0);
    const config2 = place(m2);
    machine.submit(1, 0, (p) => {
      p.waitFor(0, 8, 0, 'eq', 2).nop(6, { eb: 1, mb: 1 });
      p.dma({ size: 64, src: places.o, dst: HOST_VA + 0x1000, eb: 1, mb: 1 });
    });
    machine.submitInternal(1, MME_0, (p) => p.cpDma(...config0));
    machine.submitInternal(1, MME_1, (p) => p.cpDma(...config2));
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(floats(machine.hostBytes, 0x1000, 16)).toEqual(convolve(SUITE, input, filter));
    expect([40, 41, 42, 43].map((sob) => machine.sobOf(1, sob))).toEqual([1, 1, 1, 1]);
    // Next to the output nothing was written.
    expect([...floats(machine.hostBytes, 0x1040, 4)]).toEqual([0, 0, 0, 0]);
  });
});

describe('convolutions of the same kind', () => {
  const shapes = fc
    .record({
      kernelHeight: fc.integer({ min: 1, max: 4 }),
      kernelWidth: fc.integer({ min: 1, max: 4 }),
      moreHeight: fc.integer({ min: 0, max: 6 }),
      moreWidth: fc.integer({ min: 0, max: 6 }),
      channels: fc.integer({ min: 1, max: 6 }),
      stride: fc.integer({ min: 1, max: 3 }),
      padding: fc.integer({ min: 0, max: 3 }),
      columns: fc.oneof(fc.integer({ min: 1, max: 32 }), fc.integer({ min: 33, max: 140 })),
      lowered: fc.boolean(),
    })
    .map(({ moreHeight, moreWidth, ...shape }) => ({
      ...shape,
      height: shape.kernelHeight + moreHeight,
      width: shape.kernelWidth + moreWidth,
      padding: Math.min(shape.padding, shape.kernelHeight - 1, shape.kernelWidth - 1),
    }));

  it('equal-a-naive-one', () => {
    const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 17 });
    fc.assert(
      fc.property(shapes, values, fc.boolean(), (shape, some, inSmallTurns) => {
        const machine = openMachine(inSmallTurns ? { turn: { packets: 64, bytes: 1 } } : {});
        const take = (_: unknown, i: number) => some[i % some.length] as number;
        const input = Float32Array.from({ length: shape.height * shape.width * shape.channels }, take);
        const weights = shape.kernelHeight * shape.kernelWidth * shape.channels * shape.columns;
        const filter = Float32Array.from({ length: weights }, (_, i) => take(_, i * 5 + 2));
        putFloats(machine.bank(1), 0, input);
        putFloats(machine.bank(1), 0x1_0000, filter);
        machine.bank(1).fill(0x7f, 0x2_0000, 0x4_0000);
        for (const [name, ring] of [
          ['m0', MME_0],
          ['m2', MME_1],
        ] as const) {
          const descriptor = describeConvolution(shape, IN_HBM, name);
          // With more than a core's columns, or more than a block's, the first core has no partial block.
          if (shape.columns > 32) descriptor.set(REG.HEADER_HIGH, 0xc000_0010);
          const blocks = Math.ceil(shape.columns / 128);
          const kernel = descriptor.get(REG.KERNEL_SIZE_MINUS_1) as number;
          descriptor.set(REG.KERNEL_SIZE_MINUS_1, ((blocks - 1) << 24) | kernel);
          const [src, size] = machine.lower((p) => configure(p, descriptor));
          machine.submitInternal(1, ring, (p) => p.cpDma(src, size));
        }
        machine.device.runUntilIdle();
        expect(machine.faults).toEqual([]);
        const expected = convolve(shape, input, filter);
        expect(outputOf(machine, expected.length)).toEqual(expected);
        expect(machine.bank(1)[0x2_0000 + 4 * expected.length]).toBe(0x7f);
      }),
      { numRuns: 60 },
    );
  });

  it('operands-in-memory-of-a-process', () => {
    const pid = 7;
    const bytes = new Uint8Array(0x3000);
    // Of which one page may be gone.
    let gone = -1;
    const there = (address: number, count: number) => {
      const end = gone < 0 || address >= gone + 0x1000 ? bytes.length : gone;
      return Math.max(0, Math.min(count, end - address));
    };
    const process: ProcessPort = {
      read: (address, into) => {
        const count = there(address, into.length);
        into.set(bytes.subarray(address, address + count));
        return count;
      },
      write: (address, from) => {
        const count = there(address, from.length);
        bytes.set(from.subarray(0, count), address);
        return count;
      },
      close: () => undefined,
    };
    const banks = new Map([[1, new Uint8Array(BANK_BYTES)]]);
    const machine = new TestMachine({
      memory: {
        hbmBank: (bank) => banks.get(bank) ?? new Uint8Array(BANK_BYTES),
        openProcess: (id) => (id === pid ? process : undefined),
      },
    });
    machine.hbm.set(1, banks.get(1) as Uint8Array);
    machine.device.createContext(1, OPEN_RIGHTS);
    machine.device.addBusRegion({ slot: 7, size: BUS_SLOT_SIZE, memory: { kind: 'process', pid, address: 0 } });
    const target = { space: 'bus', address: busAddress(7, 0) } as const;
    machine.device.map(1, { va: HOST_VA, size: bytes.length, target, writable: true });
    putFloats(bytes, 0x1000 - 0x80, small(108, 3));
    putFloats(bytes, 0x1800, small(27, 1));
    const places: Places = { s: HOST_VA + 0x1000 - 0x80, l: HOST_VA + 0x1800, o: HOST_VA + 0x2000 };
    expect(runInHbm(machine, describeConvolution(SUITE, places, 'm2'))).toEqual([]);
    expect(floats(bytes, 0x2000, 16)).toEqual(convolve(SUITE, small(108, 3), small(27, 1)));
    gone = 0x2000;
    expect(runInHbm(machine, describeConvolution(SUITE, places, 'm2'))).toMatchObject([
      { cause: 'page-fault', address: places.o },
    ]);
    gone = 0x1000;
    expect(runInHbm(machine, describeConvolution(SUITE, places, 'm2'))[1]).toMatchObject({ cause: 'page-fault' });
  });

  it('padding-values', () => {
    const machine = openMachine();
    const shape: Shape = { ...SUITE, height: 1, width: 1, channels: 1, padding: 1 };
    putFloats(machine.bank(1), 0, Float32Array.of(5));
    putFloats(machine.bank(1), 0x1_0000, new Float32Array(9).fill(1));
    const descriptor = describeConvolution(shape, IN_HBM, 'm2');
    descriptor.set(REG.PADDING_VALUE_S, 0x4000_0000);
    expect(runInHbm(machine, descriptor)).toEqual([]);
    expect([...outputOf(machine, 1)]).toEqual([5 + 8 * 2]);
  });

  it('operands-in-host-memory', () => {
    const machine = openMachine();
    const places: Places = { s: HOST_VA, l: HOST_VA + 0x1000, o: HOST_VA + 0x2000 };
    putFloats(machine.hostBytes, 0, small(108, 3));
    putFloats(machine.hostBytes, 0x1000, small(27, 1));
    expect(runInHbm(machine, describeConvolution(SUITE, places, 'm2'))).toEqual([]);
    expect(floats(machine.hostBytes, 0x2000, 16)).toEqual(convolve(SUITE, small(108, 3), small(27, 1)));
  });

  it('nothing-is-signalled-unless-asked', () => {
    const machine = openMachine();
    const expected = fillOperands(machine, SUITE);
    const descriptor = describeConvolution(SUITE, IN_HBM, 'm2');
    descriptor.set(REG.HEADER_LOW, 0x3f0b_07a9);
    expect(runInHbm(machine, descriptor)).toEqual([]);
    expect(outputOf(machine, 16)).toEqual(expected);
    expect(machine.sobOf(1, 40)).toBe(0);
  });
});

describe('what is not modelled', () => {
  const changes: [name: string, register: number, value: number][] = [
    ['bf16-in', REG.HEADER_LOW, 0x7f0a_07a9],
    ['bf16-out', REG.HEADER_LOW, 0x7f09_07a9],
    ['relu', REG.HEADER_LOW, 0xff0b_07a9],
    ['accumulating-into-what-is-there', REG.HEADER_LOW, 0x7f0f_07a9],
    ['transposed-weights', REG.HEADER_LOW, 0x7f0b_07ab],
    ['lowered-weights', REG.HEADER_LOW, 0x7f0b_07e9],
    ['another-rounding', REG.HEADER_LOW, 0x7f0b_27a9],
    ['no-header', REG.HEADER_LOW, 0],
    ['partial-output-of-whole-weights', REG.HEADER_HIGH, 0xc020_0010],
    ['other-loops', REG.ASSOCIATED_DIMS_LOW, 0x51_009a],
    ['an-outer-loop', REG.OUTER_LOOP, 0x1_016d],
    ['lowered-but-loaded-again', REG.SB_REPEAT, 0xc000_c000],
    ['reduction', REG.AXI_USER_DATA, 0xd],
    ['dense-dimension-that-is-not-the-kernel', REG.TENSOR_S + MME_TENSOR.ROI_SIZE, 10],
    ['rows-that-differ', REG.TENSOR_O + MME_TENSOR.SPATIAL_SIZE_MINUS_1, 14],
    ['a-walk-without-end', REG.TENSOR_O + MME_TENSOR.ROI_SIZE + 4, 0],
    ['a-step-beyond-the-roi', REG.TENSOR_S + MME_TENSOR.SPATIAL_STRIDES, 0x100],
    ['a-start-beyond-the-roi', REG.ORIGIN_S + MME_ORIGIN.START_OFFSET, 0x100],
    ['an-output-that-moves-with-the-kernel', REG.TENSOR_O + MME_TENSOR.LOOP_STRIDE + 4, 1],
    ['columns-left-of-the-first', REG.ORIGIN_O_LOCAL, 0xffff_ffff],
    ['sums-of-too-many-products', REG.KERNEL_SIZE_MINUS_1, 0xff_ff02],
    ['too-many-rows', REG.NUM_ITERATIONS_MINUS_1, 0xffff_ffff],
  ];
  it.each(changes)('%s', (_, register, value) => {
    const machine = openMachine();
    fillOperands(machine, SUITE);
    const descriptor = describeConvolution(SUITE, IN_HBM, 'm2');
    descriptor.set(register, value);
    expect(runInHbm(machine, descriptor, (p) => p.sob(0, 'set', 1))).toMatchObject([
      { cause: 'not-modelled', queue: MME_1, address: CFG_BASE + mmeCtrlBase(0) + CMD, lowerCp: true },
    ]);
    expect(outputOf(machine, 16)).toEqual(new Float32Array(16));
    expect([0, 40, 41].map((sob) => machine.sobOf(1, sob))).toEqual([1, 0, 0]);
    expect(machine.state(1, MME_1)).toBe('idle');
  });

  it('other-bits-of-cmd', () => {
    const machine = openMachine();
    const [src, size] = machine.lower((p) => {
      configure(p, describeConvolution(SUITE, IN_HBM, 'm2'))
        .wreg(CMD, 3)
        .wreg(CMD, 0);
    });
    machine.submitInternal(1, MME_1, (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect(machine.faults).toMatchObject([{ cause: 'not-modelled' }]);
    expect(machine.sobOf(1, 40)).toBe(1);
  });
});

describe('faults', () => {
  const lost = HOST_VA + 0x1000_0000;
  it.each([
    ['activations', { ...IN_HBM, s: lost }, 'page-fault', lost],
    ['weights', { ...IN_HBM, l: lost }, 'page-fault', lost],
    ['output', { ...IN_HBM, o: lost }, 'page-fault', lost],
    ['protected-memory', { ...IN_HBM, s: 0x1000 }, 'razwi', 0x1000],
    ['registers', { ...IN_HBM, o: CFG_BASE }, 'razwi', CFG_BASE],
    ['misaligned', { ...IN_HBM, l: HBM + 2 }, 'misaligned', HBM + 2],
  ] as const)('%s', (_, places, cause, address) => {
    const machine = openMachine();
    fillOperands(machine, SUITE);
    expect(FAULT_CAUSES).toContain(cause);
    // As after a DMA that failed, the machine goes on, and those who wait are told.
    const faults = runInHbm(machine, describeConvolution(SUITE, places, 'm2'), (p) => p.sob(0, 'set', 1));
    expect(faults).toMatchObject([{ cause, address, queue: MME_1, lowerCp: true }]);
    expect([0, 40, 41].map((sob) => machine.sobOf(1, sob))).toEqual([1, 1, 1]);
    expect(outputOf(machine, 16)).toEqual(new Float32Array(16));
  });

  it('output-in-memory-that-is-read-only', () => {
    const machine = new TestMachine();
    machine.device.createContext(1, { ...rights({ physicalHbm: true }), sync: [] });
    machine.mapHost(1, false);
    fillOperands(machine, SUITE);
    const faults = runInHbm(machine, describeConvolution(SUITE, { ...IN_HBM, o: HOST_VA }, 'm2'));
    // Its sync objects are not the context's either.
    expect(faults.map(({ cause }) => cause)).toEqual(['write-protect', 'razwi']);
  });

  it('end-of-a-mapping-in-the-middle-of-the-input', () => {
    const machine = openMachine();
    fillOperands(machine, SUITE);
    const s = HOST_VA + machine.host.byteLength - 0x80;
    const faults = runInHbm(machine, describeConvolution(SUITE, { ...IN_HBM, s }, 'm2'));
    // The first two lines of the first output's window are there, the third begins at 0x90.
    expect(faults).toMatchObject([{ cause: 'page-fault', address: s + 0x90 }]);
  });
});

describe('as part of the machine', () => {
  const LARGE: Shape = { ...SUITE, height: 16, width: 16, channels: 4, columns: 8 };

  it('barrier-and-status', async () => {
    const machine = openMachine({ turn: { packets: 512, bytes: 1 } });
    const expected = fillOperands(machine, LARGE);
    const [src, size] = machine.lower((p) =>
      configure(p, describeConvolution(LARGE, IN_HBM, 'm2')).sobLong(DCORE.E_N, 0, 'add', 1),
    );
    machine.submitInternal(1, MME_1, (p) => p.cpDma(src, size));
    for (let i = 0; i < 20; i++) machine.device.step();
    const [mme0, mme1, mme2] = (await machine.device.engineStatus()).slice(8);
    expect([mme0, mme1, mme2]).toMatchObject([
      { name: 'MME0', idle: false, status: 0 },
      { name: 'MME1', idle: false, status: 0 },
      { name: 'MME2', idle: true, status: MME_STATUS_IDLE },
    ]);
    expect(await machine.device.readRegister(mmeCtrlBase(0))).toBe(0);
    expect(await machine.device.readRegister(mmeCtrlBase(1))).toBe(0);
    const streams = machine.device.machine.snapshot().streams;
    expect(streams.find(({ lower }) => lower)?.state).toBe('running');
    machine.device.runUntilIdle();
    expect(outputOf(machine, expected.length)).toEqual(expected);
    expect((await machine.device.engineStatus()).slice(8, 10)).toMatchObject([{ idle: true }, { idle: true }]);
    expect(machine.sobOf(1, 0)).toBe(1);
  });

  it('others-have-their-turns-meanwhile', () => {
    const machine = openMachine({ turn: { packets: 512, bytes: 1 } });
    fillOperands(machine, LARGE);
    const [src, size] = machine.lower((p) => configure(p, describeConvolution(LARGE, IN_HBM, 'm2')));
    machine.submitInternal(1, MME_1, (p) => p.cpDma(src, size));
    for (let i = 0; i < 20; i++) machine.device.step();
    machine.submit(1, 0, (p) => p.long(HBM + BANK_BYTES - 8, 77));
    for (let i = 0; i < 4; i++) machine.device.step();
    expect(new Uint32Array(machine.bank(1).buffer)[BANK_BYTES / 4 - 2]).toBe(77);
    expect(machine.device.machine.snapshot().engines[8]).toMatchObject({ busy: true });
  });

  it.each(['MME0', 'MME1'] as const)('hang-of-%s', async (engine) => {
    const machine = openMachine();
    fillOperands(machine, SUITE);
    machine.device.hangEngine(engine);
    const [src, size] = machine.lower((p) => configure(p, describeConvolution(SUITE, IN_HBM, 'm2')).sob(0, 'set', 1));
    machine.submitInternal(1, MME_1, (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect([0, 40].map((sob) => machine.sobOf(1, sob))).toEqual([0, 0]);
    expect(outputOf(machine, 16)).toEqual(new Float32Array(16));
    expect(machine.device.machine.snapshot().streams.some(({ state }) => state === 'hung')).toBe(true);
    await machine.device.reset();
    expect(machine.device.machine.snapshot().engines.every(({ busy, hung }) => !busy && !hung)).toBe(true);
  });

  it('end-of-its-context-while-it-works', async () => {
    const machine = openMachine({ turn: { packets: 512, bytes: 1 } });
    fillOperands(machine, LARGE);
    const [src, size] = machine.lower((p) => configure(p, describeConvolution(LARGE, IN_HBM, 'm2')));
    machine.submitInternal(1, MME_1, (p) => p.cpDma(src, size));
    for (let i = 0; i < 20; i++) machine.device.step();
    await machine.device.destroyContext(1);
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(machine.device.machine.snapshot().engines[8]).toMatchObject({ busy: false });
  });

  it('a-bulk-write-that-ends-in-cmd', () => {
    const machine = openMachine();
    const expected = fillOperands(machine, SUITE);
    const descriptor = describeConvolution(SUITE, IN_HBM, 'm2');
    expect((descriptor.get(REG.HEADER_LOW) as number) & MME_HEADER_LOWER_S).toBe(MME_HEADER_LOWER_S);
    const values = [...descriptor.values(), ...new Array<number>((CMD - 0x228) / 4).fill(0), 1, 0];
    const [src, size] = machine.lower((p) => p.bulk(0x08, values));
    machine.submitInternal(1, MME_1, (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    expect(machine.faults).toEqual([]);
    expect(outputOf(machine, 16)).toEqual(expected);
  });
});
