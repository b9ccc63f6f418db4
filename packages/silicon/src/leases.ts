/** Who holds which sync objects and monitors: hands them out, takes them back without a trace of the former holder. */

import { DCORE_COUNT, MONITORS_PER_DCORE, SOBS_PER_DCORE, type SyncLease } from '@pedrera/hw';
import type { SyncManager } from './sync-manager.js';

/** Makes `leases` what context `asid` holds. Objects it no longer holds are zeroed, monitors disarmed. */
export function grantLeases(sync: SyncManager, asid: number, leases: readonly SyncLease[]): void {
  for (const lease of leases) checkLease(sync, asid, lease);
  const keepSobs = new Set<number>();
  const keepMonitors = new Set<number>();
  for (const { dcore, firstSob, sobs, firstMonitor, monitors } of leases) {
    for (let i = 0; i < sobs; i++) keepSobs.add(dcore * SOBS_PER_DCORE + firstSob + i);
    for (let i = 0; i < monitors; i++) keepMonitors.add(dcore * MONITORS_PER_DCORE + firstMonitor + i);
  }
  // Monitors first: what is taken away must not fire because of the zeroing.
  for (let monitor = 0; monitor < sync.monitorOwners.length; monitor++) {
    if (keepMonitors.has(monitor)) {
      sync.monitorOwners[monitor] = asid;
    } else if (sync.monitorOwners[monitor] === asid) {
      sync.disarm(monitor);
      sync.monitorOwners[monitor] = 0;
    }
  }
  for (let sob = 0; sob < sync.owners.length; sob++) {
    if (keepSobs.has(sob)) {
      sync.owners[sob] = asid;
    } else if (sync.owners[sob] === asid) {
      sync.owners[sob] = 0;
      sync.writeSob(sob, 0);
    }
  }
}

function checkLease(sync: SyncManager, asid: number, lease: SyncLease): void {
  const { dcore, firstSob, sobs, firstMonitor, monitors } = lease;
  const valid =
    dcore >= 0 &&
    dcore < DCORE_COUNT &&
    firstSob >= 0 &&
    sobs >= 0 &&
    firstSob + sobs <= SOBS_PER_DCORE &&
    firstMonitor >= 0 &&
    monitors >= 0 &&
    firstMonitor + monitors <= MONITORS_PER_DCORE;
  if (!valid) throw new RangeError(`no such sync objects: ${JSON.stringify(lease)}`);
  checkFree(sync.owners, dcore * SOBS_PER_DCORE + firstSob, sobs, asid, 'sync object');
  checkFree(sync.monitorOwners, dcore * MONITORS_PER_DCORE + firstMonitor, monitors, asid, 'monitor');
}

function checkFree(owners: Uint16Array, first: number, count: number, asid: number, what: string): void {
  for (let i = first; i < first + count; i++) {
    const owner = owners[i];
    if (owner !== 0 && owner !== asid) throw new Error(`${what} ${i} belongs to context ${owner}, not ${asid}`);
  }
}
