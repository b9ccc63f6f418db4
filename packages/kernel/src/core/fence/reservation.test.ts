/** Unit tests of the fences of a buffer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpuAccessUsage, exportUsage, importUsage } from './dma-buf-sync.js';
import type { DmaFence } from './dma-fence.js';
import { FenceArray } from './fence-array.js';
import { FenceChain } from './fence-chain.js';
import { codeOf, FenceRig, putAll } from './fence-rig.js';
import { Reservation, USAGE, type Usage } from './reservation.js';
import { AcquireContext } from './reservation-lock.js';
import { SyncFile } from './sync-file.js';

const { KERNEL, WRITE, READ, BOOKKEEP } = USAGE;

function add(reservation: Reservation, fence: DmaFence, usage: Usage): void {
  reservation.lock.tryLock();
  reservation.reserve();
  reservation.add(fence, usage);
  reservation.lock.unlock();
}

function listed(reservation: Reservation): [DmaFence, Usage][] {
  return reservation.entries().map(({ fence, usage }) => [fence, usage]);
}

function finish(reservation: Reservation, fences: readonly DmaFence[]): void {
  reservation.destroy();
  putAll(fences);
}

describe('Reservation slots', () => {
  it('reserve-and-add-need-the-lock', () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    using fence = rig.fence();
    expect(() => reservation.reserve()).toThrow('not locked');
    expect(() => reservation.add(fence, READ)).toThrow('not locked');
    expect(fence.refs).toBe(1);
  });

  it('adding-without-room-throws', () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    const [a, b] = rig.fences(2);
    reservation.lock.tryLock();
    expect(() => reservation.add(a!, READ)).toThrow('no room');
    reservation.reserve(1);
    reservation.add(a!, READ);
    expect(() => reservation.add(b!, READ)).toThrow('no room');
    expect([a!.refs, b!.refs]).toEqual([2, 1]);
    reservation.lock.unlock();
    finish(reservation, [a!, b!]);
  });

  it('room-is-lost-with-the-lock', () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    using fence = rig.fence();
    reservation.lock.tryLock();
    reservation.reserve(4);
    reservation.lock.unlock();
    reservation.lock.tryLock();
    expect(() => reservation.add(fence, READ)).toThrow('no room');
    reservation.lock.unlock();
  });

  it('room-that-is-there-counts', () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    const [a, b] = rig.fences(2);
    reservation.lock.tryLock();
    reservation.reserve(1);
    reservation.reserve(1);
    reservation.add(a!, READ);
    expect(() => reservation.add(b!, READ)).toThrow('no room');
    for (const count of [0, -1, 0.5, Number.NaN]) {
      expect(codeOf(() => reservation.reserve(count))).toBe('EINVAL');
    }
    reservation.lock.unlock();
    finish(reservation, [a!, b!]);
  });

  it('making-room-drops-what-has-signalled', () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    const [a, b] = rig.fences(2);
    add(reservation, a!, READ);
    add(reservation, b!, READ);
    a!.signal();
    reservation.lock.tryLock();
    reservation.reserve();
    expect([listed(reservation), a!.refs]).toEqual([[[b, READ]], 1]);
    expect(() => reservation.destroy()).toThrow('locked');
    reservation.lock.unlock();
    finish(reservation, [a!, b!]);
  });
});

describe('Reservation replacement', () => {
  it.each([
    ['later, same usage', 1, READ, 2, READ, true],
    ['the same number', 2, READ, 2, READ, true],
    ['earlier', 2, READ, 1, READ, false],
    ['later, a weaker old one', 1, BOOKKEEP, 2, WRITE, true],
    ['later, a stronger old one stays', 1, WRITE, 2, READ, false],
    ['earlier, a weaker old one', 2, READ, 1, WRITE, false],
  ] as const)('same timeline: %s', (_, oldSeqno, oldUsage, newSeqno, newUsage, replaces) => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    const timeline = rig.timeline();
    const old = rig.fence(oldSeqno, timeline);
    const fence = rig.fence(newSeqno, timeline);
    add(reservation, old, oldUsage);
    add(reservation, fence, newUsage);
    expect(listed(reservation)).toEqual(
      replaces
        ? [[fence, newUsage]]
        : [
            [old, oldUsage],
            [fence, newUsage],
          ],
    );
    expect(old.refs).toBe(replaces ? 1 : 2);
    finish(reservation, [old, fence]);
  });

  it('another-timeline-stays', () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    const fences = rig.fences(2);
    add(reservation, fences[0]!, READ);
    add(reservation, fences[1]!, READ);
    expect(listed(reservation)).toHaveLength(2);
    finish(reservation, fences);
  });

  it('one-that-has-signalled-is-replaced-whatever-it-is', () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    const fences = rig.fences(2);
    add(reservation, fences[0]!, KERNEL);
    fences[0]!.signal();
    reservation.lock.tryLock();
    // Needs no room of its own.
    reservation.add(fences[1]!, BOOKKEEP);
    reservation.lock.unlock();
    expect(listed(reservation)).toEqual([[fences[1], BOOKKEEP]]);
    finish(reservation, fences);
  });

  it('a-container-is-taken-apart-with-a-warning', () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    const [a, b, c] = rig.fences(3);
    using array = new FenceArray(rig.domain, [a!, b!]);
    using chain = new FenceChain(rig.domain, { previous: undefined, fence: c!, seqno: 1 });
    reservation.lock.tryLock();
    reservation.reserve(3);
    reservation.add(array, READ);
    reservation.add(chain, WRITE);
    reservation.lock.unlock();
    expect(listed(reservation)).toEqual([
      [a, READ],
      [b, READ],
      [c, WRITE],
    ]);
    expect(rig.takeWarnings()).toHaveLength(2);
    finish(reservation, [a!, b!, c!]);
  });

  it('never-loses-a-dependency', () => {
    const step = fc.record({
      timeline: fc.nat(2),
      usage: fc.constantFrom(KERNEL, WRITE, READ, BOOKKEEP),
      signal: fc.option(fc.nat(20), { nil: undefined }),
      seqno: fc.integer({ min: 1, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        using rig = new FenceRig();
        const reservation = new Reservation(rig.domain);
        const timelines = [rig.timeline(), rig.timeline(), rig.timeline()];
        const made: { fence: DmaFence; usage: Usage }[] = [];
        for (const { timeline, usage, seqno, signal } of steps) {
          const fence = rig.fence(seqno, timelines[timeline]);
          add(reservation, fence, usage);
          made.push({ fence, usage });
          const victim = signal === undefined ? undefined : made[signal]?.fence;
          if (victim !== undefined) {
            // A timeline signals in order.
            for (const { fence: other } of made) {
              if (other.context === victim.context && other.seqno <= victim.seqno && !other.signalled) {
                other.signal();
              }
            }
          }
          const entries = reservation.entries();
          for (const { fence: wanted, usage: strength } of made.filter((one) => !one.fence.signalled)) {
            const covered = entries.some(
              (entry) =>
                entry.fence.context === wanted.context && entry.fence.seqno >= wanted.seqno && entry.usage <= strength,
            );
            expect(covered).toBe(true);
          }
          for (const limit of [KERNEL, WRITE, READ, BOOKKEEP]) {
            const pending = made.some((one) => one.usage <= limit && !one.fence.signalled);
            expect(reservation.testSignalled(limit)).toBe(!pending);
          }
          // Of one timeline and usage only one entry per number that went up.
          expect(entries.length).toBeLessThanOrEqual(made.length);
        }
        finish(
          reservation,
          made.map(({ fence }) => fence),
        );
      }),
    );
  });
});

describe('Reservation questions', () => {
  function full(rig: FenceRig): { reservation: Reservation; fences: DmaFence[] } {
    const reservation = new Reservation(rig.domain);
    const fences = rig.fences(4);
    for (const usage of [BOOKKEEP, READ, KERNEL, WRITE]) {
      add(reservation, fences[usage]!, usage);
    }
    return { reservation, fences };
  }

  it('a-usage-covers-the-stronger-ones', () => {
    using rig = new FenceRig();
    const { reservation, fences } = full(rig);
    const [kernel, write, read, bookkeep] = fences;
    expect(reservation.pending(KERNEL)).toEqual([kernel]);
    expect(new Set(reservation.pending(WRITE))).toEqual(new Set([kernel, write]));
    expect(new Set(reservation.pending(READ))).toEqual(new Set([kernel, write, read]));
    expect(new Set(reservation.pending())).toEqual(new Set([kernel, write, read, bookkeep]));
    kernel!.signal();
    expect([reservation.testSignalled(KERNEL), reservation.testSignalled(WRITE)]).toEqual([true, false]);
    expect(reservation.entries(KERNEL)).toHaveLength(1);
    expect(reservation.pending(KERNEL)).toEqual([]);
    finish(reservation, fences);
  });

  it('wait-for-a-usage', async () => {
    using rig = new FenceRig();
    const { reservation, fences } = full(rig);
    expect(reservation.wait(READ, 0).settled?.outcome).toBe('timeout');
    const reader = reservation.wait(WRITE, 100);
    const writer = reservation.wait(READ, 100);
    fences[KERNEL]!.signal();
    fences[WRITE]!.fail('EIO');
    expect((await reader.result).outcome).toBe('signalled');
    rig.clock.advance(100);
    expect((await writer.result).outcome).toBe('timeout');
    expect(reservation.wait(WRITE, 0).settled?.outcome).toBe('signalled');
    finish(reservation, fences);
  });

  it('a-snapshot-is-one-fence', () => {
    using rig = new FenceRig();
    const { reservation, fences } = full(rig);
    using nothing = new Reservation(rig.domain).snapshot(READ);
    expect([nothing.signalled, nothing.context]).toEqual([true, 0]);
    using one = reservation.snapshot(KERNEL);
    expect(one).toBe(fences[KERNEL]);
    using all = reservation.snapshot(exportUsage(2));
    expect(new Set((all as FenceArray).fences)).toEqual(new Set(fences.slice(0, 3)));
    // What comes later is not in it.
    const late = rig.fence();
    add(reservation, late, KERNEL);
    for (const fence of fences) {
      fence.signal();
    }
    expect(all.signalled).toBe(true);
    finish(reservation, [...fences, late]);
  });

  it('import-adds-fence-by-fence', async () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    const fences = rig.fences(2);
    using array = new FenceArray(rig.domain, fences);
    using file = new SyncFile(array);
    await reservation.importFence(file.fence, importUsage(1), new AcquireContext(rig.domain));
    await reservation.importFence(fences[0]!, importUsage(3), new AcquireContext(rig.domain));
    // The reader's entry of the first was weaker, so it was replaced.
    expect(listed(reservation)).toEqual([
      [fences[0], WRITE],
      [fences[1], READ],
    ]);
    expect(reservation.lock.held).toBe(false);
    finish(reservation, fences);
  });

  it('import-waits-for-the-lock-and-can-be-interrupted', async () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    const [a, b] = rig.fences(2);
    reservation.lock.tryLock();
    const dying = new AcquireContext(rig.domain);
    const first = reservation.importFence(a!, READ, dying);
    const second = reservation.importFence(b!, READ, new AcquireContext(rig.domain));
    expect([a!.refs, b!.refs]).toEqual([2, 2]);
    dying.interrupt();
    await expect(first).rejects.toMatchObject({ code: 'EINTR' });
    reservation.lock.unlock();
    await second;
    expect([a!.refs, listed(reservation)]).toEqual([1, [[b, READ]]]);
    finish(reservation, [a!, b!]);
  });

  it('import-under-a-lock-it-holds-leaves-it-locked', async () => {
    using rig = new FenceRig();
    const reservation = new Reservation(rig.domain);
    using fence = rig.fence();
    const acquire = new AcquireContext(rig.domain);
    await acquire.lockAll([reservation.lock]);
    await reservation.importFence(fence, READ, acquire);
    expect(reservation.lock.heldBy(acquire)).toBe(true);
    acquire.releaseAll();
    reservation.destroy();
  });
});

describe('dma-buf sync flags', () => {
  it.each([
    [1, WRITE],
    [2, READ],
    [3, READ],
  ])('start of access %i waits', (flags, usage) => {
    expect([cpuAccessUsage(flags), cpuAccessUsage(flags | 4), exportUsage(flags)]).toEqual([usage, undefined, usage]);
    expect(importUsage(flags)).toBe(flags === 1 ? READ : WRITE);
  });

  it('unknown-bits-or-no-access-are-EINVAL', () => {
    for (const flags of [0, 8, 9, -1, 1.5, 2 ** 31 + 1, 2 ** 32 + 1, Number.NaN]) {
      for (const rule of [cpuAccessUsage, exportUsage, importUsage]) {
        expect(codeOf(() => rule(flags))).toBe('EINVAL');
      }
    }
    expect(codeOf(() => cpuAccessUsage(4))).toBe('EINVAL');
    expect([codeOf(() => exportUsage(5)), codeOf(() => importUsage(5))]).toEqual(['EINVAL', 'EINVAL']);
  });
});
