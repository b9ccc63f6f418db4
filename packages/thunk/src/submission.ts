/**
 * Work on its way: what a program submits, and what it then holds to wait on.
 *
 * Owns: spelling a submission for the daemon, and waiting: first in shared memory, then by message.
 * Must not know: packets, or how memory is mapped.
 */
import { HlError } from '@pedrera/base';
import {
  type Chunk,
  CS_FLAGS,
  entryOf,
  type Req,
  type Res,
  resFromWire,
  toWire,
  WAIT_OUT_FLAGS,
  WAIT_STATUS,
} from '@pedrera/uapi';
import type { CommandBuffer } from './command-buffer.js';
import type { Completions } from './completions.js';
import { type Reply, replyError } from './ioctl-client.js';
import type { Program } from './program.js';
import { type DeviceRegion, resolve } from './region.js';
import type { Session } from './session.js';
import type { WaitGate } from './wait-gate.js';

/** For an external queue (`Queue.DMA_0_*`, `Queue.DMA_1_*`): the packets of a command buffer, which the daemon copies. */
export interface CommandBufferJob {
  readonly queue: number;
  readonly cb: CommandBuffer;
  /** Bytes to send; all that are used unless given. */
  readonly size?: number;
}

/** For an internal queue: packets in memory the device reads when it gets there. */
export interface MemoryJob {
  readonly queue: number;
  readonly memory: DeviceRegion | number;
  readonly offset?: number;
  /** Bytes. */
  readonly size: number;
}

/** For an internal queue: a program in memory the device reads when it gets there. */
export interface ProgramJob {
  readonly queue: number;
  readonly program: Program;
}

export type Job = CommandBufferJob | MemoryJob | ProgramJob;

export interface SubmitOptions {
  /** Seconds until the device stops the work, in place of the daemon's default. */
  readonly timeoutSec?: number;
  /** Note the time of completion: `wait()` then returns it, always by message. */
  readonly timestamp?: boolean;
  /** Run before the jobs, and waited for by the daemon (FORCE_RESTORE, uapi.md 4.2). */
  readonly restore?: readonly Job[];
  /** More of CS_FLAGS. */
  readonly flags?: number;
  /** Sequence number of a staged group, with the STAGED flags (uapi.md 4.8); `Device.stage` does that. */
  readonly stagedSeq?: number;
  /** Reserved signals that the packets give; for the first part of a staged group (uapi.md 4.11). */
  readonly reservation?: { readonly handle: number };
}

export type SubmitRequest = SubmitOptions & (Job | { readonly jobs: readonly Job[] });

export interface WaitOptions {
  /** Give up waiting after this; without it a wait ends only with the work, which the device's own timeout bounds. */
  readonly timeoutMs?: number;
}

export interface WaitResult {
  /** CLOCK_MONOTONIC at completion; only for a submission that asked for a timestamp. */
  readonly timestampNs: bigint | undefined;
}

/** A wait ended before the work did. The work goes on, and may be waited for again. */
export class WaitExpired extends HlError {
  readonly seq: number;

  constructor(seq: number, node: string, timeoutMs: number) {
    super(
      'ETIMEDOUT',
      `submission ${seq} on ${node} is still busy after ${timeoutMs} ms; it goes on and may be waited for again`,
      'WAIT_CS',
    );
    this.name = 'WaitExpired';
    this.seq = seq;
  }
}

/** Some of a batch were refused. `outcomes` has a Submission or an HlError for each request, in order; the code is that of the first error. */
export class SubmitBatchError extends HlError {
  readonly outcomes: readonly (Submission | HlError)[];

  constructor(outcomes: readonly (Submission | HlError)[]) {
    const at = outcomes.findIndex((outcome) => outcome instanceof HlError);
    const first = outcomes[at] as HlError;
    const refused = outcomes.filter((outcome) => outcome instanceof HlError).length;
    super(
      first.code,
      `${refused} of ${outcomes.length} submissions were refused, the first of them number ${at}: ${first.detail ?? first.code}`,
      'CS',
    );
    this.name = 'SubmitBatchError';
    this.outcomes = outcomes;
  }
}

