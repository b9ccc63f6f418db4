/**
 * Fences of things that finish anyway, made only when somebody asks.
 *
 * Owns: the bridge from a source (a submission) to its fence. A source nobody asks costs one empty field.
 * References: while it is unfinished, the source holds the fence that was made for it; it lets go when it finishes.
 * Must not know what the source is.
 */
import { ERRNO, type ErrnoCode } from '@pedrera/base';
import { DmaFence } from './dma-fence.js';
import type { FenceDomain, TimelineIdentity } from './fence-domain.js';

export interface FenceOutcome {
  readonly error?: ErrnoCode;
  readonly detail?: string;
}

export interface FenceSource {
  readonly seq: number;
  /**
   * Its timeline, when sources of that timeline finish in the order of their numbers: merging and replacing keep only the latest
   * of a timeline. Without a context each fence gets one of its own, as the work of several queues needs.
   */
  readonly fenceTimeline: Omit<TimelineIdentity, 'context'> & { readonly context?: number };
  /** Undefined while it is unfinished. */
  readonly outcome: FenceOutcome | undefined;
  /** When it finished, on the domain's clock. */
  readonly finishedNs: number;
  /** The fence that was made for it, while it is unfinished. Kept by fenceOf() only; undefined at birth. */
  dmaFence: DmaFence | undefined;
  /** Calls back once, after outcome and finishedNs are set. Asked for only while unfinished. */
  onFinished(callback: () => void): void;
}

/** The fence of a source; takes a reference. The same one as long as the source is unfinished, a signalled one afterwards. */
export function fenceOf(domain: FenceDomain, source: FenceSource): DmaFence {
  if (source.dmaFence !== undefined) {
    return source.dmaFence.get();
  }
  const { context = domain.newContext(), driverName, timelineName } = source.fenceTimeline;
  const fence = new DmaFence(domain, { context, driverName, timelineName }, source.seq);
  if (source.outcome !== undefined) {
    conclude(fence, source);
    return fence;
  }
  source.dmaFence = fence.get();
  fence.source = source;
  source.onFinished(() => {
    source.dmaFence = undefined;
    fence.source = undefined;
    conclude(fence, source);
    fence.put();
  });
  return fence;
}

function conclude(fence: DmaFence, source: FenceSource): void {
  const { error, detail } = source.outcome ?? {};
  if (error !== undefined) {
    fence.setError(-ERRNO[error], detail);
  }
  fence.signal(source.finishedNs);
}
