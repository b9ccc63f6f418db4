/** How much a context may have queued: a fixed share where there are many, the machine's memory where it is alone (uapi.md 4.3). */
import { describe, expect, it } from 'vitest';
import type { Bus } from './bus.js';
import { PatchedPool } from './patched-pool.js';
import { POLICIES } from './policy.js';

const MIB = 2 ** 20;

/** Slots in order, and none that is still in use is given out again. */
function bus(): Bus {
  let next = 0;
  const fake: Pick<Bus, 'addShared' | 'removeShared'> = {
    addShared: () => next++,
    removeShared: async () => undefined,
  };
  return fake as Bus;
}

function fill(pool: PatchedPool, blockBytes: number): number {
  for (let count = 0; ; count++) {
    try {
      pool.allocate(blockBytes);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOMEM' });
      return count;
    }
  }
}

describe('patched pool', () => {
  it('shared-a-fixed-share-each', () => {
    const limit = POLICIES.shared.patchedBytes;
    const first = new PatchedPool(bus(), limit);
    expect(fill(first, MIB)).toBe(limit / MIB);
    expect(new PatchedPool(bus(), limit).allocate(MIB).chunk.blockSize).toBe(MIB);
  });

  it('exclusive-has-no-share-to-keep-to', () => {
    expect(POLICIES.exclusive.patchedBytes).toBe(Number.POSITIVE_INFINITY);
  });

  it('full-and-free-again', () => {
    const pool = new PatchedPool(bus(), 4 * MIB);
    const block = pool.allocate(2 * MIB);
    expect(fill(pool, 2 * MIB)).toBe(1);
    pool.free(block);
    expect(fill(pool, 2 * MIB)).toBe(1);
  });
});
