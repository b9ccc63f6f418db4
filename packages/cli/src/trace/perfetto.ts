/**
 * A recording as a trace in Chrome's JSON format, which the Perfetto UI and trace_processor read.
 *
 * Owns: tracks, slices, counters and their names. Arrows between slices are flows.ts's business. Pure: records in, text out.
 * One process of the trace is a client process, or a device; one thread of it a connection, a stream of a queue, an engine.
 */
import { DCORE_NAMES, ENGINES, formatAddress, queueName } from '@pedrera/hw';
import type { CallRecord, EngineRecord, EventRecord, SubmitRecord, SyncRecord, TraceRecord } from '@pedrera/uapi';
import { printable } from '../text/style.js';
import type { TraceFileHeader } from './file.js';
import { type Flow, FlowFinder } from './flows.js';
import { callText } from './strace-text.js';
import type { Spot } from './writers.js';

/** Processes of devices, far from the ids of real ones. */
const DEVICE_PID_BASE = 2 ** 30;
const EVENTS_TID = 1;
const SYNC_TID = 2;
const ENGINE_TID_BASE = 100;
const STREAM_TID_BASE = 1000;
const STREAMS_PER_ASID = 512;
const LANES = 64;

type Json = Readonly<Record<string, unknown>>;

interface Lane {
  /** Where its last slice ended. */
  endNs: number;
}

export class PerfettoExport {
  readonly #header: TraceFileHeader;
  readonly #flows = new FlowFinder();
  /** Metadata that was written. */
  readonly #named = new Set<string>();
  readonly #threads = new Map<string, string>();
  readonly #lanes = new Map<string, Lane[]>();
  readonly #clients = new Map<number, { pid: number; program: string; node: string }>();
  readonly #running = new Map<string, SubmitRecord>();
  #lastNs = 0;
  #out: Json[] = [];

  constructor(header: TraceFileHeader) {
    this.#header = header;
  }

  /** The whole document, in pieces. */
  *export(records: Iterable<TraceRecord>): Generator<string> {
    const { build, policy, devices, startedEpochMs, program } = this.#header;
    const started = new Date(startedEpochMs).toISOString();
    const otherData = { producer: `pedrera ${build}`, policy, devices, started, program: program.join(' ') };
    yield `{"displayTimeUnit":"ns","otherData":${JSON.stringify(otherData)},"traceEvents":[\n`;
    let first = true;
    const flush = () => {
      const text = this.#out.map((event) => JSON.stringify(event)).join(',\n');
      this.#out = [];
      if (text === '') return '';
      const separator = first ? '' : ',\n';
      first = false;
      return separator + text;
    };
    for (const record of records) {
      this.#lastNs = Math.max(this.#lastNs, record.timeNs);
      this.#record(record);
      yield flush();
    }
    this.#endRunning();
    let id = 0;
    for (const flow of this.#flows.flows()) {
      this.#flow(++id, flow);
      yield flush();
    }
    yield '\n]}\n';
  }

