/**
 * Sync objects and monitors as values: counters that packets add to, and comparators that watch them.
 *
 * Owns: which registers of a sync manager an open file may name, and their addresses.
 * Must not know: packets (command-buffer.ts encodes them) or leases of others.
 */
import { HlError } from '@pedrera/base';
import { DCORE, DCORE_NAMES, MONITORS_PER_DCORE, monitorRegisters, SOBS_PER_DCORE, sobAddress } from '@pedrera/hw';
import type { Session } from './session.js';

/** The four sync managers (device.md 4.1). */
export const Dcore = DCORE;
export type DcoreId = (typeof DCORE)[keyof typeof DCORE];

/** A counter from 0 to 0x7FFF in one of the device's own sync managers. */
export interface SyncObject {
  readonly kind: 'sync-object';
  readonly dcore: number;
  /** In its sync manager. */
  readonly index: number;
  /** Device address of its register. */
  readonly address: number;
  readonly session: Session;
}

/** A counter of another context or device, reached through a mapping; only writes go there. */
export interface RemoteSyncObject {
  readonly kind: 'remote-sync-object';
  /** In the exported range. */
  readonly index: number;
  readonly address: number;
  readonly session: Session;
}

/** A comparator that watches sync objects of its own sync manager and then writes one word (device.md 4.3). */
export interface Monitor {
  readonly kind: 'monitor';
  readonly dcore: number;
  readonly index: number;
  readonly session: Session;
}

/** Any object of a sync manager, whether leased or not: the device faults on what is not (exclusive policy: it all is). */
export function syncObjectAt(session: Session, dcore: number, index: number): SyncObject {
  checkIndex(dcore, index, SOBS_PER_DCORE, 'sync objects');
  return { kind: 'sync-object', dcore, index, address: sobAddress(dcore, index), session };
}

export function monitorAt(session: Session, dcore: number, index: number): Monitor {
  checkIndex(dcore, index, MONITORS_PER_DCORE, 'monitors');
  return { kind: 'monitor', dcore, index, session };
}

/** Addresses of a monitor's registers, for programs that write them with packets of their own. */
export function monitorAddresses(monitor: Monitor): ReturnType<typeof monitorRegisters> {
  return monitorRegisters(monitor.dcore, monitor.index);
}

export interface SyncLeaseRequest {
  /** One of `Dcore`. */
  readonly dcore: DcoreId;
  readonly syncObjects: number;
  /** None unless given. */
  readonly monitors?: number;
}

/** A range of sync objects and monitors of one sync manager, ours until the device is closed. */
export class SyncLease {
  readonly session: Session;
  readonly dcore: number;
  readonly firstSyncObject: number;
  /** How many; never fewer than asked for. */
  readonly syncObjects: number;
  readonly firstMonitor: number;
  readonly monitors: number;

  constructor(session: Session, range: SyncRange) {
    this.session = session;
    this.dcore = range.dcore;
    this.firstSyncObject = range.firstSyncObject;
    this.syncObjects = range.syncObjects;
    this.firstMonitor = range.firstMonitor;
    this.monitors = range.monitors;
  }

  /** The i-th of the lease. Throws EINVAL outside it. */
  object(i: number): SyncObject {
    checkInLease(i, this.syncObjects, 'sync objects');
    return syncObjectAt(this.session, this.dcore, this.firstSyncObject + i);
  }

  /** The i-th of the lease. Throws EINVAL outside it. */
  monitor(i: number): Monitor {
    checkInLease(i, this.monitors, 'monitors');
    return monitorAt(this.session, this.dcore, this.firstMonitor + i);
  }
}

interface SyncRange {
  readonly dcore: number;
  readonly firstSyncObject: number;
  readonly syncObjects: number;
  readonly firstMonitor: number;
  readonly monitors: number;
}

/** Errors: EINVAL for a dcore that is none or an empty lease, ENOSPC when no such range is left, EBUSY for a second lease in one dcore. */
export async function leaseSync(session: Session, request: SyncLeaseRequest): Promise<SyncLease> {
  const { dcore, syncObjects, monitors = 0 } = request;
  return new SyncLease(session, await session.ioctl('SYNC_LEASE', { dcore, syncObjects, monitors }));
}

/** `E_N sync object 5`. */
export function describeSync(target: SyncObject | RemoteSyncObject | Monitor): string {
  switch (target.kind) {
    case 'sync-object':
      return `${DCORE_NAMES[target.dcore]} sync object ${target.index}`;
    case 'remote-sync-object':
      return `imported sync object ${target.index}`;
    case 'monitor':
      return `${DCORE_NAMES[target.dcore]} monitor ${target.index}`;
  }
}

/** Throws EINVAL when a sync object or monitor of another open file is used where its address means something else. */
export function checkSync(target: SyncObject | RemoteSyncObject | Monitor, session: Session, role: string): void {
  if (target.session === session) return;
  const advice =
    target.kind === 'monitor' ? 'a monitor works for its own context only' : 'export it there and import it here';
  throw new HlError(
    'EINVAL',
    `${role}: ${describeSync(target)} belongs to another open file (${target.session.node}); ${advice}`,
  );
}

function checkInLease(i: number, count: number, what: string): void {
  if (!Number.isInteger(i) || i < 0 || i >= count)
    throw new HlError('EINVAL', `${i} is outside the lease of ${count} ${what}`);
}

function checkIndex(dcore: number, index: number, count: number, what: string): void {
  if (DCORE_NAMES[dcore] === undefined)
    throw new HlError('EINVAL', `dcore ${dcore} is none of the ${DCORE_NAMES.length} sync managers`);
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new HlError('EINVAL', `${index} is outside the ${count} ${what} of ${DCORE_NAMES[dcore]}`);
}
