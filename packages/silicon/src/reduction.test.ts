/** A DMA core that combines what it writes with what SRAM holds: the register's layout, the arithmetic, what is refused. */
import {
  DMA_CORE_REGISTERS,
  dmaCoreBase,
  queueByName,
  type ReductionCommand,
  reductionAwuser,
  SRAM_BASE,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { Reducer } from './reduction.js';
import { HBM, openMachine, Packets, type TestMachine } from './test-harness.js';

const DMA2 = queueByName('DMA_2_0')?.id as number;
const SRAM = SRAM_BASE + 0x2000;
const AT = SRAM - SRAM_BASE;

/** Moves `size` bytes from HBM to `dst` on DMA2, by its lower processor, with the command set before. */
function reduce(
  machine: TestMachine,
  command: number | ReductionCommand,
  { size, dst = SRAM, times = 1, src = HBM }: { size: number; dst?: number; times?: number; src?: number },
) {
  const awuser = typeof command === 'number' ? command : reductionAwuser(command);
  const lower = new Packets().wreg(DMA_CORE_REGISTERS.WR_AWUSER_31_11, awuser);
  for (let i = 0; i < times; i++) lower.dma({ size, src, dst });
  lower.wreg(DMA_CORE_REGISTERS.WR_AWUSER_31_11, reductionAwuser());
  const address = machine.placeInHbm(lower);
  machine.submitInternal(1, DMA2, (p) => p.cpDma(address, lower.bytes));
  machine.device.runUntilIdle();
}

function bytesOf(values: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function put(into: Uint8Array, at: number, values: Float32Array | Int32Array): void {
  into.set(bytesOf(values), at);
}

function putSram(machine: TestMachine, values: Float32Array): void {
  machine.device.machine.writeSram(AT, bytesOf(values));
}

function sramBytes(machine: TestMachine, size: number): ArrayBuffer {
  return machine.device.machine.readSram(AT, size).buffer as ArrayBuffer;
}

function floats(machine: TestMachine, count: number): number[] {
  return [...new Float32Array(sramBytes(machine, 4 * count))];
}

describe('the register', () => {
  it('has-the-published-commands', () => {
    // The write commands of the matrix engine, by rounding and type: 0x0d bf16, 0x0f f32, 0x80 a rounding step, 0x20 a subtraction.
    const command = (value: number) => (value << 2) | 1;
    expect(reductionAwuser({ op: 'add', type: 'bf16' })).toBe(command(0x00d));
    expect(reductionAwuser({ op: 'add', type: 'f32' })).toBe(command(0x00f));
    expect(reductionAwuser({ op: 'add', type: 'bf16', rounding: 'zero' })).toBe(command(0x08d));
    expect(reductionAwuser({ op: 'add', type: 'f32', rounding: 'up' })).toBe(command(0x10f));
    expect(reductionAwuser({ op: 'add', type: 'f32', rounding: 'down' })).toBe(command(0x18f));
    expect(reductionAwuser({ op: 'sub', type: 'f32' })).toBe(command(0x02f));
    expect(reductionAwuser({ op: 'sub', type: 'bf16' })).toBe(command(0x02d));
    expect(reductionAwuser()).toBe(1);
  });

  it('of-a-core-that-serves-the-host-is-not-modelled', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.wreg(DMA_CORE_REGISTERS.WR_AWUSER_31_11, 1));
    expect(machine.faults).toEqual([]);
    machine.run(1, 0, (p) => p.wreg(DMA_CORE_REGISTERS.WR_AWUSER_31_11, reductionAwuser({ op: 'add', type: 'f32' })));
    expect(machine.faults).toMatchObject([
      { cause: 'not-modelled', address: 0x7f_fc00_0000 + dmaCoreBase(0) + DMA_CORE_REGISTERS.WR_AWUSER_31_11 },
    ]);
  });

  it.each([
    ['an-element-type-of-later-devices', 1 | (0x011 << 2)],
    ['bits-nobody-documented', reductionAwuser({ op: 'add', type: 'f32' }) | (1 << 11)],
  ])('%s', (_, value) => {
    const machine = openMachine();
    put(machine.bank(1), 0, Float32Array.of(1));
    reduce(machine, value, { size: 4 });
    expect(machine.faults[0]).toMatchObject({ cause: 'not-modelled' });
  });
});