/** What submissions of one open file share. */
export interface SubmissionContext {
  readonly session: Session;
  readonly completions: Completions;
  readonly waits: WaitGate;
}

const FINISHED: WaitResult = Object.freeze({ timestampNs: undefined });
/** LONG_MAX: the only value that means for ever (uapi.md 4.14). */
export const FOREVER_US = 0x7fff_ffff_ffff_ffffn;
/** Longer waits are made of several, because the driver takes 32 bits of microseconds (uapi.md 4.14). */
const MAX_WAIT_US = 2 ** 31;
const NS_PER_MS = 1e6;
const NS_PER_US = 1e3;

export class Submission {
  /** Sequence number in its context, from 1; 0 for a wait for signals that were given already, which is complete from the start. */
  readonly seq: number;
  readonly #context: SubmissionContext;
  readonly #timestamp: boolean;

  constructor(context: SubmissionContext, seq: number, timestamp: boolean) {
    this.#context = context;
    this.seq = seq;
    this.#timestamp = timestamp;
  }

  /** The open file it belongs to. */
  get session(): Session {
    return this.#context.session;
  }

  /**
   * Resolves when the work is complete, at once and without a message if it is already. Rejects with HlError:
   * - WaitExpired (ETIMEDOUT) when `timeoutMs` passed first. WAIT_CS itself answers that with status BUSY and no error (uapi.md 4.14);
   * - ETIMEDOUT when the device stopped the work, EIO when it was aborted or, under the shared policy, when a packet faulted;
   * - EBUSY when the device is not operational, ENODEV when the daemon is gone, EBADF after close().
   */
  async wait(options: WaitOptions = {}): Promise<WaitResult> {
    if (this.seq === 0 || (!this.#timestamp && this.#context.completions.finished(this.seq))) return FINISHED;
    return await this.#ask(options.timeoutMs);
  }

  /** Whether the work is complete; rejects like `wait` when it failed. */
  async poll(): Promise<boolean> {
    if (this.peek()) return true;
    const { session } = this.#context;
    return (
      (await session.ioctl('WAIT_CS', { seq: this.seq, timeoutUs: 0n, flags: 0 })).status === WAIT_STATUS.COMPLETED
    );
  }

  /** True when shared memory shows that the work is complete; false says nothing. Costs nanoseconds. */
  peek(): boolean {
    return this.seq === 0 || this.#context.completions.finished(this.seq);
  }

  async #ask(timeoutMs: number | undefined): Promise<WaitResult> {
    const { session, waits } = this.#context;
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) throw new HlError('EINVAL', `wait: a timeout of ${timeoutMs} ms`);
    const deadlineNs =
      timeoutMs === undefined ? Number.POSITIVE_INFINITY : session.clock.nowNs() + timeoutMs * NS_PER_MS;
    // One that expires at once needs no place: it is answered at once.
    const gated = timeoutMs !== 0;
    if (gated && !(await waits.enter(deadlineNs))) throw new WaitExpired(this.seq, session.node, timeoutMs ?? 0);
    try {
      for (;;) {
        const leftUs = Math.max(0, (deadlineNs - session.clock.nowNs()) / NS_PER_US);
        const timeoutUs =
          leftUs === Number.POSITIVE_INFINITY ? FOREVER_US : BigInt(Math.ceil(Math.min(leftUs, MAX_WAIT_US)));
        const result = await session.ioctl('WAIT_CS', { seq: this.seq, timeoutUs, flags: 0 });
        if (result.status === WAIT_STATUS.COMPLETED) return toWaitResult(result);
        // The driver may answer BUSY early (uapi.md 4.14), so the deadline is ours to keep.
        if (timeoutMs !== undefined && session.clock.nowNs() >= deadlineNs)
          throw new WaitExpired(this.seq, session.node, timeoutMs);
      }
    } finally {
      if (gated) waits.leave();
    }
  }
}

