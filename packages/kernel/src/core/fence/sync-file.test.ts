/** Unit tests of sync files and of merging. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DmaFence, signalledStub } from './dma-fence.js';
import { FenceArray } from './fence-array.js';
import { FenceChain } from './fence-chain.js';
import { codeOf, FenceRig, putAll } from './fence-rig.js';
import { SyncFile } from './sync-file.js';
import { mergeFences, unwrapFence } from './unwrap.js';
import { POLL_IN } from './wait-queue.js';

const PLAIN = { name: 'merged', flags: 0, pad: 0 };

describe('SyncFile', () => {
  it('is-called-after-its-fence-unless-named', () => {
    using rig = new FenceRig();
    using fence = rig.fence(12, { context: 4, driverName: 'habanalabs', timelineName: 'asid' });
    using file = new SyncFile(fence);
    using named = new SyncFile(fence, 'frame 7');
    using long = new SyncFile(fence, 'x'.repeat(40));
    using wide = new SyncFile(fence, 'ü'.repeat(20));
    expect([file.name, named.name, long.name, wide.name]).toEqual([
      'habanalabs-asid4-12',
      'frame 7',
      'x'.repeat(31),
      'ü'.repeat(15),
    ]);
  });

  it('holds-its-fence', () => {
    using rig = new FenceRig();
    const fence = rig.fence();
    using file = new SyncFile(fence);
    fence.put();
    expect(file.fence.refs).toBe(1);
  });

  it('poll', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    using file = new SyncFile(fence);
    const woken: number[] = [];
    file.queue.add((events) => woken.push(events));
    expect([file.poll(), file.poll()]).toEqual([0, 0]);
    fence.fail('EIO');
    expect([woken, file.poll()]).toEqual([[POLL_IN], POLL_IN]);
    using late = new SyncFile(fence);
    expect(late.poll()).toBe(POLL_IN);
  });

  it('closed-while-polled', () => {
    using rig = new FenceRig();
    const fences = rig.fences(2);
    using fence = new FenceArray(rig.domain, fences);
    const file = new SyncFile(fence);
    file.poll();
    expect(fences[0]!.watched).toBe(true);
    file.put();
    expect([fence.watched, fences[0]!.watched]).toEqual([false, false]);
    putAll(fences);
  });
});

describe('SYNC_IOC_MERGE', () => {
  it('flags-then-pad-then-the-other-file', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    using file = new SyncFile(fence);
    expect(codeOf(() => file.merge({ ...PLAIN, flags: 1 }, undefined))).toBe('EINVAL');
    expect(codeOf(() => file.merge({ ...PLAIN, pad: 1 }, file))).toBe('EINVAL');
    expect(codeOf(() => file.merge(PLAIN, undefined))).toBe('ENOENT');
  });

  it('the-latest-of-each-timeline', () => {
    using rig = new FenceRig();
    const [one, two] = [rig.timeline(), rig.timeline()];
    using early = rig.fence(1, one);
    using late = rig.fence(2, one);
    using other = rig.fence(1, two);
    using both = new FenceArray(rig.domain, [early, other]);
    using a = new SyncFile(both);
    using b = new SyncFile(late);
    using merged = a.merge(PLAIN, b);
    using again = b.merge({ ...PLAIN, name: '' }, a);
    for (const file of [merged, again]) {
      expect(unwrapFence(file.fence)).toEqual([late, other]);
    }
    expect([merged.name, again.name]).toEqual(['merged', `dma_fence_array-unbound${again.fence.context}-1`]);
  });

  it('a-single-one-is-not-wrapped', () => {
    using rig = new FenceRig();
    const timeline = rig.timeline();
    using early = rig.fence(1, timeline);
    using late = rig.fence(2, timeline);
    using a = new SyncFile(early);
    using b = new SyncFile(late);
    using merged = a.merge(PLAIN, b);
    expect(merged.fence).toBe(late);
  });

  it('signalled-ones-are-left-out-with-their-errors', () => {
    using rig = new FenceRig();
    const [done, pending] = rig.fences(2);
    using a = new SyncFile(done!);
    using b = new SyncFile(pending!);
    done!.fail('EIO');
    using merged = a.merge(PLAIN, b);
    expect(merged.fence).toBe(pending);
    putAll([done!, pending!]);
  });

  it('all-done-is-a-stub-with-the-latest-time', () => {
    using rig = new FenceRig();
    const [one, two] = rig.fences(2);
    using a = new SyncFile(one!);
    using b = new SyncFile(two!);
    one!.signal(900);
    two!.signal(300);
    using merged = a.merge(PLAIN, b);
    expect([merged.fence.context, merged.fence.status, merged.fence.timestampNs]).toEqual([0, 1, 900]);
    putAll([one!, two!]);
  });

  it('keeps-what-is-needed-and-nothing-else', () => {
    const member = fc.record({
      timeline: fc.nat(3),
      seqno: fc.integer({ min: 1, max: 5 }),
      how: fc.constantFrom('alone', 'array', 'chain'),
      doneAt: fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(member, { minLength: 1, maxLength: 12 }), (members) => {
        using rig = new FenceRig();
        const timelines = Array.from({ length: 4 }, () => rig.timeline());
        const fences = members.map(({ timeline, seqno }) => rig.fence(seqno, timelines[timeline]));
        const wholes: DmaFence[] = [];
        const grouped = fences.filter((_, at) => members[at]!.how === 'array');
        if (grouped.length > 0) {
          wholes.push(new FenceArray(rig.domain, grouped));
        }
        let chain: FenceChain | undefined;
        for (const [at, fence] of fences.entries()) {
          if (members[at]!.how === 'chain') {
            const link: FenceChain = new FenceChain(rig.domain, { previous: chain, fence, seqno: at + 1 });
            chain?.put();
            chain = link;
          } else if (members[at]!.how === 'alone') {
            wholes.push(fence.get());
          }
        }
        if (chain !== undefined) {
          wholes.push(chain);
        }
        for (const [at, { doneAt }] of members.entries()) {
          if (doneAt !== undefined) {
            fences[at]!.signal(doneAt);
          }
        }
        const pending = fences.filter(({ signalled }) => !signalled);
        const merged = mergeFences(rig.domain, wholes);
        const parts = unwrapFence(merged);
        if (pending.length === 0) {
          expect([merged.signalled, merged.context]).toEqual([true, 0]);
          // Links of a chain that have signalled may be gone, and their times with them.
          if (chain === undefined) {
            expect(merged.timestampNs).toBe(Math.max(...fences.map(({ timestampNs }) => timestampNs)));
          }
        } else {
          expect(parts.every((part) => pending.includes(part))).toBe(true);
          expect(new Set(parts.map(({ context }) => context)).size).toBe(parts.length);
          for (const fence of pending) {
            const covered = parts.some((part) => part.context === fence.context && part.seqno >= fence.seqno);
            expect(covered).toBe(true);
          }
          expect(merged.isContainer).toBe(parts.length > 1);
        }
        putAll([merged, ...wholes, ...fences]);
      }),
    );
  });
});

describe('SYNC_IOC_FILE_INFO', () => {
  const ASK = { flags: 0, pad: 0, numFences: 0 };

  it('flags-and-pad-must-be-zero', () => {
    using rig = new FenceRig();
    using fence = rig.fence();
    using file = new SyncFile(fence);
    expect(codeOf(() => file.info({ ...ASK, flags: 1 }))).toBe('EINVAL');
    expect(codeOf(() => file.info({ ...ASK, pad: 1 }))).toBe('EINVAL');
  });

  it('room-for-none-asks-for-the-count', () => {
    using rig = new FenceRig();
    const fences = rig.fences(3);
    using array = new FenceArray(rig.domain, fences);
    using file = new SyncFile(array, 'three');
    expect(file.info(ASK)).toEqual({ name: 'three', status: 0, flags: 0, numFences: 3, fences: [] });
    for (const fence of fences) {
      fence.fail('EIO');
    }
    expect(file.info(ASK).status).toBe(-5);
    putAll(fences);
  });

  it('too-little-room-is-EINVAL', () => {
    using rig = new FenceRig();
    const fences = rig.fences(3);
    using array = new FenceArray(rig.domain, fences);
    using file = new SyncFile(array);
    expect(codeOf(() => file.info({ ...ASK, numFences: 2 }))).toBe('EINVAL');
    expect(file.info({ ...ASK, numFences: 9 }).numFences).toBe(3);
    putAll(fences);
  });

  it('fences-with-names-status-and-time', () => {
    using rig = new FenceRig();
    using fence = rig.fence(3, rig.timeline('asid1.'));
    using file = new SyncFile(fence);
    const info = { objName: 'asid1.', driverName: 'habanalabs', flags: 0 };
    expect(file.info({ ...ASK, numFences: 1 }).fences).toEqual([{ ...info, status: 0, timestampNs: 0 }]);
    fence.fail('ECANCELED', undefined, 55);
    expect(file.info({ ...ASK, numFences: 1 }).fences).toEqual([{ ...info, status: -125, timestampNs: 55 }]);
  });

  it('overall-status-is-the-first-that-is-not-ok', () => {
    using rig = new FenceRig();
    const [ok, failed, pending] = rig.fences(3);
    ok!.signal();
    failed!.fail('EIO');
    const status = (...fences: DmaFence[]) => {
      using array = new FenceArray(rig.domain, fences);
      using file = new SyncFile(array);
      return file.info({ ...ASK, numFences: fences.length }).status;
    };
    expect([
      status(ok!),
      status(ok!, failed!, pending!),
      status(ok!, pending!, failed!),
      status(ok!, failed!),
      status(ok!, ok!),
    ]).toEqual([1, -5, 0, -5, 1]);
    putAll([ok!, failed!, pending!]);
  });

  it('a-stub', () => {
    using rig = new FenceRig();
    using stub = signalledStub(rig.domain);
    using file = new SyncFile(stub);
    expect(file.info({ ...ASK, numFences: 1 })).toMatchObject({ name: 'stub-stub0-0', status: 1, numFences: 1 });
  });
});
