/**
 * Messages to frames.
 *
 * Owns: the bytes of a frame, header included, and the buffer in which frames of one turn gather.
 * Must not know: sockets, what a message means.
 */
import { errno } from '@pedrera/base';
import * as T from './dialect.js';
import { FRAME_HEADER_BYTES } from './frame.js';

// The state of the one encoding under way (it is synchronous).
let bytes: Buffer = Buffer.alloc(0);
let at = 0;
let depth = 0;
let values = 0;

/** Frames one behind the other. Grows as needed; what was written stays valid until `buffer` is replaced. */
export class FrameWriter {
  /** `buffer[0..length)` is what was appended so far. */
  buffer: Buffer;
  length = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  /**
   * Appends a whole message or nothing. Throws HlError EMSGSIZE if its body would be longer than `maxFrameBytes`, EOVERFLOW for an
   * integer beyond 64 bits, and TypeError for what the protocol cannot carry: that is a bug of the caller.
   */
  append(message: readonly unknown[], maxFrameBytes: number): void {
    const start = this.length;
    bytes = this.buffer;
    at = start;
    depth = 0;
    values = 0;
    room(FRAME_HEADER_BYTES);
    at += FRAME_HEADER_BYTES;
    // Taken before the outcome is known: if it fails, `length` still says that nothing was appended.
    try {
      writeArray(message);
    } finally {
      this.buffer = bytes;
    }
    const body = at - start - FRAME_HEADER_BYTES;
    if (body > maxFrameBytes)
      throw errno('EMSGSIZE', `a message of ${body} bytes; the limit is ${maxFrameBytes} bytes`);
    bytes[start] = body;
    bytes[start + 1] = body >>> 8;
    bytes[start + 2] = body >>> 16;
    bytes[start + 3] = body >>> 24;
    this.length = at;
  }
}

/** One message as a frame in a buffer of its own. Throws what `FrameWriter.append` throws. */
export function encodeFrame(message: readonly unknown[], maxFrameBytes: number = Number.MAX_SAFE_INTEGER): Buffer {
  const writer = new FrameWriter(Buffer.allocUnsafe(256));
  writer.append(message, maxFrameBytes);
  return writer.buffer.subarray(0, writer.length);
}

function writeValue(value: unknown): void {
  if (++values > T.MAX_VALUES) throw errno('EMSGSIZE', `a message of more than ${T.MAX_VALUES} values`);
  if (bytes.length - at < 16) room(16);
  switch (typeof value) {
    case 'number':
      writeNumber(value);
      return;
    case 'string':
      writeString(value);
      return;
    case 'bigint':
      writeBigint(value);
      return;
    case 'boolean':
      bytes[at++] = value ? T.TRUE : T.FALSE;
      return;
    case 'undefined':
      bytes[at++] = T.NIL;
      return;
    case 'object':
      if (value === null) bytes[at++] = T.NIL;
      else if (Array.isArray(value)) writeArray(value);
      else if (value instanceof Uint8Array) writeBinary(value);
      else writeMap(value);
      return;
    default:
      throw new TypeError(`a ${typeof value} cannot be sent`);
  }
}

function writeNumber(value: number): void {
  if ((value | 0) === value) {
    if (value >= 0) {
      if (value < 0x80) bytes[at++] = value;
      else if (value < 0x100) writeSized(T.UINT8, 1, value);
      else if (value < 0x10000) writeSized(T.UINT16, 2, value);
      else writeSized(T.UINT32, 4, value);
    } else if (value >= -0x20) bytes[at++] = value;
    else if (value >= -0x80) writeSized(T.INT8, 1, value);
    else if (value >= -0x8000) writeSized(T.INT16, 2, value);
    else writeSized(T.INT32, 4, value);
  } else if (value >>> 0 === value) {
    writeSized(T.UINT32, 4, value);
  } else {
    T.scratchFloat64[0] = value;
    store(T.FLOAT64);
  }
}

function writeBigint(value: bigint): void {
  T.scratchInt64[0] = value;
  if (T.scratchInt64[0] === value) {
    store(T.INT64);
    return;
  }
  T.scratchUint64[0] = value;
  if (T.scratchUint64[0] !== value) throw errno('EOVERFLOW', `the integer ${value} has more than 64 bits`);
  store(T.UINT64);
}

function writeString(value: string): void {
  const units = value.length;
  if (units < 32) {
    // Short and ASCII, nearly always. Anything else starts over below.
    const from = ++at;
    room(32);
    let i = 0;
    for (; i < units; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) break;
      bytes[at++] = unit;
    }
    if (i === units) {
      bytes[from - 1] = T.FIXSTR | units;
      return;
    }
    at = from - 1;
  }
  const length = Buffer.byteLength(value);
  room(length + 5);
  if (length < 32) bytes[at++] = T.FIXSTR | length;
  else if (length < 0x100) writeSized(T.STR8, 1, length);
  else if (length < 0x10000) writeSized(T.STR16, 2, length);
  else writeSized(T.STR32, 4, length);
  bytes.write(value, at, length);
  at += length;
}

function writeBinary(value: Uint8Array): void {
  const length = value.length;
  room(length + 5);
  if (length < 0x100) writeSized(T.BIN8, 1, length);
  else if (length < 0x10000) writeSized(T.BIN16, 2, length);
  else writeSized(T.BIN32, 4, length);
  bytes.set(value, at);
  at += length;
}

function writeArray(array: readonly unknown[]): void {
  const count = array.length;
  enter();
  if (count < 16) bytes[at++] = T.FIXARRAY | count;
  else if (count < 0x10000) writeSized(T.ARRAY16, 2, count);
  else writeSized(T.ARRAY32, 4, count);
  for (let i = 0; i < count; i++) writeValue(array[i]);
  depth--;
}

function writeMap(map: object): void {
  const prototype: unknown = Object.getPrototypeOf(map);
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError(`an object of class ${map.constructor.name} cannot be sent; make it a plain one`);
  const keys = Object.keys(map);
  const count = keys.length;
  enter();
  if (count < 16) bytes[at++] = T.FIXMAP | count;
  else if (count < 0x10000) writeSized(T.MAP16, 2, count);
  else writeSized(T.MAP32, 4, count);
  for (const key of keys) {
    writeValue(key);
    writeValue((map as Record<string, unknown>)[key]);
  }
  depth--;
}

function enter(): void {
  if (++depth > T.MAX_DEPTH) throw new TypeError(`a message nested deeper than ${T.MAX_DEPTH} levels cannot be sent`);
  room(16);
}

/** A token and the low `size` bytes of a number behind it. */
function writeSized(token: number, size: number, value: number): void {
  let to = at;
  bytes[to++] = token;
  if (size > 2) {
    bytes[to++] = value >>> 24;
    bytes[to++] = value >>> 16;
  }
  if (size > 1) bytes[to++] = value >>> 8;
  bytes[to++] = value;
  at = to;
}

/** A token and the scratch words behind it. */
function store(token: number): void {
  const high = T.scratchWords[1] as number;
  const low = T.scratchWords[0] as number;
  let to = at;
  bytes[to++] = token;
  bytes[to++] = high >>> 24;
  bytes[to++] = high >>> 16;
  bytes[to++] = high >>> 8;
  bytes[to++] = high;
  bytes[to++] = low >>> 24;
  bytes[to++] = low >>> 16;
  bytes[to++] = low >>> 8;
  bytes[to++] = low;
  at = to;
}

function room(length: number): void {
  if (bytes.length - at >= length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * bytes.length, at + length));
  bytes.copy(larger, 0, 0, at);
  bytes = larger;
}
