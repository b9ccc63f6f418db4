/** Unit tests of fences made on demand, with a fake source. */
import { describe, expect, it } from 'vitest';
import type { DmaFence } from './dma-fence.js';
import { FenceRig } from './fence-rig.js';
import { type FenceOutcome, type FenceSource, fenceOf } from './fence-source.js';
import { waitFence } from './fence-wait.js';

class FakeSource implements FenceSource {
  readonly seq: number;
  readonly fenceTimeline: FenceSource['fenceTimeline'];
  outcome: FenceOutcome | undefined;
  finishedNs = 0;
  dmaFence: DmaFence | undefined;
  callbacks: (() => void)[] | undefined;

  constructor(seq: number, context?: number) {
    this.seq = seq;
    const names = { driverName: 'habanalabs', timelineName: 'asid1.' };
    this.fenceTimeline = context === undefined ? names : { ...names, context };
  }

  onFinished(callback: () => void): void {
    this.callbacks ??= [];
    this.callbacks.push(callback);
  }

  finish(atNs: number, outcome: FenceOutcome = {}): void {
    this.outcome = outcome;
    this.finishedNs = atNs;
    for (const callback of this.callbacks ?? []) {
      callback();
    }
  }
}

describe('fenceOf', () => {
  it('nothing-is-made-until-somebody-asks', () => {
    using rig = new FenceRig();
    const sources = Array.from({ length: 1000 }, (_, seq) => new FakeSource(seq));
    for (const source of sources) {
      source.finish(5);
      expect([source.dmaFence, source.callbacks]).toEqual([undefined, undefined]);
    }
    expect(rig.tracker.live()).toEqual([]);
    expect(rig.domain.newContext()).toBe(1);
  });

  it('signals-when-the-source-finishes-at-its-time', () => {
    using rig = new FenceRig();
    const source = new FakeSource(9, 33);
    using fence = fenceOf(rig.domain, source);
    expect([fence.name, fence.status]).toEqual(['habanalabs-asid1.33-9', 0]);
    source.finish(1234);
    expect([fence.status, fence.timestampNs, source.dmaFence]).toEqual([1, 1234, undefined]);
  });

  it('is-the-same-one-while-unfinished', () => {
    using rig = new FenceRig();
    const source = new FakeSource(9);
    using one = fenceOf(rig.domain, source);
    using two = fenceOf(rig.domain, source);
    expect(two).toBe(one);
    expect(source.callbacks).toHaveLength(1);
    source.finish(1);
    expect(one.refs).toBe(2);
  });

  it('has-signalled-already-when-asked-for-late', () => {
    using rig = new FenceRig();
    const source = new FakeSource(9, 33);
    source.finish(77, { error: 'ETIMEDOUT', detail: 'too slow' });
    using fence = fenceOf(rig.domain, source);
    expect([fence.status, fence.timestampNs, fence.errorDetail]).toEqual([-110, 77, 'too slow']);
    expect([source.dmaFence, source.callbacks]).toEqual([undefined, undefined]);
  });

  it('carries-the-error-to-waiters', async () => {
    using rig = new FenceRig();
    const source = new FakeSource(1);
    using fence = fenceOf(rig.domain, source);
    const wait = waitFence(fence, 1000);
    source.finish(10, { error: 'EIO', detail: 'the device was reset' });
    expect((await wait.result).outcome).toBe('signalled');
    expect([fence.errorCode, fence.errorDetail]).toEqual(['EIO', 'the device was reset']);
  });

  it('the-source-holds-its-fence-until-it-finishes', () => {
    using rig = new FenceRig();
    const source = new FakeSource(1);
    let told = 0;
    const fence = fenceOf(rig.domain, source);
    fence.addCallback(({ status }) => {
      told = status;
    });
    fence.put();
    source.finish(10);
    expect(told).toBe(1);
  });

  it('sources-that-finish-in-any-order-share-no-timeline', () => {
    using rig = new FenceRig();
    const sources = [new FakeSource(1), new FakeSource(2)] as const;
    using one = fenceOf(rig.domain, sources[0]);
    using two = fenceOf(rig.domain, sources[1]);
    expect(one.context).not.toBe(two.context);
    sources[1].finish(1);
    sources[0].finish(2);
  });
});
