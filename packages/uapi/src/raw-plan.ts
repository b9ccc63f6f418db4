/**
 * How one call's request and result lie in its arg block, worked out once per entry so that a call reflects on nothing.
 *
 * Owns: the compiled readers and writers, always by the kernel's own layout (6.1), as the driver has it.
 * Must not know: the copy rule (raw.ts).
 */
import { HlError } from '@pedrera/base';
import {
  type AbiBinding,
  type BitTest,
  holds,
  type NestedPointer,
  type PointerSpec,
  type StructPointerSpec,
} from './ioctl.js';
import { decodeStruct, type FieldLayout, type StructLayout } from './layout.js';
import { markUnreadable } from './raw-marks.js';
import { u53 } from './scalars.js';
import type { Entry } from './table.js';

type Binding = AbiBinding<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>>;
type Values = Record<string, unknown>;

interface PlacedName {
  readonly name: string;
  readonly field: FieldLayout;
}

/** Buffers behind the block's pointers, in the order of the table; null for memory the caller's side could not read. */
export type RawBuffers = readonly (Uint8Array | null)[];

/** Takes the next buffer, which has to hold `count` elements of `size` bytes; else EFAULT, for the reader to throw or to keep. */
export interface BufferSource {
  next(count: number, size: number, what: string): DataView | HlError;
}

export interface RawPlan {
  readonly abi: Binding;
  readRequest(block: DataView, buffers: BufferSource): Values;
  /** Writes back the byte counts of input structs, clipped to what was read. */
  clipInputs(block: DataView): void;
  /** Writes result fields that are not 0; what they go into has been cleared before. */
  writeResult(into: DataView, res: Values): void;
}

export function fieldOf(struct: StructLayout, name: string): FieldLayout {
  const field = struct.fields[name];
  if (field === undefined) throw new TypeError(`${struct.c} has no field ${name}`);
  return field;
}

export function readNumber(struct: StructLayout, name: string, view: DataView, base = 0): number {
  const field = fieldOf(struct, name);
  return Number(field.as.read(view, base + field.at));
}

function place(struct: StructLayout, names: Readonly<Record<string, string>>): PlacedName[] {
  return Object.entries(names).map(([name, inStruct]) => ({ name, field: fieldOf(struct, inStruct) }));
}

type Step = (block: DataView, buffers: BufferSource, into: Values) => void;

function readPointer(name: string, spec: PointerSpec, struct: StructLayout, nested: NestedPlan | undefined): Step {
  const applies = condition(spec.when, struct);
  const count = fieldOf(struct, spec.count);
  const element = spec.element;
  const fields = element === null ? [] : place(element, spec.fields ?? {});
  const size = element === null ? u53.size : element.size['6.1'];
  const readElement = (view: DataView, at: number): unknown => {
    if (element === null) return u53.read(view, at);
    const value: Values = {};
    for (const { name: key, field } of fields) value[key] = field.as.read(view, at + field.at);
    return value;
  };
  const zero = new DataView(new ArrayBuffer(size));
  const zeros = (length: number): unknown[] => Array.from({ length }, () => readElement(zero, 0));
  return (block, buffers, into) => {
    if (!applies(block)) {
      into[name] = [];
      return;
    }
    const length = Number(count.as.read(block, count.at));
    if (length > spec.max) {
      into[name] = zeros(spec.max + 1);
      return;
    }
    const items: unknown[] = [];
    if (length > 0) {
      const view = buffers.next(length, size, name);
      if (view instanceof HlError) {
        if (spec.deferred !== true) throw view;
        into[name] = markUnreadable(zeros(length), view);
        return;
      }
      for (let i = 0; i < length; i += 1) items.push(readElement(view, i * size));
      nested?.(block, view, buffers, items[0] as Values);
    }
    into[name] = items;
  };
}

