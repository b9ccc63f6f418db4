/**
 * SUBMISSIONS: what is held back, queued or running, and what ended lately, also of contexts that are gone.
 *
 * Owns: the states of a submission and of its jobs as documents have them, and how many that are over are shown. Reads only.
 */
import { queueName } from '@pedrera/hw';
import type { SubmissionState, WaitedFence } from '@pedrera/uapi';
import type { Context } from '../context.js';
import { type FinishedSubmission, finishedSubmission } from '../finished-work.js';
import { type Job, SUBMISSION_TYPE, type Submission } from '../submission.js';
import { buffersOfFences, noteFence } from './calls.js';
import { type Chapter, concerns, listChapter, type Moment, milliseconds, type Row } from './moment.js';

/** Of those that are over: of one context, of all together. */
const FINISHED_OF_CONTEXT = 32;
const FINISHED_IN_ALL = 2048;

const TYPES: Record<Submission['type'], SubmissionState['type']> = {
  [SUBMISSION_TYPE.DEFAULT]: 'default',
  [SUBMISSION_TYPE.SIGNAL]: 'signal',
  [SUBMISSION_TYPE.WAIT]: 'wait',
  [SUBMISSION_TYPE.COLLECTIVE_WAIT]: 'collective wait',
};

type JobState = SubmissionState['jobs'][number];

/** Of each context first what is over, oldest first, then what is not. */
export function submissionsChapter(moment: Moment): Chapter {
  const rows: Row<SubmissionState>[] = [];
  const contexts = moment.devices.reduce((sum, { contextCount }) => sum + contextCount, 0);
  const most = Math.max(1, Math.min(FINISHED_OF_CONTEXT, Math.floor(FINISHED_IN_ALL / Math.max(1, contexts))));
  let buffers: ReturnType<typeof buffersOfFences> | undefined;
  for (const device of moment.devices) {
    for (const finished of device.finishedWork) {
      if (concerns(moment, finished.pid)) {
        rows.push(finishedRow(device.index, finished, moment.nowNs));
      }
    }
    for (const context of device.contexts) {
      if (concerns(moment, context.pid)) {
        for (const submission of [...context.pending.newestFinished(most)].reverse()) {
          rows.push(overRow(device.index, submission, moment.nowNs));
        }
        for (const { submission, jobs, fences, deadlineNs, behind } of context.deferred ?? []) {
          buffers ??= buffersOfFences(moment.machine);
          const found = buffers;
          const waited = fences.map((fence) => noteFence(fence, found.get(fence) ?? null));
          const leftNs = Math.max(0, deadlineNs - moment.nowNs);
          const held = { behind: behind?.seq ?? null };
          rows.push(liveRow(submission, { jobs: jobs.map(heldJob), held, fences: waited, leftNs }, moment.nowNs));
        }
        addRunning(rows, context, moment.nowNs);
      }
    }
  }
  return listChapter('submissions', rows);
}

/** Those on their queues, by what the queues hold: a submission has no list of its jobs. */
function addRunning(rows: Row<SubmissionState>[], context: Context, nowNs: number): void {
  let left = context.unfinished;
  if (left === 0) {
    return;
  }
  const jobs = new Map<Submission, JobState[]>();
  for (const queue of context.queues) {
    if (queue === undefined || queue.inFlight === 0) {
      continue;
    }
    for (const job of queue.liveJobs()) {
      const state = queue.progressAt(job.index);
      const row = jobRow(job, state === 'pending' ? 'queued' : state);
      const others = jobs.get(job.submission);
      if (others === undefined) {
        jobs.set(job.submission, [row]);
      } else {
        others.push(row);
      }
    }
  }
  const timed = context.runningTimeout(nowNs);
  for (const submission of context.pending.unfinished()) {
    if (!submission.deferred && submission.submitted) {
      const own = submission.hasTimer && !submission.expired ? submission.timeoutNs : Number.POSITIVE_INFINITY;
      const leftNs = submission === timed?.submission ? timed.leftNs : own;
      rows.push(liveRow(submission, { jobs: jobs.get(submission) ?? [], held: null, fences: [], leftNs }, nowNs));
      if (--left === 0) {
        return;
      }
    }
  }
}

function jobRow({ queue, sizeBytes }: Job, state: JobState['state']): JobState {
  return { queue: queueName(queue), state, bytes: sizeBytes };
}

function heldJob(job: Job): JobState {
  return jobRow(job, 'queued');
}

interface Progress {
  readonly jobs: readonly JobState[];
  /** What it stays behind; null for one that is on its queues. */
  readonly held: { readonly behind: number | null } | null;
  readonly fences: readonly Row<WaitedFence>[];
  readonly leftNs: number;
}

function liveRow(
  submission: Submission,
  { jobs, held, fences, leftNs }: Progress,
  nowNs: number,
): Row<SubmissionState> {
  const { context, seq, type, staged, submittedNs, jobsLeft, fault } = submission;
  const waiters = submission.waiters?.length ?? 0;
  const begun = jobs.some(({ state }) => state !== 'queued');
  return () => ({
    device: context.device.index,
    asid: context.asid,
    pid: context.pid,
    seq,
    type: TYPES[type],
    staged: staged !== undefined,
    state: held !== null ? 'held' : begun ? 'running' : 'queued',
    jobs: [...jobs],
    jobsLeft,
    waiters,
    ageMs: milliseconds(nowNs - submittedNs),
    timeoutLeftMs: Number.isFinite(leftNs) ? milliseconds(leftNs) : null,
    finishedMs: null,
    error: null,
    // One of its packets went wrong already; it fails with that when it ends.
    detail: fault ?? null,
    fences: fences.map((row) => row()),
    heldBehind: held?.behind ?? null,
  });
}

/** What is over does not change any more: all of it is put into words later. */
function overRow(device: number, submission: Submission, nowNs: number): Row<SubmissionState> {
  return () => finishedRow(device, finishedSubmission(submission, submission.outcome ?? {}), nowNs)();
}

function finishedRow(device: number, finished: FinishedSubmission, nowNs: number): Row<SubmissionState> {
  const { asid, pid, seq, type, staged, submittedNs, finishedNs, queues, outcome } = finished;
  return () => ({
    device,
    asid,
    pid,
    seq,
    type: TYPES[type],
    staged,
    state: outcome.error === undefined ? 'done' : 'failed',
    jobs: queues.map((queue) => ({ queue: queueName(queue), state: 'done', bytes: null })),
    jobsLeft: 0,
    waiters: 0,
    // One that was refused was never submitted.
    ageMs: milliseconds(nowNs - (submittedNs === 0 ? finishedNs : submittedNs)),
    timeoutLeftMs: null,
    finishedMs: milliseconds(nowNs - finishedNs),
    error: outcome.error ?? null,
    detail: outcome.detail ?? null,
    fences: [],
  });
}
