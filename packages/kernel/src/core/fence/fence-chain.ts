/**
 * A timeline as a linked list of fences: a link signals when its own fence and all before it have (uapi.md 6.3).
 *
 * Owns: the link to the one before, dropped as soon as that has signalled; nothing here recurses along the list.
 * References: a link holds its fence and the link before it; while somebody waits for it, also itself.
 * A link signals without an error of its own, as the kernel's does; its fences carry theirs (unwrap.ts).
 * Must not know what the points mean.
 */
import { errno } from '@pedrera/base';
import { DmaFence, type FenceRegistration, signalledStub } from './dma-fence.js';
import type { FenceDomain, TimelineIdentity } from './fence-domain.js';

export interface ChainLink {
  /** What the timeline was before: a link, any other fence, or nothing. */
  readonly previous: DmaFence | undefined;
  readonly fence: DmaFence;
  readonly seqno: number;
}

export class FenceChain extends DmaFence {
  /** The link's own. */
  readonly fence: DmaFence;
  /** Points up to this one belong to the links before. */
  readonly previousSeqno: number;
  #previous: DmaFence | undefined;
  #watched: { readonly fence: DmaFence; readonly registration: FenceRegistration } | undefined;

  /** Takes references of its own. A point that is not later than the last starts a timeline of its own. Errors: EINVAL. */
  constructor(domain: FenceDomain, { previous, fence, seqno }: ChainLink) {
    if (fence instanceof FenceChain) {
      throw errno('EINVAL', `${fence.name} is a chain: chains are linked through the link before, not nested`);
    }
    const continues = previous instanceof FenceChain && seqno > previous.seqno;
    const point = previous instanceof FenceChain ? Math.max(previous.seqno, seqno) : seqno;
    super(domain, continues ? previous.timeline : newTimeline(domain), point);
    this.previousSeqno = continues ? previous.seqno : 0;
    this.fence = fence.get();
    this.#previous = previous?.get();
  }

  override get isContainer(): boolean {
    return true;
  }

  /** The nearest one before that has not signalled; those in between are dropped for good. Takes no reference. */
  previousPending(): DmaFence | undefined {
    for (;;) {
      const previous = this.#previous;
      if (previous === undefined || !containedFence(previous).signalled) {
        return previous;
      }
      // Asking may have run callbacks that came here too.
      if (previous === this.#previous) {
        this.#previous = previous instanceof FenceChain ? previous.#previous?.get() : undefined;
        previous.put();
      }
    }
  }

  protected override poll(): void {
    if (this.#watched !== undefined) {
      return;
    }
    for (const link of chainLinks(this)) {
      if (!containedFence(link).signalled) {
        return;
      }
    }
    this.signal();
  }

  protected override arm(): void {
    this.get();
    this.#watchNext();
  }

  protected override disarm(): void {
    const watched = this.#watched;
    this.#watched = undefined;
    watched?.registration.remove();
    watched?.fence.put();
    this.put();
  }

  protected override release(): void {
    super.release();
    let previous = this.#previous;
    this.#previous = undefined;
    // Unlinked by hand: a link that dies would otherwise let go of the one before it, and so on down the stack.
    while (previous instanceof FenceChain && previous.refs === 1) {
      const before: DmaFence | undefined = previous.#previous;
      previous.#previous = undefined;
      previous.put();
      previous = before;
    }
    previous?.put();
    this.fence.put();
  }

  /** One callback at a time, on the first fence still pending. False: there is none. */
  #watchNext(): boolean {
    for (const link of chainLinks(this)) {
      const fence = containedFence(link);
      const registration = fence.watch(() => this.#oneSignalled());
      if (registration !== undefined) {
        this.#watched = { fence: fence.get(), registration };
        return true;
      }
    }
    return false;
  }

  #oneSignalled(): void {
    const watched = this.#watched;
    this.#watched = undefined;
    if (!this.#watchNext()) {
      this.signal();
      this.put();
    }
    watched?.fence.put();
  }
}

function newTimeline(domain: FenceDomain): TimelineIdentity {
  return { context: domain.newContext(), driverName: 'dma_fence_chain', timelineName: 'unbound' };
}

/** What a link stands for, or the fence itself. */
export function containedFence(fence: DmaFence): DmaFence {
  return fence instanceof FenceChain ? fence.fence : fence;
}

/** From a fence backwards over what has not signalled. Each is held while it is looked at. */
export function* chainLinks(head: DmaFence): Generator<DmaFence> {
  let link: DmaFence | undefined = head.get();
  try {
    while (link !== undefined) {
      yield link;
      const before: DmaFence | undefined = link instanceof FenceChain ? link.previousPending()?.get() : undefined;
      link.put();
      link = before;
    }
  } finally {
    link?.put();
  }
}

/**
 * The fence to wait for so that a point, and all before it, are reached; takes a reference. Point 0 is the head itself.
 * Errors: EINVAL when no link has that point yet.
 */
export function findPoint(head: DmaFence, seqno: number): DmaFence {
  if (seqno === 0) {
    return head.get();
  }
  if (!(head instanceof FenceChain) || head.seqno < seqno) {
    throw errno('EINVAL', `point ${seqno} is not on the timeline yet; it ends at ${head.name}`);
  }
  for (const link of chainLinks(head)) {
    if (!(link instanceof FenceChain) || link.context !== head.context || link.previousSeqno < seqno) {
      return link.get();
    }
  }
  return signalledStub(head.domain);
}
