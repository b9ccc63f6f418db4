/**
 * Records out of memory: from the bytes of a recording to what they tell.
 *
 * Owns: the check of every length, the numbering of records, which submission a job of an engine belongs to.
 * Must not know: where bytes come from. Calls are put together from their frames in trace-calls.ts.
 */
import { ERRNO, type ErrnoCode, errno, errnoCode } from '@pedrera/base';
import type { CallRecord, ClientRecord, EngineRecord, EventRecord, SubmitRecord, TraceRecord } from './trace.js';
import { type FrameDecoder, TraceCalls } from './trace-calls.js';
import {
  DIGEST_BYTES,
  DIGEST_SORTS,
  ENGINE_FLAG,
  ENGINE_SORTS,
  NO_DEVICE,
  RECORD,
  SYNC_SORTS,
  TRACE_ALIGNMENT,
  TRACE_HEAD_BYTES,
} from './trace-layout.js';

/** Bytes of a body before what is of variable length. */
const FIXED_BYTES: Readonly<Record<number, number>> = {
  [RECORD.CLIENT]: 8,
  [RECORD.CLIENT_END]: 8,
  [RECORD.REQUEST]: 8,
  [RECORD.REPLY]: 8,
  [RECORD.SUBMIT]: 24,
  [RECORD.FINISH]: 24,
  [RECORD.WAKE]: 16,
  [RECORD.ENGINE]: 40,
  [RECORD.SYNC]: 32,
  [RECORD.EVENT]: 16,
  [RECORD.CONTENTS]: 24,
  [RECORD.DIGEST]: 24 + DIGEST_BYTES,
  [RECORD.LOST]: 8,
  [RECORD.END]: 16,
};

/** Far above any that is written. */
const MAX_RECORD_BYTES = 2 ** 20;

/** Submissions that used a ring slot, kept for records of engines that come late. */
const SLOT_HISTORY = 8;

interface Head {
  readonly type: number;
  readonly device: number;
  readonly sort: number;
  readonly timeNs: number;
  readonly number: number;
}

type Maker = (head: Head, body: DataView) => TraceRecord | readonly TraceRecord[] | undefined;

export class TraceReader {
  /** Clients by number, as far as records told of them. */
  readonly clients = new Map<number, ClientRecord>();
  readonly #calls: TraceCalls;
  #number = 0;
  #decoder = new TextDecoder();
  /** device, asid, queue, slot -> latest submissions. */
  readonly #slots = new Map<string, { readonly seq: number; readonly timeNs: number }[]>();

  /** `decodeFrame` turns the body of a frame into a message; it lives with the wire. */
  constructor(decodeFrame: FrameDecoder) {
    this.#calls = new TraceCalls(decodeFrame, this.clients);
  }

  /** Records so far, lost ones included. */
  get numbered(): number {
    return this.#number;
  }

