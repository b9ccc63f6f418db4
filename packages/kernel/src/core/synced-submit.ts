/**
 * Submissions on buffers that others use too (uapi.md 6.4): what one waits for, and the fence it leaves behind.
 *
 * Owns: the choice of the fences to wait for, by the kind of access; that all reservations see the submission at once.
 * Must not know descriptors, or how a submission is queued or held back.
 */
import { errno } from '@pedrera/base';
import { CS_FLAGS, CS_TYPE_MASK, DMABUF_SYNC_FLAGS } from '@pedrera/uapi';
import type { Context } from './context.js';
import { type CsRequest, checkForm } from './cs.js';
import type { DmaBuf } from './dma-buf/dma-buf.js';
import { underLock } from './dma-buf/under-lock.js';
import type { DmaFence } from './fence/dma-fence.js';
import type { FenceDomain } from './fence/fence-domain.js';
import { USAGE, usageOfAccess } from './fence/reservation.js';
import type { SyncFile } from './fence/sync-file.js';
import { unwrapFence } from './fence/unwrap.js';
import type { OpenFile } from './open-file.js';
import type { Submission } from './submission.js';
import { submissionFence } from './submission-fence.js';
import { submitDefault } from './submit.js';

export interface UsedBuffer {
  readonly object: DmaBuf;
  readonly write: boolean;
}

export interface SyncedRequest {
  readonly cs: CsRequest;
  readonly buffers: readonly UsedBuffer[];
  readonly waitFor: readonly SyncFile[];
}

/** True for an access that writes. Errors: EINVAL. */
export function isWrite(access: number): boolean {
  const { READ, WRITE } = DMABUF_SYNC_FLAGS;
  if ((access & ~(READ | WRITE)) !== 0 || (access & (READ | WRITE)) === 0) {
    throw errno('EINVAL', `access ${access}: READ (1) and/or WRITE (2) expected`);
  }
  return (access & WRITE) !== 0;
}

/** Errors: EINVAL for anything but a plain submission. */
export function checkPlain(cs: CsRequest): void {
  const { flags, chunksRestore } = cs;
  const restores = (flags & CS_FLAGS.FORCE_RESTORE) !== 0 && chunksRestore.length > 0;
  if ((flags & (CS_TYPE_MASK | CS_FLAGS.STAGED)) !== 0 || restores) {
    throw errno('EINVAL', `flags 0x${flags.toString(16)}: only a plain submission can name buffers and fences`);
  }
  checkForm(cs);
}

/** The submission, and its fence with a reference for the caller. Errors: those of CS; then nothing has changed. */
export function submitSynced(
  file: OpenFile,
  fences: FenceDomain,
  { cs, buffers, waitFor }: SyncedRequest,
): { submission: Submission; fence: DmaFence } {
  checkPlain(cs);
  const context = file.liveContext;
  const reservations = buffers.map(({ object }) => object.reservation);
  return underLock(reservations, () => {
    const submission = submitDefault(file, cs.chunksExecute, {
      flags: cs.flags,
      timeoutSec: cs.timeoutSec,
      defaultTimeoutNs: file.device.settings.defaultTimeoutNs,
      after: dependencies(context, { cs, buffers, waitFor }),
    });
    const fence = submissionFence(fences, submission);
    for (const { object, write } of buffers) {
      object.reservation.reserve();
      object.reservation.add(fence, write ? USAGE.WRITE : USAGE.READ);
    }
    return { submission, fence };
  });
}

/** What is pending; not what the queue itself keeps in order. Takes no references: nothing runs before they are waited for. */
function dependencies(context: Context, { cs, buffers, waitFor }: SyncedRequest): DmaFence[] {
  // Completions may lie ready while their interrupt is still on its way.
  context.device.drainInterrupts();
  const [first] = cs.chunksExecute;
  const oneQueue = cs.chunksExecute.every(({ queueIndex }) => queueIndex === first?.queueIndex);
  const own = first !== undefined && oneQueue ? context.knownTimeline(first.queueIndex) : undefined;
  const found = new Set<DmaFence>();
  for (const { object, write } of buffers) {
    for (const fence of object.reservation.pending(usageOfAccess(write))) {
      found.add(fence);
    }
  }
  for (const { fence } of waitFor) {
    for (const one of unwrapFence(fence)) {
      if (!one.signalled) {
        found.add(one);
      }
    }
  }
  return [...found].filter((fence) => fence.context !== own);
}
