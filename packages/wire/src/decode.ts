/**
 * Bodies of frames to messages.
 *
 * Owns: refusing everything that is not exactly one acceptable message (see dialect.ts), before anything is built for it: a count or a
 * length that the bytes present cannot hold costs nothing.
 * Must not know: frames, sockets, what a message means.
 *
 * Written here, and not taken from a library, because checking and converting in one pass takes less than half the time of
 * a check followed by a general decoder, and coding is most of what a round trip costs beyond a bare socket.
 */
import * as T from './dialect.js';
import { FrameError } from './frame.js';

// The state of the one decoding under way (it is synchronous). Cheaper than an object per message.
let bytes: Buffer = Buffer.alloc(0);
let start = 0;
let at = 0;
let end = 0;
let depth = 0;
let values = 0;

/**
 * The message in `body[from..to)`. Maps become plain objects, 64-bit integers bigint, other numbers number, byte strings
 * Uint8Arrays of their own (a small one that is kept does not keep the chunk it arrived in). Throws FrameError EPROTO.
 */
export function decodeMessage(body: Buffer, from = 0, to = body.length): unknown[] {
  bytes = body;
  start = from;
  at = from;
  end = to;
  depth = 0;
  values = 0;
  const count = arrayHeader();
  if (count < 0) throw refusal('a message is an array, this is not one');
  const message = readArray(count);
  if (at !== end) throw refusal(`${end - at} bytes behind the message`);
  return message;
}

function arrayHeader(): number {
  if (at === end) return -1;
  const token = bytes[at] as number;
  if (token >= T.FIXARRAY && token < T.FIXSTR) {
    at++;
    return token & 0x0f;
  }
  if (token !== T.ARRAY16 && token !== T.ARRAY32) return -1;
  at++;
  return readUint(token === T.ARRAY16 ? 2 : 4);
}

function readValue(): unknown {
  if (at >= end) throw refusal('the frame ends and values are missing');
  const token = bytes[at++] as number;
  if (token < T.FIXMAP) return token;
  if (token >= T.NEGATIVE_FIXINT) return token - 0x100;
  if (token < T.FIXARRAY) return readMap(token & 0x0f);
  if (token < T.FIXSTR) return readArray(token & 0x0f);
  if (token < T.FIXSTR_END) return readString(token & 0x1f);
  switch (token) {
    case T.NIL:
      return null;
    case T.FALSE:
      return false;
    case T.TRUE:
      return true;
    case T.BIN8:
      return readBinary(readUint(1));
    case T.BIN16:
      return readBinary(readUint(2));
    case T.BIN32:
      return readBinary(readUint(4));
    case T.FLOAT32:
      T.scratchWords[0] = readUint(4);
      return T.scratchFloat32[0];
    case T.FLOAT64:
      load();
      return T.scratchFloat64[0];
    case T.UINT8:
      return readUint(1);
    case T.UINT16:
      return readUint(2);
    case T.UINT32:
      return readUint(4);
    case T.UINT64:
      load();
      return T.scratchUint64[0];
    case T.INT8:
      return (readUint(1) << 24) >> 24;
    case T.INT16:
      return (readUint(2) << 16) >> 16;
    case T.INT32:
      return readUint(4) | 0;
    case T.INT64:
      load();
      return T.scratchInt64[0];
    case T.STR8:
      return readString(readUint(1));
    case T.STR16:
      return readString(readUint(2));
    case T.STR32:
      return readString(readUint(4));
    case T.ARRAY16:
      return readArray(readUint(2));
    case T.ARRAY32:
      return readArray(readUint(4));
    case T.MAP16:
      return readMap(readUint(2));
    case T.MAP32:
      return readMap(readUint(4));
    default:
      at--;
      throw refusal(`token 0x${token.toString(16)}: extension types are not part of the protocol`);
  }
}

function readArray(count: number): unknown[] {
  enter(count);
  const array = new Array<unknown>(count);
  for (let i = 0; i < count; i++) array[i] = readValue();
  depth--;
  return array;
}

function readMap(count: number): Record<string, unknown> {
  enter(2 * count);
  const map: Record<string, unknown> = {};
  for (let i = 0; i < count; i++) {
    const key = readKey();
    map[key] = readValue();
  }
  depth--;
  return map;
}

function readKey(): string {
  if (at >= end) throw refusal('the frame ends and values are missing');
  const token = bytes[at++] as number;
  let key: string;
  if (token >= T.FIXSTR && token < T.FIXSTR_END) key = readString(token & 0x1f);
  else if (token === T.STR8) key = readString(readUint(1));
  else if (token === T.STR16) key = readString(readUint(2));
  else if (token === T.STR32) key = readString(readUint(4));
  else {
    at--;
    throw refusal(`token 0x${token.toString(16)}: the key of a map must be a string`);
  }
  // Assigning to it would set the prototype of the object instead of a member.
  if (key === '__proto__') throw refusal('"__proto__" is no key of a map');
  return key;
}

/** Into a container that announces `members` values. Each takes a byte at least, and all of them count against the bound before any is built. */
function enter(members: number): void {
  if (++depth > T.MAX_DEPTH) throw refusal(`nested deeper than ${T.MAX_DEPTH} levels`);
  if (members > end - at) throw refusal(`${members} values announced and ${end - at} bytes left`);
  values += members;
  if (values > T.MAX_VALUES) throw refusal(`more than ${T.MAX_VALUES} values`);
}

function readString(length: number): string {
  const from = at;
  skip(length);
  // Names and short words, nearly always ASCII: a call into the engine costs more than the loop.
  if (length <= 16) {
    let i = from;
    while (i < at && (bytes[i] as number) < 0x80) i++;
    if (i === at) return shortAscii(from, length);
  }
  return bytes.toString('utf8', from, at);
}

function shortAscii(from: number, length: number): string {
  const code = String.fromCharCode;
  let text = '';
  let i = from;
  // Four at a time: each call makes a string.
  for (; length - (i - from) >= 4; i += 4) {
    text += code(bytes[i] as number, bytes[i + 1] as number, bytes[i + 2] as number, bytes[i + 3] as number);
  }
  switch (length & 3) {
    case 1:
      return text + code(bytes[i] as number);
    case 2:
      return text + code(bytes[i] as number, bytes[i + 1] as number);
    case 3:
      return text + code(bytes[i] as number, bytes[i + 1] as number, bytes[i + 2] as number);
    default:
      return text;
  }
}

function readBinary(length: number): Uint8Array {
  const from = at;
  skip(length);
  const copy = new Uint8Array(length);
  if (length <= 64) for (let i = 0; i < length; i++) copy[i] = bytes[from + i] as number;
  else copy.set(bytes.subarray(from, at));
  return copy;
}

function skip(length: number): void {
  if (length > end - at) throw refusal(`a value of ${length} bytes with ${end - at} bytes left`);
  at += length;
}

function readUint(size: number): number {
  if (size > end - at) throw refusal('the frame ends inside a value');
  let value = bytes[at] as number;
  if (size > 1) value = (value << 8) | (bytes[at + 1] as number);
  if (size > 2) value = ((value << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
  at += size;
  return value;
}

/** The next eight bytes, into the scratch words. */
function load(): void {
  T.scratchWords[1] = readUint(4);
  T.scratchWords[0] = readUint(4);
}

function refusal(what: string): FrameError {
  return new FrameError('EPROTO', `malformed message at byte ${at - start}: ${what}`);
}
