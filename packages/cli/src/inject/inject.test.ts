/** Words to a request, and what makes no sense. */
import { describe, expect, it } from 'vitest';
import { injectionOf } from './inject.js';

const NONE = { device: 1, value: undefined, double: false, up: false, down: false };

describe('inject', () => {
  it.each([
    ['hang', 'DMA0', {}, 0],
    ['event', '646', {}, 0],
    ['event', 'DEV_RESET_REQ', { value: 0x8000 }, 0x8000],
    ['heartbeat', undefined, {}, 0],
    ['thermal', 'start', {}, 0],
    ['power', 'end', {}, 0],
    ['ecc', 'HBM0', {}, 0],
    ['ecc', 'HBM0', { double: true }, 1],
    ['link', '3', { down: true }, 0],
    ['link', '3', { up: true }, 1],
    ['reset', undefined, {}, 0],
  ] as const)('%s %s %o', (kind, target, options, value) => {
    expect(injectionOf(kind, target, { ...NONE, ...options })).toEqual({
      device: 1,
      kind,
      target: target ?? '',
      value,
    });
  });

  it.each([
    ['fire', undefined, {}, /'fire' is nothing to inject/],
    ['hang', undefined, {}, /needs an engine such as DMA0/],
    ['reset', 'DMA0', {}, /has no target, got 'DMA0'/],
    ['hang', 'DMA0', { double: true }, /--double means nothing to inject hang/],
    ['ecc', 'HBM0', { value: 0 }, /--value means nothing to inject ecc/],
    ['link', '3', {}, /needs one of --up and --down/],
    ['link', '3', { up: true, down: true }, /needs one of --up and --down/],
  ] as const)('refuses %s %s %o', (kind, target, options, message) => {
    expect(() => injectionOf(kind, target, { ...NONE, ...options })).toThrow(message);
  });
});
