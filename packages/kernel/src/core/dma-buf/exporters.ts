/**
 * What this machine exports: memory of a device, sync objects, host buffers (uapi.md 5.8, 6.1).
 *
 * Owns: what each holds until the dma-buf is gone, how an importer has to address it, who may have it.
 * Must not know descriptors, or what importers do with it.
 */
import { errno } from '@pedrera/base';
import { CFG_BASE, DCORE_COUNT, peerCfgBusAddress, peerHbmBusAddress, sobAddress } from '@pedrera/hw';
import { PAGE_SIZE } from '@pedrera/uapi';
import type { HostBuffer } from '../command-buffer.js';
import type { Context } from '../context.js';
import type { Allocation, Extent } from '../device-memory.js';
import type { Piece } from '../mapping.js';
import type { Attachment } from './attachment.js';
import type { DmaBuf } from './dma-buf.js';
import type { DmaBufExporter, HostWindow, SgTable } from './exporter.js';
import type { DmaBufRegistry } from './registry.js';

const DRIVER_NAME = 'habanalabs';

export interface MemoryRange {
  readonly extents: readonly Extent[];
  readonly size: number;
  /** Undefined under `exclusive`, where any window of the memory can be exported. */
  readonly allocation: Allocation | undefined;
}

export interface SyncRange {
  readonly dcore: number;
  readonly firstSyncObject: number;
  readonly count: number;
}

export interface ByteRange {
  readonly offset: number;
  readonly size: number;
}

/** What every exporter here has in common: the context stays (uapi.md 6.1). */
abstract class ContextExporter {
  readonly name = DRIVER_NAME;
  readonly context: Context;
  readonly keepsMapping: boolean = false;
  readonly #registry: DmaBufRegistry;

  constructor(registry: DmaBufRegistry, context: Context) {
    this.#registry = registry;
    this.context = context.get();
  }

  release(): void {
    this.context.put();
  }

  /** Always succeeds; whether there is a way shows when it is mapped. */
  protected checkRoute(attachment: Attachment): void {
    if (!this.#registry.reaches(attachment.importer, this.context.device.index)) {
      attachment.peer2peer = false;
    }
  }

  protected requirePeer(attachment: Attachment): void {
    if (!attachment.peer2peer) {
      const { name } = attachment.importer;
      const own = `dma-buf ${attachment.dmaBuf.id} lies on hl${this.context.device.index}`;
      throw errno('EPERM', `${own}; ${name} asked for no peer-to-peer access, or has no way there`);
    }
  }
}

class DeviceMemoryExporter extends ContextExporter implements DmaBufExporter {
  readonly kind = 'memory';
  readonly size: number;
  readonly allocation: Allocation | undefined;
  readonly #extents: readonly Extent[];

  constructor(registry: DmaBufRegistry, context: Context, { extents, size, allocation }: MemoryRange) {
    super(registry, context);
    this.size = size;
    this.#extents = extents;
    this.allocation = allocation?.get();
    if (allocation !== undefined) {
      allocation.exports++;
    }
  }

  attach(attachment: Attachment): void {
    this.checkRoute(attachment);
  }

