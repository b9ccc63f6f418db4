/**
 * A range of a dma-buf that a network card reads and writes: an importer's attachment with a key (uapi.md 6.6).
 *
 * Owns: the attachment and its mapping, what others may do with the key. Holds the dma-buf, through the attachment.
 * Must not know files, or transfers that are under way: they look whether the region is still there.
 */
import { randomBytes } from 'node:crypto';
import { errno, type LeakTracker, RefCounted } from '@pedrera/base';
import { DMA_DIRECTION, MR_ACCESS } from '@pedrera/uapi';
import type { Attachment } from '../dma-buf/attachment.js';
import type { DmaBuf } from '../dma-buf/dma-buf.js';
import type { SgTable } from '../dma-buf/exporter.js';
import { underLock } from '../dma-buf/under-lock.js';
import type { RdmaNic } from './nic.js';
import { RegionMemory, type Run } from './region-memory.js';

const ALL_ACCESS = MR_ACCESS.LOCAL_WRITE | MR_ACCESS.REMOTE_WRITE | MR_ACCESS.REMOTE_READ;

export interface RegionRange {
  readonly offset: number;
  readonly length: number;
  /** Where the owner wants to see it; told to inspection, used by nobody. */
  readonly iova: number;
  readonly access: number;
}

export interface RegionOptions {
  readonly nic: RdmaNic;
  readonly pid: number;
  readonly dmaBuf: DmaBuf;
  readonly range: RegionRange;
  /** The descriptor gives more than reading. */
  readonly writable: boolean;
  readonly tracker: LeakTracker;
}

export class MemoryRegion extends RefCounted {
  readonly nic: RdmaNic;
  readonly pid: number;
  readonly dmaBuf: DmaBuf;
  readonly range: RegionRange;
  readonly writable: boolean;
  readonly #attachment: Attachment;
  readonly #table: SgTable;
  readonly #memory: RegionMemory;
  #key: string | undefined;
  #closed = false;

  /** Errors: EINVAL, EPERM without a route (uapi.md 6.1). */
  constructor({ nic, pid, dmaBuf, range, writable, tracker }: RegionOptions) {
    checkRange(dmaBuf, range);
    const { attachment, table } = underLock([dmaBuf.reservation], () => attach(nic, pid, dmaBuf));
    super('memory region', tracker);
    this.writable = writable;
    this.nic = nic;
    this.pid = pid;
    this.dmaBuf = dmaBuf;
    this.range = range;
    this.#attachment = attachment;
    this.#table = table;
    this.#memory = new RegionMemory(cut(nic.runsOf(table), range));
  }

  get size(): number {
    return this.range.length;
  }

  /** Why its bytes cannot be had; undefined while they can. */
  get dead(): string | undefined {
    const { device } = this.dmaBuf.exporter.context;
    if (this.#closed) {
      return 'the region was deregistered';
    }
    return device.operational ? undefined : `hl${device.index}: ${device.statusText}`;
  }

  /** Unguessable; names nothing once the region is gone. */
  get key(): string {
    this.#key ??= this.nic.fabric.name(this, randomBytes(32).toString('hex'));
    return this.#key;
  }

  /** Whether the range lies inside. */
  has(offset: number, size: number): boolean {
    return offset >= 0 && size >= 0 && offset + size <= this.size;
  }

  /** The bytes, for moving. Errors: EIO for a dead region. */
  get memory(): RegionMemory {
    const { dead } = this;
    if (dead !== undefined) {
      throw errno('EIO', dead);
    }
    return this.#memory;
  }

  /** Deregisters it, once. */
  close(): void {
    this.#closed = true;
    if (this.#key !== undefined) {
      this.nic.fabric.unname(this.#key);
    }
    this.#memory.close();
    this.#attachment.unmap(this.#table, DMA_DIRECTION.BIDIRECTIONAL);
    this.#attachment.detach();
    this.put();
  }

  protected override release(): void {}
}

function attach(nic: RdmaNic, pid: number, dmaBuf: DmaBuf): { attachment: Attachment; table: SgTable } {
  const attachment = dmaBuf.attach(nic.importer(pid), { allowPeer2peer: true });
  try {
    const table = attachment.map(DMA_DIRECTION.BIDIRECTIONAL);
    if (table instanceof Promise) {
      throw new Error('a dynamic importer was made to wait for a mapping');
    }
    return { attachment, table };
  } catch (error) {
    attachment.detach();
    throw error;
  }
}

function checkRange(dmaBuf: DmaBuf, { offset, length, access }: RegionRange): void {
  if (dmaBuf.exporter.kind === 'sync-objects') {
    throw errno('EINVAL', `dma-buf ${dmaBuf.id} is made of sync objects: registers, and no memory`);
  }
  if ((access & ~ALL_ACCESS) !== 0) {
    throw errno(
      'EINVAL',
      `access flags 0x${access.toString(16)}; known are local write (1), remote write (2), remote read (4)`,
    );
  }
  if (length < 1 || offset + length > dmaBuf.size) {
    throw errno(
      'EINVAL',
      `[${offset}, +${length}) is no range of dma-buf ${dmaBuf.id}, which has ${dmaBuf.size} bytes`,
    );
  }
}

/** The runs behind a range of the buffer. */
function cut(runs: readonly Run[], { offset, length }: RegionRange): Run[] {
  const parts: Run[] = [];
  let skip = offset;
  let left = length;
  for (const run of runs) {
    const size = Math.min(run.size - skip, left);
    if (size > 0) {
      parts.push({ memory: run.memory, offset: run.offset + skip, size });
      left -= size;
    }
    skip = Math.max(0, skip - run.size);
  }
  return parts;
}
