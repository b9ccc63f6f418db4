/**
 * Who of a queue manager's four streams has the lock (device.md 2.5). Knows requests, weights and the quiet time, not when a
 * grant is due: the packet loop grants only when no command processor of the queue manager can go on without one, so that
 * all contenders have asked by then.
 */

import { ARB_CFG_0_ENABLE } from '@pedrera/hw';

const WEIGHTED_ROUND_ROBIN = 1;
const STREAMS = 4;

export class Arbitration {
  /** ARB_CFG_0: bit 0 chooses weighted round robin over priority, ARB_CFG_0_ENABLE switches arbitration on. */
  config = 0;
  readonly weights = new Uint32Array(STREAMS);
  /** ARB_MST_QUIET_PER: cycles between a release and the next grant. */
  quietPeriod = 0;
  /** The stream that has the lock, or -1. */
  holder = -1;
  /** Streams that wait, a bit each. */
  requests = 0;
  /** No grant before this time. */
  quietUntilNs = 0;
  /** A timer waits for that moment. */
  isQuiet = false;
  readonly #priorities = new Uint8Array(STREAMS);
  #last = STREAMS - 1;
  #credit = 0;

  get enabled(): boolean {
    return (this.config & ARB_CFG_0_ENABLE) !== 0;
  }

  get isWeighted(): boolean {
    return (this.config & WEIGHTED_ROUND_ROBIN) !== 0;
  }

  isWaiting(stream: number): boolean {
    return (this.requests & (1 << stream)) !== 0;
  }

  /** What the stream asked with last. */
  priorityOf(stream: number): number {
    return this.#priorities[stream] as number;
  }

  request(stream: number, priority: number): void {
    this.requests |= 1 << stream;
    this.#priorities[stream] = priority;
  }

  /** True if the stream had the lock. */
  release(stream: number): boolean {
    if (this.holder !== stream) return false;
    this.holder = -1;
    return true;
  }

  /** Gives the lock to the stream whose turn it is and returns it. Precondition: requests !== 0, nobody holds the lock. */
  grant(): number {
    const stream = this.isWeighted ? this.#weighted() : this.#foremost();
    this.requests &= ~(1 << stream);
    this.#last = stream;
    this.holder = stream;
    return stream;
  }

  /** Forgets the lock and who waits for it. */
  reset(): void {
    this.holder = -1;
    this.requests = 0;
    this.#last = STREAMS - 1;
    this.#credit = 0;
  }

  /** The greatest number wins; equals take turns. */
  #foremost(): number {
    let best = -1;
    for (let i = 1; i <= STREAMS; i++) {
      const stream = (this.#last + i) % STREAMS;
      if ((this.requests & (1 << stream)) === 0) continue;
      if (best < 0 || (this.#priorities[stream] as number) > (this.#priorities[best] as number)) best = stream;
    }
    return best;
  }

  /** As many grants in a row as the stream's weight says; a weight of zero counts as one, or the stream would never run. */
  #weighted(): number {
    if (this.#credit > 0 && (this.requests & (1 << this.#last)) !== 0) {
      this.#credit--;
      return this.#last;
    }
    for (let i = 1; i <= STREAMS; i++) {
      const stream = (this.#last + i) % STREAMS;
      if ((this.requests & (1 << stream)) === 0) continue;
      this.#credit = Math.max(1, this.weights[stream] as number) - 1;
      return stream;
    }
    return this.#last;
  }
}
