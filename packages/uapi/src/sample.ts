/**
 * Values made up from the table: valid ones for any kind, and spoiled ones for any wire message. What fuzz tests feed on.
 *
 * Must not know: any particular call, or a test library; a seed in, a value out.
 */
import type { Prng } from '@pedrera/base';
import type { Shape } from './composite-kinds.js';
import { ALL_ONES_U64, type Kind } from './kinds.js';

/** Longest array or text that is made up, whatever the kind allows. */
const LONG = 6;
const LONG_BYTES = 1024;
const LETTERS = 'abc-. xyzéß0189';

/** A valid value of the kind; edges of its range come up often. Documents are minimal. */
export function sampleValue(kind: Kind<unknown>, prng: Prng): unknown {
  const { shape } = kind;
  switch (shape.type) {
    case 'integer':
      return shape.big ? sampleU64(prng) : sampleInteger(shape.bits, shape.signed, prng);
    case 'flags':
      return prng.below(4) === 0 ? prng.nextU32() : someOf(Object.values(shape.bits), prng);
    case 'choice':
      return prng.below(8) === 0 ? prng.nextU32() : prng.pick([...Object.values(shape.values), 0]);
    case 'boolean':
      return prng.below(2) === 1;
    case 'string':
      return sampleText(shape.max, prng);
    case 'bytes':
      return prng.bytes(prng.below(Math.min(shape.max, LONG_BYTES) + 1));
    case 'word':
      return prng.pick(shape.values);
    case 'array':
      return Array.from({ length: prng.below(Math.min(shape.max, LONG) + 1) }, () => sampleValue(shape.element, prng));
    case 'struct':
      return sampleFields(shape.fields, prng);
    case 'optional':
      return prng.below(2) === 0 ? undefined : sampleValue(shape.inner, prng);
    case 'document':
      return { schema: shape.schema, rows: [{ n: prng.below(100), text: sampleText(LONG, prng), none: null }] };
  }
}

/** A valid request or result object. Absent optional fields are left out. */
export function sampleFields(shape: Shape, prng: Prng): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(shape)) {
    const value = sampleValue(kind, prng);
    if (value !== undefined) fields[name] = value;
  }
  return fields;
}

function sampleInteger(bits: number, signed: boolean, prng: Prng): number {
  if (bits === 64) {
    const edges = [0, 1, 4096, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, ALL_ONES_U64];
    return prng.below(2) === 0 ? prng.pick(edges) : prng.below(2 ** 21) * 2 ** 32 + prng.nextU32();
  }
  const span = 2 ** bits;
  const value = prng.below(2) === 0 ? prng.pick([0, 1, span / 2 - 1, span / 2, span - 1]) : prng.below(span);
  return signed && value >= span / 2 ? value - span : value;
}

function sampleU64(prng: Prng): bigint {
  const edges = [0n, 1n, 0x1000_0000_0000_1000n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
  return prng.below(2) === 0 ? prng.pick(edges) : (BigInt(prng.nextU32()) << 32n) | BigInt(prng.nextU32());
}

function someOf(bits: readonly number[], prng: Prng): number {
  return bits.reduce((sum, bit) => (prng.below(3) === 0 ? (sum | bit) >>> 0 : sum), 0);
}

function sampleText(max: number, prng: Prng): string {
  const length = prng.below(Math.min(Math.floor(max / 2), LONG) + 1);
  return Array.from({ length }, () => LETTERS[prng.below(LETTERS.length)]).join('');
}

const HOSTILE: readonly unknown[] = [
  null,
  undefined,
  true,
  -1,
  -0,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 32,
  2 ** 53,
  2 ** 64,
  2 ** 70,
  -1n,
  2n ** 64n,
  '',
  '__proto__',
  'x'.repeat(5000),
  '\u001b[2J\u0000',
  new Uint8Array(0),
  new Uint8Array(5000),
  {},
  [],
  [[[[[[[[]]]]]]]],
  new Array(5000).fill(0),
];

/** A wire message with one value, at any depth, replaced, added or taken away. May by chance still be valid. */
export function spoil(message: unknown, prng: Prng): unknown {
  if (!Array.isArray(message) || message.length === 0 || prng.below(4) === 0) return prng.pick(HOSTILE);
  const copy: unknown[] = [...message];
  const at = prng.below(copy.length);
  const way = prng.below(6);
  if (way === 0) copy.splice(at, 1);
  else if (way === 1) copy.splice(at, 0, prng.pick(HOSTILE));
  else copy[at] = spoil(copy[at], prng);
  return copy;
}
