/**
 * When a rule of failure strikes: the one meaning of `after`, `times`, `perMillion` and `seed`, for packets and for calls.
 *
 * Owns: how often a rule matched and struck, and its chance. Must not know: what matches, or what happens then.
 */
import { Prng } from '@pedrera/base';
import type { DeviceFaultRule } from './fault-rules.js';

/** `perMillion` of a rule that strikes whatever matches. */
export const CERTAIN = 1_000_000;

export type FaultLimits = Pick<DeviceFaultRule, 'after' | 'times' | 'perMillion'>;

export class FaultCounter {
  readonly #random: Prng;
  #matched = 0;
  #struck = 0;

  constructor(seed: number) {
    this.#random = new Prng(seed);
  }

  get matched(): number {
    return this.#matched;
  }

  get struck(): number {
    return this.#struck;
  }

  /** Counts a match. Returns whether it is struck. A rule that strikes for certain draws nothing. */
  strikes({ after, times, perMillion }: FaultLimits): boolean {
    this.#matched++;
    if (this.#matched <= after || (times !== null && this.#struck >= times)) return false;
    if (perMillion < CERTAIN && this.#random.below(CERTAIN) >= perMillion) return false;
    this.#struck++;
    return true;
  }

  /** The last match, which was struck, could not be carried out and comes again. */
  takeBack(): void {
    this.#matched--;
    this.#struck--;
  }
}
