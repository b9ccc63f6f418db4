/**
 * THE packet table (device.md 3.2, uapi.md 4.4): opcode, size, fields with their bit positions, who may use it, how it reads
 * as text. Everything else that knows about packets (encoders, decoder, parser verdicts, texts) is derived from it.
 */

import { formatAddress } from './address-map.js';
import { dcoreOfOffset, describeRegister, MSG_SHORT_BASES, SM_BLOCK_SIZE, SM_REGISTERS } from './registers.js';

/** 'yes', or the errno with which the driver's parser refuses the packet in a user's command buffer. */
export type UserVerdict = 'yes' | 'EPERM' | 'EINVAL';

export interface FieldSpec {
  /** Dword of the packet in which the field starts; a field of more than 32 bits goes on in the next one. */
  readonly word: number;
  readonly low: number;
  readonly bits: number;
  readonly required: boolean;
  readonly fallback: number;
}

export interface PacketSpec {
  readonly opcode: number;
  /** Size without the trailing values of WREG_BULK. */
  readonly bytes: number;
  readonly userAllowed: UserVerdict;
  /** A packet that is allowed as such is refused when this field has this value. */
  readonly refusedWhen?: { readonly field: string; readonly value: number; readonly verdict: UserVerdict };
  readonly fields: Readonly<Record<string, FieldSpec>>;
  /** Text of the decoded packet without its name. */
  readonly text: (fields: Readonly<Record<string, number>>) => string;
}

function required<const W extends number, const B extends number>(word: W, low: number, bits: B) {
  return { word, low, bits, required: true, fallback: 0 } as const;
}
function optional<const W extends number, const B extends number>(word: W, low: number, bits: B, fallback = 0) {
  return { word, low, bits, required: false, fallback } as const;
}

/** Engine, register and message barrier. A packet that drives the engine directly must carry the register barrier. */
const barriers = { eb: optional(1, 29, 1), rb: optional(1, 30, 1), mb: optional(1, 31, 1) } as const;
const engineBarriers = { ...barriers, rb: optional(1, 30, 1, 1) } as const;
const pred = { pred: optional(1, 0, 5) } as const;

const message = {
  ...barriers,
  ...pred,
  value: required(0, 0, 32),
  address: required(2, 0, 64),
  weaklyOrdered: optional(1, 16, 1),
  noSnoop: optional(1, 17, 1),
  /** 0 writes `value`, 1 writes the 64-bit device time. */
  op: optional(1, 20, 2),
} as const;

type Fields = Readonly<Record<string, number>>;
const num = (fields: Fields, name: string): number => fields[name] ?? 0;
const hex = (fields: Fields, name: string): string => `0x${num(fields, name).toString(16)}`;
const address = (fields: Fields, name: string): string => formatAddress(num(fields, name));
const word = (fields: Fields, name: string): string => num(fields, name).toString(16).padStart(8, '0');

/** Text of a 32-bit value written to a sync-manager register. */
function syncWriteText(offset: number, value: number): string {
  const target = describeRegister(offset);
  const at = offset & (SM_BLOCK_SIZE - 1);
  if (dcoreOfOffset(offset) >= 0) {
    if (at < SM_REGISTERS.MON_PAY_ADDRL) return `${target} ${value >= 0x8000_0000 ? '+=' : '='} ${value & 0x7fff}`;
    if (at >= SM_REGISTERS.MON_ARM && at < SM_REGISTERS.MON_STATUS) {
      const comparison = (value & 0x1_0000) !== 0 ? '==' : '>=';
      const mask = ((value >>> 8) & 0xff).toString(16).padStart(2, '0');
      return `${target} group ${value & 0xff} mask 0x${mask} ${comparison} ${value >>> 17}`;
    }
  }
  return `${target} = 0x${value.toString(16)}`;
}

function messageText(fields: Fields): string {
  const what =
    num(fields, 'op') === 0 ? hex(fields, 'value') : num(fields, 'op') === 1 ? 'time' : `op ${num(fields, 'op')}`;
  return `${what} -> ${address(fields, 'address')}`;
}

