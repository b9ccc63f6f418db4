/**
 * The lock of a reservation, and taking several without deadlock (uapi.md 6.4: ww-mutex, EDEADLK back-off).
 *
 * Owns: who holds a lock, who waits in which order, the age of acquisitions.
 * Must not know what is protected.
 *
 * JavaScript runs a function to its end before the next one starts: reading or changing one reservation between two awaits needs no
 * lock and sees no half-done change. The lock is for what an await may split: reserving room on several buffers and then adding to
 * all of them, so that two submissions which share two buffers see each other in the same order on both.
 *
 * Wait-die: who holds a lock already and meets an older acquisition, as holder or ahead of it in the queue, gets EDEADLK, gives
 * everything back and waits for that one lock. So a waiter that holds something only ever waits for younger ones, and no circle can
 * form. Its age stays, so it is the oldest some day. Who takes one lock only waits in the order of arrival.
 * A fence is never signalled under a lock that a waiter for it might hold: signalling takes no lock at all.
 */
import { errno, HlError } from '@pedrera/base';
import type { FenceDomain } from './fence-domain.js';

interface Waiter {
  readonly acquire: AcquireContext | undefined;
  readonly granted: () => void;
  readonly refused: (error: HlError) => void;
}

export class ReservationLock {
  #held = false;
  #holder: AcquireContext | undefined;
  /** Acquisitions by age, those of a single lock where they came. */
  #waiters: Waiter[] = [];
  readonly #released: () => void;

  /** `released` runs at every unlock, while the lock is still held. */
  constructor(released: () => void = () => {}) {
    this.#released = released;
  }

  get held(): boolean {
    return this.#held;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  heldBy(acquire: AcquireContext): boolean {
    return this.#held && this.#holder === acquire;
  }

  /** Takes it when it is free, without waiting. */
  tryLock(): boolean {
    return this.#take(undefined);
  }

  /** For one lock alone: its holder must not wait for a second one. */
  async lock(): Promise<void> {
    if (!this.#take(undefined)) {
      await this.#enqueue(undefined);
    }
  }

  /** Gives back what lock() or tryLock() took. */
  unlock(): void {
    this.releaseFor(undefined);
  }

  /** Of AcquireContext only. Undefined: it has it now; otherwise the wait. Errors: EDEADLK. */
  acquireFor(acquire: AcquireContext): Promise<void> | undefined {
    return this.#take(acquire) ? undefined : this.#enqueue(acquire);
  }

  /** Of AcquireContext only. */
  releaseFor(acquire: AcquireContext | undefined): void {
    if (!this.#held || this.#holder !== acquire) {
      throw new Error('a reservation was unlocked by somebody who does not hold it');
    }
    this.#released();
    const next = this.#waiters.shift();
    this.#held = next !== undefined;
    this.#holder = next?.acquire;
    // Nobody behind it has to back off: a younger one with locks in hand would not be waiting behind it.
    next?.acquire?.acquired(this);
    next?.granted();
  }

  /** Of AcquireContext only: takes a waiting acquisition out of the queue. */
  abandon(acquire: AcquireContext, error: HlError): void {
    const waiter = this.#waiters.find((candidate) => candidate.acquire === acquire);
    if (waiter !== undefined) {
      this.#remove(waiter);
      waiter.refused(error);
    }
  }

