/**
 * What one context has leased of its device: ranges of sync objects and monitors, SRAM. Under `exclusive` nothing is leased, all
 * of it is the context's.
 *
 * Owns: which ranges those are, and that the device hears of each. Must not know how ranges are chosen: leases.ts has the
 * device's books.
 */
import { errno, HlError } from '@pedrera/base';
import { DCORE, type SyncLease } from '@pedrera/hw';
import type { Context } from './context.js';
import { ownedSync } from './device-rights.js';

/** What INFO SYNC_MANAGER leases to a context that never asked for a certain number. */
const DEFAULT_LEASE = { syncObjects: 32, monitors: 8 };

export class ContextLeases {
  readonly #context: Context;
  /** By dcore. */
  readonly #own: (SyncLease | undefined)[] = [];
  readonly #ofDriver: SyncLease[] = [];
  #sram: { base: number; size: number } | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** All that was leased of sync objects and monitors. */
  get sync(): SyncLease[] {
    return [...this.#own.filter((lease) => lease !== undefined), ...this.#ofDriver];
  }

  /** What the driver's own command buffers use on this context's behalf (uapi.md 4.9). */
  get ofDriver(): readonly SyncLease[] {
    return this.#ofDriver;
  }

  get sram(): { readonly base: number; readonly size: number } | undefined {
    return this.#sram;
  }

  /** The objects of a sync manager the context may touch, if any. */
  held(dcore: number): SyncLease | undefined {
    return this.#context.device.policy.ownsDevice ? ownedSync(dcore) : this.#own[dcore];
  }

  /** As held(); where nothing was leased yet, a few objects are now. */
  heldOrLeased(dcore: number): SyncLease {
    return this.held(dcore) ?? this.leaseSync(dcore, DEFAULT_LEASE);
  }

  /** Errors: EBUSY when there is a lease already, EINVAL, ENOSPC. Under `exclusive` all objects are the context's. */
  leaseSync(dcore: number, wanted: { syncObjects: number; monitors: number }): SyncLease {
    const { device } = this.#context;
    const held = this.held(dcore);
    if (held !== undefined) {
      if (device.policy.ownsDevice) {
        return held;
      }
      throw errno(
        'EBUSY',
        `this context already leases ${held.sobs} sync objects of dcore ${dcore}, from ${held.firstSob}`,
      );
    }
    const lease = device.leases.leaseSync(dcore, wanted.syncObjects, wanted.monitors);
    this.#own[dcore] = lease;
    device.updateRights(this.#context);
    return lease;
  }

  /** Errors: ENOMEM. */
  leaseForDriver(sobs: number, monitors: number): SyncLease {
    const { device } = this.#context;
    let lease: SyncLease;
    try {
      lease = device.leases.leaseSync(DCORE.W_S, sobs, monitors);
    } catch (error) {
      // ENOSPC is nothing a submission may answer (uapi.md 4.13).
      throw error instanceof HlError ? errno('ENOMEM', error.detail ?? error.code) : error;
    }
    this.#ofDriver.push(lease);
    device.updateRights(this.#context);
    return lease;
  }

  /** Errors: EBUSY when there is a lease already, EINVAL, ENOSPC. */
  leaseSram(size: number): { readonly base: number; readonly size: number } {
    const { device } = this.#context;
    if (this.#sram !== undefined) {
      throw errno('EBUSY', `this context already holds ${this.#sram.size} bytes of SRAM`);
    }
    this.#sram = device.leases.leaseSram(size);
    device.updateRights(this.#context);
    return this.#sram;
  }

  /** To the device's books. Precondition: the device has forgotten the context's ASID. */
  giveBack(): void {
    const { leases } = this.#context.device;
    for (const lease of this.sync) {
      leases.returnSync(lease);
    }
    if (this.#sram !== undefined) {
      leases.returnSram(this.#sram);
    }
  }
}