  /**
   * The records in `bytes`, which are whole. A call is among them when its answer is; an answer of a call whose request came before the
   * recording is dropped. Throws EPROTO for what is no trace.
   */
  read(bytes: Uint8Array): TraceRecord[] {
    const out: TraceRecord[] = [];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at < bytes.length) {
      const size = sizeOf(view, at);
      const head: Head = {
        type: view.getUint8(at + 4),
        device: view.getUint8(at + 5),
        sort: view.getUint16(at + 6, true),
        timeNs: view.getFloat64(at + 8, true),
        number: this.#number,
      };
      const body = new DataView(bytes.buffer, bytes.byteOffset + at + TRACE_HEAD_BYTES, size - TRACE_HEAD_BYTES);
      if (body.byteLength < (FIXED_BYTES[head.type] ?? 0)) {
        throw errno('EPROTO', `record ${this.#number} of type ${head.type} has only ${body.byteLength} bytes`);
      }
      this.#number += head.type === RECORD.LOST ? body.getFloat64(0, true) : 1;
      const made = this.#makers[head.type]?.(head, body);
      if (Array.isArray(made)) out.push(...(made as TraceRecord[]));
      else if (made !== undefined) out.push(made as TraceRecord);
      at += size;
    }
    return out;
  }

  /** Calls without an answer so far, as records without an outcome; they stay. Of one client or of all. */
  unanswered(client?: number): CallRecord[] {
    return this.#calls.unanswered(client);
  }

  readonly #makers: Readonly<Record<number, Maker>> = {
    [RECORD.CLIENT]: (head, body) => this.#client(head, body),
    [RECORD.CLIENT_END]: (head, body) => {
      const client = body.getUint32(0, true);
      const end = { ...base(head), kind: 'client end' as const, client, pid: body.getUint32(4, true) };
      return [...this.#calls.clientEnded(client), end];
    },
    [RECORD.REQUEST]: (head, body) => {
      this.#calls.request({ ...base(head), ...frameOf(body) });
      return undefined;
    },
    [RECORD.REPLY]: (head, body) => this.#calls.reply({ ...base(head), ...frameOf(body) }),
    [RECORD.SUBMIT]: (head, body) => this.#submit(head, body),
    [RECORD.FINISH]: (head, body) => ({
      ...base(head),
      kind: 'finish',
      ...submissionOf(head, body),
      queues: [],
      slots: [],
      error: errnoName(body.getUint32(16, true)),
    }),
    [RECORD.WAKE]: (head, body) => {
      const submission = submissionOf(head, body);
      return { ...base(head), kind: 'wake', client: this.#clientOf(submission), ...submission };
    },
    [RECORD.ENGINE]: (head, body) => this.#engine(head, body),
    [RECORD.SYNC]: (head, body) => ({
      ...base(head),
      kind: sortOf(SYNC_SORTS, head),
      device: head.device,
      asid: body.getUint32(0, true),
      queue: body.getInt32(4, true),
      dcore: body.getUint32(8, true),
      index: body.getUint32(12, true),
      value: body.getUint32(16, true),
      address: body.getFloat64(24, true),
    }),
    [RECORD.EVENT]: (head, body) => this.#event(head, body),
    [RECORD.CONTENTS]: (head, body) => ({
      ...base(head),
      kind: 'contents',
      client: body.getUint32(0, true),
      handle: body.getBigUint64(8, true),
      offset: body.getFloat64(16, true),
      bytes: part(body, 24, body.getUint32(4, true)).slice(),
    }),
    [RECORD.DIGEST]: (head, body) => ({
      ...base(head),
      kind: 'digest',
      client: body.getUint32(0, true),
      of: sortOf(DIGEST_SORTS, head),
      handle: body.getBigUint64(8, true),
      bytes: body.getFloat64(16, true),
      digest: Buffer.from(part(body, 24, DIGEST_BYTES)).toString('hex'),
    }),
    [RECORD.LOST]: (head, body) => ({ ...base(head), kind: 'lost', count: body.getFloat64(0, true) }),
  };

  #client(head: Head, body: DataView): ClientRecord {
    const client = body.getUint32(0, true);
    const text = this.#decoder.decode(part(body, 8, body.getUint32(4, true)));
    let told: Partial<ClientRecord>;
    try {
      told = JSON.parse(text) as Partial<ClientRecord>;
    } catch {
      throw errno('EPROTO', `record ${head.number} tells of a client in no JSON`);
    }
    const record: ClientRecord = {
      pid: 0,
      program: '',
      node: '',
      device: null,
      asid: null,
      parents: [],
      before: false,
      ...told,
      ...base(head),
      kind: 'client',
      client,
    };
    this.clients.set(client, record);
    return record;
  }

  #clientOf({ device, asid, pid }: { device: number; asid: number; pid: number }): number {
    let found = 0;
    for (const client of this.clients.values()) {
      if (client.pid === pid && client.device === device && client.asid === asid) found = client.client;
    }
    return found;
  }

  #submit(head: Head, body: DataView): SubmitRecord {
    const count = body.getUint32(16, true);
    const words = part(body, 24, 4 * count);
    const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
    const submission = submissionOf(head, body);
    const queues: number[] = [];
    const slots: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const word = view.getUint32(4 * i, true);
      queues.push(word & 0xff);
      slots.push(word >>> 8);
      const key = `${head.device}/${submission.asid}/${word}`;
      const history = this.#slots.get(key) ?? [];
      history.push({ seq: submission.seq, timeNs: head.timeNs });
      if (history.length > SLOT_HISTORY) history.shift();
      this.#slots.set(key, history);
    }
    return { ...base(head), kind: 'submit', ...submission, queues, slots, error: null };
  }

  #engine(head: Head, body: DataView): EngineRecord {
    const kind = sortOf(ENGINE_SORTS, { ...head, sort: head.sort & 0xff });
    const [asid, queue] = [body.getUint32(0, true), body.getInt32(4, true)];
    const [durationNs, index] = [body.getFloat64(8, true), body.getUint32(16, true)];
    const [address, bytes] = [body.getFloat64(24, true), body.getFloat64(32, true)];
    const lower = (head.sort & ENGINE_FLAG.LOWER) !== 0;
    const ofEngine = kind === 'move' || kind === 'computation';
    const open = (head.sort & ENGINE_FLAG.OPEN) !== 0;
    return {
      ...base(head),
      kind,
      device: head.device,
      asid,
      queue,
      durationNs,
      value: kind === 'move' ? bytes : index,
      engine: ofEngine ? index : null,
      address,
      bytes,
      lower,
      end: (head.sort & ENGINE_FLAG.CUT) !== 0 ? 'cut' : open ? 'open' : 'done',
      seq: kind === 'job' && !lower ? this.#submissionIn(head, asid, queue, { slot: index, durationNs }) : null,
    };
  }

  /** The kernel hears of engines late: the slot's submission is the last that was handed in before the job ended. */
  #submissionIn(
    { device, timeNs }: Head,
    asid: number,
    queue: number,
    { slot, durationNs }: { slot: number; durationNs: number },
  ): number | null {
    const history = this.#slots.get(`${device}/${asid}/${queue | (slot << 8)}`);
    return history?.findLast((submission) => submission.timeNs <= timeNs + durationNs)?.seq ?? null;
  }

  #event(head: Head, body: DataView): EventRecord {
    const asid = body.getUint32(0, true);
    return {
      ...base(head),
      kind: 'event',
      device: head.device === NO_DEVICE ? null : head.device,
      asid: asid === 0 ? null : asid - 1,
      pid: body.getUint32(4, true) || null,
      text: this.#decoder.decode(part(body, 16, body.getUint32(8, true))),
    };
  }
}

