/** Sums and differences of times. */
import { describe, expect, it } from 'vitest';
import { contextKey, grown, hasTimes, NO_TIMES, sumOfTimes, timesByContext } from './engine-times.js';

const times = (busyNs: number) => ({ ...NO_TIMES, busyNs });

describe('engine times', () => {
  it('a context has those of all engines of its device, and no others', () => {
    const context = (asid: number, busyNs: number) => ({ asid, pid: 1, times: times(busyNs) });
    const engine = (device: number, contexts: ReturnType<typeof context>[]) => {
      return { device, name: 'DMA0', busy: false, hung: false, times: NO_TIMES, contexts };
    };
    const sums = timesByContext([
      engine(0, [context(1, 10), context(2, 100)]),
      engine(0, [context(1, 5)]),
      engine(1, [context(1, 1)]),
    ]);
    const busy = (device: number, asid: number) => sums.get(contextKey(device, asid))?.busyNs;
    expect([busy(0, 1), busy(0, 2), busy(1, 1), busy(1, 2)]).toEqual([15, 100, 1, undefined]);
  });

  it('a counter that is smaller than before has begun anew', () => {
    expect([grown(7, 5), grown(7, 7), grown(3, 5), grown(3, undefined)]).toEqual([2, 0, 3, 3]);
  });

  it('no time at all', () => {
    expect(sumOfTimes([])).toEqual(NO_TIMES);
    expect([hasTimes(NO_TIMES), hasTimes({ ...NO_TIMES, waitMemoryNs: 1 })]).toEqual([false, true]);
  });
});