describe('sums in SRAM', () => {
  it('f32', () => {
    const machine = openMachine();
    put(machine.bank(1), 0, Float32Array.of(1, 0.1, -3, 1e30));
    putSram(machine, Float32Array.of(2, 0.2, 3, 1));
    reduce(machine, { op: 'add', type: 'f32' }, { size: 16 });
    expect(machine.faults).toEqual([]);
    const f = Math.fround;
    expect(floats(machine, 4)).toEqual([3, f(f(0.1) + f(0.2)), 0, f(1e30)]);
    // The command was taken back: a plain write again.
    const plain = new Packets().dma({ size: 16, src: HBM, dst: SRAM });
    const address = machine.placeInHbm(plain);
    machine.submitInternal(1, DMA2, (p) => p.cpDma(address, plain.bytes));
    machine.device.runUntilIdle();
    expect(floats(machine, 4)).toEqual([1, f(0.1), -3, f(1e30)]);
  });

  it('of-a-length-beyond-one-turn-from-an-odd-address', () => {
    const machine = openMachine();
    const count = 50_000;
    put(
      machine.bank(1),
      1,
      Float32Array.from({ length: count }, (_, i) => i),
    );
    putSram(
      machine,
      Float32Array.from({ length: count }, () => 0.5),
    );
    reduce(machine, { op: 'add', type: 'f32' }, { size: 4 * count, src: HBM + 1 });
    expect(machine.faults).toEqual([]);
    expect(floats(machine, count).every((value, i) => value === i + 0.5)).toBe(true);
  });

  it('made-as-often-as-asked-for', () => {
    const machine = openMachine({ collapseRepeatedDma: true });
    put(machine.bank(1), 0, Int32Array.of(5));
    reduce(machine, { op: 'add', type: 'int32' }, { size: 4, times: 10 });
    expect(new Int32Array(sramBytes(machine, 4))[0]).toBe(50);
  });

  it.each([
    ['HBM', HBM + 4096, 'not-modelled'],
    ['an-address-between-elements', SRAM + 2, 'misaligned'],
  ])('not-in-%s', (_, dst, cause) => {
    const machine = openMachine();
    reduce(machine, { op: 'add', type: 'f32' }, { size: 4, dst });
    expect(machine.faults).toMatchObject([{ cause, address: dst }]);
  });

  it('not-of-half-an-element-and-not-of-a-pattern', () => {
    const machine = openMachine();
    reduce(machine, { op: 'add', type: 'f32' }, { size: 6 });
    expect(machine.faults[0]).toMatchObject({ cause: 'misaligned' });
    const lower = new Packets()
      .wreg(DMA_CORE_REGISTERS.WR_AWUSER_31_11, reductionAwuser({ op: 'add', type: 'f32' }))
      .dma({ size: 4, src: 0, dst: SRAM, memSet: 1 });
    const address = machine.placeInHbm(lower);
    machine.submitInternal(1, DMA2, (p) => p.cpDma(address, lower.bytes));
    machine.device.runUntilIdle();
    expect(machine.faults[1]).toMatchObject({ cause: 'not-modelled' });
  });
});

