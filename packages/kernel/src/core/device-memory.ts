/**
 * HBM of one device as the `shared` policy gives it out (uapi.md 5.2).
 *
 * Owns: which pages belong to which allocation, and the handles, one numbering for the whole device. Pages are scrubbed
 * when they are freed, so that nobody reads what somebody else left. Must not know where an allocation is mapped.
 */
import { errno, type LeakTracker, RefCounted } from '@pedrera/base';
import { DRAM_PAGE_SIZE, DRAM_USER_BASE, HBM_SIZE } from '@pedrera/hw';
import type { SharedMemory } from '@pedrera/wire';
import type { Birth } from './caller.js';
import { HandleTable } from './handle-table.js';
import { RangeAllocator } from './range-allocator.js';

/** Largest page a caller may ask for. */
const MAX_PAGE_SIZE = 2 ** 30;

/** A run of physical HBM. */
export interface Extent {
  readonly address: number;
  readonly size: number;
}

/** Whose it is, as inspection names him. */
interface AllocationOwner {
  readonly pid: number;
}

export interface AllocateRequest {
  readonly size: number;
  /** 0 for the device's own. */
  readonly pageSize: number;
  readonly contiguous: boolean;
  /** Contexts other than the owner's may map it by its handle. */
  readonly shared: boolean;
  readonly ownerAsid: number;
  /** For inspection. */
  readonly owner?: AllocationOwner;
  readonly birth?: Birth;
}

interface AllocationFields {
  readonly size: number;
  readonly pageSize: number;
  readonly extents: readonly Extent[];
  readonly shared: boolean;
  readonly ownerAsid: number;
  readonly owner: AllocationOwner | undefined;
  readonly birth: Birth | undefined;
}

/** One MEMORY ALLOC. Held by its context's handle, its mappings and the dma-bufs made of it. */
export class Allocation extends RefCounted {
  readonly handle: number;
  /** Whole pages. */
  readonly size: number;
  readonly pageSize: number;
  /** Merged where they touch. */
  readonly extents: readonly Extent[];
  readonly shared: boolean;
  readonly ownerAsid: number;
  /** The context, which may be gone, and its ASID another's. Not a reference. */
  readonly owner: AllocationOwner | undefined;
  readonly birth: Birth | undefined;
  /** The handle is given back; others keep the memory. */
  forgotten = false;
  readonly #memory: DeviceMemory;
  /** Times it is mapped; FREE is refused while it is (uapi.md 5.2). */
  mappings = 0;
  /** Times it is exported; FREE is refused while it is. */
  exports = 0;

  constructor(memory: DeviceMemory, fields: AllocationFields, handles: HandleTable<Allocation>, tracker: LeakTracker) {
    super('device memory', tracker);
    this.#memory = memory;
    this.size = fields.size;
    this.pageSize = fields.pageSize;
    this.extents = fields.extents;
    this.shared = fields.shared;
    this.ownerAsid = fields.ownerAsid;
    this.owner = fields.owner;
    this.birth = fields.birth;
    this.handle = handles.add(this);
  }

  protected override release(): void {
    this.#memory.reclaim(this);
  }
}

