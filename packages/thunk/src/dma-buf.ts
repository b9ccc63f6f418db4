/**
 * A dma-buf of this open file, step by step: attaching, mapping, access by the processor, its fences (uapi.md 6.2).
 *
 * Owns: the calls and what they return. Most programs need none of it: `Device.exportDmaBuf` and `importDmaBuf` (sharing.ts) are enough.
 * Must not know: how it came here.
 */
import { HlError } from '@pedrera/base';
import { ATTACH_FLAGS, DMA_DIRECTION, DMABUF_KIND, DMABUF_SYNC_FLAGS, type Res } from '@pedrera/uapi';
import { DeviceRegion } from './region.js';
import type { Session } from './session.js';
import { SharedDescriptor } from './shared-descriptor.js';
import type { SubmissionContext, WaitOptions } from './submission.js';
import { SyncFile } from './sync-file.js';

export type SharedKind = 'memory' | 'sync-objects' | 'host-memory';
export type BufferAccess = 'read' | 'write';
export type MapDirection = 'both' | 'to-device' | 'from-device';

export interface AttachOptions {
  /** Take part in peer-to-peer access, as device memory needs; true unless told otherwise. */
  readonly peerToPeer?: boolean;
  /** The longest piece in which memory may be described to this importer. */
  readonly maxSegmentBytes?: number;
}

const DIRECTIONS: Readonly<Record<MapDirection, number>> = {
  both: DMA_DIRECTION.BIDIRECTIONAL,
  'to-device': DMA_DIRECTION.TO_DEVICE,
  'from-device': DMA_DIRECTION.FROM_DEVICE,
};

export function accessFlags(access: BufferAccess): number {
  return access === 'write' ? DMABUF_SYNC_FLAGS.WRITE : DMABUF_SYNC_FLAGS.READ;
}

export function sharedKind(kind: number): SharedKind {
  if (kind === DMABUF_KIND.SYNC_OBJECTS) return 'sync-objects';
  return kind === DMABUF_KIND.HOST_MEMORY ? 'host-memory' : 'memory';
}

export class DmaBuf extends SharedDescriptor {
  readonly kind: SharedKind;
  /** Bytes. */
  readonly size: number;

  constructor(context: SubmissionContext, fd: number, kind: SharedKind, size: number) {
    super(context, fd);
    this.kind = kind;
    this.size = size;
  }

  /** Makes this device an importer. Errors: EPERM for memory of a device that this one cannot reach, EMFILE. */
  async attach({ peerToPeer = true, maxSegmentBytes }: AttachOptions = {}): Promise<Attachment> {
    const flags = peerToPeer ? ATTACH_FLAGS.DYNAMIC | ATTACH_FLAGS.PEER2PEER : 0;
    const request = { fd: this.fd, flags, ...(maxSegmentBytes === undefined ? {} : { maxSegmentBytes }) };
    return new Attachment(this, (await this.session.ioctl('DMABUF_ATTACH', request)).attachment);
  }

  /** Begins an access of the processor: a read waits for who writes, a write for everybody who uses the buffer. */
  async beginAccess(access: BufferAccess): Promise<void> {
    await this.session.ioctl('DMABUF_SYNC', { fd: this.fd, flags: accessFlags(access) });
  }

  async endAccess(access: BufferAccess): Promise<void> {
    await this.session.ioctl('DMABUF_SYNC', { fd: this.fd, flags: accessFlags(access) | DMABUF_SYNC_FLAGS.END });
  }

  /** Whether, in time, nothing is left that such an access would have to wait for. */
  idle(access: BufferAccess, options: WaitOptions = {}): Promise<boolean> {
    return this.poll(access === 'write' ? 'OUT' : 'IN', options);
  }

  /** What such an access would wait for now, as a sync file. */
  async fencesOf(access: BufferAccess): Promise<SyncFile> {
    const { fd } = await this.session.ioctl('DMABUF_EXPORT_SYNC_FILE', { fd: this.fd, flags: accessFlags(access) });
    return new SyncFile(this.context, fd);
  }