  map(attachment: Attachment): SgTable {
    this.requirePeer(attachment);
    const { index } = this.context.device;
    // On its own device memory keeps its place; from elsewhere it is reached over the bus.
    const place = (address: number, size: number): Piece =>
      attachment.importer.device === index
        ? { space: 'hbm', address, size }
        : { space: 'bus', address: peerHbmBusAddress(index, address), size };
    return { segments: inSegments(this.#extents, attachment.importer.maxSegmentBytes, place) };
  }

  unmap(): void {}

  override release(): void {
    if (this.allocation !== undefined) {
      this.allocation.exports--;
      this.allocation.put();
    }
    super.release();
  }
}

class SyncObjectsExporter extends ContextExporter implements DmaBufExporter {
  readonly kind = 'sync-objects';
  readonly size: number;
  readonly allocation = undefined;
  readonly #address: number;

  readonly syncRange: SyncRange;

  constructor(registry: DmaBufRegistry, context: Context, syncRange: SyncRange) {
    super(registry, context);
    const { dcore, firstSyncObject, count } = syncRange;
    this.syncRange = syncRange;
    this.size = 4 * count;
    this.#address = peerCfgBusAddress(context.device.index, sobAddress(dcore, firstSyncObject) - CFG_BASE);
  }

  attach(attachment: Attachment): void {
    this.checkRoute(attachment);
  }

  map(attachment: Attachment): SgTable {
    this.requirePeer(attachment);
    return { segments: [{ space: 'bus', address: this.#address, size: this.size }] };
  }

  unmap(): void {}
}

/** Ordinary memory: any importer with a way to the host has it, and every processor sees what a device wrote at once. */
class HostBufferExporter extends ContextExporter implements DmaBufExporter {
  readonly kind = 'host';
  readonly size: number;
  readonly allocation = undefined;
  override readonly keepsMapping = true;
  readonly hostBuffer: HostBuffer;
  readonly #offset: number;
  readonly #attached = new Map<SgTable, unknown>();
  /** A segment's descriptor cannot be handed out in parts, so only all of a buffer can be mapped by others' processors. */
  readonly mmap?: () => HostWindow;

  constructor(registry: DmaBufRegistry, context: Context, buffer: HostBuffer, { offset, size }: ByteRange) {
    super(registry, context);
    buffer.get();
    this.hostBuffer = buffer;
    this.#offset = offset;
    this.size = size;
    const { segment, offset: at } = buffer.range;
    if (offset === 0 && size === buffer.size) {
      this.mmap = () => ({ segment, offset: at });
    }
  }

  map(attachment: Attachment): SgTable {
    const { bus, name } = attachment.importer;
    if (bus === undefined) {
      throw errno('EINVAL', `${name} reaches no host memory`);
    }
    const { range } = this.hostBuffer;
    const attached = bus.attach(range.segment);
    const address = attached.address + range.offset + this.#offset;
    const table: SgTable = { segments: [{ space: 'bus', address, size: this.size }] };
    this.#attached.set(table, attached.attachment);
    return table;
  }

  /** The segment is held until the device has let go of it. */
  unmap({ importer }: Attachment, table: SgTable): void {
    const attached = this.#attached.get(table);
    this.#attached.delete(table);
    void importer.bus?.detach(attached);
  }

  override release(): void {
    this.hostBuffer.put();
    super.release();
  }
}

/** Errors: EINVAL for segments of less than a page. */
function inSegments(
  extents: readonly Extent[],
  maxSegmentBytes: number,
  place: (address: number, size: number) => Piece,
): Piece[] {
  const most = maxSegmentBytes - (maxSegmentBytes % PAGE_SIZE);
  if (most < PAGE_SIZE) {
    throw errno('EINVAL', `segments of ${maxSegmentBytes} bytes: less than a page`);
  }
  if (!Number.isFinite(maxSegmentBytes)) {
    return extents.map(({ address, size }) => place(address, size));
  }
  const segments: Piece[] = [];
  for (const { address, size } of extents) {
    for (let at = 0; at < size; at += most) {
      segments.push(place(address + at, Math.min(most, size - at)));
    }
  }
  return segments;
}

/** Device memory as a dma-buf; the reference is the caller's. */
export function exportMemory(dmaBufs: DmaBufRegistry, context: Context, range: MemoryRange): DmaBuf {
  return dmaBufs.create(new DeviceMemoryExporter(dmaBufs, context, range));
}

/** Leased sync objects. Errors: EINVAL for no objects or no such dcore, EPERM beyond the lease. */
export function exportSyncObjects(dmaBufs: DmaBufRegistry, context: Context, range: SyncRange): DmaBuf {
  const { dcore, firstSyncObject, count } = range;
  const lease = context.leases.held(dcore);
  if (count < 1 || dcore >= DCORE_COUNT) {
    throw errno('EINVAL', `an export of ${count} sync objects of dcore ${dcore}`);
  }
  if (
    lease === undefined ||
    firstSyncObject < lease.firstSob ||
    firstSyncObject + count > lease.firstSob + lease.sobs
  ) {
    const held = lease === undefined ? 'nothing there' : `${lease.firstSob} to ${lease.firstSob + lease.sobs - 1}`;
    throw errno(
      'EPERM',
      `sync objects ${firstSyncObject} to ${firstSyncObject + count - 1} of dcore ${dcore}: this context holds ${held}`,
    );
  }
  return dmaBufs.create(new SyncObjectsExporter(dmaBufs, context, range));
}

/** A range of a host buffer. Errors: EPERM for one that lies beside others, EINVAL for a range that is none. */
export function exportHostBuffer(
  dmaBufs: DmaBufRegistry,
  context: Context,
  buffer: HostBuffer,
  range: ByteRange,
): DmaBuf {
  if (!buffer.range.segment.own) {
    throw errno('EPERM', `host buffer ${buffer.id} was not allocated SHAREABLE, and lies in one segment with others`);
  }
  checkRange(range, buffer.size, `host buffer ${buffer.id}`);
  return dmaBufs.create(new HostBufferExporter(dmaBufs, context, buffer, range));
}

/** A range of an allocation. Errors: EINVAL for a range that is none. */
export function exportAllocation(
  dmaBufs: DmaBufRegistry,
  context: Context,
  allocation: Allocation,
  range: ByteRange,
): DmaBuf {
  checkRange(range, allocation.size, `device memory ${allocation.handle}`);
  return exportMemory(dmaBufs, context, { extents: cut(allocation.extents, range), size: range.size, allocation });
}

function checkRange({ offset, size }: ByteRange, available: number, what: string): void {
  if (offset % PAGE_SIZE !== 0) {
    throw errno('EINVAL', `offset ${offset} of ${what}: a multiple of ${PAGE_SIZE} expected`);
  }
  if (size < PAGE_SIZE || offset + size > available) {
    throw errno(
      'EINVAL',
      `[${offset}, +${size}) is no range of at least a page of ${what}, which has ${available} bytes`,
    );
  }
}

/** The extents behind a range. */
function cut(extents: readonly Extent[], { offset, size }: ByteRange): Extent[] {
  const parts: Extent[] = [];
  let from = offset;
  let left = size;
  for (const extent of extents) {
    if (from >= extent.size) {
      from -= extent.size;
      continue;
    }
    const length = Math.min(left, extent.size - from);
    parts.push({ address: extent.address + from, size: length });
    left -= length;
    from = 0;
    if (left === 0) {
      break;
    }
  }
  return parts;
}
