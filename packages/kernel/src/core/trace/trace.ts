/**
 * Recording what the kernel does: the point every layer tells of its doings.
 *
 * Owns: the recordings under way, and the union of their kinds, which is all a layer looks at while nobody records:
 * `if ((trace.kinds & TRACE_KIND.X) !== 0) trace.x(...)`.
 * Must not know connections, or how records reach a reader.
 */
import { type Clock, ERRNO, type ErrnoCode, errno } from '@pedrera/base';
import { ringSlot } from '@pedrera/hw';
import {
  type EngineFields,
  MAX_RECORDINGS,
  MAX_TRACE_BYTES,
  MIN_TRACE_BYTES,
  type SubmissionFields,
  type SyncFields,
  TRACE_KIND,
  type TraceWriter,
} from '@pedrera/uapi';
import type { ContextQueue } from '../context-queue.js';
import type { LoggedEvent } from '../event-log.js';
import type { Job, Submission } from '../submission.js';
import { Recording, type RecordingOptions } from './recording.js';

const ALL_KINDS = Object.values(TRACE_KIND).reduce((all, kind) => all | kind, 0);
/** What records say of a client. */
export interface TracedClient {
  readonly id: number;
  readonly pid: number;
  readonly program: string;
  readonly node: string;
  readonly device: number | null;
  readonly asid: number | null;
  readonly parents: readonly number[];
}

export class Trace {
  /** Kinds somebody records now: 0 nearly always. */
  kinds = 0;
  readonly clock: Clock;
  readonly #recordings = new Map<number, Recording>();
  readonly #changed = new Set<(begun: Recording | undefined) => void>();
  readonly #ends: ((recording: Recording) => void)[] = [];
  #active: readonly Recording[] = [];
  #jobs = new Int32Array(64);
  readonly #named = { device: 0, asid: 0, pid: 0, seq: 0 };
  #nextId = 1;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `changed` is called after a recording began, with it, or ended. */
  onChange(changed: (begun: Recording | undefined) => void): void {
    this.#changed.add(changed);
  }

  /** Errors: EINVAL for kinds or memory that cannot be; ENOSPC. */
  start(owner: object, options: RecordingOptions): Recording {
    const { kinds, bytes } = options;
    if (kinds === 0 || (kinds & ~ALL_KINDS) !== 0) {
      throw errno('EINVAL', `kinds 0x${kinds.toString(16)} name no record, or one that does not exist`);
    }
    if (bytes < MIN_TRACE_BYTES || bytes > MAX_TRACE_BYTES) {
      throw errno('EINVAL', `a recording has ${MIN_TRACE_BYTES} to ${MAX_TRACE_BYTES} bytes of memory, not ${bytes}`);
    }
    if (this.#recordings.size >= MAX_RECORDINGS) {
      throw errno('ENOSPC', `${MAX_RECORDINGS} recordings are under way; end one (pedrera trace stop)`);
    }
    const recording = new Recording(this.#nextId++, owner, this.clock, options);
    this.#recordings.set(recording.id, recording);
    this.#update(recording);
    return recording;
  }

  /** Errors: ENOENT. */
  of(owner: object, id: number): Recording {
    const recording = this.#recordings.get(id);
    if (recording === undefined || recording.owner !== owner) {
      throw errno('ENOENT', `this connection has no recording ${id}`);
    }
    return recording;
  }

  /** Ends one, or all with 0. Errors: ENOENT when there is no such one under way. */
  stop(id: number): readonly Recording[] {
    const stopped = this.#active.filter((recording) => id === 0 || recording.id === id);
    if (stopped.length === 0 && id !== 0) {
      throw errno('ENOENT', `no recording ${id} is under way`);
    }
    for (const recording of stopped) {
      this.#end(recording);
    }
    return stopped;
  }

  /** It has been read to its end. */
  forget(recording: Recording): void {
    this.#recordings.delete(recording.id);
  }

  /** Whoever records is gone, and with them their recordings. */
  ownerGone(owner: object): void {
    for (const recording of [...this.#recordings.values()]) {
      if (recording.owner === owner) {
        this.#end(recording);
        this.forget(recording);
      }
    }
  }

  /** `ends` is called before a recording takes its last records, so that what is under way can be told. */
  onEnd(ends: (recording: Recording) => void): void {
    this.#ends.push(ends);
  }

  #end(recording: Recording): void {
    if (!recording.ended) {
      for (const ends of this.#ends) {
        ends(recording);
      }
      recording.end();
      this.#update(undefined);
    }
  }

  #update(begun: Recording | undefined): void {
    this.#active = [...this.#recordings.values()].filter(({ ended }) => !ended);
    this.kinds = this.#active.reduce((all, { kinds }) => all | kinds, 0);
    for (const changed of this.#changed) {
      changed(begun);
    }
  }

