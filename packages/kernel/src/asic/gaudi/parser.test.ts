/** The packet parser against the table of uapi.md 4.4. */
import { HlError } from '@pedrera/base';
import {
  COMPLETION_READY,
  completionAddress,
  decodePacket,
  encodeFence,
  encodeLinDma,
  encodeLoadAndExe,
  encodeMsgLong,
  encodeMsgProt,
  encodeNop,
  encodeStop,
  encodeWait,
  msiAddress,
  OPCODE,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { CompletionTail, parseCommandBuffer, patchedSize } from './parser.js';

function codeOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    return error instanceof HlError ? error.code : String(error);
  }
  return 'ok';
}

const words = () => new Uint32Array(64);

describe('parseCommandBuffer', () => {
  it('accepts-what-users-may-send', () => {
    const buffer = words();
    let at = encodeNop(buffer, 0);
    at = encodeMsgLong(buffer, at, { value: 1, address: 0x7ffc4f2000 });
    at = encodeFence(buffer, at, { id: 0, target: 1, dec: 1 });
    expect(parseCommandBuffer(buffer, 0, at * 4)).toEqual({ usesDma: false });
    at = encodeLinDma(buffer, at, { size: 64, src: 0, dst: 0x20000000 });
    expect(parseCommandBuffer(buffer, 0, at * 4)).toEqual({ usesDma: true });
  });

  it('starts-where-it-is-told', () => {
    const buffer = words().fill(0xffffffff);
    const end = encodeNop(buffer, 8);
    expect(parseCommandBuffer(buffer, 8, (end - 8) * 4)).toEqual({ usesDma: false });
  });

  it('forbidden-packet', () => {
    const buffer = words();
    const prot = encodeMsgProt(buffer, 0, { value: 1, address: 0 });
    expect(codeOf(() => parseCommandBuffer(buffer, 0, prot * 4))).toBe('EPERM');
    const stop = encodeStop(buffer, 0);
    expect(codeOf(() => parseCommandBuffer(buffer, 0, stop * 4))).toBe('EPERM');
  });

  it('truncated-forbidden-packet-is-EINVAL', () => {
    const buffer = words();
    encodeMsgProt(buffer, 0, { value: 1, address: 0 });
    expect(codeOf(() => parseCommandBuffer(buffer, 0, 8))).toBe('EINVAL');
  });

  it('wait-is-EINVAL', () => {
    const buffer = words();
    const end = encodeWait(buffer, 0, { cycles: 1, increment: 1, id: 0 });
    expect(codeOf(() => parseCommandBuffer(buffer, 0, end * 4))).toBe('EINVAL');
  });

  it('unknown-opcodes', () => {
    for (const opcode of [0, 0xe, 0x10, 0x1f]) {
      const buffer = words();
      buffer[1] = opcode << 24;
      expect(
        codeOf(() => parseCommandBuffer(buffer, 0, 8)),
        `opcode ${opcode}`,
      ).toBe('EINVAL');
    }
  });

  it('load-and-exe-only-for-predicates', () => {
    const buffer = words();
    const end = encodeLoadAndExe(buffer, 0, { src: 0, load: true, dst: false });
    expect(parseCommandBuffer(buffer, 0, end * 4)).toEqual({ usesDma: false });
    encodeLoadAndExe(buffer, 0, { src: 0, load: true, dst: true });
    expect(codeOf(() => parseCommandBuffer(buffer, 0, end * 4))).toBe('EPERM');
  });

  it('half-a-header', () => {
    const buffer = words();
    encodeNop(buffer, 0);
    encodeNop(buffer, 2);
    expect(codeOf(() => parseCommandBuffer(buffer, 0, 12))).toBe('EINVAL');
  });
});

describe('CompletionTail', () => {
  it('never-straddles-a-line', () => {
    for (let user = 8; user <= 512; user += 8) {
      const start = patchedSize(user) - 32;
      expect(Math.floor(start / 128), `${user} bytes`).toBe(Math.floor((start + 31) / 128));
      expect(start - user).toBeLessThan(32);
    }
  });

  it('reports-the-ring-slot-then-interrupts', () => {
    const tail = new CompletionTail(5, 3);
    const buffer = words();
    for (let at = 0; at < 26; ) {
      at = encodeNop(buffer, at);
    }
    // 104 bytes: the tail would straddle the line at 128, so three NOPs pad up to it.
    const size = tail.append(buffer, 0, 104, 4095, { usesDma: true });
    expect(size).toBe(160);
    for (let at = 26; at < 32; at += 2) {
      expect(decodePacket(buffer, at)?.opcode).toBe(OPCODE.NOP);
    }
    const word = decodePacket(buffer, 32);
    expect(word?.fields).toMatchObject({ address: completionAddress(5, 4095), mb: 1, eb: 1 });
    expect((word?.fields.value as number) & COMPLETION_READY).not.toBe(0);
    expect(decodePacket(buffer, 36)?.fields).toMatchObject({ address: msiAddress(3), value: 1, mb: 1, eb: 0 });
  });

  it('no-engine-barrier-without-dma', () => {
    const tail = new CompletionTail(5, 3);
    const buffer = words();
    encodeNop(buffer, 0);
    tail.append(buffer, 0, 8, 0, { usesDma: false });
    expect(decodePacket(buffer, 2)?.fields.eb).toBe(0);
  });
});
