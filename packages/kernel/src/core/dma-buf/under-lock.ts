/**
 * Doing something to reservations while they are locked (uapi.md 6.4), for code that does it in one go.
 *
 * Owns: taking and giving back. JavaScript runs such code to its end, and nobody here keeps a lock from one turn to the next, so a
 * lock is always free and several can be taken in any order; reservation-lock.ts has what is needed where that is not so.
 */
import type { Reservation } from '../fence/reservation.js';

export function underLock<T>(reservations: Iterable<Reservation>, use: () => T): T {
  const locked: Reservation[] = [];
  try {
    for (const reservation of new Set(reservations)) {
      if (!reservation.lock.tryLock()) {
        throw new Error('the lock of a reservation was kept from one turn to the next');
      }
      locked.push(reservation);
    }
    return use();
  } finally {
    for (const reservation of locked) {
      reservation.lock.unlock();
    }
  }
}