function toWaitResult(result: Res<'WAIT_CS'>): WaitResult {
  return (result.flags & WAIT_OUT_FLAGS.TIMESTAMP_VLD) !== 0 ? { timestampNs: result.timestampNs } : FINISHED;
}

/** A submission as it goes on the wire. Throws EINVAL for what cannot be meant, before anything is sent. */
export function encodeSubmission(session: Session, request: SubmitRequest): unknown[] {
  return toWire(CS_ENTRY, reqOfSubmission(session, request));
}

/** The fields of CS. Throws as encodeSubmission does. */
export function reqOfSubmission(session: Session, request: SubmitRequest): Req<'CS'> {
  const jobs = 'jobs' in request ? request.jobs : [request];
  if (jobs.length === 0) throw new HlError('EINVAL', 'a submission has at least one job', 'CS');
  let flags = request.flags ?? 0;
  if (request.timestamp === true) flags |= CS_FLAGS.TIMESTAMP;
  if (request.timeoutSec !== undefined) flags |= CS_FLAGS.CUSTOM_TIMEOUT;
  if (request.restore !== undefined) flags |= CS_FLAGS.FORCE_RESTORE;
  if (request.reservation !== undefined) flags |= CS_FLAGS.ENCAP_SIGNALS;
  return {
    chunksRestore: (request.restore ?? []).map((job) => chunkOf(session, job)),
    chunksExecute: jobs.map((job) => chunkOf(session, job)),
    seq: request.stagedSeq ?? 0,
    timeoutSec: request.timeoutSec ?? 0,
    flags,
    ...(request.reservation === undefined ? {} : { encapsSigHandleId: request.reservation.handle }),
  };
}

const CS_ENTRY = entryOf('CS');
export const CS_CODE = CS_ENTRY.code;

function chunkOf(session: Session, job: Job): Chunk {
  if ('cb' in job) {
    const { cb, size = cb.used } = job;
    cb.check();
    if (cb.session !== session)
      throw new HlError('EINVAL', `submit: the command buffer belongs to another open file (${cb.session.node})`, 'CS');
    if (size === 0) throw new HlError('EINVAL', 'submit: the command buffer is empty', 'CS');
    if (size > cb.size) throw new HlError('EINVAL', `submit: ${size} bytes of a command buffer of ${cb.size}`, 'CS');
    return { handle: cb.handle, queueIndex: job.queue, size, flags: 0 };
  }
  if ('program' in job) {
    const { program } = job;
    if (program.used === 0) throw new HlError('EINVAL', 'submit: the program is empty', 'CS');
    return chunkOf(session, { queue: job.queue, memory: program.memory, offset: program.offset, size: program.used });
  }
  const address = resolve(job.memory, { offset: job.offset ?? 0, size: job.size }, session, 'submit');
  return { handle: BigInt(address), queueIndex: job.queue, size: job.size, flags: 0 };
}

/** One submission. Errors: those of CS. */
export async function submit(context: SubmissionContext, request: SubmitRequest): Promise<Submission> {
  const fields = encodeSubmission(context.session, request);
  context.completions.request();
  return decodeSubmission(context, await context.session.client.exchange(CS_CODE, fields), request);
}

/** The answer to a submission. Call it after the await: see IoctlClient.call. */
export function decodeSubmission(context: SubmissionContext, reply: Reply, request: SubmitRequest): Submission {
  if (reply[1] !== 0) throw replyError(reply, 'CS');
  const { seq } = resFromWire(CS_ENTRY, reply[2]) as Res<'CS'>;
  return new Submission(context, seq, wantsTimestamp(request));
}

/** Both ways of asking count. */
function wantsTimestamp({ timestamp, flags = 0 }: SubmitRequest): boolean {
  return timestamp === true || (flags & CS_FLAGS.TIMESTAMP) !== 0;
}
