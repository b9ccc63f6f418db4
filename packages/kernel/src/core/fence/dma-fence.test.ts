/** Unit tests of a single fence, and of its wait. */
import { describe, expect, it } from 'vitest';
import { MAX_ERRNO, signalledStub } from './dma-fence.js';
import { codeOf, FenceRig, putAll } from './fence-rig.js';
import { FenceWait, waitFence } from './fence-wait.js';

describe('DmaFence', () => {
  it('signals-once', () => {
    using rig = new FenceRig();
    using fence = rig.fence(7);
    expect([fence.signalled, fence.status, fence.timestampNs]).toEqual([false, 0, 0]);
    rig.clock.advance(500);
    fence.signal();
    expect([fence.signalled, fence.status, fence.timestampNs]).toEqual([true, 1, 1500]);
    rig.clock.advance(500);
    expect(codeOf(() => fence.signal())).toBe('EINVAL');
    expect(codeOf(() => fence.fail('EIO'))).toBe('EINVAL');
    expect([fence.status, fence.timestampNs]).toEqual([1, 1500]);
    expect(rig.takeWarnings()).toEqual([]);
  });

  it('explicit-timestamp', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    expect(codeOf(() => fence.signal(-1))).toBe('EINVAL');
    expect(codeOf(() => fence.signal(Number.NaN))).toBe('EINVAL');
    expect(fence.signalled).toBe(false);
    fence.signal(42);
    expect(fence.timestampNs).toBe(42);
  });

  it('error-range', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    for (const error of [0, 1, -MAX_ERRNO - 1, -1.5, Number.NaN]) {
      expect(codeOf(() => fence.setError(error))).toBe('EINVAL');
    }
    expect(fence.error).toBe(0);
    fence.setError(-MAX_ERRNO);
    fence.setError(-1);
    expect(fence.status).toBe(0);
    fence.signal();
    expect([fence.status, fence.errorCode]).toEqual([-1, 'EPERM']);
  });

  it('error-after-the-signal-warns-and-changes-nothing', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    fence.signal();
    fence.setError(-5);
    expect([fence.status, fence.error]).toEqual([1, 0]);
    expect(rig.takeWarnings()).toHaveLength(1);
  });

  it('fail-carries-errno-and-sentence', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    fence.fail('EIO', 'engine DMA0 hangs', 9);
    expect([fence.status, fence.errorCode, fence.errorDetail, fence.timestampNs]).toEqual([
      -5,
      'EIO',
      'engine DMA0 hangs',
      9,
    ]);
  });

  it('name', () => {
    using rig = new FenceRig();
    using fence = rig.fence(12, { context: 4, driverName: 'habanalabs', timelineName: 'asid' });
    expect(fence.name).toBe('habanalabs-asid4-12');
    using stub = signalledStub(rig.domain, 77);
    expect([stub.name, stub.status, stub.timestampNs]).toEqual(['stub-stub0-0', 1, 77]);
  });

  it('sequence-number-range', () => {
    using rig = new FenceRig();
    for (const seqno of [-1, 1.5, 2 ** 53, Number.NaN]) {
      expect(codeOf(() => rig.fence(seqno))).toBe('EINVAL');
    }
    using last = rig.fence(2 ** 53 - 1);
    expect(last.seqno).toBe(2 ** 53 - 1);
  });

  it('later-within-a-timeline-only', () => {
    using rig = new FenceRig();
    const timeline = rig.timeline();
    using one = rig.fence(2 ** 32 - 1, timeline);
    using two = rig.fence(2 ** 32, timeline);
    using other = rig.fence(2 ** 40);
    expect([two.isLaterThan(one), one.isLaterThan(two), one.isLaterThan(one)]).toEqual([true, false, false]);
    expect(other.isLaterThan(one)).toBe(false);
    expect(rig.takeWarnings()).toHaveLength(1);
  });
});

