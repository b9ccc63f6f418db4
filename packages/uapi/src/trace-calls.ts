/**
 * Calls out of frames: what a client asked, what it was answered, and how long that took.
 *
 * Owns: pairing requests with replies, both spellings of a call. Must not know: how records lie in memory (trace-reader.ts).
 */
import { ERRNO, errnoCode, HlError } from '@pedrera/base';
import { reqFromWire, resFromWire } from './codec.js';
import { classicCommand, decodeArgs } from './raw.js';
import { decodeReply } from './raw-caller.js';
import type { RawBuffers } from './raw-plan.js';
import { byCode, type Entry } from './table.js';
import type { CallRecord, ClientRecord } from './trace.js';

/** Throws for what is no message. */
export type FrameDecoder = (body: Uint8Array) => readonly unknown[];

/** Any other node that is open is a network card's, whose calls have numbers of their own. */
const DEVICE_NODE = /^(hl|accel)(_controlD)?[0-9]+$/;

interface Frame {
  readonly number: number;
  readonly timeNs: number;
  readonly client: number;
  readonly bytes: Uint8Array | null;
}

interface Underway {
  readonly record: CallRecord;
  readonly entry: Entry | null;
  readonly raw: boolean;
}

/** What the call is, as far as the request tells. */
interface Request {
  readonly id: number;
  readonly call: string;
  readonly entry: Entry | null;
  readonly raw: boolean;
  readonly req: Record<string, unknown> | null;
}

export class TraceCalls {
  readonly #decode: FrameDecoder;
  readonly #clients: Map<number, ClientRecord>;
  /** Client -> id -> call. */
  readonly #underway = new Map<number, Map<number, Underway>>();
  /** Requests too long to be recorded, whose ids are not known: the next unknown answer is theirs. */
  readonly #unread = new Map<number, Underway[]>();

  constructor(decode: FrameDecoder, clients: Map<number, ClientRecord>) {
    this.#decode = decode;
    this.#clients = clients;
  }

  request(frame: Frame): void {
    const { client } = frame;
    if (frame.bytes === null) {
      const unknown: Request = { id: -1, call: 'call of many bytes', entry: null, raw: false, req: null };
      const waiting = this.#unread.get(client) ?? [];
      waiting.push(this.#begun(frame, unknown));
      this.#unread.set(client, waiting);
      return;
    }
    const request = this.#parse(client, this.#message(frame.bytes));
    if (request === undefined) return;
    const calls = this.#underway.get(client) ?? new Map<number, Underway>();
    calls.set(request.id, this.#begun(frame, request));
    this.#underway.set(client, calls);
  }

  /** The call that this answers; undefined when its request was not recorded. */
  reply(frame: Frame): CallRecord | undefined {
    const { client, timeNs } = frame;
    const message = frame.bytes === null ? [] : this.#message(frame.bytes);
    const calls = this.#underway.get(client);
    // An answer too long to be recorded does not say whose it is: most clients have one call under way.
    const id = typeof message[0] === 'number' ? message[0] : (calls?.keys().next().value ?? -1);
    const call = calls?.get(id) ?? this.#unread.get(client)?.shift();
    if (call === undefined) return undefined;
    calls?.delete(id);
    const { record } = call;
    record.answered = frame.number;
    record.durationNs = Math.max(0, timeNs - record.timeNs);
    this.#outcome(call, message);
    if (record.errno === null) this.#learn(record);
    return record;
  }

  unanswered(client?: number): CallRecord[] {
    const found: CallRecord[] = [];
    for (const [number, calls] of this.#underway) {
      if (client === undefined || number === client) for (const { record } of calls.values()) found.push(record);
    }
    return found.sort((a, b) => a.number - b.number);
  }

  clientEnded(client: number): CallRecord[] {
    const left = this.unanswered(client);
    this.#underway.delete(client);
    this.#unread.delete(client);
    return left;
  }

  #message(bytes: Uint8Array): readonly unknown[] {
    try {
      return this.#decode(bytes);
    } catch {
      // The daemon refused it, too.
      return [];
    }
  }

  #begun({ number, timeNs, client }: Frame, { call, entry, raw, req }: Request): Underway {
    const known = this.#clients.get(client);
    const record: CallRecord = {
      number,
      timeNs,
      kind: 'call',
      client,
      answered: null,
      pid: known?.pid ?? 0,
      program: known?.program ?? '',
      node: known?.node ?? '',
      call,
      req,
      res: null,
      errno: null,
      detail: null,
      durationNs: 0,
    };
    return { record, entry, raw };
  }

  #parse(client: number, message: readonly unknown[]): Request | undefined {
    const [id, code, args, buffers] = message;
    if (typeof id !== 'number' || typeof code !== 'number') return undefined;
    if (args instanceof Uint8Array) {
      const node = this.#clients.get(client)?.node ?? '';
      const command = node.startsWith('accel') ? classicCommand(code >>> 0) : code >>> 0;
      const magic = node === '' || DEVICE_NODE.test(node) ? 'H' : 'I';
      const call = decodeArgs(command, args, (Array.isArray(buffers) ? buffers : []) as RawBuffers, magic);
      return { id, call: call.name, entry: call.entry, raw: true, req: call.req as Record<string, unknown> | null };
    }
    const entry = byCode(code) ?? null;
    let req: Record<string, unknown> | null = null;
    try {
      if (entry !== null) req = reqFromWire(entry, args) as Record<string, unknown>;
    } catch (error) {
      if (!(error instanceof HlError)) throw error;
    }
    return { id, call: entry?.name ?? `call ${code}`, entry, raw: false, req };
  }

  #outcome({ record, entry, raw }: Underway, message: readonly unknown[]): void {
    const [, error, result, buffers, rawDetail] = message;
    if (typeof error !== 'number') {
      // The bytes of a success were too many; failures are short.
      record.res = {};
      return;
    }
    if (error !== 0) {
      const detail = raw ? rawDetail : result;
      record.errno = errnoCode(error) ?? `errno ${error}`;
      record.detail = typeof detail === 'string' && detail !== '' ? detail : null;
      return;
    }
    record.res = {};
    try {
      if (entry === null) return;
      record.res = raw
        ? decodeReply(entry, { block: result as Uint8Array, buffers: (buffers ?? []) as Uint8Array[] })
        : (resFromWire(entry, result) as Record<string, unknown>);
    } catch (thrown) {
      if (!(thrown instanceof HlError)) throw thrown;
    }
  }

  /** HELLO and OPEN tell who the client is. */
  #learn({ client, call, req, res }: CallRecord): void {
    const known = this.#clients.get(client);
    if (known === undefined) return;
    if (call === 'HELLO') this.#clients.set(client, { ...known, program: String(req?.program ?? '') });
    if (call === 'OPEN') {
      const [device, asid] = [Number(res?.device ?? 0), Number(res?.asid ?? 0)];
      this.#clients.set(client, { ...known, node: String(req?.node ?? ''), device, asid });
    }
  }
}

/** The error a call ended with. */
export function errorOf({ errno, detail }: CallRecord): HlError | undefined {
  if (errno === null) return undefined;
  const code = errno in ERRNO ? (errno as keyof typeof ERRNO) : 'EIO';
  return new HlError(code, detail ?? undefined);
}
