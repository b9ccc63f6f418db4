/** The importer node: memory regions of a network card, and transfers between them (uapi.md 6.6). */
import { errno, HlError } from '@pedrera/base';
import { type Handlers, MAX_RDMA_BYTES, MAX_RDMA_COMPLETIONS } from '@pedrera/uapi';
import { readProcess, writeProcess } from '../../core/process-memory.js';
import type { MemoryRegion } from '../../core/rdma/memory-region.js';
import type { Session } from '../session.js';

type ImporterCalls = Pick<
  Handlers<Session>,
  | 'IMPORTER_REG_MR'
  | 'IMPORTER_DEREG_MR'
  | 'IMPORTER_WRITE_MR'
  | 'IMPORTER_READ_MR'
  | 'MR_PUT'
  | 'MR_GET'
  | 'MR_KEY'
  | 'RDMA_POST'
  | 'RDMA_POLL'
>;

/** Copied at once from or to a process. */
const CHUNK_BYTES = 2 ** 20;

export const IMPORTER_HANDLERS: ImporterCalls = {
  IMPORTER_REG_MR(session, { fd, offset, length, iova, accessFlags: access }) {
    return { mrHandle: session.importerFile.register(fd, { offset, length, iova, access }) };
  },

  IMPORTER_DEREG_MR(session, { mrHandle }) {
    session.importerFile.deregister(mrHandle);
    return {};
  },

  IMPORTER_WRITE_MR(session, { mrHandle, userptr, size, offset }) {
    const region = writableRegion(session, mrHandle);
    checkInside(region, offset, size);
    const { memory } = region;
    inChunks(size, (at, count) => {
      memory.write(
        offset + at,
        ofCaller(() => readProcess(session.callerPid, userptr + at, count)),
      );
    });
    return {};
  },

  IMPORTER_READ_MR(session, { mrHandle, userptr, size, offset }) {
    const region = session.importerFile.peekRegion(mrHandle);
    checkInside(region, offset, size);
    const { memory } = region;
    const bytes = new Uint8Array(Math.min(size, CHUNK_BYTES));
    inChunks(size, (at, count) => {
      const chunk = bytes.subarray(0, count);
      memory.read(offset + at, chunk);
      ofCaller(() => writeProcess(session.callerPid, userptr + at, chunk));
    });
    return {};
  },

  MR_PUT(session, { mrHandle, offset, data }) {
    const region = writableRegion(session, mrHandle);
    checkInside(region, offset, data.length);
    region.memory.write(offset, data);
    return {};
  },

  MR_GET(session, { mrHandle, offset, size }) {
    const region = session.importerFile.peekRegion(mrHandle);
    if (size > MAX_RDMA_BYTES) {
      throw errno('EINVAL', `${size} bytes; one reply carries ${MAX_RDMA_BYTES}`);
    }
    checkInside(region, offset, size);
    const data = new Uint8Array(size);
    region.memory.read(offset, data);
    return { data };
  },

  MR_KEY(session, { mrHandle }) {
    return { key: session.importerFile.peekRegion(mrHandle).key };
  },

  RDMA_POST(session, { op, mrHandle, offset, key, remoteOffset, size }) {
    const { transfers } = session.importerFile;
    const local = session.importerFile.peekRegion(mrHandle);
    return { id: transfers.post({ op, local, offset, key, remoteOffset, size }) };
  },

  RDMA_POLL(session, { max, wait }) {
    const { transfers } = session.importerFile;
    if (max < 1 || max > MAX_RDMA_COMPLETIONS) {
      throw errno('EINVAL', `${max} completions; 1 to ${MAX_RDMA_COMPLETIONS} are taken at once`);
    }
    const completions = wait === true ? transfers.wait(max) : transfers.poll(max);
    return completions instanceof Promise ? completions.then((taken) => ({ completions: taken })) : { completions };
  },
};

function writableRegion(session: Session, handle: number): MemoryRegion {
  const region = session.importerFile.peekRegion(handle);
  if (!region.writable) {
    throw errno('EPERM', `memory region ${handle} was made through a descriptor given for reading`);
  }
  return region;
}

function checkInside(region: MemoryRegion, offset: number, size: number): void {
  if (!region.has(offset, size)) {
    throw errno('EINVAL', `[${offset}, +${size}) is no range of a memory region of ${region.size} bytes`);
  }
}

function inChunks(size: number, move: (at: number, count: number) => void): void {
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    move(at, Math.min(CHUNK_BYTES, size - at));
  }
}

/** Memory of a process that cannot be had is a bad address to it, whatever the machine calls that. */
function ofCaller<T>(use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw error instanceof HlError && error.code !== 'EFAULT' ? errno('EFAULT', error.message) : error;
  }
}
