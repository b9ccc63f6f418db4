/**
 * From the chunks of a CS call to descriptors in the device's rings (uapi.md 4.1 to 4.6).
 *
 * Owns: the order of the checks, what a refused submission costs (its sequence number, one drop counter), all-or-nothing
 * queueing. Must not know the wire or how to wait.
 */
import { errno, HlError } from '@pedrera/base';
import { EXTERNAL_QUEUE_COUNT, QUEUES } from '@pedrera/hw';
import { type Chunk, CS_FLAGS, MAX_CHUNKS } from '@pedrera/uapi';
import { type ParsedBuffer, parseCommandBuffer, patchedSize } from '../asic/gaudi/parser.js';
import type { Context } from './context.js';
import type { DropReason } from './counters.js';
import type { OpenFile } from './open-file.js';
import type { PatchedBlock } from './patched-pool.js';
import { type Job, Submission } from './submission.js';

/** Smallest command buffer: one packet header (uapi.md 4.3). */
const MIN_CB_SIZE = 8;
/** Gaudi's default (uapi.md 4.7). */
export const DEFAULT_TIMEOUT_NS = 600e9;

export interface SubmitOptions {
  readonly flags: number;
  /** With CUSTOM_TIMEOUT. */
  readonly timeoutSec: number;
  readonly defaultTimeoutNs: number;
}

interface PreparedJob {
  readonly queue: number;
  readonly block: PatchedBlock;
  readonly userBytes: number;
  readonly parsed: ParsedBuffer;
}

/** Counts the drop, and hands the error on. */
function drop(context: Context, reason: DropReason, error: unknown): never {
  context.countDrop(reason);
  throw error;
}

/**
 * A DEFAULT submission. All chunks are checked and copied before anything is queued; a failure leaves nothing queued.
 *
 * Errors: EINVAL, EPERM, ENOMEM, EAGAIN as in uapi.md 4.13; EIO after the context was reset.
 */
export function submitDefault(file: OpenFile, chunks: readonly Chunk[], options: SubmitOptions): Submission {
  const context = file.liveContext;
  if (chunks.length > MAX_CHUNKS) {
    drop(context, 'validation', errno('EINVAL', `${chunks.length} chunks; a submission has at most ${MAX_CHUNKS}`));
  }
  try {
    context.pending.checkRoom();
  } catch (error) {
    drop(context, 'maxCsInFlight', error);
  }
  const submission = context.pending.add(
    (seq) =>
      new Submission(context, seq, {
        wantsTimestamp: (options.flags & CS_FLAGS.TIMESTAMP) !== 0,
        timeoutNs: timeoutNs(options),
      }),
  );
  const jobs: PreparedJob[] = [];
  try {
    for (const chunk of chunks) {
      jobs.push(prepare(file, context, chunk));
    }
    checkQueueRoom(context, jobs);
  } catch (error) {
    for (const job of jobs) {
      context.patchedPool.free(job.block);
    }
    // Its number is spent; waiting for it reports COMPLETED (uapi.md 4.6).
    submission.finish(context.device.clock.nowNs(), { error: 'EBUSY', detail: 'the submission was refused' });
    throw error;
  }
  enqueue(context, submission, jobs);
  return submission;
}

function timeoutNs({ flags, timeoutSec, defaultTimeoutNs }: SubmitOptions): number {
  // A custom time-out does not bring it back where it is switched off (uapi.md 4.7).
  const custom = (flags & CS_FLAGS.CUSTOM_TIMEOUT) !== 0 && defaultTimeoutNs !== Number.POSITIVE_INFINITY;
  return custom ? timeoutSec * 1e9 : defaultTimeoutNs;
}

/** Queue, then command buffer, then copy, then parse: the first error wins (uapi.md 4.3). */
function prepare(file: OpenFile, context: Context, chunk: Chunk): PreparedJob {
  const queue = QUEUES[chunk.queueIndex];
  if (queue === undefined || queue.kind === 'cpu') {
    drop(context, 'validation', errno('EINVAL', `queue ${chunk.queueIndex} is none a user may submit to`));
  }
  if (queue.kind === 'internal') {
    const detail = `${queue.name} is an internal queue; this build models DMA_0_0 to DMA_1_3`;
    drop(context, 'validation', errno('EINVAL', detail));
  }
  let buffer: ReturnType<OpenFile['peekCommandBuffer']>;
  try {
    buffer = file.peekCommandBuffer(chunk.handle);
    if (chunk.size < MIN_CB_SIZE || chunk.size > buffer.size) {
      throw errno('EINVAL', `${chunk.size} bytes of a command buffer of ${buffer.size}; at least ${MIN_CB_SIZE}`);
    }
  } catch (error) {
    drop(context, 'validation', error);
  }
  let block: PatchedBlock;
  try {
    block = context.patchedPool.allocate(patchedSize(chunk.size));
  } catch (error) {
    drop(context, 'parsing', error);
  }
  const { words } = block.chunk;
  const { range } = buffer;
  // Copied first, then validated in the copy: the client may change its own bytes at any time (uapi.md 4.4).
  range.copyTo(words, block.firstWord, chunk.size);
  try {
    const parsed = parseCommandBuffer(words, block.firstWord, chunk.size);
    return { queue: chunk.queueIndex, block, userBytes: chunk.size, parsed };
  } catch (error) {
    context.patchedPool.free(block);
    if (error instanceof HlError) {
      drop(context, 'parsing', errno(error.code, `${queue.name}: ${error.detail ?? ''}`));
    }
    throw error;
  }
}

/** Every queue must have room for all of its jobs, or nothing is queued. Errors: EAGAIN. */
function checkQueueRoom(context: Context, jobs: readonly PreparedJob[]): void {
  for (let id = 0; id < EXTERNAL_QUEUE_COUNT; id++) {
    let wanted = 0;
    for (const job of jobs) {
      if (job.queue === id) {
        wanted++;
      }
    }
    if (wanted === 0) {
      continue;
    }
    const queue = context.queue(id);
    if (wanted > queue.free) {
      const detail = `${QUEUES[id]?.name} has ${queue.free} free slots, the submission needs ${wanted}`;
      drop(context, 'queueFull', errno('EAGAIN', detail));
    }
  }
}

/** In array order; then one doorbell a queue, so that a submission is on all its queues at once (device.md 2.3). */
function enqueue(context: Context, submission: Submission, jobs: readonly PreparedJob[]): void {
  submission.jobsLeft = jobs.length;
  context.started(submission);
  let rung = 0;
  for (const { queue: id, block, userBytes, parsed } of jobs) {
    const queue = context.queue(id);
    const sizeBytes = queue.tail.append(block.chunk.words, block.firstWord, userBytes, queue.nextSlot, parsed);
    const job: Job = { submission, queue: id, block, sizeBytes };
    queue.push(job);
    rung |= 1 << id;
  }
  for (let id = 0; rung !== 0; id++, rung >>>= 1) {
    if ((rung & 1) !== 0) {
      context.device.hardware.ringDoorbell(context.asid, id, context.queue(id).pi);
    }
  }
}
