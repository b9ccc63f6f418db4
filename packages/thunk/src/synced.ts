/**
 * Submissions that wait for fences and leave their own behind on the buffers they use (uapi.md 6.4): order between programs that know nothing
 * of each other but a buffer.
 *
 * Owns: spelling one. Must not know: packets, or what the daemon does with fences.
 */
import { HlError } from '@pedrera/base';
import { accessFlags, type BufferAccess, type DmaBuf } from './dma-buf.js';
import type { SharedDescriptor } from './shared-descriptor.js';
import { reqOfSubmission, Submission, type SubmissionContext, type SubmitRequest } from './submission.js';
import { SyncFile } from './sync-file.js';

export interface SyncedOptions {
  /** Buffers of others that the packets touch: waited for and marked, as a reader or a writer. */
  readonly buffers?: readonly { readonly buffer: DmaBuf; readonly access: BufferAccess }[];
  /** Work that must be over before, with an error or without. */
  readonly after?: readonly SyncFile[];
}

export interface SyncedSubmission {
  readonly submission: Submission;
  /** Stands for its completion, for others. */
  readonly syncFile: SyncFile;
  /** Something had to be waited for: it will be queued later. */
  readonly held: boolean;
}

/** Errors: those of submitting; EINVAL for staged submissions and those with a restore phase; EACCES, EBADF, EMFILE. */
export async function submitSynced(
  context: SubmissionContext,
  request: SubmitRequest,
  { buffers = [], after = [] }: SyncedOptions,
): Promise<SyncedSubmission> {
  const { session, completions } = context;
  const fdOf = (descriptor: SharedDescriptor): number => {
    if (descriptor.session === session) return descriptor.fd;
    throw new HlError('EINVAL', `submitSynced: a descriptor belongs to another open file (${descriptor.session.node})`);
  };
  const fields = {
    submission: reqOfSubmission(session, request),
    buffers: buffers.map(({ buffer, access }) => ({ fd: fdOf(buffer), access: accessFlags(access) })),
    waitFor: after.map(fdOf),
    exportFence: true,
  };
  completions.request();
  const { seq, held, fd } = await session.ioctl('CS_SYNCED', fields);
  if (fd === undefined) throw new HlError('EPROTO', 'a submission was answered without its sync file', 'CS_SYNCED');
  const submission = new Submission(context, seq, request.timestamp === true);
  return { submission, syncFile: new SyncFile(context, fd), held };
}
