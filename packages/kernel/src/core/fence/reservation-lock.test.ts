/** Unit tests of reservation locks: order, back-off, giving up. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FenceRig } from './fence-rig.js';
import { AcquireContext, ReservationLock } from './reservation-lock.js';

/** What became of a promise, as far as it has. */
function watch(promise: Promise<unknown>): { state: string } {
  const seen = { state: 'waiting' };
  promise.then(
    (value) => {
      seen.state = value === undefined ? 'done' : String(value);
    },
    (error: { code?: string }) => {
      seen.state = error.code ?? String(error);
    },
  );
  return seen;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await undefined;
  }
}

describe('ReservationLock', () => {
  it('one-at-a-time-in-the-order-of-arrival', async () => {
    const lock = new ReservationLock();
    expect([lock.tryLock(), lock.tryLock()]).toEqual([true, false]);
    const second = watch(lock.lock());
    const third = watch(lock.lock());
    await settle();
    expect([second.state, third.state, lock.waiting]).toEqual(['waiting', 'waiting', 2]);
    lock.unlock();
    // Handed over: nobody slips in between.
    expect([lock.held, lock.tryLock()]).toEqual([true, false]);
    await settle();
    expect([second.state, third.state]).toEqual(['done', 'waiting']);
    lock.unlock();
    await settle();
    expect(third.state).toBe('done');
    lock.unlock();
    expect(lock.held).toBe(false);
  });

  it('only-its-holder-unlocks', async () => {
    using rig = new FenceRig();
    const lock = new ReservationLock();
    expect(() => lock.unlock()).toThrow('does not hold it');
    const acquire = new AcquireContext(rig.domain);
    await acquire.lock(lock);
    expect(() => lock.unlock()).toThrow('does not hold it');
    expect(() => new AcquireContext(rig.domain).release(lock)).toThrow('does not hold');
    acquire.releaseAll();
    expect([lock.held, lock.heldBy(acquire)]).toEqual([false, false]);
  });
});

