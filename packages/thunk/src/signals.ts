/**
 * Signals: one queue tells another, inside the device, that it got somewhere (uapi.md 4.9 to 4.11).
 *
 * Owns: the submissions whose packets the driver writes (signal, wait, collective wait), and reservations of signals that the
 * program's own packets give. Must not know: packets, or how a submission is waited for.
 *
 * All of it works within one open file. Across contexts, processes and devices export sync objects: `Device.exportSync`.
 */
import { HlError } from '@pedrera/base';
import { CFG_BASE, DCORE, sobAddress } from '@pedrera/hw';
import { ALL_ONES_U64, type Chunk, CS_FLAGS, type Req, type Res } from '@pedrera/uapi';
import { checkCount } from './region.js';
import { Submission, type SubmissionContext } from './submission.js';
import { type SyncObject, syncObjectAt } from './sync.js';

/** Which of the two engines takes part in a collective wait beside the NIC ports (uapi.md 4.10): its id. */
export const CollectiveEngine = { DMA_5: 5, TPC_7: 19 } as const;
export type CollectiveEngineId = (typeof CollectiveEngine)[keyof typeof CollectiveEngine];

export interface SignalOptions {
  /** Seconds until the device stops the work, in place of the daemon's default. */
  readonly timeoutSec?: number;
  /** Note the time of completion. */
  readonly timestamp?: boolean;
}

/** A signal on its way: given when everything that its queue had before is done. */
export class Signal {
  readonly queue: number;
  /** The submission that gives it, to be waited for by the host. */
  readonly submission: Submission;
  /** Device address of the sync object that counts the queue's signals. */
  readonly sobAddress: number;
  /**
   * The value the object has once the signal is given. The one signal at which the queue changes to its other object reads 0, with that
   * object's address (uapi.md 4.9).
   */
  readonly value: number;

  constructor(queue: number, submission: Submission, sobAddress: number, value: number) {
    this.queue = queue;
    this.submission = submission;
    this.sobAddress = sobAddress;
    this.value = value;
  }

  get seq(): number {
    return this.submission.seq;
  }
}

/**
 * Has `queue` count up its sync object when everything before it is done. Errors: EINVAL for a queue other than `DMA_0_*` and `DMA_1_*`, or
 * when the sync object to change to is still waited for; those of submitting.
 */
export async function signal(context: SubmissionContext, queue: number, options: SignalOptions): Promise<Signal> {
  const reply = await submitDriverWritten(context, CS_FLAGS.SIGNAL, { ...NO_CHUNK, queueIndex: queue }, options);
  const submission = submissionOf(context, reply, options);
  return new Signal(queue, submission, CFG_BASE + reply.sobBaseAddrOffset, reply.sobCountBeforeSubmission);
}

/**
 * Stops `queue` until the signal was given. For one that was given already nothing is submitted: the Submission is complete and its
 * number 0. Errors: EINVAL for a queue without signals or a signal of another open file; those of submitting.
 */
export async function waitForSignal(
  context: SubmissionContext,
  queue: number,
  awaited: Signal,
  options: SignalOptions,
): Promise<Submission> {
  const chunk = { ...NO_CHUNK, queueIndex: queue, signalSeqs: [awaitedSeq(context, awaited)] };
  return submissionOf(context, await submitDriverWritten(context, CS_FLAGS.WAIT, chunk, options), options);
}

/**
 * Stops every NIC queue and one queue of `engine`, each on the stream that `queue` has, until the signal was given, and `queue` until all
 * of them have passed. Errors: as of waitForSignal; EINVAL also when no NIC port is enabled, or for another engine.
 */
export async function collectiveWait(
  context: SubmissionContext,
  queue: number,
  awaited: Signal,
  engine: CollectiveEngineId,
  options: SignalOptions,
): Promise<Submission> {
  const chunk = {
    ...NO_CHUNK,
    queueIndex: queue,
    signalSeqs: [awaitedSeq(context, awaited)],
    collectiveEngineId: engine,
  };
  return submissionOf(context, await submitDriverWritten(context, CS_FLAGS.COLLECTIVE_WAIT, chunk, options), options);
}

/**
 * Signals of a queue that the program's own packets give, one by one, from within a staged submission (uapi.md 4.11): pass it to
 * `Device.stage`, signal `object` there as often as `count`, and let other queues wait for the n-th of them.
 */
export class Reservation {
  readonly queue: number;
  /** How many signals. */
  readonly count: number;
  readonly handle: number;
  /** The sync object to signal, for `CommandBuffer.signal`. */
  readonly object: SyncObject;
  /** The value the first of them gives the object; the n-th gives `firstValue + n - 1`. */
  readonly firstValue: number;
  readonly #context: SubmissionContext;
  #stagedSeq: number | undefined;
  #released = false;

  constructor(context: SubmissionContext, queue: number, count: number, reserved: ReservedSignals) {
    this.#context = context;
    this.queue = queue;
    this.count = count;
    this.handle = reserved.handle;
    this.object = reserved.object;
    this.firstValue = reserved.firstValue;
  }

  /** Sequence number of the staged submission that gives the signals; undefined before it has begun. */
  get stagedSeq(): number | undefined {
    return this.#stagedSeq;
  }

