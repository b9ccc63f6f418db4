/**
 * One importer's hold on a dma-buf (uapi.md 6.2: attach, map, unmap, detach).
 *
 * Owns: the order of those four, which mapping is kept and for which direction, whether the importer reaches its peer.
 * References: it holds the dma-buf. Must not know what an importer does with a mapping.
 */
import { errno } from '@pedrera/base';
import { DMA_DIRECTION } from '@pedrera/uapi';
import { USAGE } from '../fence/reservation.js';
import type { DmaBuf, Hold } from './dma-buf.js';
import type { Direction, ImporterDevice, ImporterOps, SgTable } from './exporter.js';

/** At this device address of an importing context; for inspection. */
export interface MappedAt {
  readonly pid: number;
  readonly device: number;
  readonly asid: number;
  readonly address: number;
}

export class Attachment {
  readonly dmaBuf: DmaBuf;
  readonly importer: ImporterDevice;
  /** Undefined for a static importer. */
  readonly ops: ImporterOps | undefined;
  /** The importer asked for access from device to device, and there is a way. */
  peer2peer: boolean;
  /** The exporter's own, between attach and detach. */
  exporterData: unknown;
  readonly #hold: Hold;
  #kept: { readonly table: SgTable; readonly direction: Direction } | undefined;
  #mapped = 0;
  #detached = false;

  /** Of DmaBuf.attach() only. Errors: as the exporter's attach, and of a dynamic importer its map. */
  constructor(dmaBuf: DmaBuf, importer: ImporterDevice, ops: ImporterOps | undefined) {
    this.dmaBuf = dmaBuf;
    this.importer = importer;
    this.ops = ops;
    this.peer2peer = ops?.allowPeer2peer ?? false;
    const { exporter } = dmaBuf;
    exporter.attach?.(this);
    this.#hold = dmaBuf.hold('attachment', importer.pid);
    dmaBuf.attachments.add(this);
    // Nobody could tell a static exporter's importer that its mapping has to go: it is made once, for good (uapi.md 6.1).
    if (ops !== undefined && exporter.pin === undefined) {
      try {
        this.#keep(DMA_DIRECTION.BIDIRECTIONAL);
      } catch (error) {
        this.detach();
        throw error;
      }
    }
  }

  get isDynamic(): boolean {
    return this.ops !== undefined;
  }

  /** Mappings that were not unmapped; the one that is kept does not count. */
  get mapped(): number {
    return this.#mapped;
  }

  get detached(): boolean {
    return this.#detached;
  }

  /**
   * Where the bytes are. A static importer also waits for what the kernel itself does with the memory. Errors: EBUSY while a mapping
   * for another direction is kept, EPERM, EINVAL as the exporter's, ENOMEM, EINVAL once detached. Preconditions: a dynamic importer
   * holds the reservation's lock.
   */
  map(direction: Direction): SgTable | Promise<SgTable> {
    const { reservation, exporter } = this.dmaBuf;
    if (this.#detached) {
      throw errno('EINVAL', `the attachment of ${this.importer.name} to dma-buf ${this.dmaBuf.id} was detached`);
    }
    if (this.isDynamic && !reservation.lock.held) {
      throw new Error('a dynamic importer mapped a dma-buf whose reservation it had not locked');
    }
    if (this.#kept !== undefined) {
      const { table, direction: keptFor } = this.#kept;
      if (keptFor !== direction && keptFor !== DMA_DIRECTION.BIDIRECTIONAL) {
        throw errno(
          'EBUSY',
          `dma-buf ${this.dmaBuf.id} stays mapped for direction ${keptFor} until it is detached, not ${direction}`,
        );
      }
      this.#mapped++;
      return table;
    }
    const table = exporter.keepsMapping ? this.#keep(direction) : this.#table(direction);
    this.#mapped++;
    const pending = this.isDynamic ? [] : reservation.pending(USAGE.KERNEL);
    return pending.length === 0 ? table : this.#afterKernel(table, direction);
  }

  unmap(table: SgTable, direction: Direction): void {
    if (this.#mapped === 0) {
      throw new Error(`dma-buf ${this.dmaBuf.id} was unmapped more often than it was mapped`);
    }
    this.#mapped--;
    if (this.#kept?.table !== table) {
      this.dmaBuf.exporter.unmap(this, table, direction);
    }
  }

  /** Ends it, and the mapping that was kept. Errors: EINVAL the second time, EBUSY while it is mapped. */
  detach(): void {
    if (this.#detached) {
      throw errno(
        'EINVAL',
        `the attachment of ${this.importer.name} to dma-buf ${this.dmaBuf.id} was detached already`,
      );
    }
    if (this.#mapped > 0) {
      throw errno(
        'EBUSY',
        `dma-buf ${this.dmaBuf.id} is mapped ${this.#mapped} times through this attachment; unmap it first`,
      );
    }
    this.#detached = true;
    const { exporter, attachments } = this.dmaBuf;
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) {
      exporter.unmap(this, kept.table, kept.direction);
    }
    attachments.delete(this);
    this.dmaBuf.notePastImporter(this.importer);
    exporter.detach?.(this);
    this.#hold.release();
  }

  #keep(direction: Direction): SgTable {
    const table = this.#table(direction);
    this.#kept = { table, direction };
    return table;
  }

  #table(direction: Direction): SgTable {
    const table = this.dmaBuf.exporter.map(this, direction);
    if (table === undefined) {
      throw errno('ENOMEM', `the exporter of dma-buf ${this.dmaBuf.id} has no memory for a mapping`);
    }
    return table;
  }

  async #afterKernel(table: SgTable, direction: Direction): Promise<SgTable> {
    const { outcome } = await this.dmaBuf.reservation.wait(USAGE.KERNEL, Number.POSITIVE_INFINITY).result;
    if (outcome !== 'signalled') {
      this.unmap(table, direction);
      throw errno('EINTR', `the wait for the memory of dma-buf ${this.dmaBuf.id} was interrupted`);
    }
    return table;
  }
}
