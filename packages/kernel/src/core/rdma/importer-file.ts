/**
 * One open file of a network card's node: what open(2) made and release() takes away (uapi.md 6.6).
 *
 * Owns: the descriptors it holds, its memory regions, its transfers. It has no device and no context. Must not know sockets.
 */
import { errno, type LeakTracker } from '@pedrera/base';
import { MAX_MEMORY_REGIONS, MR_ACCESS } from '@pedrera/uapi';
import { type DescriptorHolder, DescriptorTable } from '../dma-buf/descriptor-table.js';
import { HandleTable } from '../handle-table.js';
import { MemoryRegion, type RegionRange } from './memory-region.js';
import type { RdmaNic } from './nic.js';
import { TransferQueue } from './transfer-queue.js';

export class ImporterFile {
  readonly nic: RdmaNic;
  readonly pid: number;
  /** Of dma-bufs and sync files. */
  readonly descriptors: DescriptorTable;
  /** Called when the file closes while a wait runs. */
  readonly abandonWaits = new Set<() => void>();
  readonly transfers: TransferQueue;
  readonly #tracker: LeakTracker;
  readonly #regions = new HandleTable<MemoryRegion>();
  #released = false;

  constructor(nic: RdmaNic, holder: DescriptorHolder, tracker: LeakTracker) {
    this.nic = nic;
    this.pid = holder.pid;
    this.descriptors = new DescriptorTable(holder);
    this.#tracker = tracker;
    this.transfers = new TransferQueue(nic.fabric);
  }

  get released(): boolean {
    return this.#released;
  }

  regions(): IterableIterator<MemoryRegion> {
    return this.#regions.values();
  }

  /** Returns the region's handle. Errors: EBADF, EINVAL, EPERM, ENOMEM. */
  register(fd: number, range: RegionRange): number {
    const descriptor = this.descriptors.peek(fd);
    const dmaBuf = descriptor.dmaBuf('EINVAL');
    if (descriptor.readOnly && (range.access & MR_ACCESS.REMOTE_WRITE) !== 0) {
      throw errno('EPERM', `descriptor ${fd} was given for reading, and others are to write through the region`);
    }
    if (this.#regions.size >= MAX_MEMORY_REGIONS) {
      throw errno('ENOMEM', `this file has ${MAX_MEMORY_REGIONS} memory regions already`);
    }
    const writable = !descriptor.readOnly;
    return this.#regions.add(
      new MemoryRegion({ nic: this.nic, pid: this.pid, dmaBuf, range, writable, tracker: this.#tracker }),
    );
  }

  /** Errors: EINVAL. */
  peekRegion(handle: number): MemoryRegion {
    const region = this.#regions.peek(handle);
    if (region === undefined) {
      throw errno('EINVAL', `no memory region of this file has the handle ${handle}`);
    }
    return region;
  }

  /** Errors: EINVAL. */
  deregister(handle: number): void {
    const region = this.peekRegion(handle);
    this.#regions.remove(handle);
    region.close();
  }

  /** The last duplicate was closed, or its process is dead. */
  release(): void {
    if (this.#released) {
      return;
    }
    this.#released = true;
    for (const abandon of [...this.abandonWaits]) {
      abandon();
    }
    this.transfers.close();
    for (const handle of [...this.#regions.ids()]) {
      this.deregister(handle);
    }
    this.descriptors.closeAll();
  }
}
