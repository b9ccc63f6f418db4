/** Host memory of one file: segments, pages used again, and that many small objects are no harder than few. */
import { LeakTracker } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { HostMemory } from './host-memory.js';
import { codeNow } from './test-support.js';

const PAGE = 4096;
const LIMIT = 2 ** 34;

describe('HostMemory', () => {
  it('thirty-two-thousand-small-objects', () => {
    const tracker = new LeakTracker();
    const memory = new HostMemory(LIMIT, tracker);
    const ranges = Array.from({ length: 32_768 }, () => memory.allocate(PAGE));
    expect(memory.allocated).toBe(32_768 * PAGE);
    // One segment holds many: the sizes double up to the largest.
    expect(new Set(ranges.map(({ segment }) => segment)).size).toBeLessThan(10);
    const [even, odd] = [0, 1].map((rest) => ranges.filter((_, i) => i % 2 === rest));
    for (const range of even ?? []) {
      memory.free(range);
    }
    // Every second page is free: what is larger goes behind them, without a look at each.
    const larger = Array.from({ length: 8192 }, () => memory.allocate(2 * PAGE));
    const again = memory.allocate(PAGE);
    expect(again.segment).toBe(even?.[0]?.segment);
    expect(again.offset).toBe(even?.[0]?.offset);
    for (const range of [...(odd ?? []), ...larger, again]) {
      memory.free(range);
    }
    expect(memory.allocated).toBe(0);
    memory.close();
    tracker.assertEmpty();
  });

  it('freed-pages-read-zero', () => {
    const tracker = new LeakTracker();
    const memory = new HostMemory(LIMIT, tracker);
    const keeper = memory.allocate(PAGE);
    const first = memory.allocate(PAGE);
    first.bytes().fill(0xee);
    memory.free(first);
    const second = memory.allocate(PAGE);
    expect(second.offset).toBe(first.offset);
    expect(second.bytes().every((byte) => byte === 0)).toBe(true);
    memory.free(second);
    memory.free(keeper);
    memory.close();
    tracker.assertEmpty();
  });

  it('one-client-holds-so-much-and-no-more', () => {
    const tracker = new LeakTracker();
    const memory = new HostMemory(10 * PAGE, tracker);
    const nine = memory.allocate(9 * PAGE);
    expect(codeNow(() => memory.allocate(PAGE + 1))).toBe('ENOMEM');
    memory.free(memory.allocate(PAGE));
    memory.free(nine);
    memory.close();
    tracker.assertEmpty();
  });

  it('what-the-machine-cannot-give-is-ENOMEM-and-leaves-nothing', () => {
    const tracker = new LeakTracker();
    const memory = new HostMemory(Number.MAX_SAFE_INTEGER, tracker);
    expect(codeNow(() => memory.allocate(2 ** 41))).toBe('ENOMEM');
    expect(memory.allocated).toBe(0);
    memory.close();
    tracker.assertEmpty();
  });

  it('a-window-of-a-segment-too-large-for-one-view', () => {
    const tracker = new LeakTracker();
    const memory = new HostMemory(LIMIT, tracker);
    const range = memory.allocate(2 ** 33);
    range.segment.window(2 ** 32 + 5, 3, (bytes) => bytes.set([1, 2, 3]));
    expect(range.segment.window(2 ** 32 + 4, 5, (bytes) => [...bytes.subarray(0, 5)])).toEqual([0, 1, 2, 3, 0]);
    memory.free(range);
    memory.close();
    tracker.assertEmpty();
  });
});
