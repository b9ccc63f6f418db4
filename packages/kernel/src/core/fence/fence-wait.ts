/**
 * Waiting for fences with a deadline (uapi.md 6.3).
 *
 * Owns: the references and callbacks of one wait, its deadline, giving it up.
 * Must not know who waits: a caller that dies calls cancel(), and nothing of its wait stays behind.
 */
import { type Clock, errno, type Timer } from '@pedrera/base';
import type { DmaFence, FenceRegistration } from './dma-fence.js';

export interface FenceWaitResult {
  /** Signalled says nothing about errors: ask the fence. Interrupted is the driver's ERESTARTSYS. */
  readonly outcome: 'signalled' | 'timeout' | 'interrupted';
  /** At least 1 when signalled, otherwise 0. Infinity for a wait without a deadline. */
  readonly remainingNs: number;
}

const TIMEOUT: FenceWaitResult = { outcome: 'timeout', remainingNs: 0 };
const INTERRUPTED: FenceWaitResult = { outcome: 'interrupted', remainingNs: 0 };

export class FenceWait {
  /** Never rejects. */
  readonly result: Promise<FenceWaitResult>;
  readonly #clock: Clock;
  /** Infinity without one. */
  readonly deadlineNs: number;
  readonly #held: DmaFence[] = [];
  readonly #registrations: FenceRegistration[] = [];
  #pending = 0;
  #timer: Timer | undefined;
  #settled: FenceWaitResult | undefined;
  #resolve!: (result: FenceWaitResult) => void;

  constructor(clock: Clock, fences: Iterable<DmaFence>, timeoutNs: number) {
    if (!(timeoutNs >= 0)) {
      throw errno('EINVAL', `time-out ${timeoutNs} of a wait: nanoseconds from 0 expected`);
    }
    this.#clock = clock;
    this.deadlineNs = clock.nowNs() + timeoutNs;
    this.result = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const pending = [...fences].filter((fence) => !fence.signalled);
    if (pending.length === 0) {
      this.#settle(this.#signalled());
    } else if (timeoutNs === 0) {
      this.#settle(TIMEOUT);
    } else {
      this.#start(pending);
    }
  }

  /** The result, as soon as there is one: a poll, or a wait for what has signalled, has it at once. */
  get settled(): FenceWaitResult | undefined {
    return this.#settled;
  }

  /** The fences it waits for still. */
  pending(): DmaFence[] {
    return this.#held.filter((fence) => !fence.signalled);
  }

  /** The waiter is gone or was interrupted: callbacks and references are given back at once. Harmless when it is over. */
  cancel(): void {
    if (this.#settled === undefined) {
      this.#settle(INTERRUPTED);
    }
  }

  #start(fences: readonly DmaFence[]): void {
    // References first: a callback of one may drop another.
    for (const fence of fences) {
      this.#held.push(fence.get());
    }
    this.#pending = 1;
    for (const fence of fences) {
      const registration = fence.watch(() => this.#oneSignalled());
      if (registration !== undefined) {
        this.#pending++;
        this.#registrations.push(registration);
      }
    }
    if (this.deadlineNs !== Number.POSITIVE_INFINITY) {
      this.#timer = this.#clock.at(this.deadlineNs, () => this.#settle(TIMEOUT));
    }
    this.#oneSignalled();
  }

  #oneSignalled(): void {
    this.#pending--;
    if (this.#pending === 0) {
      this.#settle(this.#signalled());
    }
  }

  #signalled(): FenceWaitResult {
    return { outcome: 'signalled', remainingNs: Math.max(1, this.deadlineNs - this.#clock.nowNs()) };
  }

  #settle(result: FenceWaitResult): void {
    if (this.#settled !== undefined) {
      return;
    }
    this.#settled = result;
    this.#timer?.cancel();
    for (const registration of this.#registrations) {
      registration.remove();
    }
    for (const fence of this.#held) {
      fence.put();
    }
    this.#registrations.length = 0;
    this.#held.length = 0;
    this.#resolve(result);
  }
}

/** Time-out 0 is a poll, Infinity no deadline. Holds a reference of the fence while it lasts. Errors: EINVAL. */
export function waitFence(fence: DmaFence, timeoutNs: number): FenceWait {
  return new FenceWait(fence.domain.clock, [fence], timeoutNs);
}
