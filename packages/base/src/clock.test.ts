/** The promises of Clock, for simulated and for real time. */
import { describe, expect, it } from 'vitest';
import { RealClock, VirtualClock } from './clock.js';

describe('VirtualClock', () => {
  it('fires each deadline at its own instant, equals in order of arrival', () => {
    const clock = new VirtualClock(100);
    const log: [string, number][] = [];
    clock.at(130, () => log.push(['late', clock.nowNs()]));
    clock.at(120, () => log.push(['first', clock.nowNs()]));
    clock.at(120, () => log.push(['second', clock.nowNs()]));
    clock.at(131, () => log.push(['never', clock.nowNs()]));
    clock.advance(30);
    expect(log).toEqual([
      ['first', 120],
      ['second', 120],
      ['late', 130],
    ]);
    expect(clock.nowNs()).toBe(130);
    expect(clock.pending).toBe(1);
  });

  it('a deadline in the past fires on the next advance, not within at()', () => {
    const clock = new VirtualClock(50);
    let fired = 0;
    clock.at(10, () => {
      fired += 1;
    });
    expect(fired).toBe(0);
    clock.advance(0);
    expect(fired).toBe(1);
    expect(clock.nowNs()).toBe(50);
  });

  it('a cancelled timer does not fire; cancelling twice is harmless', () => {
    const clock = new VirtualClock();
    const timer = clock.at(1, () => expect.unreachable());
    timer.cancel();
    timer.cancel();
    clock.runUntilIdle();
  });

  it('runUntilIdle follows what is set on the way and notices what never ends', () => {
    const clock = new VirtualClock();
    let left = 3;
    const again = (): void => {
      if (--left > 0) clock.at(clock.nowNs() + 10, again);
    };
    clock.at(10, again);
    clock.runUntilIdle();
    expect(clock.nowNs()).toBe(30);
    const forever = (): void => void clock.at(clock.nowNs(), forever);
    clock.at(0, forever);
    expect(() => clock.runUntilIdle(100)).toThrow('still not idle');
  });

  it('does not run backwards', () => {
    expect(() => new VirtualClock().advance(-1)).toThrow(RangeError);
  });
});

describe('RealClock', () => {
  const until = (clock: RealClock, deadline: number): Promise<number> =>
    new Promise((done) => {
      clock.at(deadline, () => done(clock.nowNs()));
    });

  it('never fires early', async () => {
    const clock = new RealClock();
    const deadlines = [0.3e6, 1.2e6, 2.7e6, 5.1e6].map((ns) => clock.nowNs() + ns);
    const fired = await Promise.all(deadlines.map((deadline) => until(clock, deadline)));
    for (const [i, at] of fired.entries()) expect(at).toBeGreaterThanOrEqual(deadlines[i] as number);
  });

  it('an earlier deadline set later overtakes', async () => {
    const clock = new RealClock();
    const order: string[] = [];
    const now = clock.nowNs();
    const slow = until(clock, now + 6e6).then(() => order.push('slow'));
    const quick = until(clock, now + 1e6).then(() => order.push('quick'));
    await Promise.all([slow, quick]);
    expect(order).toEqual(['quick', 'slow']);
  });

  it('one throwing callback does not cost the others their turn', async () => {
    const clock = new RealClock();
    const caught = new Promise<unknown>((done) => process.prependOnceListener('uncaughtException', done));
    const listeners = process.listeners('uncaughtException').slice(1);
    for (const listener of listeners) process.off('uncaughtException', listener);
    try {
      const now = clock.nowNs();
      clock.at(now, () => {
        throw new Error('from a timer');
      });
      const after = until(clock, now);
      expect(await caught).toMatchObject({ message: 'from a timer' });
      await after;
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });

  it('a deadline that re-arms itself in the past leaves room for I/O', async () => {
    const clock = new RealClock();
    let rounds = 0;
    let stop = false;
    const spin = (): void => {
      rounds += 1;
      if (!stop) clock.at(0, spin);
    };
    clock.at(0, spin);
    // Each turn of this loop is I/O's turn: with a clock that starves it, the test does not end.
    while (rounds < 3) await new Promise((done) => setImmediate(done));
    stop = true;
    await until(clock, clock.nowNs() + 1e6);
  });

  it('cancels', async () => {
    const clock = new RealClock();
    const now = clock.nowNs();
    const timer = clock.at(now + 1e6, () => expect.unreachable());
    timer.cancel();
    timer.cancel();
    await until(clock, now + 3e6);
  });

  it('an infinite deadline never fires and holds nothing up', async () => {
    const clock = new RealClock({ keepAlive: false });
    const timer = clock.at(Number.POSITIVE_INFINITY, () => expect.unreachable());
    await until(new RealClock(), clock.nowNs() + 1e6);
    timer.cancel();
  });

  it('is monotonic', () => {
    const clock = new RealClock();
    let last = clock.nowNs();
    for (let i = 0; i < 1000; i += 1) {
      const now = clock.nowNs();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });
});
