/**
 * The fences of a buffer: what an access has to wait for (uapi.md 6.4).
 *
 * Owns: the list of fences with their usages and a reference on each, room reserved for more, the buffer's lock.
 * Changes need the lock; questions do not (reservation-lock.ts says why).
 * Must not know whose buffer it is.
 */
import { errno } from '@pedrera/base';
import { type DmaFence, signalledStub } from './dma-fence.js';
import { FenceArray } from './fence-array.js';
import type { FenceDomain } from './fence-domain.js';
import { FenceWait } from './fence-wait.js';
import { type AcquireContext, ReservationLock } from './reservation-lock.js';
import { unwrapFence } from './unwrap.js';

/** From what everybody has to wait for to what nobody does; a question for one covers those before it. */
export const USAGE = { KERNEL: 0, WRITE: 1, READ: 2, BOOKKEEP: 3 } as const;
export type Usage = (typeof USAGE)[keyof typeof USAGE];

export interface ReservedFence {
  readonly fence: DmaFence;
  readonly usage: Usage;
}

/** What an access waits for under implicit synchronization: a reader for kernel and writers, a writer for readers too. */
export function usageOfAccess(write: boolean): Usage {
  return write ? USAGE.READ : USAGE.WRITE;
}

export class Reservation {
  readonly domain: FenceDomain;
  readonly lock: ReservationLock;
  #entries: ReservedFence[] = [];
  /** Entries there is room for. Room that was not used is lost when the lock is given back. */
  #room = 0;

  constructor(domain: FenceDomain) {
    this.domain = domain;
    this.lock = new ReservationLock(() => {
      this.#room = this.#entries.length;
    });
  }

  /** Room for so many more, before they are added; not beyond what is there already. Drops signalled ones. Errors: EINVAL. */
  reserve(count = 1): void {
    this.#assertLocked('reserve');
    if (!Number.isSafeInteger(count) || count < 1) {
      throw errno('EINVAL', `room for ${count} fences: at least one expected`);
    }
    if (this.#entries.length + count <= this.#room) {
      return;
    }
    this.#prune();
    this.#room = Math.max(this.#room, this.#entries.length + count);
  }

  /**
   * Takes a reference of its own. Replaces the first entry that has signalled, or is of the same timeline, with the same or a weaker
   * usage, and not later; a stronger one stays beside it. A container is taken apart, with a warning. Needs room: to have none is a
   * bug of the caller.
   */
  add(fence: DmaFence, usage: Usage): void {
    this.#assertLocked('add');
    if (!fence.isContainer) {
      this.#addOne(fence, usage);
      return;
    }
    this.domain.warn(`${fence.name} was added to a reservation as a whole; containers are added fence by fence`);
    for (const one of unwrapFence(fence)) {
      this.#addOne(one, usage);
    }
  }

  /** Everything of this usage or a stronger one, in the order of the list, signalled or not. Takes no references. */
  entries(usage: Usage = USAGE.BOOKKEEP): ReservedFence[] {
    return this.#entries.filter((entry) => entry.usage <= usage);
  }

  /** What an access of this usage has to wait for. Takes no references. */
  pending(usage: Usage = USAGE.BOOKKEEP): DmaFence[] {
    return this.entries(usage)
      .filter(({ fence }) => !fence.signalled)
      .map(({ fence }) => fence);
  }

  /** Nothing of this usage, or a stronger one, is pending. */
  testSignalled(usage: Usage): boolean {
    return this.#entries.every((entry) => entry.usage > usage || entry.fence.signalled);
  }

  /** For what is there now, with references; 0 is a poll. Needs no lock, and may be done under one. Errors: EINVAL. */
  wait(usage: Usage, timeoutNs: number): FenceWait {
    return new FenceWait(this.domain.clock, this.pending(usage), timeoutNs);
  }

  /** One fence for what such an access would wait for; a signalled stub for nothing. Takes a reference. */
  snapshot(usage: Usage): DmaFence {
    const fences = this.pending(usage);
    const [only] = fences;
    if (only === undefined) {
      return signalledStub(this.domain);
    }
    return fences.length === 1 ? only.get() : new FenceArray(this.domain, fences);
  }

  /** Adds a fence from outside, taken apart. Under the lock. */
  addUnwrapped(fence: DmaFence, usage: Usage): void {
    const fences = unwrapFence(fence);
    this.reserve(fences.length);
    for (const one of fences) {
      this.#addOne(one, usage);
    }
  }

  /** The same, taking the lock; holds the fence meanwhile. Errors: EINTR when `acquire` is interrupted. */
  async importFence(fence: DmaFence, usage: Usage, acquire: AcquireContext): Promise<void> {
    using held = fence.get();
    const taken = await acquire.lock(this.lock);
    try {
      this.addUnwrapped(held, usage);
    } finally {
      if (taken) {
        acquire.release(this.lock);
      }
    }
  }

  /** The buffer is gone. */
  destroy(): void {
    if (this.lock.held) {
      throw new Error('a reservation was destroyed while it was locked');
    }
    const entries = this.#entries;
    this.#entries = [];
    this.#room = 0;
    for (const { fence } of entries) {
      fence.put();
    }
  }

  #addOne(fence: DmaFence, usage: Usage): void {
    const entry: ReservedFence = { fence: fence.get(), usage };
    const at = this.#entries.findIndex((old) => isReplaced(old, entry));
    const old = this.#entries[at];
    if (old !== undefined) {
      this.#entries[at] = entry;
      old.fence.put();
      return;
    }
    if (this.#entries.length >= this.#room) {
      fence.put();
      throw new Error(`no room was reserved for fence ${fence.name} beside ${this.#entries.length} others`);
    }
    this.#entries.push(entry);
  }

  #prune(): void {
    const kept: ReservedFence[] = [];
    const gone: DmaFence[] = [];
    for (const entry of this.#entries) {
      if (entry.fence.signalled) {
        gone.push(entry.fence);
      } else {
        kept.push(entry);
      }
    }
    this.#entries = kept;
    for (const fence of gone) {
      fence.put();
    }
  }

  #assertLocked(what: string): void {
    if (!this.lock.held) {
      throw new Error(`${what} on a reservation that is not locked`);
    }
  }
}

function isReplaced(old: ReservedFence, entry: ReservedFence): boolean {
  const sameTimeline = old.fence.context === entry.fence.context;
  return (sameTimeline && old.usage >= entry.usage && !old.fence.isLaterThan(entry.fence)) || old.fence.signalled;
}
