/**
 * The C program's side of the raw spelling, in TypeScript: builds the arg block a program compiled against either header would pass,
 * and reads the answer as it would. For tests, fuzzing and tools; a TypeScript client uses the typed spelling.
 *
 * Must not know: how the kernel decodes (raw.ts), or the two could agree on a mistake.
 */
import { HlError } from '@pedrera/base';
import { holds, type NestedPointer, type PointerSpec, type RequestPlace, type StructPointerSpec } from './ioctl.js';
import { type Abi, encodeStruct, placeOf, type StructLayout, type StructValues } from './layout.js';
import { commandNumber, type RawReply } from './raw.js';
import type { Entry } from './table.js';

export interface RawCallBytes {
  readonly cmd: number;
  readonly block: Uint8Array;
  readonly buffers: readonly Uint8Array[];
}

type Values = Readonly<Record<string, unknown>>;

/** Any address but 0 does: buffers travel beside the block. */
const SOME_POINTER = 0x7f00_0000_1000n;
const POINTER_STEP = 0x10_0000n;

interface Building {
  readonly abi: Abi;
  readonly entry: Entry;
  readonly values: StructValues;
  readonly buffers: Uint8Array[];
}

/** Spells a request as a block. `returnSize` is how much of an INFO answer the program asks for; absent, all of it, or what the request says. */
export function encodeCall(
  entry: Entry,
  request: object,
  options: { readonly abi?: Abi; readonly returnSize?: number } = {},
): RawCallBytes {
  const binding = entry.abi;
  if (binding === undefined) throw new HlError('ENOTTY', 'no C program makes this call', entry.name);
  const abi = options.abi ?? '6.1';
  const req = request as Values;
  const building: Building = { abi, entry, values: {}, buffers: [] };
  const { values } = building;
  const struct = binding.block.in;
  if (struct.fields.op !== undefined) values.op = entry.op;
  if (binding.payload !== undefined || binding.text !== undefined) {
    values.returnPointer = SOME_POINTER;
    const asked = options.returnSize ?? binding.payload?.size[abi];
    if (asked !== undefined) values.returnSize = asked;
  }
  if (binding.words !== undefined) values[binding.words.pointer] = SOME_POINTER;
  const places = Object.entries(binding.in) as [string, RequestPlace][];
  for (const [name, where] of places) if (typeof where === 'string') values[where] = req[name];
  for (const [name, bits] of Object.entries(binding.set ?? {})) values[name] = (Number(values[name] ?? 0) | bits) >>> 0;
  for (const [name, where] of places) {
    if (typeof where === 'string') continue;
    if ('struct' in where) addStruct(building, where, req[name] as StructValues | undefined);
    else if (where.when === undefined || holds(where.when, Number(values[where.when.field]))) {
      // What shares its bytes with it and means nothing here was written as 0, so the order of the two does not matter.
      if ('field' in where) addAlias(building, where.field, req[name]);
      else addArray(building, where, (req[name] as readonly unknown[] | undefined) ?? [], name);
    }
  }
  const block = new Uint8Array(binding.block.size[abi]);
  encodeStruct(struct, abi, values, new DataView(block.buffer));
  return { cmd: commandNumber(entry.nr, block.length), block, buffers: building.buffers };
}

/** A field in a union: only one of its members may speak. */
function addAlias(building: Building, field: string, value: unknown): void {
  if (value === undefined) return;
  const layout = building.entry.abi?.block.in.fields;
  for (const [name, other] of Object.entries(layout ?? {})) {
    if (other.at === layout?.[field]?.at) delete building.values[name];
  }
  building.values[field] = value;
}

/** The struct as the program's header has it, which may be the beginning of the kernel's. */
function addStruct(building: Building, spec: StructPointerSpec, fields: StructValues | undefined): void {
  if (fields === undefined) return;
  const { abi, buffers, values } = building;
  const bytes = new Uint8Array(spec.struct.size[abi]);
  encodeStruct(spec.struct, abi, fields, new DataView(bytes.buffer));
  values[spec.pointer] = pointerFor(buffers.length);
  values[spec.bytes] = bytes.length;
  buffers.push(bytes);
}

function pointerFor(index: number): bigint {
  return SOME_POINTER + BigInt(index) * POINTER_STEP;
}

function addArray(building: Building, spec: PointerSpec, items: readonly unknown[], name: string): void {
  const { values, buffers, abi } = building;
  const pointer = items.length === 0 ? 0n : pointerFor(buffers.length);
  // The pointer of a multi-CS wait lies where the sequence number would, as a number that a double holds exactly.
  values[spec.pointer] = spec.pointer === 'seq' ? Number(pointer) : pointer;
  values[spec.count] = items.length;
  if (items.length === 0 || items.length > spec.max) return;
  if (spec.element === null) {
    buffers.push(u64Array(items as readonly number[]));
    return;
  }
  const size = spec.element.size[abi];
  const bytes = new Uint8Array(items.length * size);
  buffers.push(bytes);
  const view = new DataView(bytes.buffer);
  const nested = building.entry.abi?.nested?.find((inner) => inner.array === name);
  items.forEach((item, i) => {
    const fields = item as Values;
    const element: StructValues = {};
    for (const [key, where] of Object.entries(spec.fields ?? {})) element[where] = fields[key];
    if (i === 0 && nested !== undefined) addNested(building, nested, fields, element);
    encodeStruct(spec.element as StructLayout, abi, element, view, i * size);
  });
}

function addNested(building: Building, spec: NestedPointer, fields: Values, element: StructValues): void {
  if (!holds(spec.when, Number(building.values[spec.when.field]))) return;
  const items = (fields[spec.field] as readonly number[] | undefined) ?? [];
  element[spec.pointer] = items.length === 0 ? 0n : pointerFor(building.buffers.length);
  element[spec.count] = items.length;
  // Both lie in unions with fields of a plain submission.
  delete element.cbHandle;
  delete element.cbSize;
  if (items.length > 0 && items.length <= spec.max) building.buffers.push(u64Array(items));
}

function u64Array(items: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(items.length * 8);
  const view = new DataView(bytes.buffer);
  items.forEach((item, i) => {
    view.setBigUint64(i * 8, item >= 2 ** 64 ? 0xffff_ffff_ffff_ffffn : BigInt(item), true);
  });
  return bytes;
}

/** Reads the answer to a call that succeeded. Fields the program's header does not have are left out. */
export function decodeReply(entry: Entry, reply: RawReply, abi: Abi = '6.1'): Record<string, unknown> {
  const binding = entry.abi;
  if (binding === undefined) throw new HlError('ENOTTY', 'no C program makes this call', entry.name);
  if (binding.text !== undefined) return { [binding.text.field]: reply.buffers[0] ?? new Uint8Array() };
  if (binding.words !== undefined) return { [binding.words.field]: wordsIn(reply.buffers[0] ?? new Uint8Array()) };
  const struct = binding.payload ?? binding.block.out;
  const bytes = binding.payload === undefined ? reply.block : (reply.buffers[0] ?? new Uint8Array());
  const res: Record<string, unknown> = {};
  if (struct === undefined) return res;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [name, where] of Object.entries(binding.out)) {
    const described = struct.fields[where];
    const place = described === undefined ? null : placeOf(described, abi);
    if (place !== null && place.at + place.as.size <= bytes.length) res[name] = place.as.read(view, place.at);
  }
  return res;
}

function wordsIn(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 8) }, (_, i) => Number(view.getBigUint64(i * 8, true)));
}
