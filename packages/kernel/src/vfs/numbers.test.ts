/** Numbers in files: what the kernel's kstrto* take and refuse. */
import { HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { type NumberSpec, parseNumber } from './numbers.js';

function parsed(text: string, spec: NumberSpec): bigint | string {
  try {
    return parseNumber(Buffer.from(text, 'latin1'), spec);
  } catch (error) {
    return error instanceof HlError ? error.code : String(error);
  }
}

const ANY: NumberSpec = { base: 0, bits: 64 };
const DECIMAL: NumberSpec = { base: 10, bits: 32 };
const HEX: NumberSpec = { base: 16, bits: 32 };

describe('parseNumber', () => {
  it.each([
    ['12', ANY, 12n],
    ['12\n', ANY, 12n],
    ['0x10\0', ANY, 16n],
    ['0x10\n\0junk', ANY, 16n],
    ['+7', ANY, 7n],
    ['010', ANY, 8n],
    ['0', ANY, 0n],
    ['0XfF', ANY, 255n],
    ['0xffffffffffffffff', ANY, 0xffff_ffff_ffff_ffffn],
    ['010', DECIMAL, 10n],
    ['ff', HEX, 255n],
    ['0xff', HEX, 255n],
    ['-5', { base: 0, bits: 64, signed: true }, -5n],
  ] as const)('%j is a number', (text, spec, value) => {
    expect(parsed(text, spec)).toBe(value);
  });

  it.each([
    ['', ANY],
    ['\n', ANY],
    ['\0', ANY],
    [' 1', ANY],
    ['1 ', ANY],
    ['1\n\n', ANY],
    ['on', ANY],
    ['0x', ANY],
    ['08', ANY],
    ['-1', ANY],
    ['0x10', DECIMAL],
    ['fg', HEX],
    ['--1', { base: 0, bits: 64, signed: true }],
  ] as const)('%j is none', (text, spec) => {
    expect(parsed(text, spec)).toBe('EINVAL');
  });

  it('more bits than there are is ERANGE', () => {
    expect(parsed('4294967296', DECIMAL)).toBe('ERANGE');
    expect(parsed('0x10000000000000000', ANY)).toBe('ERANGE');
    expect(parsed('0x8000000000000000', { base: 0, bits: 64, signed: true })).toBe('ERANGE');
  });
});
