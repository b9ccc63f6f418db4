/**
 * What a device's sync managers and SRAM give out to contexts under the `shared` policy.
 *
 * Owns: which sync objects, monitors and SRAM bytes are leased. Must not know contexts; it hands out ranges.
 */
import { errno } from '@pedrera/base';
import {
  DCORE_COUNT,
  DCORE_NAMES,
  MONITORS_PER_DCORE,
  SOBS_PER_DCORE,
  SRAM_USER_BASE,
  SRAM_USER_SIZE,
  type SyncLease,
} from '@pedrera/hw';
import { RangeAllocator } from './range-allocator.js';

/** Sync objects and monitors the driver keeps to itself in W_S (device.md 4.4). */
const DRIVER_SOBS = 144;
const DRIVER_MONITORS = 72;
/** A monitor watches objects of one group of eight, so leases are whole groups. */
const GROUP = 8;
const SRAM_GRANULE = 128;

/** First object of a sync manager that users may have, as INFO SYNC_MANAGER reports it (uapi.md 2.4). */
export function firstFree(dcore: number): { sob: number; monitor: number } {
  return dcore === 0 ? { sob: DRIVER_SOBS, monitor: DRIVER_MONITORS } : { sob: 0, monitor: 0 };
}

export class Leases {
  readonly #sobs: RangeAllocator[] = [];
  readonly #monitors: RangeAllocator[] = [];
  readonly #sram = new RangeAllocator(SRAM_USER_BASE, SRAM_USER_BASE + SRAM_USER_SIZE);

  constructor() {
    for (let dcore = 0; dcore < DCORE_COUNT; dcore++) {
      const first = firstFree(dcore);
      this.#sobs.push(new RangeAllocator(first.sob, SOBS_PER_DCORE));
      this.#monitors.push(new RangeAllocator(first.monitor, MONITORS_PER_DCORE));
    }
  }

  /** Errors: EINVAL for counts of 0 or a dcore that is none, ENOSPC when they are all leased. */
  leaseSync(dcore: number, syncObjects: number, monitors: number): SyncLease {
    const sobs = this.#sobs[dcore];
    const mons = this.#monitors[dcore];
    if (sobs === undefined || mons === undefined) {
      throw errno('EINVAL', `dcore ${dcore} is none of the ${DCORE_COUNT} sync managers`);
    }
    if (syncObjects < 1 || monitors < 0) {
      throw errno('EINVAL', `a lease of ${syncObjects} sync objects and ${monitors} monitors is empty`);
    }
    const sobCount = Math.ceil(syncObjects / GROUP) * GROUP;
    const firstSob = sobs.allocate(sobCount, { align: GROUP });
    if (firstSob === undefined) {
      throw errno('ENOSPC', `${DCORE_NAMES[dcore]} has no ${sobCount} sync objects in a row left (${sobs.free} free)`);
    }
    const firstMonitor = monitors === 0 ? 0 : mons.allocate(monitors);
    if (firstMonitor === undefined) {
      sobs.release(firstSob, sobCount);
      throw errno('ENOSPC', `${DCORE_NAMES[dcore]} has no ${monitors} monitors in a row left (${mons.free} free)`);
    }
    return { dcore, firstSob, sobs: sobCount, firstMonitor, monitors };
  }

  returnSync(lease: SyncLease): void {
    this.#sobs[lease.dcore]?.release(lease.firstSob, lease.sobs);
    if (lease.monitors > 0) {
      this.#monitors[lease.dcore]?.release(lease.firstMonitor, lease.monitors);
    }
  }

  leaseSram(size: number): { base: number; size: number } {
    if (size < 1 || size > SRAM_USER_SIZE) {
      throw errno('EINVAL', `an SRAM lease has 1 to ${SRAM_USER_SIZE} bytes, not ${size}`);
    }
    const length = Math.ceil(size / SRAM_GRANULE) * SRAM_GRANULE;
    const base = this.#sram.allocate(length);
    if (base === undefined) {
      throw errno('ENOSPC', `${length} bytes of SRAM asked, the largest free run is ${this.#sram.largestFree()}`);
    }
    return { base, size: length };
  }

  returnSram(lease: { base: number; size: number }): void {
    this.#sram.release(lease.base, lease.size);
  }
}
