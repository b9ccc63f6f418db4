/** Unit tests of poll(2) on a buffer. */
import { RefCounted } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import type { DmaFence } from './dma-fence.js';
import { FenceRig, putAll } from './fence-rig.js';
import { Reservation, USAGE, type Usage } from './reservation.js';
import { ReservationPoll } from './reservation-poll.js';
import { POLL_IN, POLL_OUT } from './wait-queue.js';

const BOTH = POLL_IN | POLL_OUT;

function buffer(rig: FenceRig): {
  file: RefCounted;
  poll: ReservationPoll;
  reservation: Reservation;
  use(fence: DmaFence, usage: Usage): void;
} {
  const reservation = new Reservation(rig.domain);
  const file = new RefCounted('file', rig.tracker);
  return {
    file,
    reservation,
    poll: new ReservationPoll(reservation, file),
    use(fence, usage) {
      reservation.lock.tryLock();
      reservation.reserve();
      reservation.add(fence, usage);
      reservation.lock.unlock();
    },
  };
}

describe('ReservationPoll', () => {
  it('ready-without-fences', () => {
    using rig = new FenceRig();
    const { poll, file } = buffer(rig);
    expect([poll.poll(BOTH), poll.poll(POLL_IN), poll.poll(POLL_OUT), poll.poll(0)]).toEqual([
      BOTH,
      POLL_IN,
      POLL_OUT,
      0,
    ]);
    expect(poll.poll(0x18)).toBe(0);
    expect(poll.armed).toBe(0);
    file.put();
  });

  it.each([
    [USAGE.KERNEL, 0],
    [USAGE.WRITE, 0],
    [USAGE.READ, POLL_IN],
    [USAGE.BOOKKEEP, BOTH],
  ])('usage %i leaves ready %i', (usage, ready) => {
    using rig = new FenceRig();
    const { poll, file, use, reservation } = buffer(rig);
    using fence = rig.fence();
    use(fence, usage);
    expect(poll.poll(BOTH)).toBe(ready);
    fence.signal();
    expect([poll.armed, poll.poll(BOTH)]).toEqual([0, BOTH]);
    reservation.destroy();
    file.put();
  });

  it('a-second-poller-is-told-not-ready-while-armed', () => {
    using rig = new FenceRig();
    const { poll, file, use, reservation } = buffer(rig);
    const [a, b] = rig.fences(2);
    use(a!, USAGE.WRITE);
    expect([poll.poll(POLL_IN), poll.armed]).toEqual([0, POLL_IN]);
    expect([poll.poll(POLL_IN), file.refs]).toEqual([0, 2]);
    // The other event has a callback of its own.
    use(b!, USAGE.READ);
    expect([poll.poll(POLL_OUT), poll.armed]).toEqual([0, BOTH]);
    a!.signal();
    expect([poll.armed, poll.poll(BOTH)]).toEqual([0, POLL_IN]);
    expect(poll.armed).toBe(POLL_OUT);
    b!.signal();
    expect(poll.poll(BOTH)).toBe(BOTH);
    reservation.destroy();
    file.put();
    putAll([a!, b!]);
  });

  it('not-ready-while-armed-even-if-nothing-is-left-to-wait-for', () => {
    using rig = new FenceRig();
    const { poll, file, use, reservation } = buffer(rig);
    using fence = rig.fence();
    use(fence, USAGE.WRITE);
    poll.poll(POLL_IN);
    reservation.destroy();
    expect(poll.poll(BOTH)).toBe(POLL_OUT);
    fence.signal();
    expect(poll.poll(BOTH)).toBe(BOTH);
    file.put();
  });

  it('fires-once-and-wakes-everybody', () => {
    using rig = new FenceRig();
    const { poll, file, use, reservation } = buffer(rig);
    const [a, b] = rig.fences(2);
    use(a!, USAGE.WRITE);
    use(b!, USAGE.WRITE);
    const woken: [string, number][] = [];
    const answers: number[] = [];
    poll.queue.add((events) => {
      woken.push(['one', events]);
      answers.push(poll.poll(POLL_IN));
    });
    const leave = poll.queue.add((events) => woken.push(['two', events]));
    poll.poll(POLL_IN);
    a!.signal();
    // Asked again, it armed the next fence.
    expect([woken, answers, poll.armed]).toEqual([
      [
        ['one', POLL_IN],
        ['two', POLL_IN],
      ],
      [0],
      POLL_IN,
    ]);
    leave();
    b!.signal();
    expect([woken.length, answers, poll.armed, poll.queue.size]).toEqual([3, [0, POLL_IN], 0, 1]);
    reservation.destroy();
    file.put();
    putAll([a!, b!]);
  });

  it('an-armed-callback-holds-the-buffer', () => {
    using rig = new FenceRig();
    const { poll, file, use, reservation } = buffer(rig);
    using fence = rig.fence();
    use(fence, USAGE.READ);
    poll.poll(BOTH);
    file.put();
    expect(file.refs).toBe(1);
    reservation.destroy();
    fence.signal();
    expect(file.refs).toBe(0);
  });

  it('a-listener-that-throws-leaks-nothing', () => {
    using rig = new FenceRig();
    const { poll, file, use, reservation } = buffer(rig);
    using fence = rig.fence();
    use(fence, USAGE.READ);
    poll.queue.add(() => {
      throw new Error('broken poller');
    });
    poll.poll(POLL_OUT);
    fence.signal();
    expect([file.refs, poll.armed, rig.takeWarnings().length]).toEqual([1, 0, 1]);
    reservation.destroy();
    file.put();
  });
});