/**
 * Calls `seen` with the type of each record and the place of its body, without making sense of it, or objects. Throws EPROTO for what
 * is no trace.
 */
export function eachRecord(bytes: Uint8Array, seen: (type: number, view: DataView, body: number) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const size = sizeOf(view, at);
    seen(view.getUint8(at + 4), view, at + TRACE_HEAD_BYTES);
    at += size;
  }
}

/** Bytes from the start that are whole records; what follows them is the beginning of one. Throws EPROTO for what is no trace. */
export function wholeRecordBytes(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (bytes.length - at >= TRACE_HEAD_BYTES) {
    const size = view.getUint32(at, true);
    if (size < TRACE_HEAD_BYTES || size % TRACE_ALIGNMENT !== 0 || size > MAX_RECORD_BYTES) {
      throw errno('EPROTO', `a record of ${size} bytes`);
    }
    if (size > bytes.length - at) break;
    at += size;
  }
  return at;
}

function sizeOf(view: DataView, at: number): number {
  const left = view.byteLength - at;
  const size = left < TRACE_HEAD_BYTES ? 0 : view.getUint32(at, true);
  if (size < TRACE_HEAD_BYTES || size > left || size % TRACE_ALIGNMENT !== 0) {
    throw errno('EPROTO', `a record of ${size} bytes, where ${left} are left`);
  }
  return size;
}

function base({ number, timeNs }: Head): { number: number; timeNs: number } {
  return { number, timeNs };
}

function part(body: DataView, at: number, length: number): Uint8Array {
  if (at + length > body.byteLength) {
    throw errno('EPROTO', `a record says it holds ${length} bytes, and has ${body.byteLength - at}`);
  }
  return new Uint8Array(body.buffer, body.byteOffset + at, length);
}

/** The bytes are none when the frame was too long to be recorded. */
function frameOf(body: DataView): { client: number; length: number; bytes: Uint8Array | null } {
  const length = body.getUint32(4, true);
  const bytes = length > 0 && body.byteLength === 8 ? null : part(body, 8, length);
  return { client: body.getUint32(0, true), length, bytes };
}

function submissionOf(head: Head, body: DataView): { device: number; asid: number; pid: number; seq: number } {
  return {
    device: head.device,
    asid: body.getUint32(0, true),
    pid: body.getUint32(4, true),
    seq: body.getFloat64(8, true),
  };
}

function sortOf<S extends string>(sorts: readonly S[], { sort, number }: Head): S {
  const found = sorts[sort];
  if (found === undefined) throw errno('EPROTO', `record ${number} is of a sort ${sort} that does not exist`);
  return found;
}

function errnoName(value: number): ErrnoCode | null {
  return value === 0 ? null : (errnoCode(value) ?? (Object.keys(ERRNO)[0] as ErrnoCode));
}