describe('AcquireContext', () => {
  it('a-lock-it-holds-already-is-no-error', async () => {
    using rig = new FenceRig();
    const lock = new ReservationLock();
    const acquire = new AcquireContext(rig.domain);
    expect([await acquire.lock(lock), await acquire.lock(lock), acquire.holds]).toEqual([true, false, 1]);
    acquire.releaseAll();
  });

  it('the-younger-backs-off-the-older-waits', async () => {
    using rig = new FenceRig();
    const [a, b] = [new ReservationLock(), new ReservationLock()];
    const older = new AcquireContext(rig.domain);
    const younger = new AcquireContext(rig.domain);
    await older.lock(a);
    await younger.lock(b);
    const patient = watch(older.lock(b));
    await settle();
    expect(patient.state).toBe('waiting');
    await expect(younger.lock(a)).rejects.toMatchObject({ code: 'EDEADLK' });
    younger.releaseAll();
    // With nothing in hand it may wait for the one it lost.
    const slow = watch(younger.lock(a));
    await settle();
    expect([patient.state, slow.state]).toEqual(['true', 'waiting']);
    older.releaseAll();
    await settle();
    expect(slow.state).toBe('true');
    younger.releaseAll();
  });

  it('a-waiter-with-locks-backs-off-when-an-older-one-comes', async () => {
    using rig = new FenceRig();
    const [a, b, c] = [new ReservationLock(), new ReservationLock(), new ReservationLock()];
    const oldest = new AcquireContext(rig.domain);
    const middle = new AcquireContext(rig.domain);
    const youngest = new AcquireContext(rig.domain);
    await youngest.lock(a);
    await middle.lock(b);
    const waiting = watch(middle.lock(a));
    await settle();
    expect(waiting.state).toBe('waiting');
    await oldest.lock(c);
    const first = watch(oldest.lock(a));
    await settle();
    expect([waiting.state, first.state]).toEqual(['EDEADLK', 'waiting']);
    youngest.releaseAll();
    await settle();
    expect(first.state).toBe('true');
    oldest.releaseAll();
    middle.releaseAll();
  });

  it('behind-an-older-waiter-with-locks-in-hand-is-EDEADLK', async () => {
    using rig = new FenceRig();
    const [a, b] = [new ReservationLock(), new ReservationLock()];
    const older = new AcquireContext(rig.domain);
    const younger = new AcquireContext(rig.domain);
    a.tryLock();
    const first = watch(older.lock(a));
    await younger.lock(b);
    await expect(younger.lock(a)).rejects.toMatchObject({ code: 'EDEADLK' });
    a.unlock();
    await settle();
    expect(first.state).toBe('true');
    older.releaseAll();
    younger.releaseAll();
  });

  it('the-oldest-goes-first', async () => {
    using rig = new FenceRig();
    const lock = new ReservationLock();
    const older = new AcquireContext(rig.domain);
    const younger = new AcquireContext(rig.domain);
    lock.tryLock();
    const second = watch(younger.lock(lock));
    const first = watch(older.lock(lock));
    lock.unlock();
    await settle();
    expect([first.state, second.state]).toEqual(['true', 'waiting']);
    older.releaseAll();
    await settle();
    younger.releaseAll();
  });

  it('lockAll-keeps-what-it-held', async () => {
    using rig = new FenceRig();
    const [a, b, c] = [new ReservationLock(), new ReservationLock(), new ReservationLock()];
    const older = new AcquireContext(rig.domain);
    const younger = new AcquireContext(rig.domain);
    await older.lock(b);
    await younger.lock(a);
    const all = watch(younger.lockAll([c, b, c]));
    await settle();
    expect([all.state, younger.holds]).toEqual(['waiting', 0]);
    older.releaseAll();
    await settle();
    expect([all.state, a.heldBy(younger), b.heldBy(younger), c.heldBy(younger)]).toEqual(['done', true, true, true]);
    younger.releaseAll();
  });

  it('interrupted', async () => {
    using rig = new FenceRig();
    const [a, b] = [new ReservationLock(), new ReservationLock()];
    b.tryLock();
    const acquire = new AcquireContext(rig.domain);
    const all = watch(acquire.lockAll([a, b]));
    await settle();
    acquire.interrupt();
    await settle();
    expect([all.state, a.held, b.waiting]).toEqual(['EINTR', false, 0]);
    b.unlock();
    await expect(acquire.lock(a)).rejects.toMatchObject({ code: 'EINTR' });
  });

  it('interrupted-just-after-it-was-granted', async () => {
    using rig = new FenceRig();
    const lock = new ReservationLock();
    lock.tryLock();
    const acquire = new AcquireContext(rig.domain);
    const wait = watch(acquire.lock(lock));
    lock.unlock();
    acquire.interrupt();
    await settle();
    expect([wait.state, lock.held]).toEqual(['EINTR', false]);
  });

  it('one-wait-at-a-time', async () => {
    using rig = new FenceRig();
    const [a, b] = [new ReservationLock(), new ReservationLock()];
    a.tryLock();
    const acquire = new AcquireContext(rig.domain);
    const wait = watch(acquire.lock(a));
    await expect(acquire.lock(b)).rejects.toThrow('one lock at a time');
    acquire.interrupt();
    await settle();
    expect(wait.state).toBe('EINTR');
    a.unlock();
  });

  it('any-number-of-acquisitions-of-any-sets-comes-to-an-end', async () => {
    const job = fc.record({
      locks: fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }),
      startsAfter: fc.nat(12),
      works: fc.nat(6),
      interruptedAfter: fc.option(fc.nat(30), { freq: 6, nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(job, { minLength: 1, maxLength: 8 }), async (jobs) => {
        using rig = new FenceRig();
        const locks = Array.from({ length: 5 }, () => new ReservationLock());
        const owners: (object | undefined)[] = [];
        let ended = 0;
        const turns = async (count: number) => {
          for (let turn = 0; turn < count; turn++) {
            await undefined;
          }
        };
        const run = async (job: (typeof jobs)[number]) => {
          await turns(job.startsAfter);
          const acquire = new AcquireContext(rig.domain);
          const { interruptedAfter } = job;
          const interrupts = interruptedAfter === undefined ? undefined : turns(interruptedAfter);
          const interrupted = interrupts?.then(() => acquire.interrupt());
          try {
            await acquire.lockAll(job.locks.map((at) => locks[at]!));
            for (const at of job.locks) {
              expect(owners[at] === undefined || owners[at] === acquire).toBe(true);
              owners[at] = acquire;
            }
            await turns(job.works);
            for (const at of job.locks) {
              expect(owners[at] === acquire || owners[at] === undefined).toBe(true);
              owners[at] = undefined;
            }
            acquire.releaseAll();
          } catch (error) {
            expect(error).toMatchObject({ code: 'EINTR' });
            expect(acquire.holds).toBe(0);
          }
          ended++;
          await interrupted;
        };
        const all = Promise.all(jobs.map(run));
        await turns(3000);
        expect(ended).toBe(jobs.length);
        await all;
        expect(locks.some((lock) => lock.held || lock.waiting > 0)).toBe(false);
      }),
    );
  });
});
