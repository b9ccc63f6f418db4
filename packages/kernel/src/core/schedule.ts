/**
 * The last step of every submission: onto its queues, all jobs or none (uapi.md 4.3, "Queueing").
 *
 * Owns: the check that the device takes work and every queue has room, the descriptors, the doorbells.
 * Must not know what kind of submission it is, or where its jobs came from.
 */
import { errno, HlError } from '@pedrera/base';
import { EXTERNAL_QUEUE_COUNT, QUEUE_COUNT, QUEUES, type QueueInfo } from '@pedrera/hw';
import { TRACE_KIND } from '@pedrera/uapi';
import type { Context } from './context.js';
import type { DropReason } from './counters.js';
import { DeferredWork } from './deferred-work.js';
import type { DmaFence } from './fence/dma-fence.js';
import type { Job, Submission } from './submission.js';

/** Counts the drop, and hands the error on. */
export function drop(context: Context, reason: DropReason, error: unknown): never {
  context.countDrop(reason);
  throw error;
}

/** Undoes a submission that was not queued: its jobs' memory is given back, its number is spent. Hands the error on. */
export function refuse(submission: Submission, jobs: readonly Job[], error: unknown): never {
  const { context } = submission;
  for (const { block } of jobs) {
    if (block !== undefined) {
      context.patchedPool.free(block);
    }
  }
  context.refused(submission);
  throw error;
}

/** Jobs a submission has for each queue; all zero between calls. */
const wanted = new Uint16Array(QUEUE_COUNT);

/**
 * Every queue must have room for all of its jobs, queues asked in the order of their ids. Errors: EPERM when the device
 * has stopped since the call began, ENOMEM for more jobs than an internal queue has entries, EAGAIN when one is full.
 */
export function checkSchedulable(context: Context, jobs: readonly Job[]): void {
  const { device } = context;
  if (!device.operational) {
    drop(context, 'deviceInReset', errno('EPERM', `${device.statusText}; nothing was queued`));
  }
  if (jobs.length === 1) {
    checkRoom(context, (jobs[0] as Job).queue, 1);
    return;
  }
  for (const { queue } of jobs) {
    wanted[queue] = (wanted[queue] as number) + 1;
  }
  try {
    for (let queue = 0; queue < QUEUE_COUNT; queue++) {
      const count = wanted[queue] as number;
      if (count > 0) {
        checkRoom(context, queue, count);
      }
    }
  } finally {
    wanted.fill(0);
  }
}

function checkRoom(context: Context, id: number, count: number): void {
  const { kind, name, length } = QUEUES[id] as QueueInfo;
  if (kind === 'internal' && count > length) {
    drop(context, 'queueFull', errno('ENOMEM', `${count} jobs for ${name}, which has ${length} entries`));
  }
  const free = ringOf(context, id).free - (context.deferred?.jobsOn(id) ?? 0);
  if (count > free) {
    drop(context, 'queueFull', errno('EAGAIN', `${name} has ${free} free slots, the submission needs ${count}`));
  }
}

/** A context's first job on a queue makes its ring, for which there may be no room on the bus. */
function ringOf(context: Context, id: number) {
  try {
    return context.queue(id);
  } catch (error) {
    return drop(context, 'outOfMem', error instanceof HlError ? error : errno('ENOMEM', String(error)));
  }
}

/**
 * Onto the queues now, or, with fences to wait for or other work to stay behind, as soon as that can be.
 * Preconditions: checkSchedulable() passed, and nothing was queued since.
 */
export function enqueue(submission: Submission, jobs: readonly Job[], after?: readonly DmaFence[]): void {
  const { context } = submission;
  const waits = after !== undefined && after.length > 0;
  if (waits || context.deferred?.blocks(submission, jobs) === true) {
    context.deferred ??= new DeferredWork(context, start);
    context.deferred.add(submission, jobs, waits ? after : []);
  } else {
    start(submission, jobs);
  }
}

/**
 * In array order; then one doorbell a queue, so that a submission is on all its queues at once (device.md 2.3).
 */
function start(submission: Submission, jobs: readonly Job[]): void {
  const { context } = submission;
  context.started(submission);
  let id = 0;
  for (const job of jobs) {
    job.id = ++id;
    const queue = context.queue(job.queue);
    const { tail } = queue;
    const { block } = job;
    if (tail !== undefined) {
      submission.externalQueues |= 1 << job.queue;
    }
    if (job.completes && tail !== undefined && block !== undefined) {
      submission.jobsLeft++;
      job.sizeBytes = tail.append(block.chunk.words, block.firstWord, job.sizeBytes, queue.nextSlot, job);
    } else {
      submission.held ??= [];
      submission.held.push(job);
    }
    queue.push(job);
  }
  const { trace } = context.device;
  if ((trace.kinds & TRACE_KIND.SUBMISSIONS) !== 0) {
    trace.submitted(submission, jobs);
  }
  const { hardware } = context.device;
  for (let queue = 0, rung = submission.externalQueues; rung !== 0; queue++, rung >>>= 1) {
    if ((rung & 1) !== 0) {
      hardware.ringDoorbell(context.asid, queue, context.queue(queue).pi);
    }
  }
  if (submission.held !== undefined) {
    for (const queue of new Set(submission.held.map((job) => job.queue))) {
      if (queue >= EXTERNAL_QUEUE_COUNT) {
        hardware.ringDoorbell(context.asid, queue, context.queue(queue).pi);
      }
    }
  }
}