  #take(acquire: AcquireContext | undefined): boolean {
    if (this.#held) {
      return false;
    }
    this.#held = true;
    this.#holder = acquire;
    acquire?.acquired(this);
    return true;
  }

  #enqueue(acquire: AcquireContext | undefined): Promise<void> {
    if (acquire !== undefined) {
      const inTheWay = [this.#holder, ...this.#waiters.map((waiter) => waiter.acquire)];
      if (acquire.holds > 0 && inTheWay.some((other) => other !== undefined && other.ticket < acquire.ticket)) {
        throw deadlock();
      }
      this.#refuseYounger(acquire);
    }
    return new Promise((granted, refused) => {
      const waiter: Waiter = { acquire, granted, refused };
      const at = acquire === undefined ? -1 : this.#waiters.findIndex((other) => isYounger(other, acquire));
      this.#waiters.splice(at < 0 ? this.#waiters.length : at, 0, waiter);
    });
  }

  /** Those that wait here with locks in hand, behind an older one from now on. */
  #refuseYounger(acquire: AcquireContext): void {
    for (const waiter of [...this.#waiters]) {
      if (isYounger(waiter, acquire) && (waiter.acquire?.holds ?? 0) > 0) {
        this.#remove(waiter);
        waiter.refused(deadlock());
      }
    }
  }

  #remove(waiter: Waiter): void {
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
  }
}

function isYounger(waiter: Waiter, than: AcquireContext): boolean {
  return waiter.acquire !== undefined && waiter.acquire.ticket > than.ticket;
}

function deadlock(): HlError {
  return errno('EDEADLK', 'an older acquisition holds or awaits this lock; give back the others and start with it');
}

/** One attempt to hold several locks at a time. It does one thing after the other: a lock is asked for when the last was got. */
export class AcquireContext {
  readonly ticket: number;
  readonly #locks = new Set<ReservationLock>();
  #waitingFor: ReservationLock | undefined;
  #interrupted = false;

  constructor(domain: FenceDomain) {
    this.ticket = domain.newTicket();
  }

  /** How many it holds. */
  get holds(): number {
    return this.#locks.size;
  }

  /**
   * False when it held the lock already (the driver's EALREADY). Errors: EDEADLK: call releaseAll(), then lock() this one, which
   * waits, then the others; EINTR after interrupt().
   */
  async lock(lock: ReservationLock): Promise<boolean> {
    if (this.#interrupted) {
      throw interrupted();
    }
    if (this.#waitingFor !== undefined) {
      throw new Error('an acquisition waits for one lock at a time');
    }
    if (this.#locks.has(lock)) {
      return false;
    }
    const wait = lock.acquireFor(this);
    if (wait !== undefined) {
      this.#waitingFor = lock;
      try {
        await wait;
      } finally {
        this.#waitingFor = undefined;
      }
      // Interrupted after it was granted, before this function went on.
      if (this.#interrupted) {
        if (this.#locks.has(lock)) {
          this.release(lock);
        }
        throw interrupted();
      }
    }
    return true;
  }

  /** Holds these in the end, beside what it held before; on the way it may give back all. Holds nothing when it throws. Errors: EINTR. */
  async lockAll(locks: Iterable<ReservationLock>): Promise<void> {
    const wanted = new Set([...this.#locks, ...locks]);
    let current: ReservationLock | undefined;
    let contended: ReservationLock | undefined;
    for (;;) {
      try {
        for (current of contended === undefined ? wanted : [contended, ...wanted]) {
          await this.lock(current);
        }
        return;
      } catch (error) {
        this.releaseAll();
        if (!(error instanceof HlError) || error.code !== 'EDEADLK') {
          throw error;
        }
        contended = current;
      }
    }
  }

  release(lock: ReservationLock): void {
    if (!this.#locks.delete(lock)) {
      throw new Error('an acquisition gave back a lock it does not hold');
    }
    lock.releaseFor(this);
  }

  releaseAll(): void {
    for (const lock of [...this.#locks]) {
      this.release(lock);
    }
  }

  /** The client is gone: the wait under way, and any later one, ends with EINTR. */
  interrupt(): void {
    this.#interrupted = true;
    this.#waitingFor?.abandon(this, interrupted());
  }

  /** Of ReservationLock only. */
  acquired(lock: ReservationLock): void {
    this.#locks.add(lock);
  }
}

function interrupted(): HlError {
  return errno('EINTR', 'the wait for a reservation was interrupted');
}
