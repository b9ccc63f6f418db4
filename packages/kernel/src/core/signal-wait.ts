/**
 * SIGNAL, WAIT and COLLECTIVE_WAIT submissions, whose command buffers the driver makes (uapi.md 4.9, 4.10).
 *
 * Owns: the order of their checks, what is found about the awaited signal, the jobs of signal and wait.
 * Must not know packets (asic/gaudi/sync-stream-packets.ts) or how objects are counted (sync-stream.ts).
 */
import { errno, HlError } from '@pedrera/base';
import { queueName } from '@pedrera/hw';
import { ALL_ONES_U64, type Chunk, CS_FLAGS, requireReadable } from '@pedrera/uapi';
import { SIGNAL_CB_BYTES, WAIT_CB_BYTES, writeSignal, writeWait } from '../asic/gaudi/sync-stream-packets.js';
import { checkCollective, collectiveJobs } from './collective.js';
import type { Context } from './context.js';
import { type Reservation, supportsSyncStream } from './encapsulated-signals.js';
import type { OpenFile } from './open-file.js';
import { checkSchedulable, drop, enqueue, refuse } from './schedule.js';
import { Job, SUBMISSION_TYPE, type Submission } from './submission.js';
import { allocateSubmission, checkChunks, type SubmitOptions } from './submit.js';
import type { SignalledObject } from './sync-stream.js';

/** What the caller of a submission of any type gets. */
export interface Submitted {
  readonly seq: number;
  readonly sobBaseAddrOffset: number;
  readonly sobCountBeforeSubmission: number;
}

/** The awaited signal was given: nothing is submitted, and there is nothing to wait for (uapi.md 4.10). */
const NOTHING_TO_WAIT_FOR: Submitted = { seq: ALL_ONES_U64, sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 };

/** Two MSG_PROT packets, without padding. */
const TAIL_BYTES = 32;

export function submitSignal(file: OpenFile, chunks: readonly Chunk[], options: SubmitOptions): Submitted {
  const context = file.liveContext;
  const { queueIndex } = checkedChunk(context, chunks);
  const submission = allocateSubmission(context, SUBMISSION_TYPE.SIGNAL, options);
  return queued(submission, (jobs) => {
    const { job, words, first } = driverJob(submission, queueIndex, SIGNAL_CB_BYTES);
    jobs.push(job);
    checkSchedulable(context, jobs);
    const queue = leasing(context, () => context.syncStream.queue(queueIndex));
    const signal = queue.signal();
    submission.sync = { signal, release: () => signal.object.put() };
    writeSignal(words, first, signal.object.first, true);
    // Both are those of after the signal: at a switch 0 and the other object (uapi.md 4.9).
    return {
      seq: submission.seq,
      sobBaseAddrOffset: queue.current.offset,
      sobCountBeforeSubmission: queue.next - 1,
    };
  });
}

/** WAIT and, with COLLECTIVE_WAIT among the flags, the collective one. */
export function submitWait(file: OpenFile, chunks: readonly Chunk[], options: SubmitOptions): Submitted {
  const context = file.liveContext;
  const isCollective = (options.flags & CS_FLAGS.COLLECTIVE_WAIT) !== 0;
  const chunk = checkedChunk(context, chunks);
  const { queueIndex } = chunk;
  if (isCollective) {
    checkCollective(context, queueIndex);
  }
  // Completions may lie ready while their interrupt is still on its way.
  context.device.drainInterrupts();
  const awaited = findSignal(context, chunk, (options.flags & CS_FLAGS.ENCAP_SIGNALS) !== 0);
  if (awaited === undefined) {
    return NOTHING_TO_WAIT_FOR;
  }
  const { reservation, signal } = awaited;
  let submission: Submission | undefined;
  try {
    const type = isCollective ? SUBMISSION_TYPE.COLLECTIVE_WAIT : SUBMISSION_TYPE.WAIT;
    submission = allocateSubmission(context, type, options);
    return waitFor(submission, { chunk, signal, reservation });
  } catch (error) {
    if (reservation !== undefined && submission?.submitted !== true) {
      context.reservations.put(reservation);
    }
    throw error;
  }
}

interface Awaited {
  readonly chunk: Chunk;
  readonly signal: SignalledObject;
  readonly reservation: Reservation | undefined;
}

function waitFor(submission: Submission, awaited: Awaited): Submitted {
  const { context } = submission;
  const { chunk, signal, reservation } = awaited;
  const { queueIndex } = chunk;
  return queued(submission, (jobs) => {
    let write: () => (() => void) | undefined;
    if (submission.type === SUBMISSION_TYPE.COLLECTIVE_WAIT) {
      write = collectiveJobs(submission, { chunk, signal, jobs, driverJob });
    } else {
      const { job, words, first } = driverJob(submission, queueIndex, WAIT_CB_BYTES);
      jobs.push(job);
      write = () => {
        const { monitor } = context.syncStream.queue(queueIndex);
        const { object, value } = signal;
        writeWait(words, first, { firstSob: object.first, select: 1, value, monitor, queue: queueIndex });
        return undefined;
      };
    }
    checkSchedulable(context, jobs);
    const releaseMore = leasing(context, write);
    // The object must not be switched back to, and zeroed, before the wait is over.
    signal.object.get();
    submission.sync = {
      release() {
        signal.object.put();
        releaseMore?.();
        if (reservation !== undefined) {
          context.reservations.put(reservation);
        }
      },
    };
    return { seq: submission.seq, sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 };
  });
}

