/**
 * The raw spelling: arg blocks as they lie in a C program's memory, by the copy rule of uapi.md 2.2.
 *
 * Owns: from command number, block and buffers to a typed request, and from the outcome back to the bytes the program sees, on
 * failure too.
 * Must not know: sockets; who may call what and when (dispatch asks `entry` and `duringReset` before it looks at `error`).
 */
import { ERRNO, HlError } from '@pedrera/base';
import { type AbiBinding, type BlockStart, type FailureForm, holds, type Magic, magicOf, numberIn } from './ioctl.js';
import { BLOCK_BY_NR } from './ioctls/blocks.js';
import { MAX_DEBUG_OUTPUT_BYTES } from './limits.js';
import { leftInBlock } from './raw-marks.js';
import { type BufferSource, fieldOf, planOf, type RawBuffers, readNumber } from './raw-plan.js';
import { u53 } from './scalars.js';
import { byOp, type Entry } from './table.js';

const NO_RESULT: readonly Uint8Array[] = [];

/** The full ioctl command: read and write, size, the family's letter, number (uapi.md 2.1, 6.6). */
export function commandNumber(nr: number, size: number): number {
  return ((3 << 30) | (size << 16) | (magicOf(nr).charCodeAt(0) << 8) | (nr & 0xff)) >>> 0;
}

/** All the driver looks at in a command: the number, and the size the caller was compiled with. */
export function splitCommand(cmd: number): { readonly nr: number; readonly size: number } {
  return { nr: cmd & 0xff, size: (cmd >>> 16) & 0x3fff };
}

export const DRM_LETTER = 0x64;
const CLASSIC_LETTER = 0x48;
/** DRM_COMMAND_BASE, where a driver's own numbers begin; ours begin at 1. */
export const DRM_FIRST = 0x40;
const NO_NUMBER = 0xff;

/**
 * A command to an accel node, in its classic spelling: DRM's letter and numbers came with Linux 6.7, the classic ones are understood
 * there, too (device.md 10.4). What DRM itself would answer is no call here.
 */
export function classicCommand(cmd: number): number {
  if (((cmd >>> 8) & 0xff) !== DRM_LETTER) return cmd;
  const nr = cmd & 0xff;
  const classic = nr >= DRM_FIRST ? nr - DRM_FIRST + 1 : NO_NUMBER;
  return ((cmd & 0xffff_0000) | (CLASSIC_LETTER << 8) | classic) >>> 0;
}

export interface RawCall {
  /** The call's name, or what can be said of an unknown one. */
  readonly name: string;
  readonly nr: number;
  /** Null for a number or op that has no handler; `error` then says why. */
  readonly entry: Entry | null;
  readonly duringReset: boolean;
  /** The typed request; null when there is an error. */
  readonly req: object | null;
  /** Found while decoding: to be reported once access and device state have been checked. */
  readonly error: HlError | null;
  /** Bytes to copy back. */
  readonly usize: number;
  /** The kernel's copy of the block, zero-extended to its own size. */
  readonly block: Uint8Array;
}

export interface RawReply {
  readonly block: Uint8Array;
  readonly buffers: readonly Uint8Array[];
}

/**
 * Decodes a raw request to a node of the given family. Never throws: what is wrong with it is in `error`. The driver looks at
 * the number alone, whatever the letter; the importer node takes no other letter than its own.
 */
export function decodeArgs(cmd: number, bytes: Uint8Array, buffers: RawBuffers, magic: Magic = 'H'): RawCall {
  const { nr: number, size: usize } = splitCommand(cmd);
  const letter = String.fromCharCode((cmd >>> 8) & 0xff);
  const nr = numberIn(magic, number);
  if (magic !== 'H' && letter !== magic) {
    const error = new HlError(
      'ENOTTY',
      `commands of this node have the letter ${magic}, not ${JSON.stringify(letter)}`,
    );
    return unknown(`ioctl ${number}`, nr, usize, bytes, error);
  }
  const known = BLOCK_BY_NR.get(nr);
  if (known === undefined)
    return unknown(`ioctl ${number}`, nr, usize, bytes, new HlError('ENOTTY', `no ioctl has number ${number}`));
  const block = new Uint8Array(Math.max(usize, known.size['6.1']));
  block.set(bytes.length > usize ? bytes.subarray(0, usize) : bytes);
  const view = new DataView(block.buffer);
  const op = known.in.fields.op === undefined ? 0 : readNumber(known.in, 'op', view);
  const entry = pick(byOp(nr, op), view);
  const base = { nr, usize, block };
  if (bytes.length < usize) {
    const error = new HlError('EFAULT', `${bytes.length} of ${usize} bytes of the arg block are readable`);
    return { ...base, name: entry?.name ?? known.macro, entry, duringReset: true, req: null, error };
  }
  if (entry === null) {
    const name = `${known.macro} op ${op}`;
    return { ...base, name, entry, duringReset: false, req: null, error: new HlError('EINVAL', 'no such op', name) };
  }
  let req: object | null = null;
  let error: HlError | null = null;
  try {
    const plan = planOf(entry);
    if (plan.abi.payload !== undefined || plan.abi.text !== undefined) checkReturn(plan.abi, view);
    req = plan.readRequest(view, new Buffers(buffers));
  } catch (thrown) {
    if (!(thrown instanceof HlError)) throw thrown;
    error = thrown.withIoctl(entry.name);
  }
  return { name: entry.name, nr, entry, duringReset: entry.duringReset, req, error, usize, block };
}

