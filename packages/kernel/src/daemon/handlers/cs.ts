/** CS and WAIT_CS: submitting and waiting (uapi.md 4). */
import { errno } from '@pedrera/base';
import { CS_STATUS, type Handlers, WAIT_FLAGS } from '@pedrera/uapi';
import { type CsResult, submitCs } from '../../core/cs.js';
import { waitForAny } from '../../core/multi-wait.js';
import { waitForSubmission } from '../../core/wait.js';
import type { Session } from '../session.js';

type CsCalls = Pick<Handlers<Session>, 'CS' | 'WAIT_CS'>;

export const CS_HANDLERS: CsCalls = {
  CS(session, req) {
    session.table.calls.submits(session);
    const result = submitCs(session.openFile, {
      flags: req.flags,
      chunksRestore: req.chunksRestore,
      chunksExecute: req.chunksExecute,
      timeoutSec: req.timeoutSec,
      stagedSeq: req.seq,
      reservation: req.encapsSigHandleId ?? 0,
      signals: { count: req.encapsSignalsCount ?? 0, queue: req.encapsSignalsQIdx ?? 0 },
    });
    return result instanceof Promise ? result.then(reply) : reply(result);
  },

  WAIT_CS(session, { seq, timeoutUs, flags, sequences }) {
    // Which form it is: this order, all other bits ignored (uapi.md 4.14).
    if ((flags & WAIT_FLAGS.INTERRUPT) !== 0) {
      throw errno('EPERM', 'Gaudi has no user interrupts');
    }
    if ((flags & WAIT_FLAGS.MULTI_CS) !== 0) {
      return waitForAny(session.openFile, sequences ?? [], timeoutUs);
    }
    return waitForSubmission(session.openFile, seq, timeoutUs);
  },
};

function reply({ seq, sobBaseAddrOffset, sobCountBeforeSubmission, reserved }: CsResult) {
  const form = { seq, status: CS_STATUS.SUCCESS, sobBaseAddrOffset, sobCountBeforeSubmission };
  return reserved === undefined ? form : { ...form, ...reserved };
}