describe('arithmetic', () => {
  const reducer = new Reducer(64);
  const codes = { add: 0, sub: 1, min: 2, max: 3 };
  const f32 = (op: keyof typeof codes, a: number, b: number, rounding = 0): number => {
    new Float32Array(reducer.into.buffer)[0] = a;
    new Float32Array(reducer.from.buffer)[0] = b;
    reducer.combine(4, 7, codes[op], rounding);
    return new Float32Array(reducer.into.buffer)[0] as number;
  };
  const bf16 = (op: keyof typeof codes, a: number, b: number, rounding = 0): number => {
    new Uint16Array(reducer.into.buffer)[0] = a;
    new Uint16Array(reducer.from.buffer)[0] = b;
    reducer.combine(2, 6, codes[op], rounding);
    return new Uint16Array(reducer.into.buffer)[0] as number;
  };

  it('integers-saturate', () => {
    new Int8Array(reducer.into.buffer).set([100, -100, 5, 7]);
    new Int8Array(reducer.from.buffer).set([100, 100, 9, -9]);
    reducer.combine(4, 0, codes.add, 0);
    expect([...new Int8Array(reducer.into.buffer, 0, 4)]).toEqual([127, 0, 14, -2]);
    reducer.combine(4, 3, codes.sub, 0);
    expect([...reducer.into.subarray(0, 4)]).toEqual([27, 0, 5, 254 - 247]);
    new Uint32Array(reducer.into.buffer)[0] = 0xffff_fff0;
    new Uint32Array(reducer.from.buffer)[0] = 0x20;
    reducer.combine(4, 5, codes.add, 0);
    expect(new Uint32Array(reducer.into.buffer)[0]).toBe(0xffff_ffff);
  });

  it('min-max', () => {
    expect(f32('min', 2, -3)).toBe(-3);
    expect(f32('max', 2, -3)).toBe(2);
    expect(f32('max', Number.NEGATIVE_INFINITY, 1)).toBe(1);
    expect(bf16('max', 0x3f80, 0xc000)).toBe(0x3f80);
    expect(bf16('min', 0x3f80, 0xc000)).toBe(0xc000);
  });

  it('f32-rounds-once-as-told', () => {
    const tiny = 2 ** -60;
    const up = 1 + 2 ** -23;
    const below = 1 - 2 ** -24;
    expect([0, 1, 2, 3].map((rounding) => f32('add', 1, tiny, rounding))).toEqual([1, 1, up, 1]);
    expect([0, 1, 2, 3].map((rounding) => f32('sub', 1, tiny, rounding))).toEqual([1, below, 1, below]);
    expect([0, 1, 2, 3].map((rounding) => f32('sub', -1, tiny, rounding))).toEqual([-1, -1, -1, -up]);
    // Far below what a double holds beside 1.
    expect([0, 1, 2, 3].map((rounding) => f32('add', 1, 2 ** -140, rounding))).toEqual([1, 1, up, 1]);
    const most = (2 - 2 ** -23) * 2 ** 127;
    expect([0, 1, 2, 3].map((rounding) => f32('add', most, most, rounding))).toEqual([Infinity, most, Infinity, most]);
    expect(f32('add', Infinity, -Infinity, 1)).toBeNaN();
    expect(f32('add', 2 ** -149, 2 ** -149, 2)).toBe(2 ** -148);
  });

  it('bf16-rounds-once-as-told', () => {
    // 1 + 2^-8 lies between 1 and 1 + 2^-7: to even.
    expect([0, 1, 2, 3].map((rounding) => bf16('add', 0x3f80, 0x3b80, rounding))).toEqual([
      0x3f80, 0x3f80, 0x3f81, 0x3f80,
    ]);
    expect(bf16('add', 0x3f81, 0x3b80)).toBe(0x3f82);
    expect([0, 1, 2, 3].map((rounding) => bf16('sub', 0xbf80, 0x3b80, rounding))).toEqual([
      0xbf80, 0xbf80, 0xbf80, 0xbf81,
    ]);
    expect([0, 1, 2, 3].map((rounding) => bf16('add', 0x7f7f, 0x7f7f, rounding))).toEqual([
      0x7f80, 0x7f7f, 0x7f80, 0x7f7f,
    ]);
    expect(bf16('add', 0x3f80, 0x4000)).toBe(0x4040);
  });
});
