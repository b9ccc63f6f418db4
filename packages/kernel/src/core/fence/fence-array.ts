/**
 * A fence for several fences: signals when all, or any, have (uapi.md 6.3).
 *
 * Owns: the references of its members, the count of those still pending, the first error seen.
 * Members are looked at only when somebody asks or waits. While somebody waits the array holds a reference on itself, so the
 * waiter's is not the last one. Must not contain containers: depth would be the caller's to choose.
 */
import { errno } from '@pedrera/base';
import { DmaFence, type FenceRegistration } from './dma-fence.js';
import type { FenceDomain } from './fence-domain.js';

export type ArrayMode = 'all' | 'any';

export class FenceArray extends DmaFence {
  readonly fences: readonly DmaFence[];
  readonly mode: ArrayMode;
  #registrations: FenceRegistration[] | undefined;
  #pending = 0;

  /** Takes a reference of its own on each. Errors: EINVAL without members, or for a member that is a container. */
  constructor(domain: FenceDomain, fences: readonly DmaFence[], mode: ArrayMode = 'all') {
    if (fences.length === 0) {
      throw errno('EINVAL', 'a fence array needs at least one fence');
    }
    const container = fences.find((fence) => fence.isContainer);
    if (container !== undefined) {
      throw errno('EINVAL', `${container.name} is a container: an array takes its fences one by one`);
    }
    super(domain, { context: domain.newContext(), driverName: 'dma_fence_array', timelineName: 'unbound' }, 1);
    this.fences = fences.map((fence) => fence.get());
    this.mode = mode;
  }

  override get isContainer(): boolean {
    return true;
  }

  protected override poll(): void {
    // Armed, it learns of every member by itself.
    if (this.#registrations !== undefined) {
      return;
    }
    if (this.mode === 'any') {
      const first = this.fences.find((fence) => fence.signalled);
      if (first !== undefined) {
        this.#see(first);
        this.signal(first.timestampNs);
      }
    } else if (this.fences.every((fence) => fence.signalled)) {
      for (const fence of this.fences) {
        this.#see(fence);
      }
      this.signal(this.#latestNs());
    }
  }

  protected override arm(): void {
    this.get();
    const registrations: FenceRegistration[] = [];
    this.#registrations = registrations;
    this.#pending = 0;
    for (const fence of this.fences) {
      const registration = fence.watch((member) => this.#memberSignalled(member));
      if (registration === undefined) {
        this.#see(fence);
      } else {
        this.#pending++;
        registrations.push(registration);
      }
    }
  }

  protected override disarm(): void {
    this.#detach();
    this.put();
  }

  protected override release(): void {
    super.release();
    for (const fence of this.fences) {
      fence.put();
    }
  }

  #memberSignalled(member: DmaFence): void {
    this.#see(member);
    this.#pending--;
    if (this.mode === 'all' && this.#pending > 0) {
      return;
    }
    this.#detach();
    this.signal(this.mode === 'any' ? member.timestampNs : this.#latestNs());
    this.put();
  }

  /** The first error seen is the one that counts. */
  #see(member: DmaFence): void {
    if (this.error === 0 && member.error !== 0) {
      this.setError(member.error, member.errorDetail);
    }
  }

  #detach(): void {
    const registrations = this.#registrations ?? [];
    this.#registrations = undefined;
    for (const registration of registrations) {
      registration.remove();
    }
  }

  /** When the last member signalled, however late somebody asks. */
  #latestNs(): number {
    return this.fences.reduce((latest, fence) => Math.max(latest, fence.timestampNs), 0);
  }
}