export class DeviceMemory {
  readonly hbm: SharedMemory;
  /** What is allocated, with a handle or kept by mappings and dma-bufs alone. */
  readonly live = new Set<Allocation>();
  readonly #pages = new RangeAllocator(DRAM_USER_BASE / DRAM_PAGE_SIZE, HBM_SIZE / DRAM_PAGE_SIZE);
  readonly #tracker: LeakTracker;
  readonly #handles = new HandleTable<Allocation>();

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
   * `size` bytes rounded up to pages: page by page, the lowest free ones first, or with `contiguous` the lowest run that
   * is long enough (uapi.md 5.2). Errors: EINVAL for a page size that is none, ENOMEM when the device has no room.
   */
  allocate(request: AllocateRequest): Allocation {
    const { contiguous, shared, ownerAsid, owner, birth } = request;
    const pageSize = request.pageSize === 0 ? DRAM_PAGE_SIZE : request.pageSize;
    if (pageSize < DRAM_PAGE_SIZE || pageSize > MAX_PAGE_SIZE || !Number.isInteger(Math.log2(pageSize))) {
      throw errno('EINVAL', `pages of ${pageSize} bytes; a power of two from ${DRAM_PAGE_SIZE} to ${MAX_PAGE_SIZE}`);
    }
    const pages = Math.ceil(request.size / pageSize);
    const unit = pageSize / DRAM_PAGE_SIZE;
    if (!(pages * unit <= this.#pages.free)) {
      throw errno('ENOMEM', `${request.size} bytes asked, ${this.#pages.free * DRAM_PAGE_SIZE} bytes of HBM free`);
    }
    const extents = contiguous ? this.#takeRun(pages * unit, unit) : this.#takePages(pages, unit);
    if (extents === undefined) {
      const largest = this.#pages.largestFree() * DRAM_PAGE_SIZE;
      const form = contiguous ? 'in one run' : `in pages of ${pageSize}`;
      throw errno('ENOMEM', `${request.size} bytes ${form} asked, the largest free run has ${largest}`);
    }
    const size = pages * pageSize;
    const fields = { size, pageSize, extents, shared, ownerAsid, owner, birth };
    const allocation = new Allocation(this, fields, this.#handles, this.#tracker);
    this.live.add(allocation);
    return allocation;
  }

  /**
   * The allocation behind a handle, for a context to map. Only the low half of a handle counts, as in the driver.
   * Errors: EINVAL unknown, EPERM of another context and not shared (uapi.md 5.2).
   */
  peek(handle: bigint, asid: number): Allocation {
    const allocation = this.#known(handle);
    if (allocation.ownerAsid !== asid && !allocation.shared) {
      throw errno('EPERM', `device memory ${handle} belongs to another context and was not allocated SHARED`);
    }
    return allocation;
  }

  /** The same for its owner, who alone may free and export it. */
  peekOwn(handle: bigint, asid: number): Allocation {
    const allocation = this.#known(handle);
    if (allocation.ownerAsid !== asid) {
      throw errno('EPERM', `device memory ${handle} belongs to another context`);
    }
    return allocation;
  }

  /** The handle stops naming the allocation; its memory lives until the last reference is gone. */
  forget(allocation: Allocation): void {
    allocation.forgotten = true;
    this.#handles.remove(allocation.handle);
    allocation.put();
  }

  reclaim(allocation: Allocation): void {
    this.live.delete(allocation);
    for (const extent of allocation.extents) {
      this.hbm.punchHole(extent.address, extent.size);
      this.#give(extent);
    }
  }

  #known(handle: bigint): Allocation {
    const allocation = this.#handles.peek(Number(BigInt.asUintN(32, handle)));
    if (allocation === undefined) {
      throw errno('EINVAL', `no device memory has the handle ${handle}`);
    }
    return allocation;
  }

  #takeRun(units: number, align: number): Extent[] | undefined {
    const start = this.#pages.allocate(units, { align });
    return start === undefined ? undefined : [extent(start, units)];
  }

  #takePages(pages: number, unit: number): Extent[] | undefined {
    const runs: { start: number; units: number }[] = [];
    for (let i = 0; i < pages; i++) {
      const start = this.#pages.allocate(unit, { align: unit });
      if (start === undefined) {
        for (const { start: first, units } of runs) {
          this.#pages.release(first, units);
        }
        return undefined;
      }
      const last = runs.at(-1);
      if (last !== undefined && last.start + last.units === start) {
        last.units += unit;
      } else {
        runs.push({ start, units: unit });
      }
    }
    return runs.map(({ start, units }) => extent(start, units));
  }

  #give({ address, size }: Extent): void {
    this.#pages.release(address / DRAM_PAGE_SIZE, size / DRAM_PAGE_SIZE);
  }
}

function extent(start: number, units: number): Extent {
  return { address: start * DRAM_PAGE_SIZE, size: units * DRAM_PAGE_SIZE };
}