describe('DmaFence callbacks', () => {
  it('run-once-in-the-order-they-came', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    const ran: number[] = [];
    for (const id of [1, 2, 3]) {
      fence.addCallback((signalled) => {
        expect(signalled.signalled).toBe(true);
        ran.push(id);
      });
    }
    fence.signal();
    expect(ran).toEqual([1, 2, 3]);
    expect(codeOf(() => fence.signal())).toBe('EINVAL');
    expect(ran).toEqual([1, 2, 3]);
  });

  it('the-same-function-twice-is-two-callbacks', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    let ran = 0;
    const count = () => void ran++;
    const first = fence.addCallback(count);
    fence.addCallback(count);
    expect([first.remove(), first.remove()]).toEqual([true, false]);
    fence.signal();
    expect(ran).toBe(1);
  });

  it('add-on-a-signalled-fence-is-ENOENT-and-does-not-run', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    fence.signal();
    let ran = false;
    expect(
      codeOf(() =>
        fence.addCallback(() => {
          ran = true;
        }),
      ),
    ).toBe('ENOENT');
    expect(
      fence.watch(() => {
        ran = true;
      }),
    ).toBeUndefined();
    expect(ran).toBe(false);
  });

  it('removed-does-not-run', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    const ran: string[] = [];
    const first = fence.addCallback(() => ran.push('first'));
    fence.addCallback(() => ran.push('second'));
    expect(first.remove()).toBe(true);
    fence.signal();
    expect(ran).toEqual(['second']);
    expect(first.remove()).toBe(false);
  });

  it('one-may-take-back-another-while-they-run', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    const ran: string[] = [];
    const first = fence.addCallback(() => {
      ran.push('first');
      expect([first.remove(), victim.remove()]).toEqual([false, true]);
      expect(codeOf(() => fence.addCallback(() => ran.push('late')))).toBe('ENOENT');
    });
    const victim = fence.addCallback(() => ran.push('victim'));
    fence.addCallback(() => ran.push('last'));
    fence.signal();
    expect(ran).toEqual(['first', 'last']);
  });

  it('one-that-throws-stops-neither-signaller-nor-others', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    let told = false;
    fence.addCallback(() => {
      throw new Error('broken waiter');
    });
    fence.addCallback(() => {
      told = true;
    });
    fence.signal();
    expect(told).toBe(true);
    expect(rig.takeWarnings()[0]).toContain('broken waiter');
  });
});

describe('DmaFence references', () => {
  it('dropped-unsignalled-with-callbacks-signals-EDEADLK', () => {
    using rig = new FenceRig();
    const fence = rig.fence();
    const seen: number[] = [];
    fence.addCallback(({ status }) => seen.push(status));
    fence.addCallback(({ status }) => seen.push(status));
    fence.put();
    expect(seen).toEqual([-35, -35]);
    expect(rig.takeWarnings()[0]).toContain('2 callbacks pending');
  });

  it('dropped-unsignalled-without-callbacks-is-just-freed', () => {
    using rig = new FenceRig();
    const fence = rig.fence();
    fence.addCallback(() => {}).remove();
    fence.put();
    expect(fence.status).toBe(0);
  });

  it('count-below-zero-throws', () => {
    using rig = new FenceRig();
    const fence = rig.fence();
    fence.put();
    expect(() => fence.put()).toThrow('without a reference');
    expect(() => fence.get()).toThrow('after the last put');
  });
});

describe('waiting', () => {
  it('poll', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    expect(waitFence(fence, 0).settled).toEqual({ outcome: 'timeout', remainingNs: 0 });
    fence.fail('EIO');
    expect(waitFence(fence, 0).settled).toEqual({ outcome: 'signalled', remainingNs: 1 });
    expect(codeOf(() => waitFence(fence, -1))).toBe('EINVAL');
    expect(codeOf(() => waitFence(fence, Number.NaN))).toBe('EINVAL');
  });

  it('remaining-time', async () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    const wait = waitFence(fence, 100);
    const forever = waitFence(fence, Number.POSITIVE_INFINITY);
    expect(fence.refs).toBe(3);
    rig.clock.advance(30);
    fence.signal();
    expect(await wait.result).toEqual({ outcome: 'signalled', remainingNs: 70 });
    expect(await forever.result).toEqual({ outcome: 'signalled', remainingNs: Number.POSITIVE_INFINITY });
    expect([fence.refs, rig.clock.pending]).toEqual([1, 0]);
  });

  it('deadline', async () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    const wait = waitFence(fence, 100);
    rig.clock.advance(99);
    expect(wait.settled).toBeUndefined();
    rig.clock.advance(1);
    expect(await wait.result).toEqual({ outcome: 'timeout', remainingNs: 0 });
    expect([fence.watched, fence.refs]).toEqual([false, 1]);
  });

  it('a-waiter-that-dies-leaves-nothing-behind', async () => {
    using rig = new FenceRig();
    const fence = rig.fence();
    const wait = waitFence(fence, 100);
    fence.put();
    wait.cancel();
    wait.cancel();
    expect(await wait.result).toEqual({ outcome: 'interrupted', remainingNs: 0 });
    expect(rig.clock.pending).toBe(0);
  });

  it('a-waiter-holds-the-fence', async () => {
    using rig = new FenceRig();
    const fence = rig.fence();
    const wait = waitFence(fence, 100);
    fence.put();
    fence.signal();
    expect((await wait.result).outcome).toBe('signalled');
  });

  it('several', async () => {
    using rig = new FenceRig();
    const fences = rig.fences(3);
    const wait = new FenceWait(rig.clock, fences, 100);
    for (const fence of fences) {
      expect(wait.settled).toBeUndefined();
      fence.signal();
    }
    expect((await wait.result).outcome).toBe('signalled');
    putAll(fences);
  });
});
