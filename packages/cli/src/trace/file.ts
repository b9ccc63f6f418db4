/**
 * Recordings on disk (docs/traces.md).
 *
 * Owns: the head of a file, its end, what is refused. Records themselves are spelled in uapi; what they mean is not known here.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { HlError } from '@pedrera/base';
import { newTraceReader } from '@pedrera/thunk';
import { eachRecord, RECORD, TRACE_HEAD_BYTES, type TraceRecord, wholeRecordBytes } from '@pedrera/uapi';
import { CliError, EXIT } from '../exit.js';

const MAGIC = Buffer.from('PEDTRACE', 'latin1');
/** Raised when an old reader would misunderstand a new file. */
const VERSION = 1;
const HEAD_BYTES = 16;
const ALIGNMENT = 8;
const MAX_HEADER_BYTES = 1024 * 1024;
const READ_BYTES = 1024 * 1024;
const TIME_BEFORE_BODY = 8;
const END_BYTES = TRACE_HEAD_BYTES + 16;

export interface TraceFileHeader {
  readonly schema: 'pedrera.trace-file/1';
  /** Of the daemon that was recorded. */
  readonly build: string;
  readonly protocol: number;
  readonly policy: string;
  readonly devices: number;
  /** Bits of TRACE_KIND. */
  readonly kinds: number;
  /** One process only, or 0. */
  readonly pid: number;
  /** CLOCK_MONOTONIC at the begin, ns, and what the clock on the wall said then, ms. */
  readonly startedNs: number;
  readonly startedEpochMs: number;
  /** The program that was run for it, or empty. */
  readonly program: readonly string[];
}

export interface TraceTotals {
  readonly records: number;
  readonly lost: number;
}

/** Writes a recording as it comes. */
export class TraceFileWriter {
  readonly path: string;
  readonly #fd: number;
  bytes = 0;
  records = 0;

  constructor(path: string, header: TraceFileHeader) {
    this.path = path;
    this.#fd = openSync(path, 'w', 0o600);
    const json = Buffer.from(JSON.stringify(header));
    const padded = Math.ceil((HEAD_BYTES + json.length) / ALIGNMENT) * ALIGNMENT;
    const head = Buffer.alloc(padded, ' ');
    MAGIC.copy(head, 0);
    head.writeUInt32LE(VERSION, 8);
    head.writeUInt32LE(padded - HEAD_BYTES, 12);
    json.copy(head, HEAD_BYTES);
    this.#write(head);
  }

  /** Whole records. */
  append(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#write(bytes);
  }

  /** Without it the file counts as cut short. */
  end({ records, lost }: TraceTotals): void {
    const end = Buffer.alloc(END_BYTES);
    end.writeUInt32LE(END_BYTES, 0);
    end.writeUInt8(RECORD.END, 4);
    end.writeDoubleLE(records, TRACE_HEAD_BYTES);
    end.writeDoubleLE(lost, TRACE_HEAD_BYTES + 8);
    this.#write(end);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    this.bytes += bytes.length;
  }
}

/** Throws with a sentence for a file that is no recording, of a newer format, or cut short. */
export class TraceFile {
  readonly path: string;
  readonly header: TraceFileHeader;
  readonly totals: TraceTotals;
  readonly #start: number;
  readonly #end: number;

  constructor(path: string) {
    this.path = path;
    const fd = openSync(path, 'r');
    try {
      const size = fstatSync(fd).size;
      const head = readAt(fd, 0, HEAD_BYTES);
      if (head.length < HEAD_BYTES || !head.subarray(0, MAGIC.length).equals(MAGIC)) {
        throw unusable(`${path} is no recording of pedrera`);
      }
      const version = head.readUInt32LE(8);
      if (version > VERSION) {
        throw unusable(`${path} was written by a newer pedrera (format ${version}; this one reads ${VERSION})`);
      }
      const length = head.readUInt32LE(12);
      this.#start = HEAD_BYTES + length;
      if (length > MAX_HEADER_BYTES || this.#start > size) throw unusable(`${path} is cut short within its head`);
      this.header = headerIn(readAt(fd, HEAD_BYTES, length), path);
      this.#end = size - END_BYTES;
      this.totals = totalsIn(this.#end < this.#start ? Buffer.alloc(0) : readAt(fd, this.#end, END_BYTES), path);
    } finally {
      closeSync(fd);
    }
  }

  /** In their order, piece by piece; calls without an answer come last. */
  *records(): Generator<TraceRecord> {
    const reader = newTraceReader();
    for (const piece of this.#pieces()) yield* reader.read(piece);
    yield* reader.unanswered();
  }

  /** The recording's begin, or when something of it began before that: a stretch that was under way, a client that was there. */
  earliestNs(): number {
    let earliest = this.header.startedNs;
    for (const piece of this.#pieces()) {
      eachRecord(piece, (_type, view, body) => {
        earliest = Math.min(earliest, view.getFloat64(body - TIME_BEFORE_BODY, true));
      });
    }
    return earliest;
  }

  *#pieces(): Generator<Uint8Array> {
    const fd = openSync(this.path, 'r');
    try {
      let rest: Buffer = Buffer.alloc(0);
      for (let at = this.#start; at < this.#end; ) {
        const read = readAt(fd, at, Math.min(READ_BYTES, this.#end - at));
        if (read.length === 0) throw unusable(`${this.path} was cut short while it was read`);
        at += read.length;
        const bytes = rest.length === 0 ? read : Buffer.concat([rest, read]);
        const whole = wholeRecordBytes(bytes);
        yield bytes.subarray(0, whole);
        rest = bytes.subarray(whole);
      }
      if (rest.length > 0) throw unusable(`${this.path} is damaged: ${rest.length} bytes are left behind its records`);
    } catch (error) {
      if (error instanceof HlError) throw unusable(`${this.path} is damaged: ${error.detail ?? error.message}`);
      throw error;
    } finally {
      closeSync(fd);
    }
  }
}

/** Clients that come and go in a batch, without decoding the rest. */
export function followClients(bytes: Uint8Array, live: Set<number>): void {
  eachRecord(bytes, (type, view, body) => {
    if (type === RECORD.CLIENT) live.add(view.getUint32(body, true));
    else if (type === RECORD.CLIENT_END) live.delete(view.getUint32(body, true));
  });
}

function readAt(fd: number, at: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(fd, buffer, 0, length, at));
}

function headerIn(bytes: Buffer, path: string): TraceFileHeader {
  try {
    const header = JSON.parse(bytes.toString('utf8')) as TraceFileHeader;
    if (header.schema === 'pedrera.trace-file/1') return header;
  } catch {
    // Said below.
  }
  throw unusable(`the head of ${path} is damaged`);
}

function totalsIn(end: Buffer, path: string): TraceTotals {
  if (end.length < END_BYTES || end.readUInt32LE(0) !== END_BYTES || end.readUInt8(4) !== RECORD.END) {
    throw unusable(`${path} is cut short: its end is missing`);
  }
  return { records: end.readDoubleLE(TRACE_HEAD_BYTES), lost: end.readDoubleLE(TRACE_HEAD_BYTES + 8) };
}

function unusable(message: string): CliError {
  return new CliError({ exitCode: EXIT.usage, code: 'BAD_TRACE', message });
}