/** Queues what `make` puts into the list; if it throws, everything is undone and the number is spent. */
function queued(submission: Submission, make: (jobs: Job[]) => Submitted): Submitted {
  const jobs: Job[] = [];
  let result: Submitted;
  try {
    result = make(jobs);
  } catch (error) {
    refuse(submission, jobs, error);
  }
  enqueue(submission, jobs);
  return result;
}

/** The one chunk, on a queue that has a sync stream. Errors: EFAULT, EINVAL. */
function checkedChunk(context: Context, chunks: readonly Chunk[]): Chunk {
  checkChunks(context, chunks);
  const chunk = chunks[0] as Chunk;
  if (!supportsSyncStream(chunk.queueIndex)) {
    drop(context, 'validation', errno('EINVAL', `${queueName(chunk.queueIndex)} does not support signals`));
  }
  return chunk;
}

/**
 * What the chunk waits for; undefined when it was given already. Order and counters as in uapi.md 4.10. A reservation
 * comes with a reference.
 */
function findSignal(
  context: Context,
  chunk: Chunk,
  encapsulated: boolean,
): { signal: SignalledObject; reservation: Reservation | undefined } | undefined {
  if (!encapsulated) {
    const signal = signalOf(context, awaitedSequence(context, chunk), undefined);
    return signal === undefined ? undefined : { signal, reservation: undefined };
  }
  const seq = Number(chunk.handle);
  const reservation = context.reservations.lookupBySubmission(seq);
  if (reservation === undefined) {
    return undefined;
  }
  try {
    if (chunk.size > reservation.count) {
      throw errno('EINVAL', `signal ${chunk.size} of a reservation of ${reservation.count}`);
    }
    // The first reserved signal is number 1; 0 means it too.
    const { object, value } = reservation.first;
    const signal = signalOf(context, seq, { object, value: value + Math.max(chunk.size - 1, 0) });
    if (signal !== undefined) {
      return { signal, reservation };
    }
  } catch (error) {
    context.reservations.put(reservation);
    throw error;
  }
  context.reservations.put(reservation);
  return undefined;
}

/** Exactly one sequence number is named. Errors: EINVAL, EFAULT. */
function awaitedSequence(context: Context, { signalSeqs }: Chunk): number {
  if (signalSeqs?.length !== 1) {
    const detail = `${signalSeqs?.length ?? 0} sequence numbers to wait for; exactly one is served`;
    drop(context, 'validation', errno('EINVAL', detail));
  }
  try {
    requireReadable(signalSeqs);
  } catch (error) {
    drop(context, 'validation', error);
  }
  return signalSeqs[0] as number;
}

/** The signal submission `seq` gives, or `reserved` in its place; undefined when it is complete or gone. Errors: EINVAL. */
function signalOf(context: Context, seq: number, reserved: SignalledObject | undefined): SignalledObject | undefined {
  const found = context.pending.lookup(seq);
  if (found === undefined) {
    const detail = `sequence ${seq} was never issued; the next one is ${context.pending.nextSeq}`;
    drop(context, 'validation', errno('EINVAL', detail));
  }
  if (found === 'gone') {
    return undefined;
  }
  if (found.type !== SUBMISSION_TYPE.SIGNAL && reserved === undefined) {
    drop(context, 'validation', errno('EINVAL', `submission ${seq} gives no signal`));
  }
  return found.finished ? undefined : (reserved ?? found.sync?.signal);
}

export interface DriverJob {
  readonly job: Job;
  readonly words: Uint32Array;
  /** Where the packets go. */
  readonly first: number;
}

/** A job of the driver's own on an external queue, its packets still to be written. Errors: EFAULT. */
function driverJob(submission: Submission, queue: number, sizeBytes: number): DriverJob {
  const { context } = submission;
  const { device } = context;
  try {
    if (!device.operational) {
      throw errno('EFAULT', device.statusText);
    }
    const block = context.patchedPool.allocate(sizeBytes + TAIL_BYTES);
    const job = new Job(submission, queue, block, { sizeBytes, usesDma: false, completes: true });
    return { job, words: block.chunk.words, first: block.firstWord };
  } catch (error) {
    const why = error instanceof HlError ? (error.detail ?? error.code) : String(error);
    drop(context, 'outOfMem', errno('EFAULT', `no command buffer of the driver's own: ${why}`));
  }
}

/** Objects of a shared device are leased at their first use, and may be all taken. */
function leasing<T>(context: Context, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (error instanceof HlError && error.code === 'ENOMEM') {
      drop(context, 'outOfMem', error);
    }
    throw error;
  }
}
