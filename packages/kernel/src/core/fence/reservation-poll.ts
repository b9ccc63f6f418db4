/**
 * poll(2) of a dma-buf (uapi.md 6.2): readable once nobody writes any more, writable once nobody uses it any more.
 *
 * Owns: one callback for each direction, armed by the first question that finds something pending, gone when it has run.
 * While it is armed, the answer to everybody is "not ready", and the buffer is held.
 * Must not know how its owner is held.
 */
import type { DmaFence } from './dma-fence.js';
import { type Reservation, usageOfAccess } from './reservation.js';
import { POLL_IN, POLL_OUT, WaitQueue } from './wait-queue.js';

/** The file behind the reservation. */
export interface PolledFile {
  get(): unknown;
  put(): void;
}

const DIRECTIONS = [
  { event: POLL_OUT, write: true },
  { event: POLL_IN, write: false },
] as const;

export class ReservationPoll {
  /** Told when an armed event fired: ask again. */
  readonly queue = new WaitQueue();
  readonly #reservation: Reservation;
  readonly #file: PolledFile;
  #armed = 0;

  constructor(reservation: Reservation, file: PolledFile) {
    this.#reservation = reservation;
    this.#file = file;
  }

  /** Events whose callback waits for a fence. */
  get armed(): number {
    return this.#armed;
  }

  /** Which of the events asked for hold now; those that do not are armed. Other events are not answered. */
  poll(events: number): number {
    let ready = 0;
    for (const { event, write } of DIRECTIONS) {
      if ((events & event) === 0 || (this.#armed & event) !== 0) {
        continue;
      }
      // Nobody needs waking here: who was told "not ready" was told so while the event was armed, and hears of it when that fires.
      if (!this.#arm(event, write)) {
        ready |= event;
      }
    }
    return ready;
  }

  #arm(event: number, write: boolean): boolean {
    for (const fence of this.#reservation.pending(usageOfAccess(write))) {
      if (fence.watch((signalled) => this.#fired(event, signalled)) !== undefined) {
        fence.get();
        this.#file.get();
        this.#armed |= event;
        return true;
      }
    }
    return false;
  }

  #fired(event: number, fence: DmaFence): void {
    this.#armed &= ~event;
    try {
      this.queue.wake(event);
    } finally {
      fence.put();
      this.#file.put();
    }
  }
}
