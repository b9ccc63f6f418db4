/**
 * Numbers as the kernel reads them from text (lib/kstrtox.c), for the files that take one.
 *
 * Owns: the grammar and its two errors. Must not know any file.
 */
import { errno } from '@pedrera/base';

export interface NumberSpec {
  /** 0: by prefix, as in C. */
  readonly base: 0 | 10 | 16;
  readonly bits: 32 | 64;
  readonly signed?: boolean;
}

/**
 * A number, an optional newline, then the end of the text or a NUL: nothing before and nothing behind. The library writes
 * the NUL of its string too (uapi.md 9.2).
 * Errors: EINVAL for anything else, ERANGE for a number of more bits.
 */
export function parseNumber(bytes: Uint8Array, spec: NumberSpec): bigint {
  const text = textOf(bytes);
  const body = text.endsWith('\n') ? text.slice(0, -1) : text;
  const [, sign = '', digits = ''] = /^([+-]?)(.*)$/s.exec(body) ?? [];
  const magnitude = sign === '-' && spec.signed !== true ? undefined : parseDigits(digits, spec.base);
  if (magnitude === undefined) {
    throw errno('EINVAL', `${JSON.stringify(text.slice(0, 40))} is not ${kindOf(spec)}`);
  }
  const value = sign === '-' ? -magnitude : magnitude;
  const bits = BigInt(spec.bits);
  const [low, high] = spec.signed === true ? [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n] : [0n, 2n ** bits - 1n];
  if (value < low || value > high) {
    throw errno('ERANGE', `${text.trimEnd()} does not fit into ${spec.bits} bits`);
  }
  return value;
}

/** As parseNumber for up to 32 bits. */
export function parseU32(bytes: Uint8Array, base: NumberSpec['base']): number {
  return Number(parseNumber(bytes, { base, bits: 32 }));
}

/** What was written, up to the first NUL. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1');
}

function parseDigits(digits: string, base: NumberSpec['base']): bigint | undefined {
  if (base !== 10 && /^0[xX][0-9a-fA-F]+$/.test(digits)) {
    return BigInt(digits);
  }
  if (base === 16) {
    return /^[0-9a-fA-F]+$/.test(digits) ? BigInt(`0x${digits}`) : undefined;
  }
  if (base === 0 && /^0[0-7]+$/.test(digits)) {
    return BigInt(`0o${digits.slice(1)}`);
  }
  // With base 0 a leading zero means octal, so 08 is no number.
  return (base === 10 ? /^[0-9]+$/ : /^(0|[1-9][0-9]*)$/).test(digits) ? BigInt(digits) : undefined;
}

function kindOf({ base }: NumberSpec): string {
  return base === 16 ? 'a hexadecimal number' : 'a number';
}
