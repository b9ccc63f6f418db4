/**
 * Every fence of a run: it signals once, before nobody is left who could signal it.
 *
 * Owns: the rules about fences. Must not know scenarios, or why a fence was made.
 */
import type { BareKernel, Machine } from '@pedrera/kernel';
import { Violation } from './violation.js';

type FenceDomain = Machine['fences'];
type DmaFence = Parameters<NonNullable<FenceDomain['witness']>>[0];

export class FenceWatch {
  readonly #machine: Machine;
  /** Those that stand for work, and have not signalled. */
  readonly #pending = new Set<DmaFence>();
  #broken: Violation | undefined;

  constructor({ machine }: BareKernel) {
    this.#machine = machine;
    machine.fences.witness = (fence) => this.#made(fence);
  }

  /** The reason for whatever else follows from it. */
  checkSignals(): void {
    if (this.#broken !== undefined) {
      throw this.#broken;
    }
  }

  /** After every move. */
  check(): void {
    if (this.#pending.size === 0) {
      return;
    }
    const promised = this.#promised();
    for (const fence of this.#pending) {
      if (!promised.has(fence)) {
        throw new Violation('lost-wake-up', `fence ${fence.name} is pending, and nobody is left who would signal it`);
      }
    }
  }

  #made(fence: DmaFence): void {
    // An array or a chain signals when what it stands for has.
    if (!fence.isContainer) {
      this.#pending.add(fence);
    }
    const signal = fence.signal.bind(fence);
    let times = 0;
    fence.signal = (atNs) => {
      this.#pending.delete(fence);
      times++;
      if (times > 1) {
        this.#broken ??= new Violation('count', `fence ${fence.name} was signalled ${times} times`);
      }
      signal(atNs);
    };
  }

  /** What unfinished submissions will signal. */
  #promised(): Set<DmaFence> {
    const promised = new Set<DmaFence>();
    for (const { contexts } of this.#machine.devices) {
      for (const context of contexts) {
        for (const { fenceSource } of context.pending.unfinished()) {
          if (fenceSource?.dmaFence !== undefined) {
            promised.add(fenceSource.dmaFence);
          }
        }
      }
    }
    return promised;
  }
}
