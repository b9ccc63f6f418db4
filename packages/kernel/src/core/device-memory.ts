/**
 * HBM of one device as the `shared` policy gives it out (uapi.md 5.2).
 *
 * Owns: which pages belong to which allocation. Pages are scrubbed when they are freed, so that nobody reads what
 * somebody else left. Must not know where an allocation is mapped.
 */
import { errno, type LeakTracker, RefCounted } from '@pedrera/base';
import { DRAM_PAGE_SIZE, DRAM_USER_BASE, HBM_SIZE } from '@pedrera/hw';
import type { SharedMemory } from '@pedrera/wire';
import { RangeAllocator } from './range-allocator.js';

/** A run of physical HBM. */
export interface Extent {
  readonly address: number;
  readonly size: number;
}

/** One MEMORY ALLOC. Held by its context's handle, its mappings and the dma-bufs made of it. */
export class Allocation extends RefCounted {
  readonly handle: number;
  /** Whole pages. */
  readonly size: number;
  readonly extents: readonly Extent[];
  readonly ownerAsid: number;
  readonly #memory: DeviceMemory;
  /** Times it is mapped; FREE is refused while it is (uapi.md 5.2). */
  mappings = 0;
  /** Times it is exported; FREE is refused while it is. */
  exports = 0;

  constructor(
    memory: DeviceMemory,
    fields: { handle: number; size: number; extents: readonly Extent[]; ownerAsid: number },
    tracker: LeakTracker,
  ) {
    super('device memory', tracker);
    this.#memory = memory;
    this.handle = fields.handle;
    this.size = fields.size;
    this.extents = fields.extents;
    this.ownerAsid = fields.ownerAsid;
  }

  protected override release(): void {
    this.#memory.reclaim(this);
  }
}

export class DeviceMemory {
  readonly hbm: SharedMemory;
  readonly #pages = new RangeAllocator(DRAM_USER_BASE / DRAM_PAGE_SIZE, HBM_SIZE / DRAM_PAGE_SIZE);
  readonly #tracker: LeakTracker;
  readonly #handles = new Map<number, Allocation>();
  #nextHandle = 1;

  constructor(hbm: SharedMemory, tracker: LeakTracker) {
    this.hbm = hbm;
    this.#tracker = tracker;
  }

  get total(): number {
    return this.#pages.total * DRAM_PAGE_SIZE;
  }

  get used(): number {
    return this.#pages.used * DRAM_PAGE_SIZE;
  }

  /**
   * `size` bytes rounded up to pages; one run when there is one, otherwise page by page unless `contiguous`.
   * Errors: EINVAL for size 0, ENOMEM when the device has no room.
   */
  allocate(size: number, ownerAsid: number, contiguous: boolean): Allocation {
    const pages = Math.ceil(size / DRAM_PAGE_SIZE);
    if (!(pages <= this.#pages.free)) {
      throw errno('ENOMEM', `${size} bytes asked, ${this.#pages.free * DRAM_PAGE_SIZE} bytes of HBM free`);
    }
    const extents: Extent[] = [];
    const start = this.#pages.allocate(pages);
    if (start !== undefined) {
      extents.push({ address: start * DRAM_PAGE_SIZE, size: pages * DRAM_PAGE_SIZE });
    } else if (contiguous) {
      throw errno(
        'ENOMEM',
        `${size} contiguous bytes asked, the largest free run is ${this.#pages.largestFree() * DRAM_PAGE_SIZE} bytes`,
      );
    } else {
      this.#gather(pages, extents);
    }
    const allocation = new Allocation(
      this,
      { handle: this.#nextHandle++, size: pages * DRAM_PAGE_SIZE, extents, ownerAsid },
      this.#tracker,
    );
    this.#handles.set(allocation.handle, allocation);
    return allocation;
  }

  /** The allocation behind a handle. Errors: EINVAL unknown, EPERM of another context (uapi.md 5.2). */
  peek(handle: bigint, asid: number): Allocation {
    const allocation = this.#handles.get(Number(handle));
    if (allocation === undefined) {
      throw errno('EINVAL', `no device memory has the handle ${handle}`);
    }
    if (allocation.ownerAsid !== asid) {
      throw errno('EPERM', `device memory ${handle} belongs to another context; import a dma-buf of it instead`);
    }
    return allocation;
  }

  /** The handle stops naming the allocation; its memory lives until the last reference is gone. */
  forget(allocation: Allocation): void {
    this.#handles.delete(allocation.handle);
    allocation.put();
  }

  reclaim(allocation: Allocation): void {
    for (const { address, size } of allocation.extents) {
      this.hbm.punchHole(address, size);
      this.#pages.release(address / DRAM_PAGE_SIZE, size / DRAM_PAGE_SIZE);
    }
  }

  /** Collects `pages` from whatever runs are free. Preconditions: enough are. */
  #gather(pages: number, extents: Extent[]): void {
    let left = pages;
    while (left > 0) {
      const run = Math.min(left, this.#pages.largestFree());
      const start = this.#pages.allocate(run) as number;
      extents.push({ address: start * DRAM_PAGE_SIZE, size: run * DRAM_PAGE_SIZE });
      left -= run;
    }
  }
}
