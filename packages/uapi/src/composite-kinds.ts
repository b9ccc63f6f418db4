/**
 * Kinds made of kinds: arrays, structs (positional on the wire), optional trailing fields, plain documents.
 *
 * Owns: arity and nesting rules, and error paths such as `chunksExecute[3].handle`, which cost nothing until something is wrong.
 * Must not know: any ioctl.
 */
import { HlError } from '@pedrera/base';
import { type Kind, refuse, type ValueOf } from './kinds.js';

export type Shape = Readonly<Record<string, Kind<unknown>>>;

type OptionalKeys<S extends Shape> = { [K in keyof S]: S[K] extends { readonly optional: true } ? K : never }[keyof S];

/** One flat object type instead of an intersection: what an editor shows is what one writes. */
type Flat<T> = { [K in keyof T]: T[K] };

/** The TypeScript object a shape describes. */
export type ObjectOf<S extends Shape> = Flat<
  { -readonly [K in Exclude<keyof S, OptionalKeys<S>>]: ValueOf<S[K]> } & {
    -readonly [K in OptionalKeys<S>]?: ValueOf<S[K]>;
  }
>;

/**
 * Encodes and decodes one shape; the fields and their order are worked out once.
 * The path of a field is its parent's plus `.name`, so at the top, where the path is empty, it begins with a dot (see codec.ts).
 */
export interface ShapeCodec<T> {
  readonly names: readonly string[];
  check(value: unknown, path: string): T;
  toWire(value: T): unknown[];
  fromWire(value: unknown, path: string): T;
}

type Fields = Record<string, unknown>;

export function shapeCodec<S extends Shape>(shape: S): ShapeCodec<ObjectOf<S>> {
  const names = Object.keys(shape);
  const kinds = Object.values(shape);
  const total = names.length;
  const firstOptional = kinds.findIndex((kind) => kind.optional === true);
  const required = firstOptional < 0 ? total : firstOptional;
  if (kinds.slice(required).some((kind) => kind.optional !== true))
    throw new TypeError('only trailing fields may be optional');
  const arity = required === total ? `${total} fields (${names.join(', ')})` : `${required} to ${total} fields`;

  /** Objects of one shape share a hidden class when they are made from one literal-like template. */
  const template: Fields = Object.fromEntries(names.slice(0, required).map((name) => [name, 0]));

  const check = (value: unknown, path: string): ObjectOf<S> => {
    if (typeof value !== 'object' || value === null) throw refuse(path, value, 'an object');
    const fields = value as Fields;
    let i = 0;
    try {
      for (; i < total; i += 1) {
        const field = fields[names[i] as string];
        if (i >= required && field === undefined) continue;
        (kinds[i] as Kind<unknown>).check(field, '');
      }
    } catch (error) {
      throw within(error, `${path}.${names[i]}`);
    }
    return value as ObjectOf<S>;
  };

  const toWire = (value: ObjectOf<S>): unknown[] => {
    const fields = value as Fields;
    const out: unknown[] = [];
    for (let i = 0; i < total; i += 1) {
      const field = fields[names[i] as string];
      out.push(i >= required && field === undefined ? null : (kinds[i] as Kind<unknown>).toWire(field));
    }
    while (out.length > required && out[out.length - 1] === null) out.pop();
    return out;
  };

  const fromWire = (value: unknown, path: string): ObjectOf<S> => {
    if (!Array.isArray(value)) throw refuse(path, value, 'an array');
    if (value.length < required || value.length > total) throw refuse(path, value, arity);
    const out: Fields = { ...template };
    let i = 0;
    try {
      for (; i < value.length; i += 1) {
        const field: unknown = value[i];
        if (i >= required && (field === null || field === undefined)) continue;
        out[names[i] as string] = (kinds[i] as Kind<unknown>).fromWire(field, '');
      }
    } catch (error) {
      throw within(error, `${path}.${names[i]}`);
    }
    return out as ObjectOf<S>;
  };

  return { names, check, toWire, fromWire };
}

/** Completes the path of a refusal from the inside out: paths are put together only when something is wrong. */
function within(error: unknown, prefix: string): unknown {
  return error instanceof HlError ? new HlError(error.code, `${prefix}${error.detail ?? ''}`) : error;
}

export function struct<S extends Shape>(shape: S): Kind<ObjectOf<S>> {
  const codec = shapeCodec(shape);
  const kinds = Object.entries(shape);
  return {
    label: `{${codec.names.join(', ')}}`,
    shape: { type: 'struct', fields: shape },
    check: codec.check,
    format(value) {
      const fields = value as Fields;
      const shown = kinds.filter(([name]) => fields[name] !== undefined);
      return `{${shown.map(([name, kind]) => `${name}=${kind.format(fields[name])}`).join(', ')}}`;
    },
    toWire: codec.toWire,
    fromWire: codec.fromWire,
  };
}

/** How many elements of an array a trace line shows. */
const SHOWN_ELEMENTS = 4;

export function array<T>(element: Kind<T>, max: number): Kind<T[]> {
  return {
    label: `array(${element.label}, ${max})`,
    shape: { type: 'array', max, element },
    check(value, path) {
      if (!Array.isArray(value) || value.length > max) throw refuse(path, value, `an array of at most ${max}`);
      let i = 0;
      try {
        for (; i < value.length; i += 1) element.check(value[i], '');
      } catch (error) {
        throw within(error, `${path}[${i}]`);
      }
      return value as T[];
    },
    format(value) {
      const shown = value.slice(0, SHOWN_ELEMENTS).map((item) => element.format(item));
      if (value.length > SHOWN_ELEMENTS) shown.push(`... ${value.length} in all`);
      return `[${shown.join(', ')}]`;
    },
    toWire: (value) => value.map((item) => element.toWire(item)),
    fromWire(value, path) {
      if (!Array.isArray(value) || value.length > max) throw refuse(path, value, `an array of at most ${max}`);
      const out: T[] = [];
      let i = 0;
      try {
        for (; i < value.length; i += 1) out.push(element.fromWire(value[i], ''));
      } catch (error) {
        throw within(error, `${path}[${i}]`);
      }
      return out;
    },
  };
}

export interface OptionalKind<T> extends Kind<T> {
  readonly optional: true;
}

/** A trailing field that may be absent: undefined in TypeScript, nil or missing on the wire. */
export function optional<T>(inner: Kind<T>): OptionalKind<T> {
  return { ...inner, label: `${inner.label}?`, shape: { type: 'optional', inner }, optional: true };
}

/** Deepest nesting of a document; INSPECT documents use five levels. */
const DOCUMENT_DEPTH = 12;

/** A JSON-like value with a `schema` field, for inspection; its inner form is the schema's business, not the wire's. */
export function document<T extends { readonly schema: string }>(schema: T['schema']): Kind<T> {
  const check = (value: unknown, path: string): T => {
    if (typeof value !== 'object' || value === null || (value as { schema?: unknown }).schema !== schema) {
      throw refuse(path, value, `a document of schema ${schema}`);
    }
    if (!isPlain(value, DOCUMENT_DEPTH)) throw refuse(path, value, 'a plain JSON-like document');
    return value as T;
  };
  return {
    label: `document<${schema}>`,
    shape: { type: 'document', schema },
    check,
    format: () => `<${schema}>`,
    toWire: (value) => value,
    fromWire: check,
  };
}

function isPlain(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth - 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.values(value).every((item) => isPlain(item, depth - 1));
}
