/**
 * Who is to be told when a file may have become ready.
 *
 * Owns: the listeners. A wake-up is a hint, as poll(2)'s: the listener asks again.
 * Must not know what they wait for.
 */

/** As poll(2) numbers them. */
export const POLL_IN = 0x1;
export const POLL_OUT = 0x4;

export class WaitQueue {
  readonly #listeners = new Set<(events: number) => void>();

  get size(): number {
    return this.#listeners.size;
  }

  /** Told of every wake-up until the returned function is called. */
  add(listener: (events: number) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  wake(events: number): void {
    for (const listener of [...this.#listeners]) {
      if (this.#listeners.has(listener)) {
        listener(events);
      }
    }
  }
}
