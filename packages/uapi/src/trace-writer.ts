/**
 * Records into memory: what the kernel does while somebody records.
 *
 * Owns: the bounded store of one recording, in chunks that are filled one after the other, and the count of what did not fit.
 * Must not know: who asked for the recording, or when it is read. Writing makes no objects.
 */
import { MAX_TRACE_READ } from './limits.js';
import {
  DIGEST_BYTES,
  DIGEST_SORTS,
  MAX_TRACED_FRAME,
  NO_DEVICE,
  RECORD,
  TRACE_ALIGNMENT,
  TRACE_HEAD_BYTES,
} from './trace-layout.js';

const CHUNK_BYTES = 256 * 1024;
const WORTH_GIVING_BYTES = 32 * 1024;
const LOST_BYTES = TRACE_HEAD_BYTES + 8;

interface Chunk {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  /** Bytes written, and bytes read. */
  end: number;
  start: number;
}

function chunkOf(size: number): Chunk {
  const buffer = new ArrayBuffer(size);
  return {
    bytes: new Uint8Array(buffer),
    words: new Int32Array(buffer),
    doubles: new Float64Array(buffer),
    end: 0,
    start: 0,
  };
}

export interface EngineFields {
  /** Place in ENGINE_SORTS, with ENGINE_FLAG bits. */
  readonly sort: number;
  readonly device: number;
  readonly asid: number;
  readonly queue: number;
  readonly durationNs: number;
  /** Ring slot of a job, number of a fence, engine of a move or computation. */
  readonly index: number;
  readonly address: number;
  readonly bytes: number;
}

export interface SyncFields {
  /** Place in SYNC_SORTS. */
  readonly sort: number;
  readonly device: number;
  readonly asid: number;
  readonly queue: number;
  readonly dcore: number;
  readonly index: number;
  readonly value: number;
  readonly address: number;
}

/** A submission as records name it. */
export interface SubmissionFields {
  readonly device: number;
  readonly asid: number;
  readonly pid: number;
  readonly seq: number;
}

export class TraceWriter {
  /** Records written and records that did not fit. */
  records = 0;
  lost = 0;
  /** Bytes that wait to be read. */
  unread = 0;
  readonly #limit: number;
  readonly #longestFrame: number;
  readonly #full: Chunk[] = [];
  #spare: Chunk | undefined;
  #chunk: Chunk;
  /** Of `lost`, those the reader was not told of yet. */
  #untold = 0;
  /** Where the body of the record under way begins, in bytes of the chunk. */
  #body = 0;

  /** `limit` is how many bytes may wait to be read. A longer frame is told by its length alone. */
  constructor(limit: number, longestFrame: number = MAX_TRACED_FRAME) {
    this.#limit = limit;
    this.#longestFrame = longestFrame;
    this.#chunk = chunkOf(Math.min(CHUNK_BYTES, limit));
  }

