/**
 * Sharing by dma-buf: memory and sync objects, between contexts, processes and devices.
 *
 * Owns: the two ends, what is exported and what is imported, and how each is given up.
 * Must not know: how a token travels to the other process; any way will do.
 */
import { HlError } from '@pedrera/base';
import { FILE_FLAGS, type Res } from '@pedrera/uapi';
import type { DeviceMemory } from './device-memory.js';
import { DmaBuf, type SharedKind, sharedKind } from './dma-buf.js';
import { HostBuffer } from './host-buffer.js';
import { checkCount, DeviceRegion } from './region.js';
import type { Session } from './session.js';
import type { SubmissionContext } from './submission.js';
import type { RemoteSyncObject, SyncLease } from './sync.js';

/** File flags of the descriptor, those the C library always passes (uapi.md 5.8): O_RDWR | O_CLOEXEC. */
const DMABUF_FILE_FLAGS = FILE_FLAGS.O_RDWR | FILE_FLAGS.O_CLOEXEC;
const BYTES_PER_SYNC_OBJECT = 4;

/**
 * What an export is of: device memory of ours, a host buffer allocated `shareable`, or under the exclusive policy any range of HBM
 * (uapi.md 5.8).
 */
export type Exportable = DeviceMemory | HostBuffer | { readonly address: number; readonly size: number };

/** The exporter's end. Whoever has the token may import; closing it ends the token, not what others imported. */
export class SharedBuffer extends DmaBuf {
  /** Unguessable; possession is the right to import. */
  readonly token: string;

  constructor(context: SubmissionContext, fd: number, shared: { kind: SharedKind; size: number; token: string }) {
    super(context, fd, shared.kind, shared.size);
    this.token = shared.token;
  }
}

/** The importer's end: the same bytes or sync objects at a device address of this open file. */
export class ImportedBuffer extends DeviceRegion {
  readonly kind: SharedKind;
  /** Device address, for packets. */
  readonly address: number;
  /** Index of the device on which it lies. */
  readonly exporterDevice: number;

  constructor(session: Session, imported: Res<'DMABUF_IMPORT'>) {
    super(session, imported.size);
    this.kind = sharedKind(imported.kind);
    this.address = imported.address;
    this.exporterDevice = imported.exporterDevice;
  }

  override get deviceAddress(): number {
    return this.address;
  }

  override describe(): string {
    const what =
      this.kind === 'sync-objects' ? `${this.size / BYTES_PER_SYNC_OBJECT} sync objects` : `${this.size} bytes`;
    return `the import of ${what} from hl${this.exporterDevice}`;
  }

  /** The i-th sync object of the exported range, for `signal`. Throws EINVAL outside it, and for an import of memory. */
  object(i: number): RemoteSyncObject {
    this.check();
    const count = this.size / BYTES_PER_SYNC_OBJECT;
    if (this.kind !== 'sync-objects') throw new HlError('EINVAL', `${this.describe()} holds no sync objects`);
    if (!Number.isInteger(i) || i < 0 || i >= count)
      throw new HlError('EINVAL', `sync object ${i} is outside ${this.describe()}`);
    return {
      kind: 'remote-sync-object',
      index: i,
      address: this.address + BYTES_PER_SYNC_OBJECT * i,
      session: this.session,
    };
  }

  /** Unmaps and detaches it; the second call does nothing. */
  async close(): Promise<void> {
    if (this.markFreed()) await this.session.ioctl('MEMORY_UNMAP', { deviceVirtAddr: this.address });
  }

  /** Does nothing once the device is closed or the daemon gone: it is freed then. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.client.alive) await this.close();
  }
}

/** Errors: EINVAL for a range that is none, EMFILE, ENOMEM, and EPERM for memory that may not be exported. */
export async function exportDmaBuf(context: SubmissionContext, memory: Exportable): Promise<SharedBuffer> {
  const { session } = context;
  const { size } = memory;
  if (memory instanceof DeviceRegion) {
    memory.check();
    if (memory.session !== session)
      throw new HlError(
        'EINVAL',
        `exportDmaBuf: ${memory.describe()} belongs to another open file (${memory.session.node})`,
      );
  } else {
    checkCount(memory.address, 'exportDmaBuf: address');
  }
  checkCount(size, 'exportDmaBuf: size');
  if (memory instanceof HostBuffer) {
    const range = { handle: memory.handle, offset: 0, size, flags: DMABUF_FILE_FLAGS };
    return named(context, 'host-memory', size, (await session.ioctl('DMABUF_EXPORT', range)).fd);
  }
  const handle = memory instanceof DeviceRegion ? memory.handle : BigInt(memory.address);
  const { fd } = await session.ioctl('MEMORY_EXPORT_DMABUF_FD', { handle, size, flags: DMABUF_FILE_FLAGS });
  return named(context, 'memory', size, fd);
}

/** `count` sync objects of a lease from the `first`-th on; all of it unless given. Errors: EINVAL, EPERM, EMFILE. */
export async function exportSync(
  context: SubmissionContext,
  lease: SyncLease,
  first: number = 0,
  count: number = lease.syncObjects - first,
): Promise<SharedBuffer> {
  const { session } = context;
  if (lease.session !== session)
    throw new HlError('EINVAL', `exportSync: the lease belongs to another open file (${lease.session.node})`);
  if (
    !Number.isInteger(first) ||
    !Number.isInteger(count) ||
    first < 0 ||
    count < 1 ||
    first + count > lease.syncObjects
  ) {
    throw new HlError(
      'EINVAL',
      `exportSync: [${first}, +${count}) is outside the lease of ${lease.syncObjects} sync objects`,
    );
  }
  const { fd } = await session.ioctl('SYNC_EXPORT', {
    dcore: lease.dcore,
    firstSyncObject: lease.firstSyncObject + first,
    count,
  });
  return named(context, 'sync-objects', count * BYTES_PER_SYNC_OBJECT, fd);
}

/** Errors: ENOENT when nothing has this token, or not any more; ENOMEM when no device address fits. */
export async function importDmaBuf(session: Session, token: string): Promise<ImportedBuffer> {
  return new ImportedBuffer(session, await session.ioctl('DMABUF_IMPORT', { token }));
}

async function named(context: SubmissionContext, kind: SharedKind, size: number, fd: number): Promise<SharedBuffer> {
  const { session } = context;
  try {
    const { token } = await session.ioctl('DMABUF_TOKEN', { fd });
    return new SharedBuffer(context, fd, { kind, size, token });
  } catch (error) {
    await session.ioctl('DMABUF_CLOSE', { fd }).catch(() => {});
    throw error;
  }
}
