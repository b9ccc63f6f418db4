/** Host buffers, leases, exports, and how descriptors travel: this project's own calls beside the driver's. */
import { closeSync } from 'node:fs';
import { errno } from '@pedrera/base';
import { SRAM_USER_BASE, SRAM_USER_SIZE } from '@pedrera/hw';
import {
  HANDLE_TYPE,
  type Handlers,
  HOST_ALLOC_FLAGS,
  handleType,
  hostBufferHandle,
  MAX_HOST_BUFFER_SIZE,
} from '@pedrera/uapi';
import { pidfdGetfd } from '@pedrera/wire';
import { HostBuffer } from '../../core/command-buffer.js';
import { importDmaBuf } from '../../core/dma-buf/context-import.js';
import { type DescriptorRights, fileFlags, kindOf, type SharedObject } from '../../core/dma-buf/descriptor.js';
import { DmaBuf } from '../../core/dma-buf/dma-buf.js';
import { exportAllocation, exportHostBuffer, exportSyncObjects } from '../../core/dma-buf/exporters.js';
import { pollObject } from '../../core/dma-buf/poll.js';
import { tokenRights } from '../../core/dma-buf/registry.js';
import type { Session } from '../session.js';

type SharingCalls = Pick<
  Handlers<Session>,
  | 'HOST_ALLOC'
  | 'HOST_FREE'
  | 'SYNC_LEASE'
  | 'SRAM_LEASE'
  | 'SYNC_EXPORT'
  | 'DMABUF_EXPORT'
  | 'DMABUF_TOKEN'
  | 'DMABUF_CLOSE'
  | 'DMABUF_IMPORT'
  | 'DMABUF_OPEN'
  | 'DMABUF_RECEIVE'
  | 'DMABUF_SEND'
  | 'DESCRIPTOR_POLL'
>;

/** What exports without flags of their own are opened with. */
const READ_WRITE: DescriptorRights = { flags: fileFlags(0o2), readOnly: false };

export const SHARING_HANDLERS: SharingCalls = {
  HOST_ALLOC(session, { size, flags = 0 }) {
    if (size < 1 || size > MAX_HOST_BUFFER_SIZE) {
      throw errno('EINVAL', `a host buffer has 1 to ${MAX_HOST_BUFFER_SIZE} bytes, not ${size}`);
    }
    if ((flags & ~HOST_ALLOC_FLAGS.SHAREABLE) !== 0) {
      throw errno('EINVAL', `flags 0x${flags.toString(16)} of a host buffer; SHAREABLE (1) is known`);
    }
    const buffer = new HostBuffer(session.openFile, size, (flags & HOST_ALLOC_FLAGS.SHAREABLE) !== 0);
    return { handle: hostBufferHandle(buffer.id), address: buffer.address };
  },

  HOST_FREE(session, { handle }) {
    session.openFile.peekHostBuffer(handle).destroy();
    return {};
  },

  SYNC_LEASE(session, { dcore, syncObjects, monitors }) {
    const context = session.openFile.liveContext;
    const lease = context.leases.leaseSync(dcore, { syncObjects, monitors });
    return {
      dcore,
      firstSyncObject: lease.firstSob,
      syncObjects: lease.sobs,
      firstMonitor: lease.firstMonitor,
      monitors: lease.monitors,
    };
  },

  SRAM_LEASE(session, { size }) {
    const { device, liveContext: context } = session.openFile;
    if (device.policy.ownsDevice) {
      return { address: SRAM_USER_BASE, size: SRAM_USER_SIZE };
    }
    const lease = context.leases.leaseSram(size);
    return { address: lease.base, size: lease.size };
  },

  SYNC_EXPORT(session, range) {
    const { dmaBufs } = session.machine;
    const object = exportSyncObjects(dmaBufs, session.openFile.liveContext, range);
    return { fd: session.openFile.descriptors.add(dmaBufs, object, READ_WRITE) };
  },

  DMABUF_EXPORT(session, { handle, offset, size, flags }) {
    const { dmaBufs } = session.machine;
    const file = session.openFile;
    const context = file.liveContext;
    let object: DmaBuf;
    if (handleType(handle) === HANDLE_TYPE.HOST_BUFFER) {
      object = exportHostBuffer(dmaBufs, context, file.peekHostBuffer(handle), { offset, size });
    } else if (file.device.policy.ownsDevice) {
      throw errno('EINVAL', `no device memory has the handle ${handle}: Gaudi's DRAM is exported by physical address`);
    } else {
      const allocation = file.device.memory.peekOwn(handle, context.asid);
      object = exportAllocation(dmaBufs, context, allocation, { offset, size });
    }
    return { fd: file.descriptors.add(dmaBufs, object, { flags: fileFlags(flags), readOnly: false }) };
  },

  DMABUF_TOKEN(session, { fd, flags = 0 }) {
    const descriptor = session.descriptors.peek(fd);
    return { token: descriptor.token(tokenRights(flags)) };
  },

  DMABUF_CLOSE(session, { fd }) {
    session.descriptors.close(fd);
    return {};
  },

  DMABUF_IMPORT(session, { token }) {
    const context = session.openFile.liveContext;
    return session.machine.dmaBufs.redeem(token, (descriptor, readOnly) => {
      const object = descriptor.dmaBuf('EINVAL');
      const { address, size } = importDmaBuf(context, object, readOnly);
      return { address, size, kind: kindOf(object), exporterDevice: object.exporter.context.device.index };
    });
  },

  DMABUF_OPEN(session, { token }) {
    return session.machine.dmaBufs.redeem(token, ({ object, flags }, readOnly) =>
      opened(session, object, { flags, readOnly }),
    );
  },

  DMABUF_RECEIVE(session, { descriptor }) {
    session.descriptors.checkRoom();
    if (descriptor < 0) {
      throw errno('EBADF', `${descriptor} is no descriptor`);
    }
    const taken = pidfdGetfd(session.callerPid, descriptor);
    try {
      const found = session.table.handed.find(taken);
      if (found === undefined) {
        throw errno('EINVAL', `descriptor ${descriptor} of process ${session.callerPid} is none that was made here`);
      }
      return opened(session, found.object, found);
    } finally {
      closeSync(taken);
    }
  },

  DMABUF_SEND(session, { fd }) {
    const descriptor = session.descriptors.peek(fd);
    let tag = 0;
    session.table.handed.handOut(descriptor, session.callerPid, (given) => {
      tag = session.sendTagged(given);
    });
    return { tag };
  },

  async DESCRIPTOR_POLL(session, { fd, events, timeoutMs }) {
    const { object } = session.descriptors.peek(fd);
    const { clock } = session.machine;
    const { abandonWaits: waits, caller, callerPid: pid } = session;
    return { revents: await pollObject(object, { events, timeoutMs, clock, waits, pid, caller }) };
  },
};

/** A descriptor of the file's own, for an object somebody else holds. */
function opened(session: Session, object: SharedObject, rights: DescriptorRights) {
  object.get();
  const fd = session.descriptors.add(session.machine.dmaBufs, object, rights);
  return { fd, kind: kindOf(object), size: object instanceof DmaBuf ? object.size : 0 };
}