  #record(record: TraceRecord): void {
    switch (record.kind) {
      case 'client':
        this.#clients.set(record.client, record);
        if (record.node !== '') this.#flows.opened(record.client, record);
        this.#nameProcess(record.pid, `${printable(record.program) || 'client'} (${record.pid})`, record.pid);
        return;
      case 'call':
        this.#call(record);
        return;
      case 'submit':
        this.#submitted(record);
        return;
      case 'finish':
        this.#finished(record);
        return;
      case 'wake':
        this.#flows.woke(record);
        return;
      case 'sob':
      case 'arm':
      case 'fire':
        this.#sync(record);
        return;
      case 'event':
        this.#event(record);
        return;
      case 'lost':
        this.#instant({ name: `${record.count} records lost`, timeNs: record.timeNs, scope: 'g' });
        return;
      case 'client end':
      case 'contents':
      case 'digest':
        return;
      default:
        this.#engine(record);
    }
  }

  // --- clients ---------------------------------------------------------------------------------------------------------

  #call(call: CallRecord): void {
    const { pid, client, timeNs, durationNs, errno, res } = call;
    const answered = errno !== null || res !== null;
    const length = answered ? durationNs : Math.max(0, this.#lastNs - timeNs);
    const node = call.call === 'OPEN' ? String(call.req?.node ?? '') : (this.#clients.get(client)?.node ?? call.node);
    const lane = this.#lane(`client ${client}`, timeNs, length);
    const tid = client * LANES + lane;
    const place = `${node === '' ? 'calls' : node}${lane === 0 ? '' : ` (${lane + 1})`}`;
    this.#nameProcess(pid, `${printable(call.program) || 'client'} (${pid})`, pid);
    this.#nameThread(pid, tid, `${place}, connection ${client}`, tid);
    const args = {
      call: callText(call),
      ...(errno === null ? {} : { errno }),
      ...(answered ? {} : { unanswered: true }),
    };
    this.#slice({ name: call.call, cat: 'call', timeNs, durationNs: length, pid, tid, args });
    this.#flows.call(call, { pid, tid, timeNs, durationNs: length });
  }

  #submitted(submit: SubmitRecord): void {
    const { pid, device, asid, seq, timeNs, queues } = submit;
    const key = submissionKey(submit);
    this.#running.set(key, submit);
    const args = { device: `hl${device}`, asid, seq, queues: queues.map(queueName).join(', ') };
    this.#out.push({ ...this.#async('b', submit, timeNs), args });
    this.#nameProcess(pid, `client (${pid})`, pid);
    this.#flows.submitted(submit);
  }

  #finished(finish: SubmitRecord): void {
    const begun = this.#running.get(submissionKey(finish));
    if (begun === undefined) return;
    this.#running.delete(submissionKey(finish));
    const end = this.#async('e', begun, finish.timeNs);
    this.#out.push(finish.error === null ? end : { ...end, args: { error: finish.error } });
  }

  #endRunning(): void {
    for (const submit of this.#running.values()) {
      this.#out.push({ ...this.#async('e', submit, this.#lastNs), args: { unfinished: true } });
    }
  }

  /** Readers give each name a track of its own: there are as many as queues, not as submissions. */
  #async(ph: 'b' | 'e', submit: SubmitRecord, timeNs: number): Json {
    const { pid, queues } = submit;
    const name = `submission on ${[...new Set(queues)].map(queueName).join(', ')}`;
    return { ph, cat: 'submission', name, id: submissionKey(submit), pid, tid: pid, ts: this.#ts(timeNs) };
  }

  // --- devices ---------------------------------------------------------------------------------------------------------

  #engine(record: EngineRecord): void {
    const { device, asid, queue, kind, durationNs, timeNs, end, lower } = record;
    const pid = this.#device(device);
    const ofEngine = kind === 'move' || kind === 'computation';
    const track = ofEngine ? `engine ${device}/${record.engine}` : `stream ${device}/${asid}/${queue}/${lower}`;
    let tid = streamTid(record);
    if (ofEngine) {
      const lane = this.#lane(track, timeNs, durationNs);
      tid = ENGINE_TID_BASE + LANES * LANES * STREAMS_PER_ASID + (record.engine ?? 0) * LANES + lane;
      this.#nameThread(
        pid,
        tid,
        `${ENGINES[record.engine ?? 0] ?? 'engine'} core${lane === 0 ? '' : ` (${lane + 1})`}`,
        tid,
      );
    } else this.#nameStream(pid, record);
    const args = { asid, ...argsOf(record), ...(end === 'done' ? {} : { end }) };
    this.#slice({ name: nameOf(record), cat: kind, timeNs, durationNs, pid, tid, args });
    this.#flows.stretch(record, { pid, tid, timeNs, durationNs });
  }

  #sync(record: SyncRecord): void {
    const { device, dcore, index, timeNs, queue, kind, value } = record;
    const pid = this.#device(device);
    const object = `${kind === 'sob' ? 'SOB' : 'monitor'} ${DCORE_NAMES[dcore as 0] ?? dcore} ${index}`;
    const tid = queue < 0 ? SYNC_TID : streamTid({ ...record, lower: false });
    if (queue < 0) this.#nameThread(pid, SYNC_TID, 'sync manager', SYNC_TID);
    else this.#nameStream(pid, { ...record, lower: false });
    const name = kind === 'sob' ? `${object} = ${value}` : `${object} ${kind === 'arm' ? 'armed' : 'fires'}`;
    const args = kind === 'sob' ? { asid: record.asid } : { value, to: formatAddress(record.address) };
    this.#slice({ name, cat: kind, timeNs, durationNs: 0, pid, tid, args });
    if (kind === 'sob') {
      this.#out.push({ ph: 'C', cat: 'sob', name: object, pid, tid: SYNC_TID, ts: this.#ts(timeNs), args: { value } });
    }
    this.#flows.sync(record, { pid, tid, timeNs, durationNs: 0 });
  }

  #event({ device, timeNs, text, pid }: EventRecord): void {
    const shown = printable(text);
    if (device === null) this.#instant({ name: shown, timeNs, scope: 'g' });
    else {
      const process = this.#device(device);
      this.#nameThread(process, EVENTS_TID, 'events', EVENTS_TID);
      const args = pid === null ? {} : { args: { pid } };
      const event = { ph: 'i', s: 'p', cat: 'event', name: shown, pid: process, tid: EVENTS_TID, ts: this.#ts(timeNs) };
      this.#out.push({ ...event, ...args });
    }
  }

  // --- events of the format ----------------------------------------------------------------------------------------------

  #instant({ name, timeNs, scope }: { name: string; timeNs: number; scope: 'g' }): void {
    this.#out.push({
      ph: 'i',
      s: scope,
      cat: 'event',
      name,
      pid: DEVICE_PID_BASE,
      tid: EVENTS_TID,
      ts: this.#ts(timeNs),
    });
  }

  #slice(slice: Spot & { name: string; cat: string; args: Json }): void {
    const { name, cat, pid, tid, timeNs, durationNs, args } = slice;
    this.#lastNs = Math.max(this.#lastNs, timeNs + durationNs);
    this.#out.push({ ph: 'X', cat, name, pid, tid, ts: this.#ts(timeNs), dur: micros(durationNs), args });
  }

  /** An arrow from one slice to another: both ends lie within theirs. */
  #flow(id: number, { name, from, fromNs, to, toNs, inferred }: Flow): void {
    const common = { cat: 'flow', name, id };
    const args = inferred ? { args: { inferred: true } } : {};
    this.#out.push({ ph: 's', ...common, ...args, pid: from.pid, tid: from.tid, ts: this.#ts(fromNs) });
    this.#out.push({ ph: 'f', bp: 'e', ...common, pid: to.pid, tid: to.tid, ts: this.#ts(toNs) });
  }

  #device(device: number): number {
    const pid = DEVICE_PID_BASE + device;
    this.#nameProcess(pid, `hl${device} (device)`, pid);
    return pid;
  }

  #nameStream(pid: number, record: { asid: number; queue: number; lower: boolean }): void {
    const tid = streamTid(record);
    const name = `${record.queue < 0 ? 'bus' : queueName(record.queue)}${record.lower ? ' lower' : ''}, asid ${record.asid}`;
    this.#nameThread(pid, tid, name, tid);
  }

  #nameProcess(pid: number, name: string, order: number): void {
    if (this.#named.has(`p${pid}`)) {
      // A client gets its own name when it has told it.
      if (name.startsWith('client (') || this.#named.has(`p${pid} ${name}`)) return;
    }
    this.#named.add(`p${pid}`).add(`p${pid} ${name}`);
    this.#out.push({ ph: 'M', name: 'process_name', pid, tid: 0, ts: 0, args: { name } });
    const sort = {
      ph: 'M',
      name: 'process_sort_index',
      pid,
      tid: 0,
      ts: 0,
      args: { sort_index: order % DEVICE_PID_BASE },
    };
    if (pid >= DEVICE_PID_BASE) this.#out.push({ ...sort, args: { sort_index: order } });
  }

  #nameThread(pid: number, tid: number, name: string, order: number): void {
    const key = `${pid}/${tid}`;
    // A connection's name is known once it has opened a node: the last one counts.
    if (this.#threads.get(key) === name) return;
    this.#threads.set(key, name);
    this.#out.push({ ph: 'M', name: 'thread_name', pid, tid, ts: 0, args: { name } });
    this.#out.push({ ph: 'M', name: 'thread_sort_index', pid, tid, ts: 0, args: { sort_index: order } });
  }

  /** Slices of one thread must not overlap unless one holds the other: those that would go to another lane. Called in the order of ends. */
  #lane(track: string, timeNs: number, durationNs: number): number {
    const lanes = this.#lanes.get(track) ?? [];
    this.#lanes.set(track, lanes);
    let lane = lanes.findIndex(({ endNs }) => endNs <= timeNs);
    if (lane < 0) lane = lanes.length < LANES ? lanes.push({ endNs: 0 }) - 1 : LANES - 1;
    (lanes[lane] as Lane).endNs = timeNs + durationNs;
    return lane;
  }

  #ts(timeNs: number): number {
    return micros(timeNs - this.#header.startedNs);
  }
}

/** The format counts in microseconds; three digits behind the point are what a double holds. */
function micros(ns: number): number {
  return Math.round(ns) / 1000;
}

function submissionKey({ device, asid, seq }: { device: number; asid: number; seq: number }): string {
  return `hl${device}/${asid}/${seq}`;
}

function streamTid({ asid, queue, lower }: { asid: number; queue: number; lower: boolean }): number {
  return STREAM_TID_BASE + asid * STREAMS_PER_ASID + (queue + 1) * 2 + (lower ? 1 : 0);
}

function nameOf(record: EngineRecord): string {
  switch (record.kind) {
    case 'job':
      return record.seq === null ? `job in slot ${record.value}` : `job of ${record.seq}`;
    case 'fence wait':
      return `fence ${record.value}`;
    default:
      return record.kind;
  }
}

function argsOf({ kind, value, bytes, address, queue }: EngineRecord): Json {
  switch (kind) {
    case 'job':
      return { slot: value, packetBytes: bytes, at: formatAddress(address) };
    case 'fence wait':
      return { fence: value };
    case 'move':
      return { bytes, to: formatAddress(address), queue: queue < 0 ? null : queueName(queue) };
    default:
      return queue < 0 ? {} : { queue: queueName(queue) };
  }
}
