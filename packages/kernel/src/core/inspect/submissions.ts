/**
 * SUBMISSIONS: what is held back, queued or running, and what ended lately, also of contexts that are gone.
 *
 * Owns: the states of a submission and of its jobs as documents have them, and how many that are over are shown. Reads only.
 */
import { queueName, ringDistance } from '@pedrera/hw';
import type { SubmissionState, WaitedFence } from '@pedrera/uapi';
import type { Context } from '../context.js';
import type { ContextQueue } from '../context-queue.js';
import type { DeferredWork } from '../deferred-work.js';
import { type FinishedSubmission, finishedSubmission } from '../finished-work.js';
import { type Job, SUBMISSION_TYPE, type Submission } from '../submission.js';
import { buffersOfFences, noteFences } from './calls.js';
import {
  type Chapter,
  concerns,
  inWords,
  listChapter,
  type Moment,
  milliseconds,
  packCounts,
  type Row,
  unpackCounts,
} from './moment.js';

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
  const { nowNs } = moment;
  const parts: Iterable<SubmissionState>[] = [];
  const running = new RunningWork(nowNs);
  const contexts = moment.devices.reduce((sum, device) => sum + device.contexts.size, 0);
  const most = Math.max(1, Math.min(FINISHED_OF_CONTEXT, Math.floor(FINISHED_IN_ALL / Math.max(1, contexts))));
  let buffers: ReturnType<typeof buffersOfFences> | undefined;
  for (const device of moment.devices) {
    const gone = [...device.finishedWork].filter(({ pid }) => concerns(moment, pid));
    parts.push(inWords(gone.map((finished) => () => finishedState(device.index, finished, nowNs))));
    for (const context of device.contexts) {
      if (concerns(moment, context.pid)) {
        parts.push(overStates(device.index, context.pending.newestFinished(most), nowNs));
        if (context.deferred !== undefined) {
          buffers ??= buffersOfFences(moment.machine);
          parts.push(inWords(heldRows(context.deferred, buffers, nowNs)));
        }
        if (context.unfinished > 0) {
          parts.push(running.note(context));
        }
      }
    }
  }
  return listChapter('submissions', inTurn(parts));
}

function* inTurn<T>(parts: readonly Iterable<T>[]): IterableIterator<T> {
  for (const part of parts) {
    yield* part;
  }
}

function heldRows(
  deferred: DeferredWork,
  buffers: ReturnType<typeof buffersOfFences>,
  nowNs: number,
): Row<SubmissionState>[] {
  return [...deferred].map(({ submission, jobs, fences, deadlineNs, behind }) => {
    const waited = noteFences(fences, (fence) => buffers.get(fence) ?? null);
    const waiters = submission.waiters?.length ?? 0;
    const { jobsLeft, fault } = submission;
    return () =>
      liveState(
        submission,
        {
          jobs: jobs.map((job) => jobState(job, 'queued')),
          jobsLeft,
          waiters,
          fault,
          leftNs: Math.max(0, deadlineNs - nowNs),
          held: { behind: behind?.seq ?? null, fences: waited.map((row) => row()) },
        },
        nowNs,
      );
  });
}

/** In the order of the numbers RunningWork keeps. */
const JOB_STATES: readonly JobState['state'][] = ['queued', 'running', 'done'];

/**
 * What is on the queues of all contexts: a submission has no list of its jobs, so the jobs are noted, in flat lists, each with what its
 * submission had left at the moment.
 */
class RunningWork {
  readonly #nowNs: number;
  readonly #jobs: Job[] = [];
  /** Of JOB_STATES. */
  readonly #states: number[] = [];
  /** Of its submission: jobs left and waiters, and the time-out that is left, in ns. */
  readonly #counts: number[] = [];
  readonly #leftNs: number[] = [];
  readonly #faults: (string | undefined)[] = [];

  constructor(nowNs: number) {
    this.#nowNs = nowNs;
  }

