/** Where a thread runs: this test's own thread, which is put back where it may run in the end. */
import { describe, expect, it } from 'vitest';
import { currentProcessor, ThreadProcessors, yieldProcessor } from './processors.unsafe.js';

describe('ThreadProcessors', () => {
  it('avoids-a-processor-until-restored', () => {
    const processors = new ThreadProcessors();
    const before = currentProcessor();
    expect(before).toBeGreaterThanOrEqual(0);
    try {
      // A machine with one processor has no other to go to, and says so.
      if (processors.avoid(before)) expect(currentProcessor()).not.toBe(before);
      else expect(currentProcessor()).toBe(before);
      yieldProcessor();
    } finally {
      processors.restore();
    }
    expect(processors.avoid(-1)).toBe(false);
    expect(processors.avoid(1_000_000)).toBe(false);
  });
});
