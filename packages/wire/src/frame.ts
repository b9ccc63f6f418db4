/**
 * Frames on a byte stream: u32 length (little endian), then that many bytes.
 *
 * Owns: finding frame borders in chunks of any shape, and the length bound.
 * Must not know: what is in a frame, and where chunks come from.
 */
import { HlError } from '@pedrera/base';

export const FRAME_HEADER_BYTES = 4;

/** A frame that arrives in pieces starts with this much room; a longer one grows only as its bytes really come. */
const FIRST_ROOM_BYTES = 64 * 1024;

/** The peer broke the protocol (EPROTO) or the agreed length (EMSGSIZE). Nothing after it can be trusted. */
export class FrameError extends HlError {
  constructor(code: 'EPROTO' | 'EMSGSIZE', detail: string) {
    super(code, detail);
    this.name = 'FrameError';
  }
}

const NOTHING = Buffer.alloc(0);

/**
 * Push a chunk, then call `next()` until it returns false. While it returns true, `bytes[start..end)` is the body
 * of one frame: a window of the chunk itself when the frame lay whole in it, so nothing is copied then.
 * A caller may stop between two frames and go on later; push another chunk only after `next()` said false.
 */
export class FrameReader {
  bytes: Buffer = NOTHING;
  start = 0;
  end = 0;

  readonly #maxFrameBytes: number;
  #chunk: Buffer = NOTHING;
  #at = 0;
  #header = 0;
  #headerBytes = 0;
  #partial: Buffer | null = null;
  #partialBytes = 0;

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  push(chunk: Buffer): void {
    // Not reached by a caller that drains; a slow path is better than a lost byte.
    this.#chunk = this.#at < this.#chunk.length ? Buffer.concat([this.#chunk.subarray(this.#at), chunk]) : chunk;
    this.#at = 0;
  }

  /** Throws FrameError for a length the limit forbids, before anything is allocated for it. */
  next(): boolean {
    if (this.#headerBytes > 0) return this.#nextInPieces();
    const chunk = this.#chunk;
    const at = this.#at;
    if (at === chunk.length) return this.#exhausted();
    if (chunk.length - at >= FRAME_HEADER_BYTES) {
      const length = chunk.readUInt32LE(at);
      this.#checkLength(length);
      const start = at + FRAME_HEADER_BYTES;
      if (chunk.length - start >= length) {
        this.bytes = chunk;
        this.start = start;
        this.end = start + length;
        this.#at = start + length;
        return true;
      }
    }
    return this.#nextInPieces();
  }

  /** Bytes of a frame that has begun and is not complete, its header included; 0 between frames. */
  get unfinishedBytes(): number {
    return this.#headerBytes + this.#partialBytes + (this.#chunk.length - this.#at);
  }

  #nextInPieces(): boolean {
    const chunk = this.#chunk;
    while (this.#headerBytes < FRAME_HEADER_BYTES && this.#at < chunk.length) {
      this.#header += chunk.readUInt8(this.#at++) * 2 ** (8 * this.#headerBytes++);
    }
    if (this.#headerBytes < FRAME_HEADER_BYTES) return this.#exhausted();
    const length = this.#header;
    if (this.#partial === null) this.#checkLength(length);

    const taken = Math.min(length - this.#partialBytes, chunk.length - this.#at);
    if (taken === 0) return this.#exhausted();
    const partial = this.#roomFor(this.#partialBytes + taken, length);
    chunk.copy(partial, this.#partialBytes, this.#at, this.#at + taken);
    this.#at += taken;
    this.#partialBytes += taken;
    if (this.#partialBytes < length) return this.#exhausted();

    this.bytes = partial;
    this.start = 0;
    this.end = length;
    this.#partial = null;
    this.#partialBytes = 0;
    this.#header = 0;
    this.#headerBytes = 0;
    return true;
  }

  /** Doubles, so a peer that only announces a long frame holds no memory, and one that dribbles it costs no more than twice what it sent. */
  #roomFor(bytes: number, length: number): Buffer {
    const old = this.#partial;
    if (old !== null && old.length >= bytes) return old;
    const room = Buffer.allocUnsafeSlow(Math.min(length, Math.max(FIRST_ROOM_BYTES, 2 * bytes)));
    if (old !== null) old.copy(room, 0, 0, this.#partialBytes);
    this.#partial = room;
    return room;
  }

  #exhausted(): false {
    this.#chunk = NOTHING;
    this.#at = 0;
    return false;
  }

  #checkLength(length: number): void {
    if (length === 0) throw new FrameError('EPROTO', 'a frame of 0 bytes; a frame holds one msgpack array');
    if (length > this.#maxFrameBytes) {
      throw new FrameError('EMSGSIZE', `a frame of ${length} bytes; the limit is ${this.#maxFrameBytes} bytes`);
    }
  }
}