  /** What it returns is put into words when it is gone through. */
  note(context: Context): Iterable<SubmissionState> {
    const from = this.#jobs.length;
    const timed = context.runningTimeout(this.#nowNs);
    for (const queue of context.usedQueues) {
      if (queue.inFlight > 0) {
        this.#noteQueue(queue, timed);
      }
    }
    return this.#inWords(from, this.#jobs.length);
  }

  #noteQueue(queue: ContextQueue, timed: ReturnType<Context['runningTimeout']>): void {
    const { pi, length, pending } = queue;
    for (const job of queue.liveJobs()) {
      const { submission } = job;
      const distance = ringDistance(job.index, pi, length);
      const own = submission.hasTimer && !submission.expired ? submission.timeoutNs : Number.POSITIVE_INFINITY;
      this.#jobs.push(job);
      this.#states.push(distance <= pending ? 0 : distance === pending + 1 ? 1 : 2);
      this.#counts.push(packCounts(submission.jobsLeft, submission.waiters?.length ?? 0));
      this.#leftNs.push(submission === timed?.submission ? timed.leftNs : own);
      this.#faults.push(submission.fault);
    }
  }

  *#inWords(from: number, end: number): IterableIterator<SubmissionState> {
    const rows = new Map<Submission, { jobs: JobState[]; at: number }>();
    for (let at = from; at < end; at++) {
      const job = this.#jobs[at] as Job;
      const state = jobState(job, JOB_STATES[this.#states[at] as number] ?? 'queued');
      const row = rows.get(job.submission);
      if (row === undefined) {
        rows.set(job.submission, { jobs: [state], at });
      } else {
        row.jobs.push(state);
      }
    }
    const oldestFirst = [...rows].sort(([a], [b]) => a.seq - b.seq);
    for (const [submission, { jobs, at }] of oldestFirst) {
      const [jobsLeft, waiters] = unpackCounts(this.#counts[at] as number);
      const progress = { jobs, jobsLeft, waiters, fault: this.#faults[at], leftNs: this.#leftNs[at] as number };
      yield liveState(submission, { ...progress, held: null }, this.#nowNs);
    }
  }
}

function jobState({ queue, sizeBytes }: Job, state: JobState['state']): JobState {
  return { queue: queueName(queue), state, bytes: sizeBytes };
}

interface Progress {
  readonly jobs: JobState[];
  readonly jobsLeft: number;
  readonly waiters: number;
  readonly fault: string | undefined;
  readonly leftNs: number;
  /** What it stays behind; null for one that is on its queues. */
  readonly held: { readonly behind: number | null; readonly fences: WaitedFence[] } | null;
}

function liveState(
  { context, seq, type, staged, submittedNs }: Submission,
  { jobs, jobsLeft, waiters, fault, leftNs, held }: Progress,
  nowNs: number,
): SubmissionState {
  const begun = jobs.some(({ state }) => state !== 'queued');
  return {
    device: context.device.index,
    asid: context.asid,
    pid: context.pid,
    seq,
    type: TYPES[type],
    staged: staged !== undefined,
    state: held !== null ? 'held' : begun ? 'running' : 'queued',
    jobs,
    jobsLeft,
    waiters,
    ageMs: milliseconds(nowNs - submittedNs),
    timeoutLeftMs: Number.isFinite(leftNs) ? milliseconds(leftNs) : null,
    finishedMs: null,
    error: null,
    // One of its packets went wrong already; it fails with that when it ends.
    detail: fault ?? null,
    fences: held?.fences ?? [],
    heldBehind: held?.behind ?? null,
  };
}

/** What is over does not change any more: all of it is put into words later. */
function* overStates(device: number, over: readonly Submission[], nowNs: number): IterableIterator<SubmissionState> {
  for (const submission of over) {
    yield finishedState(device, finishedSubmission(submission, submission.outcome ?? {}), nowNs);
  }
}

function finishedState(device: number, finished: FinishedSubmission, nowNs: number): SubmissionState {
  const { asid, pid, seq, type, staged, submittedNs, finishedNs, queues, jobsLeft, outcome } = finished;
  // Which of its jobs had been done when it was given up is not kept.
  const jobs = jobsLeft === 0 ? 'done' : 'dropped';
  return {
    device,
    asid,
    pid,
    seq,
    type: TYPES[type],
    staged,
    state: outcome.error === undefined ? 'done' : 'failed',
    jobs: queues.map((queue) => ({ queue: queueName(queue), state: jobs, bytes: null })),
    jobsLeft,
    waiters: 0,
    // One that was refused was never submitted.
    ageMs: milliseconds(nowNs - (submittedNs === 0 ? finishedNs : submittedNs)),
    timeoutLeftMs: null,
    finishedMs: milliseconds(nowNs - finishedNs),
    error: outcome.error ?? null,
    detail: outcome.detail ?? null,
    fences: [],
  };
}
