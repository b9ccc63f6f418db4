/**
 * A context as importer: an attachment, and where in the context's device addresses it is mapped (uapi.md 6.1, 6.2).
 *
 * Owns: that mapping's hold on the attachment, and the end of both: an attachment that is closed while it is mapped ends with its last
 * mapping. Must not know descriptors or calls.
 */
import { errno } from '@pedrera/base';
import { DRAM_PAGE_SIZE } from '@pedrera/hw';
import { ATTACH_FLAGS, DMA_DIRECTION, PAGE_SIZE } from '@pedrera/uapi';
import type { Context } from '../context.js';
import { hostPageSize, type MapRequest } from '../mapping.js';
import type { Attachment, MappedAt } from './attachment.js';
import type { DmaBuf } from './dma-buf.js';
import { ANY_SEGMENT, type Direction, type ImporterDevice, type SgTable } from './exporter.js';
import { underLock } from './under-lock.js';

export interface ImportOptions {
  readonly dynamic: boolean;
  readonly peer2peer: boolean;
  readonly maxSegmentBytes?: number;
  /** The device may not write. */
  readonly readOnly?: boolean;
}

export interface Imported {
  readonly address: number;
  readonly size: number;
  readonly segments: number;
}

/** Errors: EINVAL for unknown flags, and for peer-to-peer access of a static importer. */
export function importOptions(flags: number): ImportOptions {
  const dynamic = (flags & ATTACH_FLAGS.DYNAMIC) !== 0;
  const peer2peer = (flags & ATTACH_FLAGS.PEER2PEER) !== 0;
  if ((flags & ~(ATTACH_FLAGS.DYNAMIC | ATTACH_FLAGS.PEER2PEER)) !== 0 || (peer2peer && !dynamic)) {
    throw errno(
      'EINVAL',
      `flags 0x${flags.toString(16)} of an attachment; DYNAMIC (1), and with it PEER2PEER (2), are known`,
    );
  }
  return { dynamic, peer2peer };
}

function contextDevice(context: Context, maxSegmentBytes = ANY_SEGMENT): ImporterDevice {
  const { device, pid, asid } = context;
  return { name: `hl${device.index}`, pid, device: device.index, asid, bus: device.bus, maxSegmentBytes };
}

export class ContextImport {
  readonly context: Context;
  readonly attachment: Attachment;
  readonly readOnly: boolean;
  readonly #addresses = new Set<number>();
  #closing = false;

  /** Errors: those of attach. */
  constructor(context: Context, dmaBuf: DmaBuf, options: ImportOptions) {
    const { dynamic, peer2peer, maxSegmentBytes = ANY_SEGMENT, readOnly = false } = options;
    this.context = context;
    this.readOnly = readOnly;
    const device = contextDevice(context, maxSegmentBytes);
    this.attachment = underLock([dmaBuf.reservation], () =>
      dmaBuf.attach(device, dynamic ? { allowPeer2peer: peer2peer } : undefined),
    );
  }

  /** Errors: EACCES, those of map, ENOMEM when no device address fits. */
  map(direction: Direction): Imported | Promise<Imported> {
    if (this.readOnly && direction !== DMA_DIRECTION.TO_DEVICE) {
      throw errno(
        'EACCES',
        `dma-buf ${this.attachment.dmaBuf.id} was given for reading: only direction 1 (to the device)`,
      );
    }
    const table = this.attachment.isDynamic
      ? underLock([this.attachment.dmaBuf.reservation], () => this.attachment.map(direction))
      : this.attachment.map(direction);
    return table instanceof Promise
      ? table.then((mapped) => this.#place(mapped, direction))
      : this.#place(table, direction);
  }

  /** Resolves when the device has forgotten it. Errors: EINVAL. */
  async unmap(address: number): Promise<void> {
    if (!this.#addresses.has(address)) {
      throw errno(
        'EINVAL',
        `dma-buf ${this.attachment.dmaBuf.id} is not mapped at 0x${address.toString(16)} by this attachment`,
      );
    }
    await this.context.addressSpace.unmap(address);
  }

  /** Errors: EBUSY while it is mapped. */
  detach(): void {
    this.attachment.detach();
  }

  /** Detaches it as soon as nothing of it is mapped. */
  close(): void {
    this.#closing = true;
    this.#settle();
  }

  #settle(): void {
    if (this.#closing && this.attachment.mapped === 0 && !this.attachment.detached) {
      this.attachment.detach();
    }
  }

  #place(table: SgTable, direction: Direction): Imported {
    const { dmaBuf } = this.attachment;
    const { context } = this;
    let mappedAt: MappedAt | undefined;
    const undo = () => {
      if (mappedAt !== undefined) {
        dmaBuf.importers.delete(mappedAt);
        this.#addresses.delete(mappedAt.address);
      }
      this.attachment.unmap(table, direction);
      this.#settle();
    };
    let address: number;
    try {
      address = context.addressSpace.map({
        ...placement(dmaBuf, table),
        source: { kind: 'import', id: dmaBuf.id },
        size: dmaBuf.size,
        pieces: table.segments,
        // The very bytes that were exported: what lies beside them in the same page was not.
        exact: true,
        hint: 0,
        forceHint: false,
        writable: direction !== DMA_DIRECTION.TO_DEVICE,
        onUnmapped: undo,
      });
    } catch (error) {
      undo();
      throw error;
    }
    mappedAt = { pid: context.pid, device: context.device.index, asid: context.asid, address };
    dmaBuf.importers.add(mappedAt);
    this.#addresses.add(address);
    return { address, size: dmaBuf.size, segments: table.segments.length };
  }
}

/** The range of device addresses, and the pages. */
function placement(
  { exporter }: DmaBuf,
  { segments }: SgTable,
): Pick<MapRequest, 'range' | 'pageOffset' | 'pageSize' | 'alignment'> {
  switch (exporter.kind) {
    case 'memory': {
      const range = segments[0]?.space === 'hbm' ? 'dram' : 'host';
      return { range, pageOffset: 0, pageSize: DRAM_PAGE_SIZE, alignment: DRAM_PAGE_SIZE };
    }
    case 'sync-objects':
      // Sync objects keep the low bits of their register address.
      return {
        range: 'host',
        pageOffset: (segments[0]?.address ?? 0) % PAGE_SIZE,
        pageSize: PAGE_SIZE,
        alignment: PAGE_SIZE,
      };
    case 'host':
      return { range: 'host', pageOffset: 0, pageSize: hostPageSize(segments), alignment: PAGE_SIZE };
  }
}

/**
 * Attach and map in one step, until the device address is unmapped: DMABUF_IMPORT. Errors: EPERM without a way from device to device,
 * ENOMEM when no device address fits.
 */
export function importDmaBuf(context: Context, dmaBuf: DmaBuf, readOnly = false): Imported {
  const imported = new ContextImport(context, dmaBuf, { dynamic: true, peer2peer: true, readOnly });
  try {
    // Mapped at attach, so there is nothing to wait for.
    return imported.map(readOnly ? DMA_DIRECTION.TO_DEVICE : DMA_DIRECTION.BIDIRECTIONAL) as Imported;
  } finally {
    imported.close();
  }
}
