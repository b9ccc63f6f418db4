/**
 * Field kinds: what one field of a request or result may hold.
 *
 * Owns: the legal values of a field, its text in a trace, and its spelling on the wire, together, so that the validator, strace,
 * the documentation and the fuzz generators cannot drift apart.
 * Must not know: any ioctl. Byte offsets are layout.ts's business; composed kinds are in composite-kinds.ts.
 *
 * A kind has two doors. `check` is the strict one, for values that TypeScript code hands over. `fromWire` is for values that came
 * out of msgpack, where one integer type stands for what JavaScript splits into number and bigint, so it accepts both.
 */
import { type Brand, HlError } from '@pedrera/base';
import * as scalar from './scalars.js';

/** How generators and documentation see a kind. */
export type KindShape =
  | { readonly type: 'integer'; readonly bits: 8 | 16 | 32 | 64; readonly signed: boolean; readonly big: boolean }
  | { readonly type: 'flags'; readonly bits: Readonly<Record<string, number>> }
  | { readonly type: 'choice'; readonly values: Readonly<Record<string, number>> }
  | { readonly type: 'boolean' }
  | { readonly type: 'string' | 'bytes'; readonly max: number }
  | { readonly type: 'word'; readonly values: readonly string[] }
  | { readonly type: 'array'; readonly max: number; readonly element: Kind<unknown> }
  | { readonly type: 'struct'; readonly fields: Readonly<Record<string, Kind<unknown>>> }
  | { readonly type: 'optional'; readonly inner: Kind<unknown> }
  | { readonly type: 'document'; readonly schema: string };

export interface Kind<T> {
  /** As shown in the documentation: `u32`, `flags`, `handle<cb>`. */
  readonly label: string;
  readonly shape: KindShape;
  /** How the field lies in memory; absent for kinds that never appear in a C struct. */
  readonly bytes?: scalar.Scalar<T>;
  /** May the field be left out? Only trailing fields of a shape may. */
  readonly optional?: boolean;
  /** Returns the value, or throws EINVAL naming `path` and the value. */
  check(value: unknown, path: string): T;
  /** Text for one trace line. */
  format(value: T): string;
  /** The msgpack value of a valid field value. */
  toWire(value: T): unknown;
  /** Validates a msgpack value and returns the field value. */
  fromWire(value: unknown, path: string): T;
}

/** The value type of a kind. */
export type ValueOf<K> = K extends Kind<infer T> ? T : never;

/** Largest u64; also how drivers spell "no sequence number". As a double it is 2^64. */
export const ALL_ONES_U64 = 2 ** 64;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;
const same = (value: unknown): unknown => value;

/** A value in an error message: short, and never able to disturb a terminal. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (typeof value === 'bigint') return value > 0xffffn ? `0x${value.toString(16)}` : `${value}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}

export function refuse(path: string, value: unknown, expected: string): HlError {
  return new HlError('EINVAL', `${path}: expected ${expected}, got ${describeValue(value)}`);
}

function unsigned(label: string, bits: 8 | 16 | 32, max: number, bytes: scalar.Scalar<number>): Kind<number> {
  const check = (value: unknown, path: string): number => {
    // `>>> 0` is the quickest test for "an integer from 0 to 2^32-1".
    if (typeof value === 'number' && value >>> 0 === value && value <= max) return value;
    throw refuse(path, value, `an integer from 0 to ${max}`);
  };
  const fromWire = (value: unknown, path: string): number =>
    check(typeof value === 'bigint' && value >= 0n && value <= BigInt(max) ? Number(value) : value, path);
  const shape = { type: 'integer', bits, signed: false, big: false } as const;
  return { label, shape, bytes, check, format: String, toWire: same, fromWire };
}

export const u8: Kind<number> = unsigned('u8', 8, 0xff, scalar.u8);
export const u16: Kind<number> = unsigned('u16', 16, 0xffff, scalar.u16);
export const u32: Kind<number> = unsigned('u32', 32, 0xffff_ffff, scalar.u32);

export const s32: Kind<number> = {
  label: 's32',
  shape: { type: 'integer', bits: 32, signed: true, big: false },
  bytes: scalar.s32,
  check(value, path) {
    if (typeof value === 'number' && (value | 0) === value) return value;
    throw refuse(path, value, 'a 32-bit integer');
  },
  format: String,
  toWire: same,
  fromWire(value, path) {
    return s32.check(typeof value === 'bigint' && BigInt.asIntN(32, value) === value ? Number(value) : value, path);
  },
};

const TWO_POW_53 = 2 ** 53;

/** Small numbers in decimal, addresses and the like in hex. */
function formatNumber(value: number): string {
  if (value === ALL_ONES_U64) return '~0';
  return value >= 0x10000 ? `0x${value.toString(16)}` : `${value}`;
}

/**
 * A u64 whose legal values are exact as a double: sizes, addresses, sequence numbers. Larger values pass, as the nearest double, for it
 * is the handler that knows which errno a wild address deserves; 2^64 stands for all ones.
 */
