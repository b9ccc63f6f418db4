/** Encoding, decoding and naming of packets, and the test vectors of device.md 3.6. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PACKET_NAMES, PACKETS, type PacketName, type PacketSpec } from './packet-table.js';
import {
  decodeMonitorArm,
  decodePacket,
  encodeArbPoint,
  encodeCpDma,
  encodeFence,
  encodeLinDma,
  encodeLoadAndExe,
  encodeMsgLong,
  encodeMsgShort,
  encodeNop,
  encodePacket,
  encodeStop,
  encodeWreg32,
  encodeWregBulk,
  formatPacket,
  monitorArm,
  packetByOpcode,
  packetWords,
  sobValue,
  userVerdict,
} from './packets.js';
import { sobAddress } from './registers.js';

function dwords(encode: (words: Uint32Array, at: number) => number): string {
  const words = new Uint32Array(16);
  const end = encode(words, 0);
  return Array.from(words.subarray(0, end), (word) => word.toString(16).padStart(8, '0').toUpperCase()).join(' ');
}

/** device.md 3.6. */
describe('test vectors', () => {
  const vectors: [string, (words: Uint32Array, at: number) => number, string][] = [
    ['NOP, RB', (w, at) => encodeNop(w, at, { rb: 1 }), '00000000 4A000000'],
    [
      'SOB0 += 1 through base1, EB RB MB',
      (w, at) => encodeMsgShort(w, at, { base: 1, addressOffset: 0, value: sobValue('add', 1), eb: 1, rb: 1, mb: 1 }),
      '80000001 E4400000',
    ],
    [
      'arm MON0 on E_N: SOB0 >= 1, RB MB',
      (w, at) =>
        encodeMsgShort(w, at, {
          base: 0,
          addressOffset: 0x1800,
          value: monitorArm({ group: 0, mask: 0xfe, mode: 'ge', value: 1 }),
          rb: 1,
          mb: 1,
        }),
      '0002FE00 C4001800',
    ],
    [
      'arm MON0 on E_N: SOB0 == 1, RB MB',
      (w, at) =>
        encodeMsgShort(w, at, {
          base: 0,
          addressOffset: 0x1800,
          value: monitorArm({ group: 0, mask: 0xfe, mode: 'eq', value: 1 }),
          rb: 1,
          mb: 1,
        }),
      '0003FE00 C4001800',
    ],
    [
      'FENCE id0 target1 dec1, RB',
      (w, at) => encodeFence(w, at, { id: 0, target: 1, dec: 1, rb: 1 }),
      '00010001 48000000',
    ],
    [
      'FENCE id2 target1 dec1, RB MB',
      (w, at) => encodeFence(w, at, { id: 2, target: 1, dec: 1, rb: 1, mb: 1 }),
      '80010001 C8000000',
    ],
    [
      'LIN_DMA 4 KiB',
      (w, at) => encodeLinDma(w, at, { size: 4096, src: 0x1_0000_0000_0000, dst: 0x2000_0000 }),
      '00001000 49000008 00000000 00010000 20000000 00000000',
    ],
    [
      'CP_DMA 64 B',
      (w, at) => encodeCpDma(w, at, { size: 64, src: 0x7f_f000_1080, rb: 1, mb: 1 }),
      '00000040 C5000000 F0001080 0000007F',
    ],
    [
      'MSG_LONG 0x110 -> DMA0 ARB_CFG_0',
      (w, at) => encodeMsgLong(w, at, { value: 0x110, address: 0x7f_fc50_8a00, rb: 1 }),
      '00000110 43000000 FC508A00 0000007F',
    ],
    ['WREG_32 COMMIT', (w, at) => encodeWreg32(w, at, { value: 1, regOffset: 0x78 }), '00000001 41007800'],
    ['ARB_POINT acquire', (w, at) => encodeArbPoint(w, at, { priority: 2, rb: 1 }), '00000002 4C000000'],
    ['ARB_POINT release', (w, at) => encodeArbPoint(w, at, { priority: 2, release: 1, rb: 1 }), '80000002 4C000000'],
    [
      'LOAD_AND_EXE scalars',
      (w, at) => encodeLoadAndExe(w, at, { dst: 1, load: 1, exe: 1, etype: 1, src: 0x7f_f000_0080, rb: 1, mb: 1 }),
      '00000701 CF000000 F0000080 0000007F',
    ],
  ];
  it.each(vectors)('%s', (_name, encode, expected) => {
    expect(dwords(encode)).toBe(expected);
  });
});

