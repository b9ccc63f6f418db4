/**
 * DEFAULT submissions: from the chunks of a CS call to jobs (uapi.md 4.3 to 4.6, 4.8).
 *
 * Owns: the order of the checks of chunks, what a refused submission costs (its sequence number, one drop counter),
 * all-or-nothing queueing, how a part of a staged submission joins the others.
 * Must not know the wire, how to wait, or the other types of submission.
 */
import { errno, HlError } from '@pedrera/base';
import { QUEUES, type QueueInfo } from '@pedrera/hw';
import { type Chunk, CS_FLAGS, MAX_CHUNKS, requireReadable } from '@pedrera/uapi';
import { checkInternalJob } from '../asic/gaudi/internal-jobs.js';
import { type ParsedBuffer, parseCommandBuffer, patchedSize } from '../asic/gaudi/parser.js';
import type { Context } from './context.js';
import type { DmaFence } from './fence/dma-fence.js';
import type { OpenFile } from './open-file.js';
import type { PatchedBlock } from './patched-pool.js';
import { checkSchedulable, drop, enqueue, refuse } from './schedule.js';
import { findStagedGroup, StagedGroup } from './staged.js';
import { Job, SUBMISSION_TYPE, Submission, type SubmissionType } from './submission.js';

/** Smallest command buffer: one packet header (uapi.md 4.3). */
const MIN_CB_SIZE = 8;
const TICK_NS = 4e6;
/** What a number of milliseconds that does not fit the driver's arithmetic becomes. */
const LONGEST_TIMEOUT_NS = (2 ** 32 - 2) * TICK_NS;

export interface SubmitOptions {
  readonly flags: number;
  /** With CUSTOM_TIMEOUT. */
  readonly timeoutSec: number;
  readonly defaultTimeoutNs: number;
  /** Of a staged submission: its number, for every part but the first. */
  readonly stagedSeq?: number;
  /** With ENCAP_SIGNALS, for the first part: a reservation. */
  readonly reservation?: number;
  /** What has to signal before the jobs go onto their queues. */
  readonly after?: readonly DmaFence[];
}

/**
 * The number of chunks and whether they can be read come first, and cost no sequence number (uapi.md 4.3).
 * Errors: EINVAL, EFAULT.
 */
export function checkChunks(context: Context, chunks: readonly Chunk[]): void {
  if (chunks.length > MAX_CHUNKS) {
    drop(context, 'validation', errno('EINVAL', `${chunks.length} chunks; a submission has at most ${MAX_CHUNKS}`));
  }
  try {
    requireReadable(chunks);
  } catch (error) {
    drop(context, 'validation', error);
  }
}

/** A submission with the next sequence number. Errors: EAGAIN while its slot is taken; then no number is spent. */
export function allocateSubmission(context: Context, type: SubmissionType, options: SubmitOptions): Submission {
  try {
    context.pending.checkRoom();
  } catch (error) {
    drop(context, 'maxCsInFlight', error);
  }
  const { flags } = options;
  return context.pending.add(
    (seq) =>
      new Submission(context, seq, {
        type,
        wantsTimestamp: (flags & CS_FLAGS.TIMESTAMP) !== 0,
        timeoutNs: timeoutNs(options),
        skipResetOnTimeout: (flags & CS_FLAGS.SKIP_RESET_ON_TIMEOUT) !== 0,
      }),
  );
}

/**
 * A DEFAULT submission. All chunks are checked and copied before anything is queued; a failure leaves nothing queued.
 *
 * Errors: EINVAL, EPERM, EFAULT, ENOMEM, EAGAIN, EBUSY as in uapi.md 4.13; EIO after the context was reset.
 */
export function submitDefault(file: OpenFile, chunks: readonly Chunk[], options: SubmitOptions): Submission {
  const context = file.liveContext;
  checkChunks(context, chunks);
  const submission = allocateSubmission(context, SUBMISSION_TYPE.DEFAULT, options);
  const { flags } = options;
  const isStaged = (flags & CS_FLAGS.STAGED) !== 0;
  const isFirst = isStaged && (flags & CS_FLAGS.STAGED_FIRST) !== 0;
  // Every part before the last goes out without a completion.
  const completes = !isStaged || (flags & CS_FLAGS.STAGED_LAST) !== 0;
  const jobs: Job[] = [];
  try {
    let external = false;
    for (const chunk of chunks) {
      const job = prepare(file, submission, chunk, completes);
      external ||= job.block !== undefined;
      jobs.push(job);
    }
    if (completes && !external) {
      const detail = 'only jobs on internal queues, none of which would report that the submission is complete';
      drop(context, 'validation', errno('EINVAL', detail));
    }
    checkSchedulable(context, jobs);
    if (isFirst) {
      if ((flags & CS_FLAGS.ENCAP_SIGNALS) !== 0) {
        context.reservations.attach(options.reservation ?? 0, submission);
      }
      join(submission, new StagedGroup(submission), completes);
    } else if (isStaged) {
      join(submission, findStagedGroup(context.pending, options.stagedSeq ?? 0), completes);
    }
  } catch (error) {
    refuse(submission, jobs, error);
  }
  enqueue(submission, jobs, options.after);
  return submission;
}

