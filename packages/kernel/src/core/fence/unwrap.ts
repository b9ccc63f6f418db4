/**
 * Containers taken apart, and fences put together again (uapi.md 6.5).
 *
 * Owns: the order in which the fences of an array or a chain are visited, the rule for merging.
 * Must not know what the merged fence is for.
 */
import { type DmaFence, signalledStub } from './dma-fence.js';
import { FenceArray } from './fence-array.js';
import { chainLinks, containedFence } from './fence-chain.js';
import type { FenceDomain } from './fence-domain.js';

/** The fences a fence stands for, newest link first. The container's references keep them; none are taken. */
export function unwrapFence(fence: DmaFence): DmaFence[] {
  const fences: DmaFence[] = [];
  for (const link of chainLinks(fence)) {
    const contained = containedFence(link);
    if (contained instanceof FenceArray) {
      fences.push(...contained.fences);
    } else {
      fences.push(contained);
    }
  }
  return fences;
}

/**
 * One fence for all of them: of each timeline the latest that is pending; a stub with the time of the last one when all have
 * signalled. Takes a reference. Errors of fences that have signalled are not carried over.
 */
export function mergeFences(domain: FenceDomain, fences: Iterable<DmaFence>): DmaFence {
  const latest = new Map<number, DmaFence>();
  let lastNs = 0;
  for (const whole of fences) {
    for (const fence of unwrapFence(whole)) {
      if (fence.signalled) {
        lastNs = Math.max(lastNs, fence.timestampNs);
        continue;
      }
      const other = latest.get(fence.context);
      if (other === undefined || fence.isLaterThan(other)) {
        latest.set(fence.context, fence);
      }
    }
  }
  const pending = [...latest.values()].sort((a, b) => a.context - b.context);
  const [only] = pending;
  if (only === undefined) {
    return signalledStub(domain, lastNs);
  }
  return pending.length === 1 ? only.get() : new FenceArray(domain, pending);
}