  client(timeNs: number, client: number, json: Uint8Array): void {
    if (!this.#begin(RECORD.CLIENT, 0, timeNs, 8 + json.length)) return;
    this.#pair(0, client, json.length);
    this.#chunk.bytes.set(json, this.#body + 8);
  }

  clientEnd(timeNs: number, client: number, pid: number): void {
    if (this.#begin(RECORD.CLIENT_END, 0, timeNs, 8)) this.#pair(0, client, pid);
  }

  /** The body of a frame, `bytes[from..to)`. Plain parameters: an object for each frame was a tenth of what recording costs. */
  frame(type: number, timeNs: number, client: number, bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    const kept = length <= this.#longestFrame ? length : 0;
    if (!this.#begin(type, 0, timeNs, 8 + kept)) return;
    this.#pair(0, client, length);
    const into = this.#chunk.bytes;
    let at = this.#body + 8;
    // Cheaper than a view for the few dozen bytes of nearly all frames.
    if (kept < 128) for (let i = from; i < from + kept; i += 1) into[at++] = bytes[i] as number;
    else into.set(bytes.subarray(from, to), at);
  }

  /** `jobs[i]` is queue | slot << 8, of the first `count`. */
  submit(timeNs: number, submission: SubmissionFields, jobs: Int32Array, count: number): void {
    if (!this.#begin(RECORD.SUBMIT, submission.device, timeNs, 24 + 4 * count)) return;
    this.#submission(submission);
    this.#pair(16, count, 0);
    const at = (this.#body + 24) >>> 2;
    for (let i = 0; i < count; i += 1) this.#chunk.words[at + i] = jobs[i] as number;
  }

  finish(timeNs: number, submission: SubmissionFields, error: number): void {
    if (!this.#begin(RECORD.FINISH, submission.device, timeNs, 24)) return;
    this.#submission(submission);
    this.#pair(16, error, 0);
  }

  wake(timeNs: number, submission: SubmissionFields): void {
    if (this.#begin(RECORD.WAKE, submission.device, timeNs, 16)) this.#submission(submission);
  }

  engine(timeNs: number, fields: EngineFields): void {
    if (!this.#begin(RECORD.ENGINE, fields.device | (fields.sort << 8), timeNs, 40)) return;
    this.#pair(0, fields.asid, fields.queue);
    this.#double(8, fields.durationNs);
    this.#pair(16, fields.index, 0);
    this.#double(24, fields.address);
    this.#double(32, fields.bytes);
  }

  sync(timeNs: number, fields: SyncFields): void {
    if (!this.#begin(RECORD.SYNC, fields.device | (fields.sort << 8), timeNs, 32)) return;
    this.#pair(0, fields.asid, fields.queue);
    this.#pair(8, fields.dcore, fields.index);
    this.#pair(16, fields.value, 0);
    this.#double(24, fields.address);
  }

  event(
    timeNs: number,
    { device, asid, pid, text }: { device: number | null; asid: number | null; pid: number | null; text: Uint8Array },
  ): void {
    if (!this.#begin(RECORD.EVENT, device ?? NO_DEVICE, timeNs, 16 + text.length)) return;
    this.#pair(0, asid === null ? 0 : asid + 1, pid ?? 0);
    this.#pair(8, text.length, 0);
    this.#chunk.bytes.set(text, this.#body + 16);
  }

  contents(timeNs: number, client: number, handle: bigint, offset: number, bytes: Uint8Array): void {
    if (!this.#begin(RECORD.CONTENTS, 0, timeNs, 24 + bytes.length)) return;
    this.#pair(0, client, bytes.length);
    this.#handle(handle);
    this.#double(16, offset);
    this.#chunk.bytes.set(bytes, this.#body + 24);
  }

  digest(
    timeNs: number,
    client: number,
    {
      of,
      handle,
      size,
      digest,
    }: { of: (typeof DIGEST_SORTS)[number]; handle: bigint; size: number; digest: Uint8Array },
  ): void {
    const sort = DIGEST_SORTS.indexOf(of);
    if (!this.#begin(RECORD.DIGEST, sort << 8, timeNs, 24 + DIGEST_BYTES)) return;
    this.#pair(0, client, 0);
    this.#handle(handle);
    this.#double(16, size);
    this.#chunk.bytes.set(digest, this.#body + 24);
  }

  /** Whole records, oldest first, at most `most` bytes, or less where a piece can be given away as it is; they are gone from here. */
  take(most: number = MAX_TRACE_READ): Uint8Array {
    const given = this.#giveAway(most);
    if (given !== undefined) return given;
    // Not zeroed, and copied once: this runs beside the clients' work.
    const out = Buffer.allocUnsafeSlow(Math.min(most, this.unread));
    let filled = 0;
    for (;;) {
      const chunk = this.#full[0] ?? this.#chunk;
      const end = wholeRecords(chunk, out.length - filled);
      if (end === chunk.start) break;
      out.set(chunk.bytes.subarray(chunk.start, end), filled);
      filled += end - chunk.start;
      chunk.start = end;
      if (end < chunk.end) break;
      if (chunk === this.#full[0]) {
        this.#full.shift();
        this.#recycle(chunk);
      } else {
        chunk.start = 0;
        chunk.end = 0;
        break;
      }
    }
    this.unread -= filled;
    return out.subarray(0, filled);
  }

  /** The oldest chunk, when there is so much in it that copying it would cost more than a new one. */
  #giveAway(most: number): Uint8Array | undefined {
    const chunk = this.#full[0] ?? this.#chunk;
    const { bytes, start, end } = chunk;
    if (end - start < WORTH_GIVING_BYTES || end - start > most) return undefined;
    if (chunk === this.#full[0]) this.#full.shift();
    else {
      this.#chunk = this.#spare ?? chunkOf(CHUNK_BYTES);
      this.#spare = undefined;
    }
    this.unread -= end - start;
    return bytes.subarray(start, end);
  }

  /** Somebody in front of this lost so many. */
  lose(count: number): void {
    this.lost += count;
    this.#untold += count;
  }

  /** Nothing is recorded any more: tells the reader of what was lost last. */
  close(timeNs: number): void {
    if (this.#untold > 0) this.#tellLost(timeNs);
  }

  /** Room for a record, its head written. False when there is none. */
  #begin(type: number, deviceAndSort: number, timeNs: number, bodyBytes: number): boolean {
    const size = (TRACE_HEAD_BYTES + bodyBytes + TRACE_ALIGNMENT - 1) & -TRACE_ALIGNMENT;
    const told = this.#untold === 0 ? 0 : LOST_BYTES;
    if (this.unread + size + told > this.#limit) {
      this.lost += 1;
      this.#untold += 1;
      return false;
    }
    if (told > 0) this.#tellLost(timeNs);
    this.#room(size);
    this.#head(type, deviceAndSort, timeNs, size);
    this.records += 1;
    return true;
  }

  #tellLost(timeNs: number): void {
    this.#room(LOST_BYTES);
    this.#head(RECORD.LOST, 0, timeNs, LOST_BYTES);
    this.#double(0, this.#untold);
    this.#untold = 0;
  }

  #head(type: number, deviceAndSort: number, timeNs: number, size: number): void {
    const chunk = this.#chunk;
    const at = chunk.end;
    chunk.words[at >>> 2] = size;
    chunk.words[(at >>> 2) + 1] = type | (deviceAndSort << 8);
    chunk.doubles[(at >>> 3) + 1] = timeNs;
    this.#body = at + TRACE_HEAD_BYTES;
    chunk.end = at + size;
    this.unread += size;
  }

  /** Room in one piece for a record of this size. */
  #room(size: number): void {
    const chunk = this.#chunk;
    if (chunk.bytes.length - chunk.end >= size) return;
    if (chunk.end > chunk.start) this.#full.push(chunk);
    else this.#recycle(chunk);
    const spare = size <= CHUNK_BYTES ? this.#spare : undefined;
    if (spare !== undefined) this.#spare = undefined;
    this.#chunk = spare ?? chunkOf(Math.max(CHUNK_BYTES, size));
  }

  /** One is kept, so that a reader that keeps up costs no memory. */
  #recycle(chunk: Chunk): void {
    if (chunk.bytes.length !== CHUNK_BYTES) return;
    chunk.start = 0;
    chunk.end = 0;
    this.#spare = chunk;
  }

  #submission({ asid, pid, seq }: SubmissionFields): void {
    this.#pair(0, asid, pid);
    this.#double(8, seq);
  }

  #pair(at: number, one: number, two: number): void {
    const word = (this.#body + at) >>> 2;
    this.#chunk.words[word] = one;
    this.#chunk.words[word + 1] = two;
  }

  #double(at: number, value: number): void {
    this.#chunk.doubles[(this.#body + at) >>> 3] = value;
  }

  #handle(handle: bigint): void {
    this.#pair(8, Number(handle & 0xffff_ffffn), Number(handle >> 32n));
  }
}

/** The end of the last record that fits `room` bytes; the first fits always, for a record is never longer than an answer may be. */
function wholeRecords({ words, start, end }: Chunk, room: number): number {
  if (end - start <= room) return end;
  let at = start;
  for (;;) {
    const next = at + (words[at >>> 2] as number);
    if (next - start > room) return at;
    at = next;
  }
}
