/** Unit tests of the producing side: nothing that was handed out waits for ever. */
import { describe, expect, it } from 'vitest';
import { codeOf, FenceRig, putAll } from './fence-rig.js';
import { SoftwareTimeline, Timeline } from './timeline.js';

describe('Timeline', () => {
  it('completes-in-order', () => {
    using rig = new FenceRig();
    const timeline = new Timeline(rig.domain, { driverName: 'habanalabs', timelineName: 'asid1.' });
    const fences = [1, 2, 3].map(() => timeline.createFence());
    const told: number[] = [];
    for (const fence of fences) {
      fence.addCallback(({ seqno }) => told.push(seqno));
    }
    timeline.complete(2, { atNs: 50 });
    expect(told).toEqual([1, 2]);
    expect(fences.map(({ status, timestampNs }) => [status, timestampNs])).toEqual([
      [1, 50],
      [1, 50],
      [0, 0],
    ]);
    expect([timeline.outstanding, timeline.signalledThrough, timeline.lastSeqno]).toEqual([1, 2, 3]);
    timeline.complete(3);
    putAll(fences);
  });

  it('an-error-belongs-to-its-number', () => {
    using rig = new FenceRig();
    const timeline = new Timeline(rig.domain, { driverName: 'habanalabs', timelineName: 'asid1.' });
    const fences = [1, 2].map(() => timeline.createFence());
    timeline.complete(2, { error: 'EIO', detail: 'packet 3 faulted' });
    expect(fences.map(({ status }) => status)).toEqual([1, -5]);
    expect(fences[1]!.errorDetail).toBe('packet 3 faulted');
    putAll(fences);
  });

  it('numbers-that-are-done-or-were-never-given', () => {
    using rig = new FenceRig();
    const timeline = new Timeline(rig.domain, { driverName: 'habanalabs', timelineName: 'asid1.' });
    using fence = timeline.createFence();
    expect(codeOf(() => timeline.complete(2))).toBe('EINVAL');
    expect(codeOf(() => timeline.complete(0.5))).toBe('EINVAL');
    timeline.complete(fence.seqno);
    expect(codeOf(() => timeline.complete(fence.seqno))).toBe('EINVAL');
  });

  it('a-fence-the-caller-dropped-still-signals', () => {
    using rig = new FenceRig();
    const timeline = new Timeline(rig.domain, { driverName: 'habanalabs', timelineName: 'asid1.' });
    const fence = timeline.createFence();
    let told = false;
    fence.addCallback(() => {
      told = true;
    });
    fence.put();
    timeline.complete(1);
    expect(told).toBe(true);
  });

  it.each([
    ['ECANCELED', -125],
    ['EIO', -5],
  ] as const)('closing-signals-what-is-outstanding: %s', (code, status) => {
    using rig = new FenceRig();
    const timeline = new Timeline(rig.domain, { driverName: 'habanalabs', timelineName: 'asid1.' });
    const fences = [1, 2, 3].map(() => timeline.createFence());
    timeline.complete(1);
    const told: number[] = [];
    fences[1]!.addCallback(() => {
      told.push(2);
      timeline.close('ENODEV');
      expect(codeOf(() => timeline.createFence())).toBe('ESHUTDOWN');
    });
    fences[2]!.addCallback(() => told.push(3));
    timeline.close(code, 'the device was reset');
    expect(fences.map((fence) => fence.status)).toEqual([1, status, status]);
    expect([told, timeline.outstanding, timeline.closed]).toEqual([[2, 3], 0, true]);
    expect(codeOf(() => timeline.complete(3))).toBe('EINVAL');
    putAll(fences);
  });
});

describe('SoftwareTimeline', () => {
  it('a-point-signals-when-it-is-reached', () => {
    using rig = new FenceRig();
    const timeline = new SoftwareTimeline(rig.domain, 'test');
    using late = timeline.point(5);
    using early = timeline.point(2);
    const told: number[] = [];
    late.addCallback(({ seqno }) => told.push(seqno));
    early.addCallback(({ seqno }) => told.push(seqno));
    timeline.advance();
    expect(told).toEqual([]);
    timeline.advance(1);
    expect([told, late.signalled]).toEqual([[2], false]);
    timeline.advance(10);
    expect([told, timeline.value, timeline.outstanding]).toEqual([[2, 5], 12, 0]);
    using gone = timeline.point(12);
    expect(gone.signalled).toBe(true);
    expect(early.name).toBe(`sw_sync-test${early.context}-2`);
  });

  it('the-same-point-is-the-same-fence', () => {
    using rig = new FenceRig();
    const timeline = new SoftwareTimeline(rig.domain, 'test');
    using one = timeline.point(5);
    using two = timeline.point(5);
    expect(two).toBe(one);
    timeline.close();
  });

  it('closing-is-ENOENT', () => {
    using rig = new FenceRig();
    const timeline = new SoftwareTimeline(rig.domain, 'test');
    using point = timeline.point(5);
    timeline.close();
    timeline.close();
    expect(point.errorCode).toBe('ENOENT');
    expect(codeOf(() => timeline.point(6))).toBe('ESHUTDOWN');
  });

  it('does-not-run-backwards', () => {
    using rig = new FenceRig();
    const timeline = new SoftwareTimeline(rig.domain, 'test');
    for (const by of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(codeOf(() => timeline.advance(by))).toBe('EINVAL');
    }
    expect(codeOf(() => timeline.point(-1))).toBe('EINVAL');
    expect(timeline.value).toBe(0);
  });
});
