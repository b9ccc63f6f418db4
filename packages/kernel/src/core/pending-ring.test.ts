/** The numbers of a context, and what a client reads of them without a message. */
import { MAX_PENDING } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import type { HostMemory } from './host-memory.js';
import { PendingRing } from './pending-ring.js';
import type { Submission } from './submission.js';

/** Memory of which a ring wants nothing but its bytes. */
function plainMemory(words: Uint32Array): HostMemory {
  const bytes = () => new Uint8Array(words.buffer);
  return { allocate: () => ({ bytes }) } as unknown as HostMemory;
}

function finished(seq: number): Submission {
  return { seq, finished: true, outcome: {}, wantsTimestamp: false } as unknown as Submission;
}

describe('PendingRing', () => {
  it('a-slot-taken-by-a-number-that-never-completes-is-empty', () => {
    const words = new Uint32Array(MAX_PENDING);
    const ring = new PendingRing();
    ring.publish(ring.add(finished));
    ring.completionRing(plainMemory(words));
    expect(words[1]).toBe(1);
    for (let seq = 2; seq <= MAX_PENDING; seq++) {
      ring.add(finished);
    }
    expect(words[1]).toBe(1);
    // The number in the slot is gone now (uapi.md 4.14): a client that found it there would not hear of that.
    const late = ring.add(finished);
    expect([ring.lookup(1), words[1]]).toEqual(['gone', 0]);
    ring.publish(late);
    expect(words[1]).toBe(MAX_PENDING + 1);
  });
});
