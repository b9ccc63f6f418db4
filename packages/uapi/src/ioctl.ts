/**
 * What one entry of the table says about a call.
 *
 * Owns: the form of an entry, and the types Req and Res that follow from its shapes.
 * Must not know: any particular call (ioctls/*.ts) or how entries are used (codec.ts, raw.ts, strace.ts, docs.ts).
 */
import type { ErrnoCode } from '@pedrera/base';
import { type ObjectOf, type Shape, type ShapeCodec, shapeCodec } from './composite-kinds.js';
import type { StructLayout } from './layout.js';

/**
 * Who may call: 'any' before OPEN too; 'primary', 'control' and 'importer' name the node; 'both' is either node of a device;
 * 'sharing' is whatever node descriptors can be held at, a device's primary one or the importer.
 */
export type Access = 'any' | 'primary' | 'control' | 'both' | 'importer' | 'sharing';

/**
 * How faithful an implementation the entry describes: 'exact' does what the driver does, errno for errno, under the exclusive policy;
 * 'functional' does the same work but not in every corner, or work the driver does not have; 'refused' only fails, as the contract has it
 * for Gaudi.
 */
export type Level = 'exact' | 'functional' | 'refused';

/** The arg block of one ioctl number. */
export interface ArgBlock {
  /** C type and the macro with the full command number. */
  readonly c: string;
  readonly macro: string;
  readonly in: StructLayout;
  /** Absent where the block carries no result (INFO answers through a pointer). */
  readonly out?: StructLayout;
  readonly size: { readonly '6.1': number; readonly '2021': number };
}

/** Flag bits of the in struct on which a variant or a pointer depends. */
export interface BitTest {
  readonly field: string;
  /** At least one of these bits is set. */
  readonly mask?: number;
  /** None of these is. */
  readonly without?: number;
}

export function holds(test: BitTest, bits: number): boolean {
  return (
    (test.mask === undefined || (bits & test.mask) !== 0) && (test.without === undefined || (bits & test.without) === 0)
  );
}

/** A field that shares its bytes with others, and is meant only when this holds; otherwise the request field is absent. */
export interface FieldWhen {
  readonly field: string;
  readonly when: BitTest;
}

/** A struct behind a user pointer, of which the caller may give the beginning only; the rest is zero (uapi.md 8). */
export interface StructPointerSpec {
  readonly pointer: string;
  /** Bytes the caller gave: clipped to the struct's size, and the clipped value is written back. */
  readonly bytes: string;
  readonly struct: StructLayout;
}

/** An array behind a user pointer: the field of the request it becomes, and where pointer and length lie. */
export interface PointerSpec {
  readonly pointer: string;
  readonly count: string;
  /** Struct of the elements, or null for an array of u64. */
  readonly element: StructLayout | null;
  /** Request field of an element -> field of its struct. */
  readonly fields?: Readonly<Record<string, string>>;
  /**
   * A longer array is not read: the request then holds max + 1 zero elements, so that the handler refuses the count as the driver does,
   * before it would look at the pointer.
   */
  readonly max: number;
  /** Followed only when this holds; else the request field is empty, or absent when it is optional. */
  readonly when?: BitTest;
  /**
   * The driver copies the array after other checks: one that cannot be read reaches the handler as zeros, and the handler asks
   * requireReadable (raw-marks.ts) at the point where the copy would fail.
   */
  readonly deferred?: boolean;
}

/** An array of u64 behind a pointer in the first element of another array. */
export interface NestedPointer {
  readonly array: string;
  /** Field of the request's element. */
  readonly field: string;
  readonly pointer: string;
  readonly count: string;
  /** As in PointerSpec. */
  readonly max: number;
  readonly when: BitTest;
  /** As in PointerSpec. */
  readonly deferred?: boolean;
}

/** What the block holds after the call. 'zero8' clears the union's first eight bytes only. */
export type BlockStart = 'echo' | 'zero' | 'zero8';

export interface FailureForm {
  readonly start: BlockStart;
  /** Out fields set on failure; '-errno' is the u32 of the negated number; a record gives a value per errno. */
  readonly set?: Readonly<Record<string, number | '-errno' | Readonly<Partial<Record<ErrnoCode, number>>>>>;
  /** Failures that leave the block as the caller gave it. */
  readonly untouchedOn?: readonly ErrnoCode[];
}

/** Where a request field comes from: a field of the in struct, always or sometimes, or what a pointer leads to. */
export type RequestPlace = string | FieldWhen | PointerSpec | StructPointerSpec;

