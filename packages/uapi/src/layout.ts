/**
 * Binary layouts: where each field of a C struct lies, in both generations of the header that user space was built with.
 *
 * Owns: the form of a layout, and reading and writing structs by it.
 * Must not know: which struct an ioctl uses (structs.ts has the layouts, the ioctl files bind them).
 */
import type { Scalar } from './scalars.js';

/** '2021': the header shipped with hl-thunk of May 2021. '6.1': <misc/habanalabs.h> of Linux 6.1, the kernel's own view. */
export type Abi = '2021' | '6.1';
export const ABIS: readonly Abi[] = ['2021', '6.1'];

export interface FieldLayout<T = unknown> {
  /** Path of the field inside the C struct, as offsetof takes it. */
  readonly c: string;
  /** Byte offset in the 6.1 struct. */
  readonly at: number;
  readonly as: Scalar<T>;
  /** What 2021 has in its place: nothing (null, or padding), or a field of another offset or type. Absent: the same field. */
  readonly in2021?: { readonly at: number; readonly as: Scalar<T> } | null;
}

export interface StructLayout<F extends Readonly<Record<string, FieldLayout>> = Readonly<Record<string, FieldLayout>>> {
  /** The C type, such as `struct hl_cb_in`. */
  readonly c: string;
  readonly size: Readonly<Record<Abi, number>>;
  /** Fields by their TypeScript name. Members of a union overlap. */
  readonly fields: F;
}

export function field<T>(c: string, as: Scalar<T>, at: number, in2021?: FieldLayout<T>['in2021']): FieldLayout<T> {
  return in2021 === undefined ? { c, at, as } : { c, at, as, in2021 };
}

/** `size` is that of 6.1; `size2021` only where it differs, 0 when 2021 does not know the struct. */
export function layout<const F extends Readonly<Record<string, FieldLayout>>>(
  c: string,
  size: number | { readonly '6.1': number; readonly '2021': number },
  fields: F,
): StructLayout<F> {
  return { c, size: typeof size === 'number' ? { '6.1': size, '2021': size } : size, fields };
}

export interface PlacedField {
  readonly at: number;
  readonly as: Scalar<unknown>;
}

/** Where a field lies in a generation, or null when that generation does not have it. */
export function placeOf(of: FieldLayout, abi: Abi): PlacedField | null {
  if (abi === '6.1' || of.in2021 === undefined) return of;
  return of.in2021;
}

export type StructValues = Record<string, unknown>;

/** Reads every field; one the generation does not have, or that lies beyond the end of `view`, is left out. */
export function decodeStruct(from: StructLayout, abi: Abi, view: DataView, base = 0): StructValues {
  const values: StructValues = {};
  for (const [name, described] of Object.entries(from.fields)) {
    const place = placeOf(described, abi);
    if (place === null || base + place.at + place.as.size > view.byteLength) continue;
    const value = place.as.read(view, base + place.at);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/** Writes the fields that are given; the other bytes stay as they are. */
export function encodeStruct(to: StructLayout, abi: Abi, values: StructValues, view: DataView, base = 0): void {
  for (const [name, value] of Object.entries(values)) {
    const described = to.fields[name];
    if (described === undefined) throw new TypeError(`${to.c} has no field ${name}`);
    const place = placeOf(described, abi);
    if (place !== null && value !== undefined) place.as.write(view, base + place.at, value);
  }
}
