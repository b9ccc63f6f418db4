/**
 * What a context may reach of its device apart from its mappings, under each policy.
 *
 * Owns: which sync objects, monitors and memories that are. Must not know how rights are enforced.
 */
import {
  type ContextRights,
  DCORE_COUNT,
  type Device,
  MONITORS_PER_DCORE,
  SOBS_PER_DCORE,
  SRAM_BASE,
  SRAM_SIZE,
  type SyncLease,
} from '@pedrera/hw';
import type { Context } from './context.js';
import { firstFree } from './leases.js';
import type { Policy } from './policy.js';

/** What the one context of an owned device may use of a sync manager: all but the driver's own objects. */
export function ownedSync(dcore: number): SyncLease | undefined {
  if (dcore >= DCORE_COUNT) {
    return undefined;
  }
  const { sob, monitor } = firstFree(dcore);
  return {
    dcore,
    firstSob: sob,
    sobs: SOBS_PER_DCORE - sob,
    firstMonitor: monitor,
    monitors: MONITORS_PER_DCORE - monitor,
  };
}

/**
 * Under `exclusive` every object of every sync manager is the context's. The driver's own ones, below firstFree(), keep
 * their values from one context to the next: the counts of signal submissions go on (uapi.md 1.3, 4.9).
 */
const ALL_SYNC: readonly SyncLease[] = Array.from({ length: DCORE_COUNT }, (_, dcore) => {
  const { sob, monitor } = firstFree(dcore);
  const user = ownedSync(dcore) as SyncLease;
  return sob === 0
    ? [user]
    : [{ dcore, firstSob: 0, sobs: sob, firstMonitor: 0, monitors: monitor, persistent: true }, user];
}).flat();

export function rightsOf(context: Context, policy: Policy): ContextRights {
  if (policy.ownsDevice) {
    return { physicalHbm: true, sram: { base: SRAM_BASE, size: SRAM_SIZE }, sync: ALL_SYNC, failOnFault: false };
  }
  return {
    physicalHbm: false,
    sram: context.leases.sram ?? null,
    sync: context.leases.sync,
    failOnFault: policy.failOnFault,
  };
}

/** What opening restores: all but the driver's own objects of W_S (device.md 4.5). */
export function clearSyncObjects(hardware: Pick<Device, 'clearSyncObjects'>): void {
  for (let dcore = 0; dcore < DCORE_COUNT; dcore++) {
    const { sob } = firstFree(dcore);
    hardware.clearSyncObjects(dcore, sob, SOBS_PER_DCORE - sob);
  }
}
