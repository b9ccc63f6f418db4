/**
 * Combines what a DMA core writes with what SRAM holds, element by element (docs/decisions/0006).
 *
 * Owns: the arithmetic: integers saturate, floating point is rounded once, as the command says. Must not know addresses.
 */

import { REDUCTION_OP, REDUCTION_ROUNDING, REDUCTION_TYPE } from '@pedrera/hw';

const { add: ADD, sub: SUB, min: MIN } = REDUCTION_OP;
const { nearest: NEAREST, zero: TO_ZERO, up: UP } = REDUCTION_ROUNDING;

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** The next f32 away from zero, or towards it. Precondition: finite and not 0, or infinite and towards zero. */
function neighbour(value: number, away: boolean): number {
  FLOAT[0] = value;
  BITS[0] = (BITS[0] as number) + (away ? 1 : -1);
  return FLOAT[0] as number;
}

/**
 * a + b as f32, rounded once. In doubles the sum of two f32 is exact but for `error`, and rounding it again to nearest is
 * innocuous (53 >= 2 * 24 + 2).
 */
function addFloats(a: number, b: number, rounding: number): number {
  const sum = a + b;
  const nearest = Math.fround(sum);
  if (rounding === NEAREST || !Number.isFinite(sum)) return nearest;
  const difference = above(sum, a, b, nearest);
  if (difference === 0) return nearest;
  // The exact sum lies between `nearest` and its neighbour on the side of `difference`.
  const wantsAbove = rounding === UP || (rounding === TO_ZERO && sum < 0);
  if (difference > 0 === wantsAbove) {
    if (nearest === 0) return wantsAbove ? 2 ** -149 : -(2 ** -149);
    return neighbour(nearest, wantsAbove === nearest > 0);
  }
  return nearest;
}

/** Sign of (exact a + b) - rounded. */
function above(sum: number, a: number, b: number, rounded: number): number {
  if (sum !== rounded) return sum > rounded ? 1 : -1;
  const part = sum - a;
  const error = a - (sum - part) + (b - part);
  return Math.sign(error);
}

const BF16_LOW = 0xffff;

/** An f32 sum as bf16. Rounding twice to nearest is innocuous too (24 >= 2 * 8 + 2); the others cut or step. */
function addBrain(a: number, b: number, rounding: number): number {
  const sum = a + b;
  if (Number.isNaN(sum)) return Number.NaN;
  if (rounding === NEAREST) {
    FLOAT[0] = sum;
    const bits = BITS[0] as number;
    BITS[0] = (bits & 0x7f80_0000) === 0x7f80_0000 ? bits : (bits + 0x7fff + ((bits >>> 16) & 1)) & ~BF16_LOW;
    return FLOAT[0] as number;
  }
  // Towards zero first, in f32; whatever is left then decides.
  const cut = addFloats(a, b, TO_ZERO);
  FLOAT[0] = cut;
  const low = (BITS[0] as number) & BF16_LOW;
  BITS[0] = (BITS[0] as number) & ~BF16_LOW;
  const inexact = Number.isFinite(sum) && (low !== 0 || above(sum, a, b, cut) !== 0);
  const away = inexact && rounding !== TO_ZERO && (rounding === UP ? sum > 0 : sum < 0);
  if (away) BITS[0] = (BITS[0] as number) + 0x1_0000;
  return FLOAT[0] as number;
}

function combineFloats(into: Float32Array, from: Float32Array, op: number, rounding: number): void {
  for (let i = 0; i < into.length; i++) {
    const a = into[i] as number;
    const b = from[i] as number;
    if (op === ADD) into[i] = addFloats(a, b, rounding);
    else if (op === SUB) into[i] = addFloats(a, -b, rounding);
    else if (op === MIN) into[i] = a <= b ? a : b;
    else into[i] = a >= b ? a : b;
  }
}

function brain(bits: number): number {
  BITS[0] = bits << 16;
  return FLOAT[0] as number;
}

function brainBits(value: number): number {
  FLOAT[0] = value;
  return (BITS[0] as number) >>> 16;
}

function combineBrain(into: Uint16Array, from: Uint16Array, op: number, rounding: number): void {
  for (let i = 0; i < into.length; i++) {
    const a = brain(into[i] as number);
    const b = brain(from[i] as number);
    if (op === ADD) into[i] = brainBits(addBrain(a, b, rounding));
    else if (op === SUB) into[i] = brainBits(addBrain(a, -b, rounding));
    else if (op === MIN) into[i] = (a <= b ? into[i] : from[i]) as number;
    else into[i] = (a >= b ? into[i] : from[i]) as number;
  }
}

type Integers = Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;

function combineIntegers(into: Integers, from: Integers, op: number, least: number, most: number): void {
  for (let i = 0; i < into.length; i++) {
    const a = into[i] as number;
    const b = from[i] as number;
    let value: number;
    if (op === ADD) value = a + b;
    else if (op === SUB) value = a - b;
    else if (op === MIN) value = a < b ? a : b;
    else value = a > b ? a : b;
    into[i] = value < least ? least : value > most ? most : value;
  }
}

/** Both sides of a piece, aligned for every element type. */
export class Reducer {
  readonly #into: ArrayBuffer;
  readonly #from: ArrayBuffer;
  readonly capacity: number;
  /** The first `count` bytes of each side are what combine() works on. */
  readonly into: Uint8Array;
  readonly from: Uint8Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#into = new ArrayBuffer(capacity);
    this.#from = new ArrayBuffer(capacity);
    this.into = new Uint8Array(this.#into);
    this.from = new Uint8Array(this.#from);
  }

  /** into = into op from. Precondition: `count` is whole elements, `type` a code of REDUCTION_TYPE. */
  combine(count: number, type: number, op: number, rounding: number): void {
    const into = this.#into;
    const from = this.#from;
    switch (type) {
      case REDUCTION_TYPE.int8:
        combineIntegers(new Int8Array(into, 0, count), new Int8Array(from, 0, count), op, -128, 127);
        break;
      case REDUCTION_TYPE.int16:
        combineIntegers(new Int16Array(into, 0, count >> 1), new Int16Array(from, 0, count >> 1), op, -32768, 32767);
        break;
      case REDUCTION_TYPE.int32:
        combineIntegers(
          new Int32Array(into, 0, count >> 2),
          new Int32Array(from, 0, count >> 2),
          op,
          -(2 ** 31),
          2 ** 31 - 1,
        );
        break;
      case REDUCTION_TYPE.uint8:
        combineIntegers(new Uint8Array(into, 0, count), new Uint8Array(from, 0, count), op, 0, 255);
        break;
      case REDUCTION_TYPE.uint16:
        combineIntegers(new Uint16Array(into, 0, count >> 1), new Uint16Array(from, 0, count >> 1), op, 0, 65535);
        break;
      case REDUCTION_TYPE.uint32:
        combineIntegers(new Uint32Array(into, 0, count >> 2), new Uint32Array(from, 0, count >> 2), op, 0, 2 ** 32 - 1);
        break;
      case REDUCTION_TYPE.bf16:
        combineBrain(new Uint16Array(into, 0, count >> 1), new Uint16Array(from, 0, count >> 1), op, rounding);
        break;
      default:
        combineFloats(new Float32Array(into, 0, count >> 2), new Float32Array(from, 0, count >> 2), op, rounding);
    }
  }
}