/** Values for every field of a packet that do not overlap: a copy's `src` and a memset's pattern share bits. */
function inputs(name: PacketName): fc.Arbitrary<Record<string, number>> {
  const spec: PacketSpec = PACKETS[name];
  return fc.record(
    Object.fromEntries(
      Object.entries(spec.fields)
        .filter(([field]) => !field.startsWith('pattern'))
        .map(([field, { bits }]) => [field, fc.integer({ min: 0, max: 2 ** Math.min(bits, 53) - 1 })]),
    ),
  );
}

describe('round trip', () => {
  it.each(PACKET_NAMES)('%s', (name) => {
    fc.assert(
      fc.property(inputs(name), fc.integer({ min: 0, max: 9 }), (input, at) => {
        const words = new Uint32Array(0x2_0000 + 20).fill(0xffff_ffff);
        const end = encodePacket(words, at, name, input as never);
        expect(end - at).toBe(PACKETS[name].bytes / 4);
        expect(words[end]).toBe(0xffff_ffff);
        const packet = decodePacket(words, at);
        expect(packet?.name).toBe(name);
        expect(packet?.opcode).toBe(PACKETS[name].opcode);
        expect(packet?.fields).toMatchObject(input);
        expect(packet && formatPacket(packet).startsWith(name)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('memset-pattern-of-64-bits', () => {
    const words = new Uint32Array(6);
    encodeLinDma(words, 0, {
      size: 8,
      memSet: true,
      patternLow: 0xdeadbeef,
      patternHigh: 0xcafebabe,
      dst: 0x2000_0000,
    });
    const packet = decodePacket(words, 0);
    expect(packet?.fields).toMatchObject({ patternLow: 0xdeadbeef, patternHigh: 0xcafebabe, memSet: 1 });
    expect(packet && formatPacket(packet)).toBe('LIN_DMA 8 B pattern 0xcafebabedeadbeef -> 0x20000000');
  });

  it('monitor-condition', () => {
    fc.assert(
      fc.property(
        fc.record({
          group: fc.integer({ min: 0, max: 255 }),
          mask: fc.integer({ min: 0, max: 255 }),
          mode: fc.constantFrom('ge' as const, 'eq' as const),
          value: fc.integer({ min: 0, max: 0x7fff }),
        }),
        (condition) => {
          expect(decodeMonitorArm(monitorArm(condition))).toEqual(condition);
        },
      ),
    );
  });
});

describe('table', () => {
  it('fields-do-not-overlap', () => {
    for (const name of PACKET_NAMES) {
      const spec: PacketSpec = PACKETS[name];
      const used = new Set<number>([...Array(5)].map((_, bit) => 32 + 24 + bit));
      for (const [field, { word, low, bits }] of Object.entries(spec.fields)) {
        if (field.startsWith('pattern')) continue;
        for (let bit = 0; bit < bits; bit++) {
          const position = word * 32 + low + bit;
          expect(position, `${name} ${field}`).toBeLessThan(spec.bytes * 8);
          expect(used.has(position), `${name} ${field}`).toBe(false);
          used.add(position);
        }
      }
    }
  });

  it('defines-these-opcodes-and-no-others', () => {
    const defined = [...Array(32).keys()].filter((opcode) => packetByOpcode(opcode) !== undefined);
    expect(defined).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15]);
  });

  it('verdicts-of-the-parser', () => {
    const verdicts = Object.fromEntries(
      PACKET_NAMES.map((name) => {
        const words = new Uint32Array(8);
        words[1] = PACKETS[name].opcode << 24;
        return [name, userVerdict(words, 0)];
      }),
    );
    const refused = Object.entries(verdicts).filter(([, verdict]) => verdict !== 'yes');
    expect(Object.fromEntries(refused)).toEqual({
      WREG_BULK: 'EPERM',
      CP_DMA: 'EPERM',
      MSG_PROT: 'EPERM',
      STOP: 'EPERM',
      WAIT: 'EINVAL',
    });
    const words = new Uint32Array(4);
    encodeLoadAndExe(words, 0, { src: 0, dst: 1, load: 1 });
    expect(userVerdict(words, 0)).toBe('EPERM');
    words[1] = 0xe << 24;
    expect(userVerdict(words, 0)).toBe('EINVAL');
  });
});

describe('decode', () => {
  it('undefined-opcode', () => {
    expect(decodePacket(new Uint32Array(8), 0)).toBeUndefined();
    expect(packetWords(new Uint32Array(8), 0)).toBe(0);
  });

  it('past-the-limit', () => {
    const words = new Uint32Array(8);
    encodeLinDma(words, 0, { size: 4, src: 0, dst: 0 });
    expect(decodePacket(words, 0, 6)?.words).toBe(6);
    expect(decodePacket(words, 0, 5)).toBeUndefined();
    expect(decodePacket(words, 0, 1)).toBeUndefined();
  });

  it('bulk-counts-its-values', () => {
    const words = new Uint32Array(8);
    expect(encodeWregBulk(words, 0, { regOffset: 0x100, values: [1, 2, 3, 4] })).toBe(6);
    expect(packetWords(words, 0)).toBe(6);
    expect(decodePacket(words, 0, 6)?.fields.size64).toBe(2);
    expect(decodePacket(words, 0, 5)).toBeUndefined();
  });
});

describe('encode', () => {
  it('value-too-large', () => {
    const words = new Uint32Array(8);
    expect(() => encodeLinDma(words, 0, { size: 2 ** 32, src: 0, dst: 0 })).toThrow('LIN_DMA size');
    expect(() => encodeFence(words, 0, { id: 4, target: 1, dec: 1 })).toThrow(RangeError);
    expect(() => encodeFence(words, 0, { id: 0, target: 1.5, dec: 1 })).toThrow(RangeError);
    expect(() => encodeMsgLong(words, 0, { value: -1, address: 0 })).toThrow(RangeError);
    expect(() => encodeMsgLong(words, 0, { value: 0, address: Number.NaN })).toThrow(RangeError);
  });

  it('no-room', () => {
    expect(() => encodeLinDma(new Uint32Array(8), 4, { size: 4, src: 0, dst: 0 })).toThrow('does not fit');
    expect(() => encodeStop(new Uint32Array(1), 0)).toThrow('does not fit');
  });
});

describe('text', () => {
  const text = (encode: (words: Uint32Array) => number): string => {
    const words = new Uint32Array(8);
    encode(words);
    const packet = decodePacket(words, 0);
    return packet === undefined ? '' : formatPacket(packet);
  };
  it('reads-like-this', () => {
    expect(text((w) => encodeLinDma(w, 0, { size: 65536, src: 0x1_0000_0020_0000, dst: 0x2000_0000 }))).toBe(
      'LIN_DMA 65536 B 0x1000000200000 -> 0x20000000',
    );
    expect(text((w) => encodeMsgShort(w, 0, { base: 1, addressOffset: 20, value: sobValue('add', 3), eb: true }))).toBe(
      'MSG_SHORT E_N SOB 5 += 3 [EB]',
    );
    expect(text((w) => encodeMsgShort(w, 0, { base: 2, addressOffset: 0x1904, value: 0x0003fe02 }))).toBe(
      'MSG_SHORT W_S MON 65 arm group 2 mask 0xfe == 1',
    );
    expect(text((w) => encodeFence(w, 0, { id: 2, target: 1, dec: 1 }))).toBe('FENCE 2 until >= 1, then -= 1');
    expect(text((w) => encodeMsgLong(w, 0, { value: 7, address: sobAddress(2, 0) }))).toBe(
      'MSG_LONG 0x7 -> 0x7ffc4f2000',
    );
    expect(text((w) => encodeNop(w, 0))).toBe('NOP');
  });
});
