/**
 * How many waits may be outstanding at once.
 *
 * The daemon bounds the requests of a connection. Waits stay pending for as long as the device works, so if they could
 * take all of that room, the very submission that would end them could not be made any more.
 *
 * Must not know: what is waited for.
 */
import type { Clock } from '@pedrera/base';

export class WaitGate {
  #room: number;
  readonly #clock: Clock;
  readonly #queue = new Set<() => void>();

  constructor(room: number, clock: Clock) {
    this.#room = Math.max(1, Math.floor(room));
    this.#clock = clock;
  }

  /**
   * True, at once or when there is room, if the caller may go on; `leave()` follows then. False when the deadline (on the clock's scale,
   * perhaps infinite) passed first.
   */
  enter(deadlineNs: number): true | Promise<boolean> {
    if (this.#room > 0) {
      this.#room -= 1;
      return true;
    }
    return new Promise((resolve) => {
      const proceed = (): void => {
        timer?.cancel();
        resolve(true);
      };
      const expire = (): void => {
        this.#queue.delete(proceed);
        resolve(false);
      };
      const timer = Number.isFinite(deadlineNs) ? this.#clock.at(deadlineNs, expire) : undefined;
      this.#queue.add(proceed);
    });
  }

  leave(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#room += 1;
      return;
    }
    // The place passes on from hand to hand.
    this.#queue.delete(next);
    next();
  }
}
