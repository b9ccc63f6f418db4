/**
 * What the tests of fences need: a domain on a virtual clock, whose end is the leak check.
 *
 * Owns: the tracker, the warnings; a warning nobody expected fails the test. Must not be used outside tests.
 */
import { LeakTracker, VirtualClock } from '@pedrera/base';
import { DmaFence } from './dma-fence.js';
import { FenceDomain, type TimelineIdentity } from './fence-domain.js';

export class FenceRig {
  readonly clock = new VirtualClock(1000);
  readonly tracker: LeakTracker;
  readonly domain: FenceDomain;
  #warnings: string[] = [];

  constructor({ recordStacks = true } = {}) {
    this.tracker = new LeakTracker({ recordStacks });
    const warn = (message: string, error?: unknown) => {
      this.#warnings.push(error instanceof Error ? `${message}: ${error.message}` : message);
    };
    this.domain = new FenceDomain({ clock: this.clock, tracker: this.tracker, warn });
  }

  timeline(timelineName = 'ctx'): TimelineIdentity {
    return { context: this.domain.newContext(), driverName: 'habanalabs', timelineName };
  }

  fence(seqno = 1, timeline: TimelineIdentity = this.timeline()): DmaFence {
    return new DmaFence(this.domain, timeline, seqno);
  }

  fences(count: number): DmaFence[] {
    return Array.from({ length: count }, () => this.fence());
  }

  takeWarnings(): string[] {
    const warnings = this.#warnings;
    this.#warnings = [];
    return warnings;
  }

  [Symbol.dispose](): void {
    this.tracker.assertEmpty();
    if (this.#warnings.length > 0) {
      throw new Error(`unexpected warnings: ${this.#warnings.join('; ')}`);
    }
  }
}

export function putAll(objects: Iterable<{ put(): void }>): void {
  for (const object of objects) {
    object.put();
  }
}

/** The code of the error that a call throws. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'none';
}
