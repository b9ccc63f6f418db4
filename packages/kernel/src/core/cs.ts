/**
 * The CS call as a whole (uapi.md 4.1, 4.2).
 *
 * Owns: the order of the checks that come before any submission is made, the restore phase, which type of submission a
 * call is, and what a failure leaves in the argument block where that depends on how far the call came.
 * Must not know the wire.
 */
import { errno, HlError } from '@pedrera/base';
import { ALL_ONES_U64, type Chunk, CS_FLAGS, CS_TYPE_MASK, leavingInBlock } from '@pedrera/uapi';
import type { OpenFile } from './open-file.js';
import { type Submitted, submitSignal, submitWait } from './signal-wait.js';
import { type SubmitOptions, submitDefault } from './submit.js';
import { waitForSubmission } from './wait.js';

export interface CsRequest {
  readonly flags: number;
  readonly chunksRestore: readonly Chunk[];
  readonly chunksExecute: readonly Chunk[];
  readonly timeoutSec: number;
  /** Number of a staged submission, for its parts but the first. */
  readonly stagedSeq: number;
  /** A reservation: what UNRESERVE gives back, what the first part of a staged submission attaches. */
  readonly reservation: number;
  /** What RESERVE asks for. */
  readonly signals: { readonly count: number; readonly queue: number };
}

export interface CsResult extends Submitted {
  /** Of RESERVE. */
  readonly reserved?: { readonly handleId: number; readonly count: number };
}

const LONG_MAX = 2n ** 63n - 1n;

/** Preconditions: the device was operational when the call came in (dispatch answers EBUSY otherwise). */
export function submitCs(file: OpenFile, req: CsRequest): CsResult | Promise<CsResult> {
  checkForm(req);
  // Nothing needs a context switch on Gaudi: without the flag restore chunks are ignored.
  if ((req.flags & CS_FLAGS.FORCE_RESTORE) !== 0 && req.chunksRestore.length > 0) {
    return restoreThenExecute(file, req);
  }
  return execute(file, req);
}

/** Steps 3, 5 and 6 of uapi.md 4.1; Gaudi supports what 2 and 4 ask for. These cost no number and no drop counter. */
export function checkForm({ flags, chunksExecute }: CsRequest): void {
  const type = flags & CS_TYPE_MASK;
  if ((type & (type - 1)) !== 0) {
    throw errno('EINVAL', `flags 0x${flags.toString(16)} name more than one type of submission`);
  }
  const count = chunksExecute.length;
  if (type === 0 && count === 0) {
    throw errno('EINVAL', 'a submission needs at least one chunk to execute');
  }
  if ((type & (CS_FLAGS.SIGNAL | CS_FLAGS.WAIT | CS_FLAGS.COLLECTIVE_WAIT)) !== 0 && count !== 1) {
    throw errno('EINVAL', `${count} chunks; a signal or a wait has exactly one`);
  }
}

/** The restore chunks run as a submission of their own first, whatever the type of the call. */
async function restoreThenExecute(file: OpenFile, req: CsRequest): Promise<CsResult> {
  const { defaultTimeoutNs } = file.device.settings;
  const { seq } = submitDefault(file, req.chunksRestore, { flags: 0, timeoutSec: 0, defaultTimeoutNs });
  const forever = defaultTimeoutNs === Number.POSITIVE_INFINITY;
  try {
    // Its expiry is not an error, here as there.
    await waitForSubmission(file, seq, forever ? LONG_MAX : BigInt(Math.round(defaultTimeoutNs / 1000)));
  } catch (error) {
    if (error instanceof HlError) {
      throw leavingInBlock(errno('ENOEXEC', `the restore phase failed: ${error.detail ?? error.code}`), { seq });
    }
    throw error;
  }
  return execute(file, req);
}

function execute(file: OpenFile, req: CsRequest): CsResult {
  const { flags, chunksExecute, timeoutSec } = req;
  const options: SubmitOptions = {
    flags,
    timeoutSec,
    defaultTimeoutNs: file.device.settings.defaultTimeoutNs,
    stagedSeq: req.stagedSeq,
    reservation: req.reservation,
  };
  switch (flags & CS_TYPE_MASK) {
    case CS_FLAGS.SIGNAL:
      return submitSignal(file, chunksExecute, options);
    case CS_FLAGS.WAIT:
    case CS_FLAGS.COLLECTIVE_WAIT:
      return submitWait(file, chunksExecute, options);
    case CS_FLAGS.RESERVE_SIGNALS_ONLY:
      return reserve(file, req);
    case CS_FLAGS.UNRESERVE_SIGNALS_ONLY:
      file.liveContext.reservations.unreserve(req.reservation);
      return { seq: ALL_ONES_U64, sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 };
    case CS_FLAGS.ENGINE_CORE_COMMAND:
      throw errno('EINVAL', 'Gaudi has no engine cores');
    default: {
      const { seq, staged } = submitDefault(file, chunksExecute, options);
      // All parts of a staged submission are known by the number of the first.
      return { seq: staged?.seq ?? seq, sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 };
    }
  }
}

function reserve(file: OpenFile, { signals }: CsRequest): CsResult {
  try {
    const { handleId, count, sobBaseAddrOffset } = file.liveContext.reservations.reserve(signals.queue, signals.count);
    return {
      seq: handleId + count * 2 ** 32,
      sobBaseAddrOffset,
      sobCountBeforeSubmission: 0,
      reserved: { handleId, count },
    };
  } catch (error) {
    // Handle, count and address are zero then, and not a sequence number of all ones.
    throw error instanceof HlError ? leavingInBlock(error, { seq: 0 }) : error;
  }
}
