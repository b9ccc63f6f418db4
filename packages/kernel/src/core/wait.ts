/**
 * Waiting for one sequence number (uapi.md 4.14).
 *
 * Owns: the meaning of the time-out, what a finished, failed, gone or unfinished submission answers.
 * Must not know the wire.
 */
import { errno } from '@pedrera/base';
import { TRACE_KIND, WAIT_OUT_FLAGS, WAIT_STATUS } from '@pedrera/uapi';
import type { OpenFile } from './open-file.js';
import type { Outcome, Submission, Waiter } from './submission.js';

export interface WaitResult {
  readonly status: number;
  readonly flags: number;
  readonly timestampNs: bigint;
}

const BUSY: WaitResult = { status: WAIT_STATUS.BUSY, flags: 0, timestampNs: 0n };
const COMPLETED: WaitResult = { status: WAIT_STATUS.COMPLETED, flags: 0, timestampNs: 0n };
const GONE: WaitResult = { status: WAIT_STATUS.COMPLETED, flags: WAIT_OUT_FLAGS.GONE, timestampNs: 0n };

const LONG_MAX = 2n ** 63n - 1n;
const U32 = 0xffffffffn;
/** Low words within the last two ticks (4 ms each) below 2^32 mean for ever. */
const FOREVER_FROM = 2 ** 32 - 2 * 4000;

/** Microseconds as the driver understands them: the low 32 bits, or for ever (uapi.md 4.14). */
export function effectiveTimeoutUs(timeoutUs: bigint): number {
  if (timeoutUs === LONG_MAX) {
    return Number.POSITIVE_INFINITY;
  }
  const low = Number(timeoutUs & U32);
  return low >= FOREVER_FROM ? Number.POSITIVE_INFINITY : low;
}

/** Errors: EINVAL for a number never issued; EIO, ETIMEDOUT as the submission ended. Expiry is BUSY, not an error. */
export function waitForSubmission(file: OpenFile, seq: number, timeoutUs: bigint): WaitResult | Promise<WaitResult> {
  const context = file.requireContext;
  // Completions may lie ready while their interrupt is still on its way.
  context.device.drainInterrupts();
  const found = context.pending.lookup(seq);
  if (found === undefined) {
    throw errno('EINVAL', `sequence ${seq} was never issued; the next one is ${context.pending.nextSeq}`);
  }
  if (found === 'gone') {
    const stored = context.pending.takeOutcome(seq);
    return stored === undefined ? GONE : verdict(seq, stored.outcome, stored.timestampNs);
  }
  if (found.outcome !== undefined) {
    return verdict(seq, found.outcome, found.timestampNs);
  }
  const timeout = effectiveTimeoutUs(timeoutUs);
  return timeout === 0 ? BUSY : block(file, found, timeout);
}

/**
 * Errors: EIO, ETIMEDOUT. Any other error is that of a submission which was refused: it reads as completed (uapi.md 4.14).
 */
export function throwFailure(seq: number, { error, detail }: Outcome): void {
  if (error === 'EIO' || error === 'ETIMEDOUT') {
    throw errno(error, `submission ${seq}: ${detail ?? 'failed'}`);
  }
}

function verdict(seq: number, outcome: Outcome, timestampNs: number): WaitResult {
  throwFailure(seq, outcome);
  return timestampNs === 0
    ? COMPLETED
    : {
        status: WAIT_STATUS.COMPLETED,
        flags: WAIT_OUT_FLAGS.TIMESTAMP_VLD,
        timestampNs: BigInt(Math.round(timestampNs)),
      };
}

function block(file: OpenFile, submission: Submission, timeoutUs: number): Promise<WaitResult> {
  const context = submission.context.get();
  const { clock } = context.device;
  return new Promise((resolve, reject) => {
    const waiter: Waiter = {
      timer: undefined,
      settle(finished) {
        file.abandonWaits.delete(abandon);
        submission.removeWaiter(waiter);
        waiter.timer?.cancel();
        if (finished && (context.device.trace.kinds & TRACE_KIND.SUBMISSIONS) !== 0) {
          context.device.trace.woke(submission);
        }
        try {
          resolve(
            finished && submission.outcome !== undefined
              ? verdict(submission.seq, submission.outcome, submission.timestampNs)
              : BUSY,
          );
        } catch (error) {
          reject(error);
        }
        context.put();
      },
    };
    const abandon = () => waiter.settle(false);
    file.abandonWaits.add(abandon);
    submission.addWaiter(waiter);
    const deadlineNs = clock.nowNs() + timeoutUs * 1000;
    if (deadlineNs !== Number.POSITIVE_INFINITY) {
      waiter.timer = clock.at(deadlineNs, () => waiter.settle(false));
    }
    file.caller.waits({ kind: 'submissions', any: false, submissions: [submission] }, deadlineNs, abandon);
  });
}