export const PACKETS = {
  WREG_32: {
    opcode: 0x1,
    bytes: 8,
    userAllowed: 'yes',
    fields: { ...engineBarriers, ...pred, value: required(0, 0, 32), regOffset: required(1, 8, 16) },
    text: (f) => `0x${num(f, 'value').toString(16)} -> window+${hex(f, 'regOffset')}`,
  },
  WREG_BULK: {
    opcode: 0x2,
    bytes: 8,
    userAllowed: 'EPERM',
    fields: { ...engineBarriers, ...pred, size64: required(0, 0, 16), regOffset: required(1, 8, 16) },
    text: (f) => `${num(f, 'size64')} x 64 bits -> window+${hex(f, 'regOffset')}`,
  },
  MSG_LONG: { opcode: 0x3, bytes: 16, userAllowed: 'yes', fields: message, text: messageText },
  MSG_SHORT: {
    opcode: 0x4,
    bytes: 8,
    userAllowed: 'yes',
    fields: {
      ...barriers,
      value: required(0, 0, 32),
      addressOffset: required(1, 0, 16),
      weaklyOrdered: optional(1, 16, 1),
      noSnoop: optional(1, 17, 1),
      op: optional(1, 20, 2),
      base: required(1, 22, 2),
    },
    text: (f) => syncWriteText((MSG_SHORT_BASES[num(f, 'base')] ?? 0) + num(f, 'addressOffset'), num(f, 'value')),
  },
  CP_DMA: {
    opcode: 0x5,
    bytes: 16,
    userAllowed: 'EPERM',
    fields: { ...barriers, ...pred, size: required(0, 0, 32), src: required(2, 0, 64) },
    text: (f) => `${num(f, 'size')} B from ${address(f, 'src')}`,
  },
  REPEAT: {
    opcode: 0x6,
    bytes: 8,
    userAllowed: 'yes',
    fields: { ...barriers, ...pred, sore: optional(0, 0, 1), o: optional(0, 1, 1), jumpPtr: required(0, 16, 16) },
    text: (f) => `to ${num(f, 'jumpPtr')}`,
  },
  MSG_PROT: { opcode: 0x7, bytes: 16, userAllowed: 'EPERM', fields: message, text: messageText },
  FENCE: {
    opcode: 0x8,
    bytes: 8,
    userAllowed: 'yes',
    fields: { ...barriers, ...pred, dec: required(0, 0, 4), target: required(0, 16, 8), id: required(0, 30, 2) },
    text: (f) => `${num(f, 'id')} until >= ${num(f, 'target')}, then -= ${num(f, 'dec')}`,
  },
  LIN_DMA: {
    opcode: 0x9,
    bytes: 24,
    userAllowed: 'yes',
    fields: {
      ...engineBarriers,
      size: required(0, 0, 32),
      wrComp: optional(1, 0, 1),
      transpose: optional(1, 1, 1),
      dtype: optional(1, 2, 1),
      lin: optional(1, 3, 1, 1),
      memSet: optional(1, 4, 1),
      compress: optional(1, 5, 1),
      decompress: optional(1, 6, 1),
      ctxIdLow: optional(1, 16, 8),
      /** For a copy. A memset leaves it out and gives the 64-bit pattern, which lies in the same bits, in two halves. */
      src: optional(2, 0, 64),
      patternLow: optional(2, 0, 32),
      patternHigh: optional(3, 0, 32),
      dst: required(4, 0, 56),
      ctxIdHigh: optional(5, 24, 8),
    },
    text: (f) => {
      const from =
        num(f, 'memSet') === 1 ? `pattern 0x${word(f, 'patternHigh')}${word(f, 'patternLow')}` : address(f, 'src');
      const completion = num(f, 'wrComp') === 1 ? ', completion write' : '';
      return `${num(f, 'size')} B ${from} -> ${address(f, 'dst')}${num(f, 'lin') === 1 ? '' : ' (strided)'}${completion}`;
    },
  },
  NOP: { opcode: 0xa, bytes: 8, userAllowed: 'yes', fields: barriers, text: () => '' },
  STOP: { opcode: 0xb, bytes: 8, userAllowed: 'EPERM', fields: barriers, text: () => '' },
  ARB_POINT: {
    opcode: 0xc,
    bytes: 8,
    userAllowed: 'yes',
    fields: { ...barriers, ...pred, priority: optional(0, 0, 8), release: optional(0, 31, 1) },
    text: (f) => (num(f, 'release') === 1 ? 'release' : `acquire, priority ${num(f, 'priority')}`),
  },
  WAIT: {
    opcode: 0xd,
    bytes: 8,
    userAllowed: 'EINVAL',
    fields: { ...barriers, cycles: required(0, 0, 24), increment: required(0, 24, 4), id: required(0, 28, 2) },
    text: (f) => `${num(f, 'cycles')} cycles, then FENCE ${num(f, 'id')} += ${num(f, 'increment')}`,
  },
  LOAD_AND_EXE: {
    opcode: 0xf,
    bytes: 16,
    userAllowed: 'yes',
    refusedWhen: { field: 'dst', value: 1, verdict: 'EPERM' },
    fields: {
      ...barriers,
      ...pred,
      /** 0 loads the predicates, 1 the scalar registers. */
      dst: optional(0, 0, 1),
      load: optional(0, 8, 1),
      exe: optional(0, 9, 1),
      etype: optional(0, 10, 1),
      src: required(2, 0, 64),
    },
    text: (f) => {
      const load =
        num(f, 'load') === 1 ? `load ${num(f, 'dst') === 1 ? 'scalars' : 'predicates'} from ${address(f, 'src')}` : '';
      const exe = num(f, 'exe') === 1 ? `execute ${num(f, 'etype') === 1 ? 'upper' : 'lower'} registers` : '';
      return [load, exe].filter((part) => part !== '').join(', ') || 'nothing';
    },
  },
} as const satisfies Record<string, PacketSpec>;

export type PacketName = keyof typeof PACKETS;

export const PACKET_NAMES = Object.keys(PACKETS) as readonly PacketName[];

/** Opcodes by packet name, for switches. */
export const OPCODE = Object.fromEntries(PACKET_NAMES.map((name) => [name, PACKETS[name].opcode])) as {
  readonly [N in PacketName]: (typeof PACKETS)[N]['opcode'];
};
