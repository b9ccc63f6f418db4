/** Sync files, and submissions that wait for fences and leave theirs behind (uapi.md 6.4, 6.5). */
import { errno } from '@pedrera/base';
import { CS_STATUS, type Handlers } from '@pedrera/uapi';
import type { CsRequest } from '../../core/cs.js';
import { SyncFile } from '../../core/fence/sync-file.js';
import type { OpenFile } from '../../core/open-file.js';
import { submissionFence } from '../../core/submission-fence.js';
import { checkPlain, isWrite, submitSynced, type UsedBuffer } from '../../core/synced-submit.js';
import type { Session } from '../session.js';
import { SYNC_FILE_RIGHTS } from './dma-buf.js';

type SyncFileCalls = Pick<Handlers<Session>, 'SYNC_FILE_CREATE' | 'SYNC_FILE_MERGE' | 'SYNC_FILE_INFO' | 'CS_SYNCED'>;

export const SYNC_FILE_HANDLERS: SyncFileCalls = {
  SYNC_FILE_CREATE(session, { seq }) {
    const file = session.openFile;
    file.descriptors.checkRoom();
    const { pending } = file.requireContext;
    file.device.drainInterrupts();
    const submission = pending.lookup(seq);
    if (submission === undefined) {
      throw errno('EINVAL', `sequence ${seq} was never issued; the next one is ${pending.nextSeq}`);
    }
    if (submission === 'gone') {
      throw errno('ENOENT', `sequence ${seq} is so old that nothing is known of it any more`);
    }
    using fence = submissionFence(session.machine.fences, submission);
    return { fd: add(session, new SyncFile(fence)) };
  },

  SYNC_FILE_MERGE(session, { fd, name, fd2, flags, pad }) {
    const { descriptors } = session;
    const first = descriptors.peek(fd).syncFile('ENOTTY');
    descriptors.checkRoom();
    const second = descriptors.peekObject(fd2);
    return {
      fd: add(session, first.merge({ name, flags, pad }, second instanceof SyncFile ? second : undefined)),
    };
  },

  SYNC_FILE_INFO(session, { fd, flags, pad, numFences }) {
    const file = session.descriptors.peek(fd).syncFile('ENOTTY');
    session.machine.drainInterrupts();
    const info = file.info({ flags, pad, numFences });
    return {
      ...info,
      fences: info.fences.map((fence) => ({ ...fence, timestampNs: Math.round(fence.timestampNs) })),
    };
  },

  CS_SYNCED(session, req) {
    session.table.calls.submits(session);
    const file = session.openFile;
    const cs = plain(req.submission);
    checkPlain(cs);
    const buffers = req.buffers.map(({ fd, access }) => usedBuffer(file, fd, access));
    const waitFor = req.waitFor.map((fd) => file.descriptors.peek(fd).syncFile('EINVAL'));
    if (req.exportFence) {
      file.descriptors.checkRoom();
    }
    const { submission, fence } = submitSynced(file, session.machine.fences, { cs, buffers, waitFor });
    using _ = fence;
    const result = {
      seq: submission.seq,
      status: CS_STATUS.SUCCESS,
      sobBaseAddrOffset: 0,
      sobCountBeforeSubmission: 0,
      held: submission.deferred,
    };
    return req.exportFence ? { ...result, fd: add(session, new SyncFile(fence)) } : result;
  },
};

/** Takes over the caller's reference. */
function add(session: Session, file: SyncFile): number {
  return session.descriptors.add(session.machine.dmaBufs, file, SYNC_FILE_RIGHTS);
}

function usedBuffer(file: OpenFile, fd: number, access: number): UsedBuffer {
  const descriptor = file.descriptors.peek(fd);
  const object = descriptor.dmaBuf('EINVAL');
  const write = isWrite(access);
  if (write && descriptor.readOnly) {
    throw errno('EACCES', `dma-buf ${object.id} was given for reading; a submission that writes it is not one of that`);
  }
  return { object, write };
}

function plain({ flags, chunksRestore, chunksExecute, timeoutSec, seq }: CsFields): CsRequest {
  return {
    flags,
    chunksRestore,
    chunksExecute,
    timeoutSec,
    stagedSeq: seq,
    reservation: 0,
    signals: { count: 0, queue: 0 },
  };
}

type CsFields = Parameters<Handlers<Session>['CS']>[1];
