/**
 * Sync files: the completion of work as a thing that can be handed to others, waited for and merged (uapi.md 6.5).
 *
 * Owns: their calls, and how the state of a fence reads. Must not know: what the work is.
 */
import { errnoCode, HlError } from '@pedrera/base';
import { DMABUF_KIND, type Res } from '@pedrera/uapi';
import { SharedDescriptor } from './shared-descriptor.js';
import { type Submission, type SubmissionContext, WaitExpired, type WaitOptions } from './submission.js';

export interface FenceState {
  readonly name: string;
  readonly driver: string;
  /** `signalled`, `pending`, or the error the work ended with. */
  readonly status: string;
  /** CLOCK_MONOTONIC when it signalled; 0 before. */
  readonly timestampNs: number;
}

export interface SyncFileState {
  readonly name: string;
  readonly status: string;
  readonly fences: readonly FenceState[];
}

/** It signals when all of its fences have, at the latest when the process or the device behind them dies. */
export class SyncFile extends SharedDescriptor {
  /**
   * Resolves when the work is complete. Rejects with HlError: WaitExpired (ETIMEDOUT); the error the work ended with, which is not zero when its
   * process or device died; ENODEV when the daemon is gone.
   */
  async wait(options: WaitOptions = {}): Promise<void> {
    if (!(await this.poll('IN', options))) throw new WaitExpired(0, this.session.node, options.timeoutMs ?? 0);
    const { status } = await this.session.ioctl('SYNC_FILE_INFO', { fd: this.fd, flags: 0, pad: 0, numFences: 0 });
    if (status >= 0) return;
    const code = errnoCode(-status) ?? 'EIO';
    throw new HlError(code, 'the work this sync file stands for did not complete', 'SYNC_FILE_INFO');
  }

  /** Name, state, and the fences it is made of. */
  async state(): Promise<SyncFileState> {
    const ask = { fd: this.fd, flags: 0, pad: 0 };
    const { numFences } = await this.session.ioctl('SYNC_FILE_INFO', { ...ask, numFences: 0 });
    const { name, status, fences } = await this.session.ioctl('SYNC_FILE_INFO', { ...ask, numFences });
    return { name, status: statusText(status), fences: fences.map(fenceState) };
  }

  /** A sync file that signals when both have. `other` may be of another name, but of this open file. */
  async merge(other: SyncFile, name: string = 'merged'): Promise<SyncFile> {
    if (other.session !== this.session)
      throw new HlError('EINVAL', `merge: the sync file belongs to another open file (${other.session.node})`);
    const request = { fd: this.fd, name, fd2: other.fd, flags: 0, pad: 0 };
    return new SyncFile(this.context, (await this.session.ioctl('SYNC_FILE_MERGE', request)).fd);
  }
}

function fenceState({ objName, driverName, status, timestampNs }: Res<'SYNC_FILE_INFO'>['fences'][number]): FenceState {
  return { name: objName, driver: driverName, status: statusText(status), timestampNs };
}

function statusText(status: number): string {
  if (status === 0) return 'pending';
  return status > 0 ? 'signalled' : (errnoCode(-status) ?? String(status));
}

/** Errors: EMFILE, EINVAL, and ENOENT for a submission so old that nothing is known of it. */
export async function syncFileOf(context: SubmissionContext, submission: Submission): Promise<SyncFile> {
  const { seq, session } = submission;
  if (session !== context.session)
    throw new HlError('EINVAL', `exportSyncFile: submission ${seq} belongs to another open file (${session.node})`);
  return new SyncFile(context, (await session.ioctl('SYNC_FILE_CREATE', { seq })).fd);
}

/** Errors: ENOENT for a token of nothing, EINVAL for that of a dma-buf, EMFILE. */
export async function openSyncFile(context: SubmissionContext, token: string): Promise<SyncFile> {
  const { fd, kind } = await context.session.ioctl('DMABUF_OPEN', { token });
  const file = new SyncFile(context, fd);
  if (kind === DMABUF_KIND.SYNC_FILE) return file;
  await file.close();
  throw new HlError('EINVAL', 'openSyncFile: the token is that of a dma-buf', 'DMABUF_OPEN');
}