  /** From now on others wait for the work of a sync file as for one that reads or writes the buffer. */
  async addFences(access: BufferAccess, file: SyncFile): Promise<void> {
    if (file.session !== this.session)
      throw new HlError('EINVAL', `addFences: the sync file belongs to another open file (${file.session.node})`);
    await this.session.ioctl('DMABUF_IMPORT_SYNC_FILE', { fd: this.fd, flags: accessFlags(access), syncFile: file.fd });
  }

  /** For people; at most 31 bytes. */
  async setName(name: string): Promise<void> {
    await this.session.ioctl('DMABUF_SET_NAME', { fd: this.fd, name });
  }

  /** Size, references, exporter, name. */
  info(): Promise<Res<'DMABUF_INFO'>> {
    return this.session.ioctl('DMABUF_INFO', { fd: this.fd });
  }
}

/** This device as an importer of a dma-buf. */
export class Attachment {
  readonly buffer: DmaBuf;
  readonly id: number;
  #detached = false;

  constructor(buffer: DmaBuf, id: number) {
    this.buffer = buffer;
    this.id = id;
  }

  /** Maps it into the device addresses of this open file. Errors: EPERM, EACCES, EBUSY (mapped in another direction), ENOMEM. */
  async map(direction: MapDirection = 'both'): Promise<AttachedMemory> {
    const { session } = this.buffer;
    const request = { attachment: this.id, direction: DIRECTIONS[direction] };
    return new AttachedMemory(this, await session.ioctl('DMABUF_MAP', request), session);
  }

  /** Errors: EBUSY while it is mapped. The second call does nothing. */
  async detach(): Promise<void> {
    if (this.#detached) return;
    await this.buffer.session.ioctl('DMABUF_DETACH', { attachment: this.id });
    this.#detached = true;
  }

  /** Does nothing once the device is closed or the daemon gone: it ends then. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.buffer.session.client.alive) await this.detach();
  }
}

/** Memory of a dma-buf at a device address of this open file. */
export class AttachedMemory extends DeviceRegion {
  readonly attachment: Attachment;
  /** Device address, for packets. */
  readonly address: number;
  /** Pieces in which the exporter described it. */
  readonly segments: number;

  constructor(attachment: Attachment, mapped: Res<'DMABUF_MAP'>, session: Session) {
    super(session, mapped.size);
    this.attachment = attachment;
    this.address = mapped.address;
    this.segments = mapped.segments;
  }

  override get deviceAddress(): number {
    return this.address;
  }

  override describe(): string {
    return `the mapping of ${this.size} bytes of dma-buf ${this.attachment.buffer.fd}`;
  }

  /** The second call does nothing. */
  async unmap(): Promise<void> {
    if (!this.markFreed()) return;
    await this.session.ioctl('DMABUF_UNMAP', { attachment: this.attachment.id, address: this.address });
  }

  /** Does nothing once the device is closed or the daemon gone: it is freed then. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.client.alive) await this.unmap();
  }
}

/** Errors: ENOENT for a token of nothing, EINVAL for that of a sync file, EMFILE. */
export async function openDmaBuf(context: SubmissionContext, token: string): Promise<DmaBuf> {
  return dmaBufOf(context, await context.session.ioctl('DMABUF_OPEN', { token }));
}

/** `descriptor`: of this process, wherever it came from. Errors: EBADF, EINVAL for one of something else, EPERM (the machine's), EMFILE. */
export async function receiveDmaBuf(context: SubmissionContext, descriptor: number): Promise<DmaBuf> {
  context.session.letDaemonReach();
  return dmaBufOf(context, await context.session.ioctl('DMABUF_RECEIVE', { descriptor }));
}

async function dmaBufOf(context: SubmissionContext, opened: Res<'DMABUF_OPEN'>): Promise<DmaBuf> {
  const { fd, kind, size } = opened;
  const buffer = new DmaBuf(context, fd, sharedKind(kind), size);
  if (kind !== DMABUF_KIND.SYNC_FILE) return buffer;
  await buffer.close();
  throw new HlError('EINVAL', 'what was opened is a sync file, not a dma-buf');
}
