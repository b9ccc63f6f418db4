/**
 * What an open file is told about events of its device (uapi.md 7.4).
 *
 * Owns: the pending bits and the registered event descriptor. Must not know what an eventfd is: who registers one brings
 * an object that can be signalled.
 */
import { errno } from '@pedrera/base';

/** An eventfd of the client, or whatever a test counts with. */
export interface EventSink {
  /** Adds one to the counter. */
  signal(): void;
  close(): void;
}

export class Notifier {
  #pending = 0;
  #sink: EventSink | undefined;

  /** Adds the bits; the descriptor is signalled once a notification, also for a bit that was set already. */
  notify(mask: number): void {
    this.#pending |= mask;
    this.#sink?.signal();
  }

  /** Reads and clears. */
  take(): number {
    const mask = this.#pending;
    this.#pending = 0;
    return mask;
  }

  get registered(): boolean {
    return this.#sink !== undefined;
  }

  /** Errors: EINVAL when one is registered. Nothing is signalled for what is pending already. */
  register(sink: EventSink): void {
    if (this.#sink !== undefined) {
      throw errno('EINVAL', 'this file has an event descriptor registered already');
    }
    this.#sink = sink;
  }

  /** Errors: EINVAL when none is registered. */
  unregister(): void {
    if (this.#sink === undefined) {
      throw errno('EINVAL', 'this file has no event descriptor registered');
    }
    this.close();
  }

  close(): void {
    this.#sink?.close();
    this.#sink = undefined;
  }
}
