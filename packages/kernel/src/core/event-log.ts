/**
 * What happened to devices and clients, for people: the last thousand things worth telling.
 *
 * Owns: their order and number, how many are kept, who else is told. Must not know what leads to an event, or who reads.
 */
import type { Clock } from '@pedrera/base';
import type { EventState } from '@pedrera/uapi';

/** An event as whoever reports it knows it; what does not apply is left out. */
interface Happening {
  readonly kind: EventState['kind'];
  readonly severity: EventState['severity'];
  readonly text: string;
  readonly device?: number | undefined;
  readonly pid?: number | undefined;
  readonly asid?: number | undefined;
  readonly queue?: string | undefined;
  readonly seq?: number | undefined;
}

export interface LoggedEvent extends Happening {
  /** From 1; counts all there ever were. */
  readonly number: number;
  readonly timeNs: number;
}

const KEPT = 1000;

export class EventLog {
  readonly #clock: Clock;
  /** A ring: number n is at (n - 1) % KEPT. */
  readonly #kept: LoggedEvent[] = [];
  readonly #listeners = new Set<(event: LoggedEvent) => void>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Events so far. */
  get count(): number {
    return this.#count;
  }

  add(happening: Happening): void {
    const event: LoggedEvent = { ...happening, number: ++this.#count, timeNs: this.#clock.nowNs() };
    this.#kept[(event.number - 1) % KEPT] = event;
    for (const listener of this.#listeners) {
      listener(event);
    }
  }

  /** Those that are kept, oldest first. */
  *[Symbol.iterator](): IterableIterator<LoggedEvent> {
    for (let number = Math.max(1, this.#count - KEPT + 1); number <= this.#count; number++) {
      yield this.#kept[(number - 1) % KEPT] as LoggedEvent;
    }
  }

  /** `listener` hears of every event from here on; the answer ends that. */
  listen(listener: (event: LoggedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
