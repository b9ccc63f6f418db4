/** Who holds which sync objects and monitors: hands them out, takes them back without a trace of the former holder. */

import { DCORE_COUNT, MONITORS_PER_DCORE, SOBS_PER_DCORE, type SyncLease } from '@pedrera/hw';
import type { SyncManager } from './sync-manager.js';

/**
 * Makes `leases` what context `asid` holds. Objects it no longer holds are zeroed, monitors disarmed; what it held by a
 * persistent lease stays as it is.
 */
export function grantLeases(sync: SyncManager, asid: number, leases: readonly SyncLease[]): void {
  for (const lease of leases) checkLease(sync, asid, lease);
  const keepSobs = new Map<number, number>();
  const keepMonitors = new Map<number, number>();
  for (const { dcore, firstSob, sobs, firstMonitor, monitors, persistent } of leases) {
    const kind = persistent === true ? 1 : 0;
    for (let i = 0; i < sobs; i++) keepSobs.set(dcore * SOBS_PER_DCORE + firstSob + i, kind);
    for (let i = 0; i < monitors; i++) keepMonitors.set(dcore * MONITORS_PER_DCORE + firstMonitor + i, kind);
  }
  // Monitors first: what is taken away must not fire because of the zeroing.
  transfer(sync.monitorOwners, sync.persistentMonitors, asid, keepMonitors, (monitor) => sync.disarm(monitor));
  transfer(sync.owners, sync.persistentSobs, asid, keepSobs, (sob) => sync.writeSob(sob, 0));
}

function transfer(
  owners: Uint16Array,
  persistent: Uint8Array,
  asid: number,
  keep: ReadonlyMap<number, number>,
  clear: (object: number) => void,
): void {
  for (let object = 0; object < owners.length; object++) {
    const kind = keep.get(object);
    if (kind !== undefined) {
      owners[object] = asid;
      persistent[object] = kind;
    } else if (owners[object] === asid) {
      owners[object] = 0;
      if (persistent[object] === 0) clear(object);
      persistent[object] = 0;
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
