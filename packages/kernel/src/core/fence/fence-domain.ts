/**
 * What all fences of one machine share: time, the leak tracker, the log, the numbers of timelines and of lock tickets.
 *
 * Owns: the counters. A context number is never used twice, so fences of different timelines are never compared.
 * Must not know what a fence does.
 */
import type { Clock, LeakTracker } from '@pedrera/base';
import type { DmaFence } from './dma-fence.js';

/** One timeline: fences of the same context signal in the order of their sequence numbers. */
export interface TimelineIdentity {
  readonly context: number;
  readonly driverName: string;
  readonly timelineName: string;
}

/** Where rules that were broken inside the kernel are reported; `error` is what was thrown, with its stack. */
export type FenceWarning = (message: string, error?: unknown) => void;

export interface FenceDomainOptions {
  readonly clock: Clock;
  readonly warn: FenceWarning;
  readonly tracker?: LeakTracker;
}

export class FenceDomain {
  readonly clock: Clock;
  readonly warn: FenceWarning;
  readonly tracker: LeakTracker | undefined;
  /** Is shown each fence as it is made: for who checks the rules from outside. */
  witness: ((fence: DmaFence) => void) | undefined;
  /** 0 is the stub's. */
  #nextContext = 1;
  #nextTicket = 1;

  constructor({ clock, warn, tracker }: FenceDomainOptions) {
    this.clock = clock;
    this.warn = warn;
    this.tracker = tracker;
  }

  newContext(): number {
    return this.#nextContext++;
  }

  /** Age of an acquisition of several locks: the smaller, the older. */
  newTicket(): number {
    return this.#nextTicket++;
  }
}
