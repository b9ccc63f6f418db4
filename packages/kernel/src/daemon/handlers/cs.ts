/** CS and WAIT_CS: submitting and waiting (uapi.md 4). */
import { errno, HlError } from '@pedrera/base';
import { CS_FLAGS, CS_STATUS, CS_TYPE_MASK, type Handlers, type Req, WAIT_FLAGS } from '@pedrera/uapi';
import { submitDefault } from '../../core/submit.js';
import { waitForSubmission } from '../../core/wait.js';
import type { Session } from '../session.js';

type CsCalls = Pick<Handlers<Session>, 'CS' | 'WAIT_CS'>;

export const CS_HANDLERS: CsCalls = {
  CS(session, req) {
    const type = req.flags & CS_TYPE_MASK;
    if ((req.flags & CS_FLAGS.STAGED) !== 0) {
      throw session.refusal('CS staged', 'EPERM', 'a staged submission');
    }
    if ((type & (type - 1)) !== 0) {
      throw errno('EINVAL', `flags 0x${req.flags.toString(16)} name more than one type of submission`);
    }
    if (type !== 0) {
      throw session.refusal(`CS type 0x${type.toString(16)}`, 'EINVAL', `a submission of type 0x${type.toString(16)}`);
    }
    if (req.chunksExecute.length === 0) {
      throw errno('EINVAL', 'a submission needs at least one chunk to execute');
    }
    // Without FORCE_RESTORE restore chunks are ignored (uapi.md 4.2).
    if ((req.flags & CS_FLAGS.FORCE_RESTORE) !== 0 && req.chunksRestore.length > 0) {
      return restoreThenSubmit(session, req);
    }
    return submit(session, req);
  },

  WAIT_CS(session, { seq, timeoutUs, flags }) {
    if ((flags & WAIT_FLAGS.INTERRUPT) !== 0) {
      throw errno('EPERM', 'Gaudi has no user interrupts');
    }
    if ((flags & WAIT_FLAGS.MULTI_CS) !== 0) {
      throw session.refusal('WAIT_CS multi', 'EINVAL', 'waiting for several submissions at once');
    }
    return waitForSubmission(session.openFile, seq, timeoutUs);
  },
};

/** A chunk array the caller cannot read is a drop like any other invalid submission (uapi.md 4.3). */
export function countUnreadableChunks(session: Session, error: HlError): void {
  if (error.code === 'EFAULT') {
    session.file?.context?.countDrop('validation');
  }
}

function submit(session: Session, { chunksExecute, flags, timeoutSec }: Req<'CS'>) {
  const { defaultTimeoutNs } = session.machine;
  const { seq } = submitDefault(session.openFile, chunksExecute, { flags, timeoutSec, defaultTimeoutNs });
  return { seq, status: CS_STATUS.SUCCESS, sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 };
}

/** The restore chunks run as a submission of their own first; its failure is ENOEXEC (uapi.md 4.2). */
async function restoreThenSubmit(session: Session, req: Req<'CS'>) {
  const { defaultTimeoutNs } = session.machine;
  const restore = submitDefault(session.openFile, req.chunksRestore, { flags: 0, timeoutSec: 0, defaultTimeoutNs });
  const timeoutUs = defaultTimeoutNs === Number.POSITIVE_INFINITY ? 2n ** 63n - 1n : BigInt(defaultTimeoutNs / 1000);
  try {
    await waitForSubmission(session.openFile, restore.seq, timeoutUs);
  } catch (error) {
    if (error instanceof HlError) {
      throw errno('ENOEXEC', `the restore phase failed: ${error.detail ?? error.code}`);
    }
    throw error;
  }
  return submit(session, req);
}
