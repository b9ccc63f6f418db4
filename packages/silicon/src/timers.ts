/**
 * What happens in a device after a number of its clock cycles: the end of a WAIT packet, the end of arbitration's quiet time.
 * Nobody watches the clock for it: the machine asks at each step, and only while something is pending.
 */

/** The device runs at its maximum clock (device.md 1.1). */
const CYCLES_PER_NS = 2.2;

interface Pending {
  readonly dueNs: number;
  readonly fire: () => void;
}

export class Timers {
  readonly #nowNs: () => number;
  /** The earliest last; equals in the order in which they were set. */
  readonly #pending: Pending[] = [];

  constructor(nowNs: () => number) {
    this.#nowNs = nowNs;
  }

  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  after(cycles: number, fire: () => void): void {
    this.at(this.dueAfter(cycles), fire);
  }

  dueAfter(cycles: number): number {
    return this.#nowNs() + cycles / CYCLES_PER_NS;
  }

  at(dueNs: number, fire: () => void): void {
    let at = this.#pending.length;
    while (at > 0 && (this.#pending[at - 1] as Pending).dueNs <= dueNs) at--;
    this.#pending.splice(at, 0, { dueNs, fire });
  }

  isPast(timeNs: number): boolean {
    return this.#nowNs() >= timeNs;
  }

  /** Fires what is due. */
  expire(): void {
    if (this.#pending.length === 0) return;
    const now = this.#nowNs();
    for (let last = this.#pending.at(-1); last !== undefined && last.dueNs <= now; last = this.#pending.at(-1)) {
      this.#pending.pop();
      last.fire();
    }
  }

  /** Fires the earliest without waiting for its time: where time is simulated, nothing else would happen before it. */
  skipToNext(): void {
    this.#pending.pop()?.fire();
  }

  clear(): void {
    this.#pending.length = 0;
  }
}
