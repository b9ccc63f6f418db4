/**
 * The fence of a submission as others hold it: in sync files, on buffers (uapi.md 6.3, 6.5).
 *
 * Owns: when a submission's fence is made (when somebody asks), which timeline it is on.
 * Must not know who asks.
 */
import type { DmaFence } from './fence/dma-fence.js';
import type { FenceDomain } from './fence/fence-domain.js';
import { type FenceOutcome, type FenceSource, fenceOf } from './fence/fence-source.js';
import type { Submission } from './submission.js';

const DRIVER_NAME = 'habanalabs';

class SubmissionSource implements FenceSource {
  readonly fenceTimeline: FenceSource['fenceTimeline'];
  dmaFence: DmaFence | undefined;
  readonly submission: Submission;

  constructor(domain: FenceDomain, submission: Submission) {
    this.submission = submission;
    const { context } = submission;
    const names = { driverName: DRIVER_NAME, timelineName: `hl${context.device.index}.asid${context.asid}.` };
    const queue = orderedQueue(submission);
    this.fenceTimeline = queue === undefined ? names : { ...names, context: context.queueTimeline(domain, queue) };
  }

  get seq(): number {
    return this.submission.seq;
  }

  get outcome(): FenceOutcome | undefined {
    return this.submission.outcome;
  }

  get finishedNs(): number {
    return this.submission.finishedNs;
  }

  onFinished(callback: () => void): void {
    this.submission.addWaiter({ timer: undefined, settle: callback });
  }
}

/** A fence for it; takes a reference. The same one as long as the submission is unfinished. */
export function submissionFence(domain: FenceDomain, submission: Submission): DmaFence {
  submission.fenceSource ??= new SubmissionSource(domain, submission);
  return fenceOf(domain, submission.fenceSource);
}

/** For inspection: the unfinished submission a fence stands for, if it stands for one. */
export function submissionBehind({ source }: DmaFence): Submission | undefined {
  return source instanceof SubmissionSource ? source.submission : undefined;
}

/**
 * The queue whose submissions finish in the order of their numbers, if this is one of them: all its completions come from that one
 * queue. What was deferred may be given up before those ahead of it have finished.
 */
function orderedQueue({ externalQueues: mask, staged, deferred }: Submission): number | undefined {
  const single = mask !== 0 && (mask & (mask - 1)) === 0;
  return single && staged === undefined && !deferred ? 31 - Math.clz32(mask) : undefined;
}
