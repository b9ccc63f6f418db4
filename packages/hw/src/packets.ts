/**
 * Encoding, decoding and naming of packets, all of it derived from the packet table. Works on dwords in a Uint32Array at an
 * index; knows nothing of command buffers, queues or what a packet does.
 */

import {
  type FieldSpec,
  OPCODE,
  PACKET_NAMES,
  PACKETS,
  type PacketName,
  type PacketSpec,
  type UserVerdict,
} from './packet-table.js';

type FieldsOf<N extends PacketName> = (typeof PACKETS)[N]['fields'];
type RequiredNames<F> = { [K in keyof F]: F[K] extends { readonly required: true } ? K : never }[keyof F];
type FieldValue<S> = S extends { readonly bits: 1 } ? number | boolean : number;

/** What an encoder of packet N takes: the table's required fields, and any of the others. */
export type PacketInput<N extends PacketName> = {
  readonly [K in RequiredNames<FieldsOf<N>>]: FieldValue<FieldsOf<N>[K]>;
} & {
  readonly [K in Exclude<keyof FieldsOf<N>, RequiredNames<FieldsOf<N>>>]?: FieldValue<FieldsOf<N>[K]>;
};

export interface DecodedPacket {
  readonly opcode: number;
  readonly name: PacketName;
  /** Size in dwords, the trailing values of WREG_BULK included. */
  readonly words: number;
  /** Every field of the table. Fields of more than 53 bits come as the nearest double. */
  readonly fields: Readonly<Record<string, number>>;
}

interface NamedField extends FieldSpec {
  readonly name: string;
  readonly limit: number;
  /** The field's bits in the dword that holds its upper end. */
  readonly mask: number;
}

/** A table entry, prepared for the loops below. */
interface Layout {
  readonly name: PacketName;
  readonly opcode: number;
  readonly words: number;
  readonly spec: PacketSpec;
  readonly fields: readonly NamedField[];
  readonly byName: ReadonlyMap<string, NamedField>;
  /** The packet with its opcode and the values that fields have when they are not given. */
  readonly template: Uint32Array;
  readonly refusedWhen: { readonly field: NamedField; readonly value: number; readonly verdict: UserVerdict } | null;
}

function bounds({ bits, low }: FieldSpec): { limit: number; mask: number } {
  const mask = bits > 32 ? 2 ** (bits - 32) - 1 : (2 ** bits - 1) << low;
  return { limit: 2 ** bits, mask: mask | 0 };
}

function layoutOf(name: PacketName): Layout {
  const spec: PacketSpec = PACKETS[name];
  const fields = Object.entries(spec.fields).map(([field, bits]) => ({ ...bits, name: field, ...bounds(bits) }));
  const byName = new Map(fields.map((field) => [field.name, field]));
  const template = new Uint32Array(spec.bytes / 4);
  template[1] = spec.opcode << 24;
  for (const field of fields) writeField(template, 0, field, field.fallback);
  const refused = spec.refusedWhen === undefined ? undefined : byName.get(spec.refusedWhen.field);
  return {
    name,
    opcode: spec.opcode,
    words: spec.bytes / 4,
    spec,
    fields,
    byName,
    template,
    refusedWhen: spec.refusedWhen && refused ? { ...spec.refusedWhen, field: refused } : null,
  };
}

const layouts = new Map<PacketName, Layout>(PACKET_NAMES.map((name) => [name, layoutOf(name)]));
const layoutsByOpcode: readonly (Layout | undefined)[] = Array.from({ length: 32 }, (_, opcode) =>
  [...layouts.values()].find((layout) => layout.opcode === opcode),
);

/** The table entry for an opcode, or undefined where the hardware defines none. */
export function packetByOpcode(opcode: number): { readonly name: PacketName; readonly spec: PacketSpec } | undefined {
  return layoutsByOpcode[opcode];
}

export function opcodeOf(control: number): number {
  return (control >>> 24) & 0x1f;
}