export interface AbiBinding<Q, S> {
  readonly block: ArgBlock;
  readonly in: { readonly [K in keyof Q]-?: RequestPlace };
  readonly nested?: readonly NestedPointer[];
  /** Bits an encoder adds so that the block means this variant. */
  readonly set?: Readonly<Record<string, number>>;
  /** Result field -> field of the out struct, or of `payload`. */
  readonly out: { readonly [K in keyof S]-?: string };
  /** The result goes to return_pointer, min(return_size, size) bytes of this struct (uapi.md 2.2). */
  readonly payload?: StructLayout;
  /** A return_size below this is EINVAL; absent, only 0 is. */
  readonly minReturn?: number;
  /** The result field's bytes go to return_pointer, and how many they are into this in field. */
  readonly text?: { readonly field: string; readonly actualSize: string };
  /** The result field's u64s go to a buffer of the caller's size, the rest of it zero, all of it copied back (uapi.md 8). */
  readonly words?: { readonly field: string; readonly pointer: string; readonly size: string };
  /**
   * Answered without a message where the completion ring has the number in `seq` and `plain` is 0: the result is then all zero
   * but for what `success` leaves.
   */
  readonly ring?: { readonly seq: string; readonly plain: string; readonly timeoutUs: string };
  /** What a call that a signal ended answers: where `when` holds, the results that `set` has; any other EINTR, and nothing else. */
  readonly interrupted?: { readonly when: BitTest; readonly set: Readonly<Record<string, number>> };
  /** Fields of the in struct that name memory of the caller which the device reaches by itself. */
  readonly memory?: { readonly address: string; readonly size: string };
  readonly success: BlockStart;
  readonly failure: FailureForm;
  /** Forms of a failure that depend on the in struct; the first that holds is taken in place of `failure`. */
  readonly failureWhen?: readonly (FailureForm & { readonly when: BitTest })[];
}

/** One cause of failure. */
export interface ErrorRow {
  readonly errno: ErrnoCode;
  /** Names the cause within its entry, in kebab-case. */
  readonly id: string;
  readonly when: string;
  /** Why this project never gets there, although the contract has the cause. */
  readonly unreachable?: string;
}

export function row(errno: ErrnoCode, id: string, when: string, unreachable?: string): ErrorRow {
  return unreachable === undefined ? { errno, id, when } : { errno, id, when, unreachable };
}

/** The distinct errnos of a list of causes, in its order. */
export function errnosOf(rows: readonly ErrorRow[]): ErrnoCode[] {
  return [...new Set(rows.map(({ errno }) => errno))];
}

/** What an entry's level rests on. */
export interface Evidence {
  /** File of the driver, below drivers/misc/habanalabs of Linux 6.1; absent for this project's own calls. */
  readonly source?: string;
  /** Section of the reference, such as `uapi.md 3.2`. */
  readonly section: string;
}

export interface IoctlSpec<N extends string, Q extends Shape, S extends Shape> {
  readonly name: N;
  /** Ioctl number: the driver's 1..6, this project's own from 0x80, with the family above it (see numberIn). */
  readonly nr: number;
  readonly op: number;
  /** Tells calls apart that share nr and op: number and test on the in struct. */
  readonly variant?: { readonly index: number; readonly when: BitTest };
  readonly access: Access;
  readonly duringReset: boolean;
  readonly req: Q;
  readonly res: S;
  /** Absent for calls no C program makes. */
  readonly abi?: AbiBinding<ObjectOf<Q>, ObjectOf<S>>;
  /** One row a cause, in the order the causes are checked. What can end any call (COMMON_ERRORS) is left out. */
  readonly errors: readonly ErrorRow[];
  readonly doc: string;
  readonly level: Level;
  readonly evidence: Evidence;
}

export interface IoctlEntry<N extends string = string, Q extends Shape = Shape, S extends Shape = Shape>
  extends IoctlSpec<N, Q, S> {
  /** The number that stands for the call on the wire: nr * 4096 + op * 16 + variant. */
  readonly code: number;
  readonly reqCodec: ShapeCodec<ObjectOf<Q>>;
  readonly resCodec: ShapeCodec<ObjectOf<S>>;
}

/** Families of ioctl numbers, by the letter in their commands: the driver's, the importer node's. */
export const MAGIC_LETTERS = ['H', 'I'] as const;
export type Magic = (typeof MAGIC_LETTERS)[number];
const NUMBERS_PER_FAMILY = 0x100;

/** What an entry has as its number: that in the command, with the family in the byte above it. */
export function numberIn(magic: Magic, nr: number): number {
  return MAGIC_LETTERS.indexOf(magic) * NUMBERS_PER_FAMILY + nr;
}

/** The other way. */
export function magicOf(nr: number): Magic {
  return MAGIC_LETTERS[Math.floor(nr / NUMBERS_PER_FAMILY)] ?? 'H';
}

/** Ops of one ioctl number a call code has room for. */
export const OPS_PER_NR = 256;
const VARIANTS_PER_OP = 16;

export function callCode(nr: number, op: number, variant = 0): number {
  return (nr * OPS_PER_NR + op) * VARIANTS_PER_OP + variant;
}

export function defineIoctl<const N extends string, Q extends Shape, S extends Shape>(
  spec: IoctlSpec<N, Q, S>,
): IoctlEntry<N, Q, S> {
  return {
    ...spec,
    code: callCode(spec.nr, spec.op, spec.variant?.index),
    reqCodec: shapeCodec(spec.req),
    resCodec: shapeCodec(spec.res),
  };
}

/** Any entry, when only its description matters. */
export type AnyIoctl = Omit<IoctlEntry, 'abi' | 'reqCodec' | 'resCodec'> & {
  readonly abi?: AbiBinding<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>>;
  readonly reqCodec: ShapeCodec<Record<string, unknown>>;
  readonly resCodec: ShapeCodec<Record<string, unknown>>;
};

/** What can happen to any call, so that entries need not repeat it. */
export const COMMON_ERRORS = {
  ENODEV: 'the device was removed or this open file revoked',
  ENOTTY: 'the node does not know the call',
  EIO: 'a bug of the daemon, logged there with its stack',
} as const satisfies Partial<Record<ErrnoCode, string>>;
