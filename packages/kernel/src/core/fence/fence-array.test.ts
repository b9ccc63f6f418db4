/** Unit tests of arrays of fences. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DmaFence } from './dma-fence.js';
import { FenceArray } from './fence-array.js';
import { FenceChain } from './fence-chain.js';
import { codeOf, FenceRig, putAll } from './fence-rig.js';
import { waitFence } from './fence-wait.js';

function three(rig: FenceRig): [DmaFence, DmaFence, DmaFence] {
  return [rig.fence(), rig.fence(), rig.fence()];
}

describe('FenceArray', () => {
  it('all-signals-with-the-last', () => {
    using rig = new FenceRig();
    const [a, b, c] = three(rig);
    using array = new FenceArray(rig.domain, [a, b, c]);
    const told: number[] = [];
    array.addCallback(({ status }) => told.push(status));
    b.signal(10);
    a.signal(30);
    expect([array.status, told]).toEqual([0, []]);
    c.signal(20);
    expect([array.status, told, array.timestampNs]).toEqual([1, [1], 30]);
    putAll([a, b, c]);
  });

  it('any-signals-with-the-first', () => {
    using rig = new FenceRig();
    const [a, b, c] = three(rig);
    using array = new FenceArray(rig.domain, [a, b, c], 'any');
    array.addCallback(() => {});
    b.fail('EIO', 'broken', 10);
    expect([array.status, array.timestampNs, array.errorDetail]).toEqual([-5, 10, 'broken']);
    expect([a.watched, c.watched]).toEqual([false, false]);
    a.signal();
    putAll([a, b, c]);
  });

  it('the-first-error-seen-counts', () => {
    using rig = new FenceRig();
    const [a, b, c] = three(rig);
    using watched = new FenceArray(rig.domain, [a, b, c]);
    using asked = new FenceArray(rig.domain, [a, b, c]);
    watched.addCallback(() => {});
    c.fail('ECANCELED');
    a.signal();
    b.fail('EIO');
    // Who asks only afterwards sees them in the order of the array.
    expect([watched.errorCode, asked.status]).toEqual(['ECANCELED', -5]);
    putAll([a, b, c]);
  });

  it('an-error-after-it-signalled-does-not-count', () => {
    using rig = new FenceRig();
    const [a, b, c] = three(rig);
    using array = new FenceArray(rig.domain, [a, b, c], 'any');
    a.signal();
    expect(array.status).toBe(1);
    b.fail('EIO');
    expect(array.status).toBe(1);
    putAll([a, b, c]);
  });

  it('members-that-signalled-before-count', () => {
    using rig = new FenceRig();
    const [a, b, c] = three(rig);
    a.fail('EIO');
    using array = new FenceArray(rig.domain, [a, b, c]);
    array.addCallback(() => {});
    b.signal();
    c.signal();
    expect(array.status).toBe(-5);
    using done = new FenceArray(rig.domain, [a, b, c]);
    expect(codeOf(() => done.addCallback(() => {}))).toBe('ENOENT');
    putAll([a, b, c]);
  });

  it('the-same-fence-twice', () => {
    using rig = new FenceRig();
    using a = rig.fence();
    using array = new FenceArray(rig.domain, [a, a]);
    array.addCallback(() => {});
    a.signal();
    expect(array.status).toBe(1);
  });

  it('empty-and-nested-are-refused', () => {
    using rig = new FenceRig();
    using a = rig.fence();
    using array = new FenceArray(rig.domain, [a]);
    using chain = new FenceChain(rig.domain, { previous: undefined, fence: a, seqno: 1 });
    expect(codeOf(() => new FenceArray(rig.domain, []))).toBe('EINVAL');
    expect(codeOf(() => new FenceArray(rig.domain, [a, array]))).toBe('EINVAL');
    expect(codeOf(() => new FenceArray(rig.domain, [chain]))).toBe('EINVAL');
    expect(array.name).toBe(`dma_fence_array-unbound${array.context}-1`);
  });

  it('lives-until-it-signals-while-somebody-waits', () => {
    using rig = new FenceRig();
    const [a, b, c] = three(rig);
    let told = false;
    const array = new FenceArray(rig.domain, [a, b, c]);
    array.addCallback(() => {
      told = true;
    });
    array.put();
    putAll([a, b]);
    a.signal();
    b.signal();
    c.signal();
    expect(told).toBe(true);
    c.put();
  });

  it('a-waiter-that-gives-up-lets-all-go', async () => {
    using rig = new FenceRig();
    const [a, b, c] = three(rig);
    const array = new FenceArray(rig.domain, [a, b, c]);
    const wait = waitFence(array, 100);
    array.put();
    expect(a.watched).toBe(true);
    wait.cancel();
    await wait.result;
    expect([a.watched, a.refs]).toEqual([false, 1]);
    putAll([a, b, c]);
  });

  it('watched-again-after-nobody-watched', () => {
    using rig = new FenceRig();
    const [a, b, c] = three(rig);
    using array = new FenceArray(rig.domain, [a, b, c]);
    array.addCallback(() => {}).remove();
    a.signal();
    let told = false;
    array.addCallback(() => {
      told = true;
    });
    b.signal();
    c.signal();
    expect(told).toBe(true);
    putAll([a, b, c]);
  });

  it('follows-a-model-in-any-order', () => {
    const member = fc.record({ order: fc.nat(1000), error: fc.constantFrom(undefined, 'EIO', 'ECANCELED') });
    fc.assert(
      fc.property(
        fc.array(member, { minLength: 1, maxLength: 8 }),
        fc.constantFrom('all', 'any'),
        fc.nat(8),
        (members, mode, watchAfter) => {
          using rig = new FenceRig();
          const fences = members.map(() => rig.fence());
          const array = new FenceArray(rig.domain, fences, mode);
          const order = members.map((_, at) => at).sort((a, b) => members[a]!.order - members[b]!.order || a - b);
          let told = 0;
          const watch = () => array.watch(() => void told++) !== undefined;
          let watching = watchAfter === 0 && watch();
          for (const [step, at] of order.entries()) {
            const { error } = members[at]!;
            if (error === undefined) {
              fences[at]!.signal(step + 1);
            } else {
              fences[at]!.fail(error, undefined, step + 1);
            }
            const done = mode === 'any' || step + 1 === members.length;
            if (watching) {
              // By itself, before anybody asks.
              expect(told).toBe(done ? 1 : 0);
            }
            if (watching || step + 1 === watchAfter) {
              expect(array.signalled).toBe(done);
            }
            watching ||= step + 1 === watchAfter && watch();
          }
          expect(array.signalled).toBe(true);
          expect(array.timestampNs).toBeGreaterThan(0);
          const errors = new Set(members.map(({ error }) => error));
          if (watchAfter === 0) {
            const failed = mode === 'any' ? order.slice(0, 1) : order;
            expect(array.errorCode).toBe(failed.map((at) => members[at]!.error).find((error) => error !== undefined));
            expect(array.timestampNs).toBe(mode === 'any' ? 1 : members.length);
          } else if (mode === 'all') {
            expect(array.error !== 0).toBe(errors.size > 1 || !errors.has(undefined));
          }
          putAll([array, ...fences]);
        },
      ),
    );
  });
});