/** A struct the caller may give the beginning of. Absent when there is no pointer or nothing behind it (uapi.md 8). */
function readStruct(name: string, spec: StructPointerSpec, struct: StructLayout): Step {
  const pointer = fieldOf(struct, spec.pointer);
  const bytes = fieldOf(struct, spec.bytes);
  const full = spec.struct.size['6.1'];
  return (block, buffers, into) => {
    const length = Math.min(Number(bytes.as.read(block, bytes.at)), full);
    if (length === 0 || Number(pointer.as.read(block, pointer.at)) === 0) return;
    const given = buffers.next(1, length, name);
    if (given instanceof HlError) throw given;
    const whole = new Uint8Array(full);
    whole.set(new Uint8Array(given.buffer, given.byteOffset, length));
    into[name] = decodeStruct(spec.struct, '6.1', new DataView(whole.buffer));
  };
}

type NestedPlan = (block: DataView, firstElement: DataView, buffers: BufferSource, into: Values) => void;

function readNested(spec: NestedPointer, struct: StructLayout, element: StructLayout): NestedPlan {
  const applies = condition(spec.when, struct);
  return (block, first, buffers, into) => {
    if (!applies(block)) return;
    const length = readNumber(element, spec.count, first);
    if (length > spec.max) {
      into[spec.field] = new Array<number>(spec.max + 1).fill(0);
    } else if (length === 0) {
      into[spec.field] = [];
    } else {
      const view = buffers.next(length, u53.size, spec.field);
      if (view instanceof HlError) {
        if (spec.deferred !== true) throw view;
        into[spec.field] = markUnreadable(new Array<number>(length).fill(0), view);
        return;
      }
      into[spec.field] = Array.from({ length }, (_, i) => u53.read(view, i * u53.size));
    }
  };
}

function condition(test: BitTest | undefined, struct: StructLayout): (block: DataView) => boolean {
  if (test === undefined) return () => true;
  const field = fieldOf(struct, test.field);
  return (block) => holds(test, Number(field.as.read(block, field.at)));
}

function compile(entry: Entry, abi: Binding): RawPlan {
  const struct = abi.block.in;
  const plain: PlacedName[] = [];
  const steps: Step[] = [];
  const clips: { readonly field: FieldLayout; readonly most: number }[] = [];
  for (const name of Object.keys(entry.req)) {
    const where = abi.in[name];
    if (where === undefined) throw new TypeError(`${entry.name}: ${name} has no place in ${struct.c}`);
    if (typeof where === 'string') {
      plain.push({ name, field: fieldOf(struct, where) });
      continue;
    }
    if ('struct' in where) {
      steps.push(readStruct(name, where, struct));
      clips.push({ field: fieldOf(struct, where.bytes), most: where.struct.size['6.1'] });
      continue;
    }
    if ('field' in where) {
      const field = fieldOf(struct, where.field);
      const means = condition(where.when, struct);
      steps.push((block, _, into) => {
        if (means(block)) into[name] = field.as.read(block, field.at);
      });
      continue;
    }
    const inner = abi.nested?.find((spec) => spec.array === name);
    const nested = inner === undefined || where.element === null ? undefined : readNested(inner, struct, where.element);
    const step = readPointer(name, where, struct, nested);
    const applies = condition(where.when, struct);
    const dispensable = entry.req[name]?.optional === true;
    steps.push(dispensable ? (block, buffers, into) => applies(block) && step(block, buffers, into) : step);
  }
  const target = abi.payload ?? abi.block.out;
  const results = target === undefined ? [] : place(target, abi.out);
  return {
    abi,
    readRequest(block, buffers) {
      const req: Values = {};
      for (const { name, field } of plain) req[name] = field.as.read(block, field.at);
      for (const step of steps) step(block, buffers, req);
      return req;
    },
    clipInputs(block) {
      for (const { field, most } of clips) {
        if (Number(field.as.read(block, field.at)) > most) field.as.write(block, field.at, most);
      }
    },
    writeResult(into, res) {
      for (const { name, field } of results) {
        const value = res[name];
        // Members of a union share bytes: the ones that say nothing must not wipe out the one that does.
        if (value === undefined || value === 0 || value === 0n || value === false) continue;
        field.as.write(into, field.at, value);
      }
    },
  };
}

const PLANS = new Map<string, RawPlan>();

export function planOf(entry: Entry): RawPlan {
  const known = PLANS.get(entry.name);
  if (known !== undefined) return known;
  if (entry.abi === undefined) throw new HlError('ENOTTY', 'no C program makes this call', entry.name);
  const plan = compile(entry, entry.abi);
  PLANS.set(entry.name, plan);
  return plan;
}
