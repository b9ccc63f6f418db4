/**
 * What calls and held work wait for, in the form documents show it.
 *
 * Owns: the way from fences and submissions to their names. Reads only.
 */
import type { CallTarget, SubmissionName, WaitedFence } from '@pedrera/uapi';
import type { AwaitedThing } from '../caller.js';
import type { DmaFence } from '../fence/dma-fence.js';
import { unwrapFence } from '../fence/unwrap.js';
import type { Machine } from '../machine.js';
import type { Submission } from '../submission.js';
import { submissionBehind } from '../submission-fence.js';
import { statusName } from './devices.js';
import type { Row } from './moment.js';

function submissionName({ seq, context }: Submission): SubmissionName {
  return { device: context.device.index, asid: context.asid, pid: context.pid, seq };
}

/** What fences wait for, containers taken apart. `bufferOf`: the dma-buf each was found on. */
export function noteFences(
  fences: readonly DmaFence[],
  bufferOf: (fence: DmaFence) => number | null,
): Row<WaitedFence>[] {
  return fences.flatMap((whole) =>
    unwrapFence(whole)
      .filter(({ signalled }) => !signalled)
      .map((fence) => noteFence(fence, bufferOf(fence) ?? bufferOf(whole))),
  );
}

function noteFence(fence: DmaFence, buffer: number | null): Row<WaitedFence> {
  const submission = submissionBehind(fence);
  return () => ({
    name: fence.name,
    producer: submission === undefined ? null : submissionName(submission),
    buffer,
  });
}

export function noteTarget(on: AwaitedThing | undefined): Row<CallTarget | null> {
  switch (on?.kind) {
    case undefined:
      return () => null;
    case 'submissions': {
      const left = on.submissions.filter(({ finished }) => !finished);
      return () => ({ kind: 'submissions', any: on.any, submissions: left.map(submissionName) });
    }
    case 'fences': {
      const fences = noteFences(on.pending(), () => on.buffer);
      return () => ({ kind: 'fences', fences: fences.map((row) => row()) });
    }
    case 'device': {
      const { index, status } = on.device;
      return () => ({ kind: 'device', device: index, status: statusName(status) });
    }
    case 'memory':
      return () => ({ kind: 'memory', device: on.device.index, what: on.what });
  }
}

/** On which dma-buf each pending fence lies; of one that lies on several, the first. */
export function buffersOfFences({ dmaBufs }: Machine): ReadonlyMap<DmaFence, number> {
  const found = new Map<DmaFence, number>();
  for (const { id, reservation } of dmaBufs) {
    for (const fence of reservation.pending()) {
      if (!found.has(fence)) {
        found.set(fence, id);
      }
    }
  }
  return found;
}
