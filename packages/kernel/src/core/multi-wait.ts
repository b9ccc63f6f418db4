/**
 * Waiting for the first of several submissions (uapi.md 4.15).
 *
 * Owns: the order of the checks, the map of what is done, the odd rules of the timestamp. A wait looks again whenever a
 * submission of its list completes.
 * Must not know the wire.
 */
import { errno } from '@pedrera/base';
import {
  MAX_MULTI_CS,
  MAX_MULTI_CS_WAITERS,
  requireReadable,
  TRACE_KIND,
  WAIT_OUT_FLAGS,
  WAIT_STATUS,
} from '@pedrera/uapi';
import type { Context } from './context.js';
import type { OpenFile } from './open-file.js';
import type { Submission, Waiter } from './submission.js';
import { throwFailure } from './wait.js';

export interface MultiWaitResult {
  readonly status: number;
  readonly flags: number;
  readonly timestampNs: bigint;
  readonly completionMap: number;
}

const BUSY: MultiWaitResult = { status: WAIT_STATUS.BUSY, flags: 0, timestampNs: 0n, completionMap: 0 };
const LONG_MAX = 2n ** 63n - 1n;

/** Errors: EINVAL, EFAULT, ENOMEM; EIO or ETIMEDOUT when one of the list failed so. Expiry is BUSY, not an error. */
export function waitForAny(
  file: OpenFile,
  seqs: readonly number[],
  timeoutUs: bigint,
): MultiWaitResult | Promise<MultiWaitResult> {
  const context = file.requireContext;
  const { device } = context;
  if (seqs.length > MAX_MULTI_CS) {
    throw errno('EINVAL', `${seqs.length} sequence numbers; at most ${MAX_MULTI_CS} can be waited for at once`);
  }
  requireReadable(seqs);
  if (device.multiCsWaits >= MAX_MULTI_CS_WAITERS) {
    throw errno('ENOMEM', `${device.multiCsWaits} waits for several submissions are under way on this device`);
  }
  // Completions may lie ready while their interrupt is still on its way.
  device.drainInterrupts();
  const found = poll(context, seqs);
  if (found.map !== 0) {
    return answer(found.map, found.timestampNs);
  }
  return timeoutUs === 0n ? BUSY : block(file, { context, seqs, running: found.running, timeoutUs });
}

interface Polled {
  readonly map: number;
  readonly timestampNs: number;
  readonly running: readonly Submission[];
}

/** What is done by now. Errors: EINVAL when any number was never issued; then the first failure in the list. */
function poll(context: Context, seqs: readonly number[]): Polled {
  const { pending } = context;
  const fences = seqs.map((seq) => {
    const fence = pending.lookup(seq);
    if (fence === undefined) {
      throw errno('EINVAL', `sequence ${seq} was never issued; the next one is ${pending.nextSeq}`);
    }
    return fence;
  });
  const running: Submission[] = [];
  let map = 0;
  let earliestNs = Number.POSITIVE_INFINITY;
  let someGone = false;
  fences.forEach((fence, i) => {
    if (fence === 'gone') {
      const seq = seqs[i] as number;
      const stored = pending.takeOutcome(seq);
      if (stored === undefined) {
        someGone = true;
      } else {
        throwFailure(seq, stored.outcome);
      }
    } else if (fence.outcome === undefined) {
      running.push(fence);
      return;
    } else {
      throwFailure(fence.seq, fence.outcome);
      // One without the TIMESTAMP flag counts as 0, and is the earliest.
      if (!someGone) {
        earliestNs = Math.min(earliestNs, fence.timestampNs);
      }
    }
    map |= 1 << i;
  });
  const known = !someGone && earliestNs !== Number.POSITIVE_INFINITY;
  return { map: map >>> 0, timestampNs: known ? earliestNs : 0, running };
}

function answer(map: number, timestampNs: number): MultiWaitResult {
  // GONE stands for "no timestamp", even when nothing is gone.
  const flags = timestampNs === 0 ? WAIT_OUT_FLAGS.GONE : WAIT_OUT_FLAGS.TIMESTAMP_VLD;
  return { status: WAIT_STATUS.COMPLETED, flags, timestampNs: BigInt(Math.round(timestampNs)), completionMap: map };
}

interface BlockedWait {
  readonly context: Context;
  readonly seqs: readonly number[];
  readonly running: readonly Submission[];
  readonly timeoutUs: bigint;
}

function block(file: OpenFile, { context, seqs, running, timeoutUs }: BlockedWait): Promise<MultiWaitResult> {
  context.get();
  const { device } = context;
  const { clock } = device;
  device.multiCsWaits++;
  return new Promise((resolve, reject) => {
    let over = false;
    const waiters: { readonly submission: Submission; readonly waiter: Waiter }[] = [];
    let timer: Waiter['timer'];
    const settle = (woken: Submission | undefined) => {
      if (over) {
        return;
      }
      over = true;
      file.abandonWaits.delete(abandon);
      timer?.cancel();
      for (const { submission, waiter } of waiters) {
        submission.removeWaiter(waiter);
      }
      device.multiCsWaits--;
      if (woken !== undefined && (device.trace.kinds & TRACE_KIND.SUBMISSIONS) !== 0) {
        device.trace.woke(woken);
      }
      try {
        resolve(woken === undefined ? BUSY : answer(poll(context, seqs).map, woken.timestampNs));
      } catch (error) {
        reject(error);
      }
      context.put();
    };
    const abandon = () => settle(undefined);
    for (const submission of new Set(running)) {
      const waiter: Waiter = { timer: undefined, settle: () => settle(submission) };
      submission.addWaiter(waiter);
      waiters.push({ submission, waiter });
    }
    file.abandonWaits.add(abandon);
    // Not truncated to 32 bits, unlike that of a wait for one submission.
    const forever = timeoutUs >= LONG_MAX;
    const deadlineNs = forever ? Number.POSITIVE_INFINITY : clock.nowNs() + Number(timeoutUs) * 1000;
    if (!forever) {
      timer = clock.at(deadlineNs, abandon);
    }
    file.caller.waits({ kind: 'submissions', any: true, submissions: running }, deadlineNs, abandon);
  });
}
