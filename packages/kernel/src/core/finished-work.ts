/**
 * What remains of submissions whose context is gone, for inspection.
 *
 * Owns: how many a device remembers. Costs nothing while a context lives: its own ring of fences remembers its last ones.
 */
import type { Context } from './context.js';
import type { Outcome, Submission, SubmissionType } from './submission.js';

/** A submission that is over. */
export interface FinishedSubmission {
  readonly asid: number;
  readonly pid: number;
  readonly seq: number;
  readonly type: SubmissionType;
  readonly staged: boolean;
  readonly submittedNs: number;
  readonly finishedNs: number;
  readonly queues: readonly number[];
  /** Those on external queues that were not done when it ended. */
  readonly jobsLeft: number;
  readonly outcome: Outcome;
}

/** Of one context that ends, and of a device. */
const PER_CONTEXT = 16;
const PER_DEVICE = 256;

export function finishedSubmission(submission: Submission, outcome: Outcome): FinishedSubmission {
  const { context, seq, type, staged, submittedNs, finishedNs } = submission;
  return {
    asid: context.asid,
    pid: context.pid,
    seq,
    type,
    staged: staged !== undefined,
    submittedNs,
    finishedNs,
    queues: submission.ownQueues(),
    jobsLeft: submission.jobsLeft,
    outcome,
  };
}

export class FinishedWork {
  readonly #kept: FinishedSubmission[] = [];

  /** The context has ended: its last submissions are remembered here. */
  keepLastOf(context: Context): void {
    for (const submission of context.pending.newestFinished(PER_CONTEXT)) {
      if (submission.outcome !== undefined) {
        this.#kept.push(finishedSubmission(submission, submission.outcome));
      }
    }
    this.#kept.splice(0, this.#kept.length - PER_DEVICE);
  }

  /** Oldest first. */
  [Symbol.iterator](): IterableIterator<FinishedSubmission> {
    return this.#kept.values();
  }
}