  // --- what layers tell ------------------------------------------------------------------------------------------------

  /** `write` for each recording that takes the kind. */
  each(kind: number, pid: number, write: (writer: TraceWriter, recording: Recording) => void): void {
    for (const recording of this.#active) {
      if (recording.takes(kind, pid)) {
        write(recording.writer, recording);
        recording.wrote();
      }
    }
  }

  /** Whoever records wants to know whose records these are; of one recording, or all. */
  client({ id, ...told }: TracedClient, before: boolean, only?: Recording): void {
    const json = Buffer.from(JSON.stringify({ ...told, before }));
    for (const recording of only === undefined ? this.#active : [only]) {
      if (recording.takes(recording.kinds, told.pid)) {
        recording.writer.client(this.clock.nowNs(), id, json);
        recording.wrote();
      }
    }
  }

  clientEnd(id: number, pid: number): void {
    for (const recording of this.#active) {
      if (recording.takes(recording.kinds, pid)) {
        recording.writer.clientEnd(this.clock.nowNs(), id, pid);
        recording.wrote();
      }
    }
  }

  /** Of the frame `bytes[from..to)`; `type` is RECORD.REQUEST or RECORD.REPLY. */
  frame(type: number, client: number, pid: number, bytes: Uint8Array, from: number, to: number): void {
    const timeNs = this.clock.nowNs();
    const active = this.#active;
    for (let i = 0; i < active.length; i++) {
      const recording = active[i] as Recording;
      if (recording.takes(TRACE_KIND.CALLS, pid)) {
        recording.writer.frame(type, timeNs, client, bytes, from, to);
        recording.wrote();
      }
    }
  }

  /** Its jobs are on their queues, or about to be: called before the device hears of them. */
  submitted(submission: Submission, jobs: readonly Job[]): void {
    if (jobs.length > this.#jobs.length) {
      this.#jobs = new Int32Array(2 * jobs.length);
    }
    const { queues } = submission.context;
    for (let i = 0; i < jobs.length; i++) {
      const { queue, index } = jobs[i] as Job;
      this.#jobs[i] = queue | (slotIn(queues[queue], index) << 8);
    }
    const named = this.#name(submission);
    for (const recording of this.#active) {
      if (recording.takes(TRACE_KIND.SUBMISSIONS, named.pid)) {
        recording.writer.submit(submission.submittedNs, named, this.#jobs, jobs.length);
        recording.wrote();
      }
    }
  }

  finished(submission: Submission, timeNs: number, error: ErrnoCode | undefined): void {
    const named = this.#name(submission);
    for (const recording of this.#active) {
      if (recording.takes(TRACE_KIND.SUBMISSIONS, named.pid)) {
        recording.writer.finish(timeNs, named, error === undefined ? 0 : ERRNO[error]);
        recording.wrote();
      }
    }
  }

  /** A call that waited for the submission is about to be answered. */
  woke(submission: Submission): void {
    const timeNs = this.clock.nowNs();
    const named = this.#name(submission);
    for (const recording of this.#active) {
      if (recording.takes(TRACE_KIND.SUBMISSIONS, named.pid)) {
        recording.writer.wake(timeNs, named);
        recording.wrote();
      }
    }
  }

  engine(pid: number, timeNs: number, fields: EngineFields): void {
    for (const recording of this.#active) {
      if (recording.takes(TRACE_KIND.ENGINES, pid)) {
        recording.writer.engine(timeNs, fields);
        recording.wrote();
      }
    }
  }

  sync(pid: number, timeNs: number, fields: SyncFields): void {
    for (const recording of this.#active) {
      if (recording.takes(TRACE_KIND.SYNC, pid)) {
        recording.writer.sync(timeNs, fields);
        recording.wrote();
      }
    }
  }

  /** One object for all: it is read at once. */
  #name({ context, seq }: Submission): SubmissionFields {
    const named = this.#named;
    named.device = context.device.index;
    named.asid = context.asid;
    named.pid = context.pid;
    named.seq = seq;
    return named;
  }

  event({ kind, timeNs, device, pid, asid, text }: LoggedEvent): void {
    if (kind === 'client') {
      // Clients have records of their own.
      return;
    }
    const bytes = Buffer.from(text);
    for (const recording of this.#active) {
      // What is no process's concerns all.
      if (recording.takes(TRACE_KIND.EVENTS, pid ?? recording.pid)) {
        recording.writer.event(timeNs, { device: device ?? null, asid: asid ?? null, pid: pid ?? null, text: bytes });
        recording.wrote();
      }
    }
  }
}

function slotIn(queue: ContextQueue | undefined, index: number): number {
  return queue === undefined ? 0 : ringSlot(index, queue.length);
}
