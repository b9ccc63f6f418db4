/** Unit tests of timelines made of links. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DmaFence } from './dma-fence.js';
import { FenceArray } from './fence-array.js';
import { FenceChain, findPoint } from './fence-chain.js';
import { codeOf, FenceRig, putAll } from './fence-rig.js';
import { waitFence } from './fence-wait.js';
import { unwrapFence } from './unwrap.js';

/** The newest link; each holds the one before, the caller this one. */
function chainOf(rig: FenceRig, fences: readonly DmaFence[], seqnoOf = (at: number) => at + 1): FenceChain {
  let head: FenceChain | undefined;
  for (const [at, fence] of fences.entries()) {
    const link: FenceChain = new FenceChain(rig.domain, { previous: head, fence, seqno: seqnoOf(at) });
    head?.put();
    head = link;
  }
  return head!;
}

const tens = (at: number) => 10 * (at + 1);

describe('FenceChain', () => {
  it('signals-when-all-before-have', () => {
    using rig = new FenceRig();
    const fences = rig.fences(3);
    using head = chainOf(rig, fences);
    let told = 0;
    head.addCallback(() => void told++);
    fences[2]!.signal();
    fences[0]!.signal();
    expect([head.signalled, told]).toEqual([false, 0]);
    fences[1]!.signal();
    expect([head.signalled, told, head.status]).toEqual([true, 1, 1]);
    putAll(fences);
  });

  it('a-point-is-the-first-link-that-covers-it', () => {
    using rig = new FenceRig();
    const fences = rig.fences(3);
    using head = chainOf(rig, fences, tens);
    for (const [asked, found] of [
      [30, 30],
      [21, 30],
      [20, 20],
      [11, 20],
      [10, 10],
      [1, 10],
      [0, 30],
    ] as const) {
      using point = findPoint(head, asked);
      expect([asked, point.seqno, point.context]).toEqual([asked, found, head.context]);
    }
    expect(codeOf(() => findPoint(head, 31))).toBe('EINVAL');
    expect(codeOf(() => findPoint(fences[0]!, 1))).toBe('EINVAL');
    using whole = findPoint(fences[0]!, 0);
    expect(whole).toBe(fences[0]);
    putAll(fences);
  });

  it('a-point-whose-links-are-gone-is-a-signalled-stub', () => {
    using rig = new FenceRig();
    const fences = rig.fences(3);
    using head = chainOf(rig, fences, tens);
    fences[0]!.signal();
    fences[1]!.signal();
    using point = findPoint(head, 20);
    expect([point.signalled, point.context]).toEqual([true, 0]);
    putAll(fences);
  });

  it('a-point-waits-for-what-was-before-it', async () => {
    using rig = new FenceRig();
    const fences = rig.fences(3);
    using head = chainOf(rig, fences, tens);
    fences[1]!.signal();
    using point = findPoint(head, 20);
    const wait = waitFence(point, 100);
    expect(wait.settled).toBeUndefined();
    fences[0]!.signal();
    expect((await wait.result).outcome).toBe('signalled');
    expect(head.signalled).toBe(false);
    putAll(fences);
  });

  it('a-point-that-does-not-move-on-starts-anew', () => {
    using rig = new FenceRig();
    using a = rig.fence();
    using b = rig.fence();
    using first = new FenceChain(rig.domain, { previous: undefined, fence: a, seqno: 5 });
    using second = new FenceChain(rig.domain, { previous: first, fence: b, seqno: 5 });
    expect([second.context === first.context, second.seqno, second.previousSeqno]).toEqual([false, 5, 0]);
    using back = new FenceChain(rig.domain, { previous: first, fence: b, seqno: 2 });
    expect(back.seqno).toBe(5);
    b.signal();
    expect(second.signalled).toBe(false);
    a.signal();
    expect(second.signalled).toBe(true);
  });

  it('a-plain-fence-may-come-first', () => {
    using rig = new FenceRig();
    using before = rig.fence();
    using fence = rig.fence();
    using link = new FenceChain(rig.domain, { previous: before, fence, seqno: 3 });
    fence.signal();
    expect(link.signalled).toBe(false);
    expect(unwrapFence(link)).toEqual([fence, before]);
    before.signal();
    expect(link.signalled).toBe(true);
    expect([before.refs, unwrapFence(link)]).toEqual([1, [fence]]);
  });

  it('nested-is-refused-but-an-array-may-be-a-point', () => {
    using rig = new FenceRig();
    const [a, b] = rig.fences(2);
    using array = new FenceArray(rig.domain, [a!, b!]);
    using link = new FenceChain(rig.domain, { previous: undefined, fence: array, seqno: 1 });
    expect(codeOf(() => new FenceChain(rig.domain, { previous: undefined, fence: link, seqno: 2 }))).toBe('EINVAL');
    let told = false;
    link.addCallback(() => {
      told = true;
    });
    a!.signal();
    b!.signal();
    expect(told).toBe(true);
    putAll([a!, b!]);
  });

  it('signalled-links-are-dropped', () => {
    using rig = new FenceRig();
    const fences = rig.fences(100);
    using head = chainOf(rig, fences);
    const links = () => rig.tracker.live('dma-fence').length - fences.length;
    expect(links()).toBe(100);
    for (const fence of fences.slice(0, -1).reverse()) {
      fence.signal();
    }
    expect(head.signalled).toBe(false);
    expect(head.previousPending()).toBeUndefined();
    expect(links()).toBe(1);
    fences.at(-1)!.signal();
    putAll(fences);
  });

  it('an-error-stays-with-its-fence', () => {
    using rig = new FenceRig();
    const fences = rig.fences(2);
    using head = chainOf(rig, fences);
    fences[1]!.fail('EIO');
    fences[0]!.signal();
    expect(head.status).toBe(1);
    expect(unwrapFence(head).map(({ status }) => status)).toEqual([-5]);
    putAll(fences);
  });

  it('a-waiter-that-gives-up-lets-all-go', async () => {
    using rig = new FenceRig();
    const fences = rig.fences(3);
    const head = chainOf(rig, fences);
    const wait = waitFence(head, 100);
    head.put();
    fences[2]!.signal();
    expect(fences[1]!.watched).toBe(true);
    wait.cancel();
    await wait.result;
    expect(fences.map((fence) => [fence.watched, fence.refs])).toEqual(fences.map(() => [false, 1]));
    putAll(fences);
  });

  it.each(['from the front', 'from the back', 'asked late', 'dropped'])('100000-links-need-no-stack: %s', (how) => {
    // No stacks are recorded for so many.
    const rig = new FenceRig({ recordStacks: false });
    const timeline = rig.timeline();
    const fences = Array.from({ length: 100_000 }, (_, at) => rig.fence(at + 1, timeline));
    const head = chainOf(rig, fences);
    let told = false;
    if (how.startsWith('from')) {
      head.addCallback(() => {
        told = true;
      });
    }
    if (how === 'from the back') {
      fences.reverse();
    }
    if (how !== 'dropped') {
      for (const fence of fences) {
        fence.signal();
      }
      expect([head.signalled, told]).toEqual([true, how !== 'asked late']);
    }
    head.put();
    putAll(fences);
    rig[Symbol.dispose]();
  });

  it('follows-a-model-in-any-order', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 10 }),
        fc.array(fc.nat(9), { maxLength: 10 }),
        fc.integer({ min: 1, max: 60 }),
        (points, order, asked) => {
          using rig = new FenceRig();
          const seqnos = points.sort((a, b) => a - b);
          const fences = rig.fences(seqnos.length);
          const head = chainOf(rig, fences, (at) => seqnos[at]!);
          let told = false;
          const registration = head.addCallback(() => {
            told = true;
          });
          for (const at of order) {
            const fence = fences[at];
            if (fence === undefined || fence.signalled) {
              continue;
            }
            fence.signal();
            const all = fences.every(({ signalled }) => signalled);
            expect([told, head.signalled]).toEqual([all, all]);
            if (asked > head.seqno) {
              expect(codeOf(() => findPoint(head, asked))).toBe('EINVAL');
            } else {
              using point = findPoint(head, asked);
              const upTo = seqnos.findIndex((seqno) => seqno >= asked);
              expect(point.signalled).toBe(fences.slice(0, upTo + 1).every(({ signalled }) => signalled));
            }
          }
          registration.remove();
          putAll([head, ...fences]);
        },
      ),
    );
  });
});
