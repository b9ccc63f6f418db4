/**
 * Staged submissions: several CS calls that complete as one (uapi.md 4.8).
 *
 * Owns: which parts belong together, and which sequence number may still be continued. Must not know queues or jobs.
 */
import { errno } from '@pedrera/base';
import type { PendingRing } from './pending-ring.js';
import type { Submission } from './submission.js';

export class StagedGroup {
  readonly first: Submission;
  /** In the order they were queued. */
  readonly parts: Submission[] = [];
  /** The part that completes all of them; undefined while more may come. */
  last: Submission | undefined;

  constructor(first: Submission) {
    this.first = first;
  }

  /** The number that callers know all parts by. */
  get seq(): number {
    return this.first.seq;
  }

  /** The first fault of any part: it is one of all, for they have one outcome. */
  fault(): string | undefined {
    return this.parts.find((part) => part.fault !== undefined)?.fault;
  }
}

/**
 * The live group whose first part has the number `seq`. Errors: EINVAL for a number that is unknown, finished, not that
 * of a first part, or of a group that already got its last.
 */
export function findStagedGroup(pending: PendingRing, seq: number): StagedGroup {
  const found = pending.lookup(seq);
  const group = found === undefined || found === 'gone' || found.finished ? undefined : found.staged;
  if (group === undefined || group.first !== found || !found.submitted) {
    throw errno('EINVAL', `sequence ${seq} is not that of a staged submission under way`);
  }
  if (group.last !== undefined) {
    throw errno('EINVAL', `staged submission ${seq} already got its last part`);
  }
  return group;
}
