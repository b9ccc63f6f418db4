/** Handles have the values that the driver hands out. */
import { describe, expect, it } from 'vitest';
import {
  COMPLETION_RING_OFFSET,
  commandBufferHandle,
  HANDLE_TYPE,
  HOST_BUFFER_ADDRESS_BASE,
  handleId,
  handleType,
  hostBufferHandle,
  memoryHandle,
} from './protocol.js';

describe('handles (uapi.md 2.9)', () => {
  it('are (id | type) << 12, with the values the driver hands out', () => {
    expect(commandBufferHandle(1)).toBe(0x1000_0000_0000_1000n);
    expect(hostBufferHandle(1)).toBe(0x4000_0000_0000_1000n);
    expect(memoryHandle(3)).toBe(3n);
  });

  it('give back type and id', () => {
    for (const id of [1, 2, 0x7fff_ffff]) {
      expect(handleId(commandBufferHandle(id))).toBe(id);
      expect(handleType(commandBufferHandle(id))).toBe(HANDLE_TYPE.COMMAND_BUFFER);
      expect(handleType(hostBufferHandle(id))).toBe(HANDLE_TYPE.HOST_BUFFER);
    }
    expect(handleType(COMPLETION_RING_OFFSET)).toBe(HANDLE_TYPE.COMPLETION_RING);
    expect(handleType(0x8000_0000_0000_1000n)).toBe(HANDLE_TYPE.TIMESTAMP_BUFFER);
    expect(handleType(0n)).toBe(0);
  });

  it('the id is the low 32 bits of the page number, whatever stands above', () => {
    expect(handleId(commandBufferHandle(5) | (1n << 50n))).toBe(5);
  });

  it('an address of host memory is exact as a number, far above any pointer', () => {
    expect(Number.isSafeInteger(HOST_BUFFER_ADDRESS_BASE + 2 ** 51)).toBe(true);
    expect(HOST_BUFFER_ADDRESS_BASE).toBeGreaterThan(2 ** 47);
  });
});
