/**
 * Waiting for several submissions: the first of them, or all.
 *
 * Owns: what is asked of the daemon and what can be told without asking. Must not know: how a single wait works.
 */
import { HlError } from '@pedrera/base';
import { MAX_MULTI_CS, MAX_MULTI_CS_WAITERS, WAIT_FLAGS, WAIT_OUT_FLAGS, WAIT_STATUS } from '@pedrera/uapi';
import {
  FOREVER_US,
  type Submission,
  type SubmissionContext,
  WaitExpired,
  type WaitOptions,
  type WaitResult,
} from './submission.js';
import { WaitGate } from './wait-gate.js';

export interface AnyResult {
  /** Those that are complete, in the order given; at least one. */
  readonly done: readonly Submission[];
  /** CLOCK_MONOTONIC of the completion that ended the wait, when that submission asked for it and was not complete before (uapi.md 4.15). */
  readonly timestampNs: bigint | undefined;
}

const NS_PER_MS = 1e6;
const NS_PER_US = 1e3;

/** A device serves few such waits at once (uapi.md 4.15); those of one open file take turns. */
export function multiWaitGate(context: Pick<SubmissionContext, 'session'>): WaitGate {
  return new WaitGate(MAX_MULTI_CS_WAITERS, context.session.clock);
}

/**
 * Resolves when at least one of 1 to 32 submissions is complete, without a message when shared memory shows it. Errors: EINVAL for an empty or
 * too long list or a submission of another open file; WaitExpired; ENOMEM when other programs have all the waits for several that the device
 * serves; and the failure (ETIMEDOUT, EIO) of one of the list, found before one that is complete.
 */
export async function waitAny(
  context: SubmissionContext,
  gate: WaitGate,
  submissions: readonly Submission[],
  { timeoutMs }: WaitOptions,
): Promise<AnyResult> {
  const { session } = context;
  const [first] = submissions;
  if (first === undefined || submissions.length > MAX_MULTI_CS)
    throw new HlError('EINVAL', `waitAny: ${submissions.length} submissions; it takes 1 to ${MAX_MULTI_CS}`, 'WAIT_CS');
  if (timeoutMs !== undefined && !(timeoutMs >= 0))
    throw new HlError('EINVAL', `waitAny: a timeout of ${timeoutMs} ms`);
  for (const submission of submissions) {
    if (submission.session !== session)
      throw new HlError('EINVAL', `waitAny: submission ${submission.seq} belongs to another open file`, 'WAIT_CS');
  }
  const seen = submissions.filter((submission) => submission.peek());
  if (seen.length > 0) return { done: seen, timestampNs: undefined };
  const deadlineNs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : session.clock.nowNs() + timeoutMs * NS_PER_MS;
  if (!(await gate.enter(deadlineNs))) throw new WaitExpired(first.seq, session.node, timeoutMs ?? 0);
  try {
    const leftUs = Math.max(0, (deadlineNs - session.clock.nowNs()) / NS_PER_US);
    const reply = await session.ioctl('WAIT_CS', {
      seq: 0,
      timeoutUs: leftUs === Number.POSITIVE_INFINITY ? FOREVER_US : BigInt(Math.ceil(leftUs)),
      flags: WAIT_FLAGS.MULTI_CS,
      sequences: submissions.map(({ seq }) => seq),
    });
    if (reply.status !== WAIT_STATUS.COMPLETED) throw new WaitExpired(first.seq, session.node, timeoutMs ?? 0);
    const map = reply.completionMap ?? 0;
    return {
      done: submissions.filter((_, i) => ((map >>> i) & 1) !== 0),
      timestampNs: (reply.flags & WAIT_OUT_FLAGS.TIMESTAMP_VLD) !== 0 ? reply.timestampNs : undefined,
    };
  } finally {
    gate.leave();
  }
}

/** Resolves when all are complete, each with its result; rejects with the first failure as soon as it is known. Any number, of any open files. */
export function waitAll(submissions: readonly Submission[], options: WaitOptions = {}): Promise<WaitResult[]> {
  return Promise.all(submissions.map((submission) => submission.wait(options)));
}