function join(part: Submission, group: StagedGroup, isLast: boolean): void {
  group.parts.push(part);
  if (isLast) {
    group.last = part;
  }
  part.staged = group;
  // Only the first part has a timer (uapi.md 4.7).
  part.hasTimer = group.first === part;
}

/** The driver computes milliseconds in 32 bits (uapi.md 4.7). */
function timeoutNs({ flags, timeoutSec, defaultTimeoutNs }: SubmitOptions): number {
  // A custom time-out does not bring it back where it is switched off.
  if ((flags & CS_FLAGS.CUSTOM_TIMEOUT) === 0 || defaultTimeoutNs === Number.POSITIVE_INFINITY) {
    return defaultTimeoutNs;
  }
  const milliseconds = (timeoutSec * 1000) % 2 ** 32;
  return milliseconds >= 2 ** 31 ? LONGEST_TIMEOUT_NS : milliseconds * 1e6;
}

/** Queue, then command buffer, then copy, then parse: the first error wins (uapi.md 4.3). */
function prepare(file: OpenFile, submission: Submission, chunk: Chunk, completes: boolean): Job {
  const { context } = submission;
  const queue = QUEUES[chunk.queueIndex];
  if (queue === undefined || queue.kind === 'cpu') {
    drop(context, 'validation', errno('EINVAL', `queue ${chunk.queueIndex} is none a user may submit to`));
  }
  return queue.kind === 'internal'
    ? prepareInternal(submission, queue, chunk)
    : prepareExternal(file, submission, { queue, chunk, completes });
}

/** The bytes stay where they are, and are read when they are executed; only the address is looked at. */
function prepareInternal(submission: Submission, queue: QueueInfo, { handle, size }: Chunk): Job {
  const { context } = submission;
  const { device } = context;
  const address = Number(handle);
  try {
    checkInternalJob(
      queue,
      { address, size },
      { nicPortsMask: device.settings.nicPortsMask, virtualDram: !device.policy.ownsDevice },
    );
  } catch (error) {
    drop(context, 'parsing', error);
  }
  return new Job(submission, queue.id, address, { sizeBytes: size, usesDma: false, completes: false });
}

interface ExternalChunk {
  readonly queue: QueueInfo;
  readonly chunk: Chunk;
  readonly completes: boolean;
}

function prepareExternal(file: OpenFile, submission: Submission, { queue, chunk, completes }: ExternalChunk): Job {
  const { context } = submission;
  let buffer: ReturnType<OpenFile['peekCommandBuffer']>;
  try {
    buffer = file.peekCommandBuffer(chunk.handle);
    if (chunk.size < MIN_CB_SIZE || chunk.size > buffer.size) {
      throw errno('EINVAL', `${chunk.size} bytes of a command buffer of ${buffer.size}; at least ${MIN_CB_SIZE}`);
    }
  } catch (error) {
    drop(context, 'validation', error);
  }
  const block = patchedBlock(context, completes ? patchedSize(chunk.size) : chunk.size);
  const { words } = block.chunk;
  // Copied first, then validated in the copy: the client may change its own bytes at any time (uapi.md 4.4).
  buffer.range.copyTo(words, block.firstWord, chunk.size);
  let parsed: ParsedBuffer;
  try {
    parsed = parseCommandBuffer(words, block.firstWord, chunk.size);
  } catch (error) {
    context.patchedPool.free(block);
    if (error instanceof HlError) {
      drop(context, 'parsing', errno(error.code, `${queue.name}: ${error.detail ?? ''}`));
    }
    throw error;
  }
  return new Job(submission, chunk.queueIndex, block, { sizeBytes: chunk.size, usesDma: parsed.usesDma, completes });
}

/** Memory for the patched copy. Errors: EBUSY when the device has stopped since the call began, ENOMEM. */
function patchedBlock(context: Context, sizeBytes: number): PatchedBlock {
  const { device } = context;
  if (!device.operational) {
    drop(context, 'parsing', errno('EBUSY', `${device.statusText}; the command buffer was not patched`));
  }
  try {
    return context.patchedPool.allocate(sizeBytes);
  } catch (error) {
    drop(context, 'parsing', error);
  }
}