export const u53: Kind<number> = {
  label: 'u53',
  shape: { type: 'integer', bits: 64, signed: false, big: false },
  bytes: scalar.u53,
  check(value, path) {
    if (typeof value === 'number' && value >= 0 && value <= ALL_ONES_U64 && Math.floor(value) === value) return value;
    throw refuse(path, value, 'an integer from 0 to 2^64');
  },
  format: formatNumber,
  toWire: same,
  fromWire(value, path) {
    if (typeof value === 'number' && value >= 0 && value < TWO_POW_53 && Math.floor(value) === value) return value;
    return u53.check(typeof value === 'bigint' && value >= 0n && value <= MAX_U64 ? Number(value) : value, path);
  },
};

function bigUnsigned<T extends bigint>(label: string, format: (value: T) => string): Kind<T> {
  const check = (value: unknown, path: string): T => {
    if (typeof value === 'bigint' && value >= 0n && value <= MAX_U64) return value as T;
    throw refuse(path, value, 'a bigint from 0 to 2^64-1');
  };
  return {
    label,
    shape: { type: 'integer', bits: 64, signed: false, big: true },
    bytes: scalar.u64 as unknown as scalar.Scalar<T>,
    check,
    format,
    toWire: same,
    fromWire(value, path) {
      const whole = typeof value === 'number' && value >= 0 && value < TWO_POW_53 && Math.floor(value) === value;
      return check(whole ? BigInt(value) : value, path);
    },
  };
}

export const u64: Kind<bigint> = bigUnsigned('u64', (value) => {
  if (value === MAX_U64) return '~0';
  return value >= 0x10000n ? `0x${value.toString(16)}` : `${value}`;
});

/** A name for an object of the caller's open file (or device), made by the kernel and opaque to everyone else. */
export type Handle<B extends string> = Brand<bigint, `handle<${B}>`>;

export function handle<const B extends string>(of: B): Kind<Handle<B>> {
  return bigUnsigned<Handle<B>>(`handle<${of}>`, (value) => `0x${value.toString(16)}`);
}

/** A u32 of flag bits. Unknown bits pass, as in the driver, which ignores them. */
export function flags(names: Readonly<Record<string, number>>): Kind<number> {
  return {
    ...u32,
    label: 'flags',
    shape: { type: 'flags', bits: names },
    format: (value) => formatFlags(names, value),
  };
}

function formatFlags(names: Readonly<Record<string, number>>, value: number): string {
  const parts: string[] = [];
  let rest = value;
  for (const [name, bits] of Object.entries(names)) {
    if (bits !== 0 && (rest & bits) >>> 0 === bits) {
      parts.push(name);
      rest = (rest & ~bits) >>> 0;
    }
  }
  if (rest !== 0 || parts.length === 0) parts.push(rest === 0 ? '0' : `0x${rest.toString(16)}`);
  return parts.join('|');
}

/** A u32 that names one of a few values. Others pass: whether they are legal is for the handler to say. */
export function choice(names: Readonly<Record<string, number>>): Kind<number> {
  const byValue = new Map(Object.entries(names).map(([name, value]) => [value, name]));
  const format = (value: number): string => byValue.get(value) ?? `${value}`;
  return { ...u32, label: 'choice', shape: { type: 'choice', values: names }, format };
}

/** A C u8 or u32 used as truth value. */
export const bool8: Kind<boolean> = {
  label: 'bool8',
  shape: { type: 'boolean' },
  bytes: scalar.bool8,
  check(value, path) {
    if (typeof value === 'boolean') return value;
    throw refuse(path, value, 'true or false');
  },
  format: String,
  toWire: same,
  fromWire(value, path) {
    return bool8.check(value, path);
  },
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is there to find
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Text of at most `max` bytes of UTF-8 without control characters: it ends up in other people's terminals. */
export function string(max: number): Kind<string> {
  const check = (value: unknown, path: string): string => {
    const ok =
      typeof value === 'string' && value.length <= max && Buffer.byteLength(value) <= max && !CONTROL.test(value);
    if (ok) return value;
    throw refuse(path, value, `text of at most ${max} bytes without control characters`);
  };
  const shape = { type: 'string', max } as const;
  return {
    label: `string(${max})`,
    shape,
    bytes: scalar.text(max),
    check,
    format: describeValue,
    toWire: same,
    fromWire: check,
  };
}

/** One of a few words. */
export function word<const W extends string>(...words: readonly W[]): Kind<W> {
  const check = (value: unknown, path: string): W => {
    const found = words.find((known) => known === value);
    if (found !== undefined) return found;
    throw refuse(path, value, `one of ${words.join(', ')}`);
  };
  const shape = { type: 'word', values: words } as const;
  return { label: 'word', shape, check, format: String, toWire: same, fromWire: check };
}

export function bytes(max: number): Kind<Uint8Array> {
  const check = (value: unknown, path: string): Uint8Array => {
    if (value instanceof Uint8Array && value.length <= max) return value;
    throw refuse(path, value, `at most ${max} bytes`);
  };
  const shape = { type: 'bytes', max } as const;
  return { label: `bytes(${max})`, shape, check, format: describeValue, toWire: same, fromWire: check };
}
