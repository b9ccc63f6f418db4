/** Host buffers, leases, dma-bufs: this project's own calls beside the driver's. */
import { errno } from '@pedrera/base';
import { SRAM_USER_BASE, SRAM_USER_SIZE } from '@pedrera/hw';
import { DMABUF_KIND, type Handlers, hostBufferHandle, MAX_HOST_BUFFER_SIZE } from '@pedrera/uapi';
import { HostBuffer } from '../../core/command-buffer.js';
import { exportSyncObjects, importDmaBuf } from '../../core/sharing.js';
import type { Session } from '../session.js';

type SharingCalls = Pick<
  Handlers<Session>,
  | 'HOST_ALLOC'
  | 'HOST_FREE'
  | 'SYNC_LEASE'
  | 'SRAM_LEASE'
  | 'SYNC_EXPORT'
  | 'DMABUF_TOKEN'
  | 'DMABUF_CLOSE'
  | 'DMABUF_IMPORT'
>;

export const SHARING_HANDLERS: SharingCalls = {
  HOST_ALLOC(session, { size }) {
    if (size < 1 || size > MAX_HOST_BUFFER_SIZE) {
      throw errno('EINVAL', `a host buffer has 1 to ${MAX_HOST_BUFFER_SIZE} bytes, not ${size}`);
    }
    const buffer = new HostBuffer(session.openFile, size);
    return { handle: hostBufferHandle(buffer.id), address: buffer.address };
  },

  HOST_FREE(session, { handle }) {
    session.openFile.peekHostBuffer(handle).destroy();
    return {};
  },

  SYNC_LEASE(session, { dcore, syncObjects, monitors }) {
    const context = session.openFile.liveContext;
    const lease = context.leaseSync(dcore, { syncObjects, monitors });
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
    const lease = context.leaseSram(size);
    return { address: lease.base, size: lease.size };
  },

  SYNC_EXPORT(session, range) {
    const file = session.openFile;
    return { fd: file.addDescriptor(exportSyncObjects(session.machine, file.liveContext, range)) };
  },

  DMABUF_TOKEN(session, { fd }) {
    return { token: session.openFile.peekDescriptor(fd).token };
  },

  DMABUF_CLOSE(session, { fd }) {
    session.openFile.closeDescriptor(fd);
    return {};
  },

  DMABUF_IMPORT(session, { token }) {
    const context = session.openFile.liveContext;
    const object = session.machine.dmaBufs.lookup(token);
    const { kind, exporter } = object.fields;
    const { address, size } = importDmaBuf(context, object);
    return {
      address,
      size,
      kind: kind === 'memory' ? DMABUF_KIND.MEMORY : DMABUF_KIND.SYNC_OBJECTS,
      exporterDevice: exporter.device.index,
    };
  },
};
