/**
 * Where the pointers of an arg block lie, and what the program has behind them.
 *
 * Owns: the way from a block with buffers beside it to buffers in a program's memory. Must not know how a call is made.
 */
import type { Entry, FieldLayout, StructLayout } from '@pedrera/uapi';
import { NO_MEMORY } from '../framework/block.js';

/** Given: bytes the call reads. Empty: room it writes to. Nowhere: memory that is none. */
export type Behind =
  | { readonly kind: 'given'; readonly bytes: Uint8Array }
  | { readonly kind: 'empty'; readonly size: number }
  | { readonly kind: 'nowhere' };

export interface Pointer {
  /** 0: it lies in the block; n: in what the n-th pointer of the list leads to. */
  readonly holder: number;
  readonly at: number;
  readonly behind: Behind;
}

/** More than any call answers. */
const MOST_ROOM = 2 ** 20 + 4096;
const POINTER_BYTES = 8;
const NOWHERE: Behind = { kind: 'nowhere' };

type Binding = NonNullable<Entry['abi']>;
interface Condition {
  readonly field: string;
  readonly mask?: number;
  readonly without?: number;
}

/** `buffers` in the order of the table; null for one that cannot be read, as is one that is not there. */
export function pointersOf(
  { abi, req }: Entry,
  block: Uint8Array,
  buffers: readonly (Uint8Array | null)[],
): readonly Pointer[] {
  if (abi === undefined) {
    return [];
  }
  const whole = extended(block, abi);
  const struct = abi.block.in;
  const left = [...buffers];
  const next = (): Behind => {
    const bytes = left.shift();
    return bytes instanceof Uint8Array ? { kind: 'given', bytes } : NOWHERE;
  };
  const pointers: Pointer[] = [];
  const put = (holder: number, at: number, behind: Behind): void => {
    if (holder > 0 || at + POINTER_BYTES <= block.length) {
      pointers.push({ holder, at, behind });
    }
  };
  const leadsNowhere = (at: number): boolean => whole.getBigUint64(at, true) === NO_MEMORY;
  for (const name of Object.keys(req)) {
    const where = abi.in[name];
    if (where === undefined || typeof where === 'string' || 'field' in where) {
      continue;
    }
    const at = fieldOf(struct, where.pointer).at;
    if ('struct' in where) {
      if (number(struct, where.bytes, whole) > 0 && whole.getBigUint64(at, true) !== 0n) {
        put(0, at, next());
      }
      continue;
    }
    const count = number(struct, where.count, whole);
    if (count === 0 || count > where.max || !meant(where.when, struct, whole)) {
      continue;
    }
    const behind = next();
    put(0, at, behind);
    const inner = abi.nested?.find(({ array }) => array === name);
    if (inner === undefined || where.element === null || behind.kind !== 'given' || !meant(inner.when, struct, whole)) {
      continue;
    }
    const { bytes } = behind;
    const first = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const items = number(where.element, inner.count, first);
    if (items > 0 && items <= inner.max) {
      put(pointers.length, fieldOf(where.element, inner.pointer).at, next());
    }
  }
  const room = roomFor(abi, whole);
  if (room !== undefined && whole.getBigUint64(room.at, true) !== 0n) {
    put(0, room.at, leadsNowhere(room.at) ? NOWHERE : { kind: 'empty', size: Math.min(room.size, MOST_ROOM) });
  }
  return pointers;
}

/** How many bytes of the room a call that succeeds has written, by the block it left. */
export function writtenBytes(abi: Binding, block: Uint8Array): number {
  const whole = extended(block, abi);
  const struct = abi.block.in;
  if (abi.text !== undefined) {
    return number(struct, abi.text.actualSize, whole);
  }
  if (abi.payload !== undefined) {
    return Math.min(abi.payload.size['6.1'], number(struct, 'returnSize', whole));
  }
  return abi.words === undefined ? 0 : number(struct, abi.words.size, whole);
}

function roomFor(abi: Binding, block: DataView): { readonly at: number; readonly size: number } | undefined {
  const struct = abi.block.in;
  if (abi.payload !== undefined || abi.text !== undefined) {
    return { at: fieldOf(struct, 'returnPointer').at, size: number(struct, 'returnSize', block) };
  }
  if (abi.words === undefined) {
    return undefined;
  }
  return { at: fieldOf(struct, abi.words.pointer).at, size: number(struct, abi.words.size, block) };
}

/** A shorter block is one whose other fields are zero (uapi.md 2.2). */
function extended(block: Uint8Array, abi: Binding): DataView {
  const whole = new Uint8Array(Math.max(block.length, abi.block.size['6.1']));
  whole.set(block);
  return new DataView(whole.buffer);
}

function meant(when: Condition | undefined, struct: StructLayout, block: DataView): boolean {
  if (when === undefined) {
    return true;
  }
  const bits = number(struct, when.field, block);
  return (
    (when.mask === undefined || (bits & when.mask) !== 0) && (when.without === undefined || (bits & when.without) === 0)
  );
}

function number(struct: StructLayout, name: string, view: DataView): number {
  const { at, as } = fieldOf(struct, name);
  return Number(as.read(view, at));
}

function fieldOf(struct: StructLayout, name: string): FieldLayout {
  const field = struct.fields[name];
  if (field === undefined) {
    throw new TypeError(`${struct.c} has no field ${name}`);
  }
  return field;
}
