/** What a dma-buf answers (uapi.md 6.2): importing in steps, CPU access, fences, name and size. */
import { closeSync, openSync } from 'node:fs';
import { errno } from '@pedrera/base';
import { FILE_FLAGS, type Handlers, type Res } from '@pedrera/uapi';
import { ContextImport, importOptions } from '../../core/dma-buf/context-import.js';
import { type Descriptor, fileFlags, kindOf } from '../../core/dma-buf/descriptor.js';
import { directionOf } from '../../core/dma-buf/exporter.js';
import { underLock } from '../../core/dma-buf/under-lock.js';
import { exportUsage, importUsage } from '../../core/fence/dma-buf-sync.js';
import { SyncFile } from '../../core/fence/sync-file.js';
import type { Session } from '../session.js';

type DmaBufCalls = Pick<
  Handlers<Session>,
  | 'DMABUF_ATTACH'
  | 'DMABUF_MAP'
  | 'DMABUF_UNMAP'
  | 'DMABUF_DETACH'
  | 'DMABUF_SYNC'
  | 'DMABUF_SET_NAME'
  | 'DMABUF_EXPORT_SYNC_FILE'
  | 'DMABUF_IMPORT_SYNC_FILE'
  | 'DMABUF_SEEK'
  | 'DMABUF_INFO'
  | 'DMABUF_MMAP'
  | 'DMABUF_MUNMAP'
>;

const ACCESS_MODE = FILE_FLAGS.O_WRONLY | FILE_FLAGS.O_RDWR;
/** Sync files are close-on-exec, and neither read nor written (uapi.md 6.2). */
export const SYNC_FILE_RIGHTS = { flags: fileFlags(FILE_FLAGS.O_CLOEXEC), readOnly: false };

export const DMA_BUF_HANDLERS: DmaBufCalls = {
  DMABUF_ATTACH(session, { fd, flags, maxSegmentBytes }) {
    const file = session.openFile;
    const context = file.liveContext;
    const descriptor = file.descriptors.peek(fd);
    const object = descriptor.dmaBuf('EINVAL');
    const { readOnly } = descriptor;
    const options = { ...importOptions(flags), readOnly };
    file.checkAttachmentRoom();
    const imported = new ContextImport(
      context,
      object,
      maxSegmentBytes === undefined ? options : { ...options, maxSegmentBytes },
    );
    return { attachment: file.attachments.add(imported), peer2peer: imported.attachment.peer2peer };
  },

  DMABUF_MAP(session, { attachment, direction }) {
    const file = session.openFile;
    void file.liveContext;
    return file.peekAttachment(attachment).map(directionOf(direction));
  },

  async DMABUF_UNMAP(session, { attachment, address }) {
    await session.openFile.peekAttachment(attachment).unmap(address);
    return {};
  },

  DMABUF_DETACH(session, { attachment }) {
    const file = session.openFile;
    file.peekAttachment(attachment).detach();
    file.attachments.remove(attachment);
    return {};
  },

  async DMABUF_SYNC(session, { fd, flags }) {
    const { abandonWaits, caller } = session;
    const object = session.descriptors.peek(fd).dmaBuf('ENOTTY');
    const wait = object.cpuAccess(flags);
    if (wait === undefined) {
      return {};
    }
    const abandon = () => wait.cancel();
    abandonWaits.add(abandon);
    const on = { kind: 'fences', buffer: object.id, pending: () => wait.pending() } as const;
    caller.waits(on, Number.POSITIVE_INFINITY, abandon);
    const { outcome } = await wait.result;
    abandonWaits.delete(abandon);
    if (outcome !== 'signalled') {
      throw errno('EINTR', `the wait for dma-buf ${object.id} was interrupted`);
    }
    return {};
  },

  DMABUF_SET_NAME(session, { fd, name }) {
    session.descriptors.peek(fd).dmaBuf('ENOTTY').name = name;
    return {};
  },

  DMABUF_EXPORT_SYNC_FILE(session, { fd, flags }) {
    const { descriptors, machine } = session;
    const { reservation } = descriptors.peek(fd).dmaBuf('ENOTTY');
    const usage = exportUsage(flags);
    descriptors.checkRoom();
    machine.drainInterrupts();
    using fence = reservation.snapshot(usage);
    return { fd: descriptors.add(machine.dmaBufs, new SyncFile(fence), SYNC_FILE_RIGHTS) };
  },

  DMABUF_IMPORT_SYNC_FILE(session, { fd, flags, syncFile }) {
    const { descriptors } = session;
    const { reservation } = descriptors.peek(fd).dmaBuf('ENOTTY');
    const usage = importUsage(flags);
    const other = descriptors.peekObject(syncFile);
    if (!(other instanceof SyncFile)) {
      throw errno('EINVAL', `descriptor ${syncFile} is not that of a sync file`);
    }
    underLock([reservation], () => reservation.addUnwrapped(other.fence, usage));
    return {};
  },

  DMABUF_SEEK(session, { fd, offset, whence }) {
    return { position: session.descriptors.peek(fd).dmaBuf('ESPIPE').seek(offset, whence) };
  },

  DMABUF_INFO(session, { fd }) {
    const descriptor = session.descriptors.peek(fd);
    const object = descriptor.dmaBuf('ENOTTY');
    const { exporter, name, size, refs } = object;
    return {
      size,
      count: refs,
      exporterName: exporter.name,
      name,
      flags: descriptor.flags,
      kind: kindOf(object),
      exporterDevice: exporter.context.device.index,
    };
  },

  DMABUF_MMAP(session, { fd, offset, length, writable }) {
    const file = session.openFile;
    const descriptor = file.descriptors.peek(fd);
    const object = descriptor.dmaBuf('ENODEV');
    if (writable && !isWritable(descriptor)) {
      throw errno('EACCES', `descriptor ${fd} only reads, so it cannot be mapped for writing`);
    }
    const window = object.mmap(offset, length);
    file.checkWindowRoom();
    const segment = sendSegment(session, window.segment.memory.fd, writable);
    return {
      mapping: file.windows.add(object.hold('mapping', session.callerPid)),
      segment,
      segmentSize: window.segment.size,
      offset: window.offset,
      length,
    } satisfies Res<'DMABUF_MMAP'>;
  },

  DMABUF_MUNMAP(session, { mapping }) {
    session.openFile.closeWindow(mapping);
    return {};
  },
};

function isWritable({ flags, readOnly }: Descriptor): boolean {
  return !readOnly && (flags & ACCESS_MODE) === FILE_FLAGS.O_RDWR;
}

/** A descriptor that was opened for reading cannot be mapped for anything else. */
function sendSegment(session: Session, fd: number, writable: boolean): number {
  if (writable) {
    return session.sendTagged(fd);
  }
  const reading = openSync(`/proc/self/fd/${fd}`, 'r');
  try {
    return session.sendTagged(reading);
  } finally {
    closeSync(reading);
  }
}
