/**
 * Seeded randomness (xoshiro128**), the same sequence on every machine: a failing random test is its seed.
 *
 * Must not be used for tokens or anything else that has to be unguessable.
 */

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    // splitmix32 spreads neighbouring seeds over the whole state, which must not be all zero.
    let state = seed | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  nextU32(): number {
    const x = Math.imul(this.#b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** An integer in [0, n), unbiased; n from 1 to 2^32. */
  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) throw new RangeError(`below(${n}): 1..2^32 expected`);
    const fair = 2 ** 32 - (2 ** 32 % n);
    let value = this.nextU32();
    while (value >= fair) value = this.nextU32();
    return value % n;
  }

  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new RangeError('pick() from an empty array');
    return from[this.below(from.length)] as T;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let word = 0;
    for (let i = 0; i < length; i += 1) {
      if ((i & 3) === 0) word = this.nextU32();
      bytes[i] = word & 0xff;
      word >>>= 8;
    }
    return bytes;
  }
}