/** Size in dwords of the packet whose header lies at `at`; 0 for an undefined opcode. */
export function packetWords(words: Uint32Array, at: number): number {
  const layout = layoutsByOpcode[opcodeOf(words[at + 1] ?? 0)];
  if (layout === undefined) return 0;
  return layout.opcode === OPCODE.WREG_BULK ? layout.words + 2 * ((words[at] ?? 0) & 0xffff) : layout.words;
}

/** Whether the driver's parser lets a user send the (complete) packet at `at`; 'EINVAL' also for an undefined opcode. */
export function userVerdict(words: Uint32Array, at: number): UserVerdict {
  const layout = layoutsByOpcode[opcodeOf(words[at + 1] ?? 0)];
  if (layout === undefined) return 'EINVAL';
  const { refusedWhen, spec } = layout;
  if (refusedWhen !== null && readField(words, at, refusedWhen.field) === refusedWhen.value) return refusedWhen.verdict;
  return spec.userAllowed;
}

function readField(words: Uint32Array, at: number, { word, low, bits, mask }: NamedField): number {
  const first = words[at + word] ?? 0;
  if (bits <= 32) return ((first & mask) >>> low) >>> 0;
  return (((words[at + word + 1] ?? 0) & mask) >>> 0) * 2 ** 32 + first;
}

/** Puts a value over whatever bits were there. */
function writeField(words: Uint32Array, at: number, field: NamedField, value: number): void {
  const { word, low, bits, mask } = field;
  const index = at + word;
  if (bits <= 32) {
    words[index] = ((words[index] as number) & ~mask) | (value << low);
  } else {
    const high = Math.floor(value / 2 ** 32);
    words[index] = value - high * 2 ** 32;
    words[index + 1] = ((words[index + 1] as number) & ~mask) | high;
  }
}

function encode(layout: Layout, words: Uint32Array, at: number, input: object): number {
  const { template } = layout;
  const end = at + template.length;
  if (end > words.length)
    throw new RangeError(`${layout.name} does not fit: ${words.length - at} dwords left, ${template.length} needed`);
  for (let i = 0; i < template.length; i++) words[at + i] = template[i] as number;
  const values = input as Readonly<Record<string, number | boolean | undefined>>;
  for (const name in values) {
    const given = values[name];
    if (given === undefined) continue;
    const value = typeof given === 'number' ? given : given ? 1 : 0;
    const field = layout.byName.get(name);
    if (field === undefined) throw new RangeError(`${layout.name} has no field ${name}`);
    if (!(value >= 0 && value < field.limit && Math.floor(value) === value))
      throw new RangeError(`${layout.name} ${name}: ${value} is no unsigned number of ${field.bits} bits`);
    writeField(words, at, field, value);
  }
  return end;
}

/**
 * Writes a packet at dword index `at` and returns the index behind it (before the trailing values, for WREG_BULK).
 * Throws RangeError when a value does not fit its field or the packet does not fit the array: a packet that does something
 * other than what was asked for would be found much later.
 */
export function encodePacket<N extends PacketName>(
  words: Uint32Array,
  at: number,
  name: N,
  input: PacketInput<N>,
): number {
  const layout = layouts.get(name);
  if (layout === undefined) throw new RangeError(`no packet ${name}`);
  return encode(layout, words, at, input);
}

/** encodePacket() for one packet. */
type Encoder<N extends PacketName> = (words: Uint32Array, at: number, input: PacketInput<N>) => number;
function encoder<N extends PacketName>(name: N): Encoder<N> {
  return (words, at, input) => encodePacket(words, at, name, input);
}

/**
 * The packet at dword index `at`, which must end at or before `limit`; undefined for an undefined opcode or a packet that
 * runs past the limit.
 */