  /** Called by the staged submission that takes it over. */
  attached(seq: number): void {
    this.#stagedSeq = seq;
  }

  /**
   * Stops `queue` until the `nth` reserved signal was given, 1 to `count`. The staged submission must have begun. One that is complete already
   * is not waited for: the Submission is complete then and its number 0. Errors: EINVAL for a number beyond the reservation.
   */
  waitFor(queue: number, nth: number, options: SignalOptions = {}): Promise<Submission> {
    return this.#wait(CS_FLAGS.WAIT, { queueIndex: queue }, nth, options);
  }

  /** The same for all NIC queues and an engine, as `Device.collectiveWait`. */
  collectiveWait(
    queue: number,
    nth: number,
    engine: CollectiveEngineId,
    options: SignalOptions = {},
  ): Promise<Submission> {
    return this.#wait(CS_FLAGS.COLLECTIVE_WAIT, { queueIndex: queue, collectiveEngineId: engine }, nth, options);
  }

  /**
   * Gives the signals back. Errors: EINVAL when a submission has them already, or when the queue signalled or reserved since
   * (uapi.md 4.11). The second call does nothing.
   */
  async release(): Promise<void> {
    if (this.#released) return;
    const { session } = this.#context;
    await session.ioctl('CS', { ...NOTHING, flags: CS_FLAGS.UNRESERVE_SIGNALS_ONLY, encapsSigHandleId: this.handle });
    this.#released = true;
  }

  /** Releases what no staged submission took over. Does nothing once the device is closed or the daemon gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stagedSeq === undefined && this.#context.session.client.alive) await this.release();
  }

  async #wait(
    type: number,
    target: Pick<Chunk, 'queueIndex' | 'collectiveEngineId'>,
    nth: number,
    options: SignalOptions,
  ): Promise<Submission> {
    if (this.#stagedSeq === undefined)
      throw new HlError('EINVAL', `no staged submission gives the signals of reservation ${this.handle} yet`, 'CS');
    checkCount(nth, 'waitFor: number of the signal');
    const chunk = { ...NO_CHUNK, ...target, handle: BigInt(this.#stagedSeq), size: nth };
    const reply = await submitDriverWritten(this.#context, type | CS_FLAGS.ENCAP_SIGNALS, chunk, options);
    return submissionOf(this.#context, reply, options);
  }
}

interface ReservedSignals {
  readonly handle: number;
  readonly object: SyncObject;
  readonly firstValue: number;
}

/** Errors: EINVAL for 32768 or more, a queue without signals, or when the sync object to change to is still waited for. */
export async function reserveSignals(context: SubmissionContext, queue: number, count: number): Promise<Reservation> {
  const { session } = context;
  const reply = await session.ioctl('CS', {
    ...NOTHING,
    flags: CS_FLAGS.RESERVE_SIGNALS_ONLY,
    encapsSignalsCount: count,
    encapsSignalsQIdx: queue,
  });
  const { handleId: handle, count: next } = reply;
  if (handle === undefined || next === undefined)
    throw new HlError('EPROTO', 'a reservation was answered without its handle', 'CS');
  const address = CFG_BASE + reply.sobBaseAddrOffset;
  const object = syncObjectAt(session, DCORE.W_S, (address - sobAddress(DCORE.W_S, 0)) / BYTES_PER_SYNC_OBJECT);
  // The answer is the queue's next value behind the reservation (uapi.md 4.11).
  return new Reservation(context, queue, count, { handle, object, firstValue: next - count });
}

const BYTES_PER_SYNC_OBJECT = 4;
const NOTHING: Req<'CS'> = { chunksRestore: [], chunksExecute: [], seq: 0, timeoutSec: 0, flags: 0 };
const NO_CHUNK: Chunk = { handle: 0n, queueIndex: 0, size: 0, flags: 0 };

function submitDriverWritten(
  { session, completions }: SubmissionContext,
  type: number,
  chunk: Chunk,
  { timeoutSec, timestamp }: SignalOptions,
): Promise<Res<'CS'>> {
  let flags = type;
  if (timeoutSec !== undefined) flags |= CS_FLAGS.CUSTOM_TIMEOUT;
  if (timestamp === true) flags |= CS_FLAGS.TIMESTAMP;
  completions.request();
  return session.ioctl('CS', { ...NOTHING, chunksExecute: [chunk], timeoutSec: timeoutSec ?? 0, flags });
}

/** All ones stand for a signal that was given before: nothing was submitted (uapi.md 4.10). */
function submissionOf(context: SubmissionContext, { seq }: Res<'CS'>, { timestamp }: SignalOptions): Submission {
  return new Submission(context, seq === ALL_ONES_U64 ? NOTHING_TO_WAIT_FOR : seq, timestamp === true);
}

/** No submission has this number, so it counts as complete. */
const NOTHING_TO_WAIT_FOR = 0;

function awaitedSeq({ session }: SubmissionContext, awaited: Signal): number {
  if (awaited.submission.session === session) return awaited.seq;
  const { node } = awaited.submission.session;
  throw new HlError(
    'EINVAL',
    `the signal belongs to another open file (${node}); between open files use exported sync objects`,
    'CS',
  );
}