function unknown(name: string, nr: number, usize: number, bytes: Uint8Array, error: HlError): RawCall {
  const block = new Uint8Array(usize);
  block.set(bytes.length > usize ? bytes.subarray(0, usize) : bytes);
  return {
    name,
    nr,
    entry: null,
    duringReset: true,
    req: null,
    error: error.withIoctl(name),
    usize,
    block,
  };
}

function pick(candidates: readonly Entry[], block: DataView): Entry | null {
  for (const entry of candidates) {
    const when = entry.variant?.when;
    if (when === undefined) return entry;
    const struct = entry.abi?.block.in;
    if (struct !== undefined && holds(when, readNumber(struct, when.field, block))) return entry;
  }
  return null;
}

type Binding = AbiBinding<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>>;

/** INFO answers through a pointer; too little room, or none, is refused before the question is looked at (uapi.md 2.2, 2.4). */
function checkReturn({ block: { in: struct }, minReturn = 1 }: Binding, block: DataView): void {
  const size = readNumber(struct, 'returnSize', block);
  if (size < minReturn) {
    throw new HlError('EINVAL', size === 0 ? 'return_size is 0' : `return_size is ${size}, less than ${minReturn}`);
  }
  if (readNumber(struct, 'returnPointer', block) === 0) throw new HlError('EINVAL', 'return_pointer is 0');
}

class Buffers implements BufferSource {
  readonly #buffers: RawBuffers;
  #taken = 0;

  constructor(buffers: RawBuffers) {
    this.#buffers = buffers;
  }

  next(count: number, size: number, what: string): DataView | HlError {
    const buffer = this.#buffers[this.#taken++];
    if (!(buffer instanceof Uint8Array) || buffer.length < count * size) {
      return new HlError('EFAULT', `${what}: ${count} elements of ${size} bytes are not readable`);
    }
    return new DataView(buffer.buffer, buffer.byteOffset, count * size);
  }
}

/** What the program's memory gets: its block back, usize bytes always, and the answer behind return_pointer. */
export function encodeArgs(call: RawCall, outcome: object | HlError): RawReply {
  const { block, entry, usize } = call;
  if (outcome instanceof HlError) {
    writeFailure(call, outcome);
    return { block: block.subarray(0, usize), buffers: NO_RESULT };
  }
  if (entry === null) throw new TypeError(`${call.name} has no result`);
  const { abi, clipInputs, writeResult } = planOf(entry);
  const view = new DataView(block.buffer);
  const res = outcome as Record<string, unknown>;
  clear(block, abi.success, abi.block.size['6.1']);
  clipInputs(view);
  const buffers: Uint8Array[] = [];
  if (abi.payload !== undefined) {
    const answer = new Uint8Array(abi.payload.size['6.1']);
    writeResult(new DataView(answer.buffer), res);
    buffers.push(answer.subarray(0, Math.min(answer.length, readNumber(abi.block.in, 'returnSize', view))));
  } else if (abi.text !== undefined) {
    const text = res[abi.text.field] as Uint8Array;
    const actualSize = fieldOf(abi.block.in, abi.text.actualSize);
    actualSize.as.write(view, actualSize.at, text.length);
    buffers.push(text);
  } else if (abi.words !== undefined) {
    buffers.push(...wordsBehind(abi, abi.words, view, res));
  } else {
    writeResult(view, res);
  }
  return { block: block.subarray(0, usize), buffers };
}

/** The caller's output buffer, whole: its words, then zeros. None where the caller has none. */
function wordsBehind(
  { block: { in: struct } }: Binding,
  { field, pointer, size }: NonNullable<Binding['words']>,
  block: DataView,
  res: Readonly<Record<string, unknown>>,
): Uint8Array[] {
  const length = readNumber(struct, size, block);
  if (length === 0 || readNumber(struct, pointer, block) === 0) return [];
  if (length > MAX_DEBUG_OUTPUT_BYTES)
    throw new RangeError(`${length} bytes of output; the handler should have refused`);
  const answer = new Uint8Array(length);
  const into = new DataView(answer.buffer);
  (res[field] as number[]).slice(0, Math.floor(length / u53.size)).forEach((word, i) => {
    u53.write(into, i * u53.size, word);
  });
  return [answer];
}

function clear(block: Uint8Array, start: BlockStart, ksize: number): void {
  if (start === 'zero') block.fill(0, 0, ksize);
  else if (start === 'zero8') block.fill(0, 0, 8);
}

/** The form of this failure: the first conditional one whose bits the caller's block has, else the plain one. */
function failureForm(abi: Binding, block: DataView): FailureForm {
  const chosen = abi.failureWhen?.find(({ when }) => holds(when, readNumber(abi.block.in, when.field, block)));
  return chosen ?? abi.failure;
}

function writeFailure(call: RawCall, error: HlError): void {
  if (call.entry === null) return;
  const { abi, clipInputs } = planOf(call.entry);
  const view = new DataView(call.block.buffer);
  const form = failureForm(abi, view);
  const left = leftInBlock(error);
  if (left === 'untouched' || form.untouchedOn?.includes(error.code)) return;
  clear(call.block, form.start, abi.block.size['6.1']);
  clipInputs(view);
  const { out } = abi.block;
  if (out === undefined) return;
  for (const [name, what] of Object.entries({ ...form.set, ...left })) {
    const field = fieldOf(out, name);
    let value: number | undefined;
    if (what === '-errno') value = 2 ** 32 - ERRNO[error.code];
    else value = typeof what === 'number' ? what : what[error.code];
    if (value !== undefined) field.as.write(view, field.at, value);
  }
}
