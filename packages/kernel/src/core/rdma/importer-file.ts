/**
 * One open file of a network card's node: what open(2) made and release() takes away (uapi.md 6.6).
 *
 * Owns: the descriptors it holds, its memory regions, its transfers. It has no device and no context. Must not know sockets.
 */
import { errno, type LeakTracker } from '@pedrera/base';
import { MAX_MEMORY_REGIONS, MR_ACCESS } from '@pedrera/uapi';
import { Descriptor, type DescriptorRights, type SharedObject } from '../dma-buf/descriptor.js';
import type { DmaBufRegistry } from '../dma-buf/registry.js';
import { HandleTable } from '../handle-table.js';
import { MemoryRegion, type RegionRange } from './memory-region.js';
import type { RdmaNic } from './nic.js';
import { TransferQueue } from './transfer-queue.js';

/** As many descriptors as a process usually may have. */
const MAX_DESCRIPTORS = 1024;

export class ImporterFile {
  readonly nic: RdmaNic;
  readonly pid: number;
  readonly descriptors = new HandleTable<Descriptor>();
  readonly transfers: TransferQueue;
  readonly #tracker: LeakTracker;
  readonly #regions = new HandleTable<MemoryRegion>();
  #released = false;

  constructor(nic: RdmaNic, pid: number, tracker: LeakTracker) {
    this.nic = nic;
    this.pid = pid;
    this.#tracker = tracker;
    this.transfers = new TransferQueue(nic.fabric);
  }

  get released(): boolean {
    return this.#released;
  }

  regions(): IterableIterator<MemoryRegion> {
    return this.#regions.values();
  }

  peekDescriptor(fd: number): Descriptor {
    const descriptor = this.descriptors.peek(fd);
    if (descriptor === undefined) {
      throw errno('EBADF', `descriptor ${fd} is not open in this file`);
    }
    return descriptor;
  }

  /** Errors: EMFILE. */
  checkDescriptorRoom(): void {
    if (this.descriptors.size >= MAX_DESCRIPTORS) {
      throw errno('EMFILE', `this file holds ${MAX_DESCRIPTORS} descriptors already`);
    }
  }

  /** Takes over the caller's reference on the object, also when it fails. Errors: EMFILE. */
  addDescriptor(registry: DmaBufRegistry, object: SharedObject, rights: DescriptorRights): number {
    try {
      this.checkDescriptorRoom();
      return this.descriptors.add(new Descriptor(registry, object, this.pid, rights));
    } finally {
      object.put();
    }
  }

  /** Regions keep what they have. */
  closeDescriptor(fd: number): void {
    const descriptor = this.peekDescriptor(fd);
    this.descriptors.remove(fd);
    descriptor.close();
  }

  /** Returns the region's handle. Errors: EBADF, EINVAL, EPERM, ENOMEM. */
  register(fd: number, range: RegionRange): number {
    const descriptor = this.peekDescriptor(fd);
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
    this.transfers.close();
    for (const handle of [...this.#regions.ids()]) {
      this.deregister(handle);
    }
    for (const fd of [...this.descriptors.ids()]) {
      this.closeDescriptor(fd);
    }
  }
}