export function decodePacket(words: Uint32Array, at: number, limit: number = words.length): DecodedPacket | undefined {
  if (at + 2 > limit) return undefined;
  const layout = layoutsByOpcode[opcodeOf(words[at + 1] ?? 0)];
  if (layout === undefined) return undefined;
  const size = packetWords(words, at);
  if (at + size > limit) return undefined;
  const fields: Record<string, number> = {};
  for (const field of layout.fields) fields[field.name] = readField(words, at, field);
  return { opcode: layout.opcode, name: layout.name, words: size, fields };
}

/** One line, such as "LIN_DMA 65536 B 0x1000000200000 -> 0x20000000"; "[EB]" marks an engine barrier. */
export function formatPacket(packet: DecodedPacket): string {
  const text = PACKETS[packet.name].text(packet.fields);
  return `${packet.name}${text === '' ? '' : ` ${text}`}${packet.fields.eb === 1 ? ' [EB]' : ''}`;
}

export const encodeWreg32 = encoder('WREG_32');
export const encodeMsgLong = encoder('MSG_LONG');
export const encodeMsgShort = encoder('MSG_SHORT');
export const encodeCpDma = encoder('CP_DMA');
export const encodeRepeat = encoder('REPEAT');
export const encodeMsgProt = encoder('MSG_PROT');
export const encodeFence = encoder('FENCE');
/** A copy gives `src`, a memset `memSet` and `patternLow`/`patternHigh` instead. */
export const encodeLinDma = encoder('LIN_DMA');
export const encodeArbPoint = encoder('ARB_POINT');
export const encodeWait = encoder('WAIT');
export const encodeLoadAndExe = encoder('LOAD_AND_EXE');
export function encodeNop(words: Uint32Array, at: number, input: PacketInput<'NOP'> = {}): number {
  return encodePacket(words, at, 'NOP', input);
}
export function encodeStop(words: Uint32Array, at: number, input: PacketInput<'STOP'> = {}): number {
  return encodePacket(words, at, 'STOP', input);
}

/** Writes a WREG_BULK with its values (an even number of 32-bit registers) and returns the index behind it. */
export function encodeWregBulk(
  words: Uint32Array,
  at: number,
  input: Omit<PacketInput<'WREG_BULK'>, 'size64'> & { readonly values: readonly number[] },
): number {
  const { values, ...rest } = input;
  if (values.length % 2 !== 0) throw new RangeError(`WREG_BULK takes pairs of registers, not ${values.length}`);
  const next = encodePacket(words, at, 'WREG_BULK', { ...rest, size64: values.length / 2 });
  if (next + values.length > words.length) throw new RangeError(`WREG_BULK of ${values.length} registers does not fit`);
  words.set(values, next);
  return next + values.length;
}

/** The 32-bit word that updates a sync object (device.md 3.3). */
export function sobValue(mode: 'set' | 'add', value: number): number {
  if (!(value >= 0 && value <= 0x7fff && Number.isInteger(value))) throw new RangeError(`sync object value ${value}`);
  return mode === 'add' ? (0x8000_0000 | value) >>> 0 : value;
}

export interface MonitorCondition {
  /** First watched sync object divided by SOBS_PER_GROUP. */
  readonly group: number;
  /** Bit i set: object 8 * group + i is ignored. */
  readonly mask: number;
  readonly mode: 'ge' | 'eq';
  readonly value: number;
}

/** The 32-bit word that arms a monitor (device.md 3.3). */
export function monitorArm({ group, mask, mode, value }: MonitorCondition): number {
  if (!(group >= 0 && group <= 0xff && mask >= 0 && mask <= 0xff && value >= 0 && value <= 0x7fff))
    throw new RangeError(`monitor condition: group ${group}, mask ${mask}, value ${value}`);
  return ((value << 17) | (mode === 'eq' ? 0x1_0000 : 0) | (mask << 8) | group) >>> 0;
}

export function decodeMonitorArm(arm: number): MonitorCondition {
  return { group: arm & 0xff, mask: (arm >>> 8) & 0xff, mode: (arm & 0x1_0000) !== 0 ? 'eq' : 'ge', value: arm >>> 17 };
}
