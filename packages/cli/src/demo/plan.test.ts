/** Chunks cover a file, whatever its size. */
import { describe, expect, it } from 'vitest';
import { chunkAt, chunksOf, MAX_PLANNED_BYTES, planChunks } from './plan.js';

const MIB = 2 ** 20;

describe('planChunks', () => {
  it.each([
    ['one byte', 1, { chunkBytes: 65_536, chunks: 1, chunksPerSubmission: 1, submissions: 1 }],
    ['a picture', 715_758, { chunkBytes: 65_536, chunks: 11, chunksPerSubmission: 1, submissions: 11 }],
    ['16 MiB', 16 * MIB, { chunkBytes: MIB, chunks: 16, chunksPerSubmission: 1, submissions: 16 }],
    ['1 GiB', 1024 * MIB, { chunkBytes: 4 * MIB, chunks: 256, chunksPerSubmission: 1, submissions: 256 }],
    [
      '1 GiB and a byte',
      1024 * MIB + 1,
      { chunkBytes: 4 * MIB, chunks: 257, chunksPerSubmission: 2, submissions: 129 },
    ],
    [
      'the largest',
      MAX_PLANNED_BYTES,
      { chunkBytes: 4 * MIB, chunks: 32_767, chunksPerSubmission: 128, submissions: 256 },
    ],
  ])('%s', (_name, sizeBytes, plan) => {
    expect(planChunks(sizeBytes)).toEqual({ sizeBytes, memoryBytes: Math.max(4096, sizeBytes), ...plan });
  });

  it.each([1, 65_536, 65_537, 715_758, 1024 * MIB + 1])('chunks cover all of %d bytes, once', (sizeBytes) => {
    const plan = planChunks(sizeBytes);
    const chunks = Array.from({ length: plan.submissions }, (_, i) => chunksOf(plan, i)).flat();
    expect(chunks.map((chunk) => chunk.index)).toEqual(chunks.map((_, i) => i));
    let end = 0;
    for (const chunk of chunks) {
      expect(chunk).toEqual(chunkAt(plan, chunk.index));
      expect(chunk.offset).toBe(end);
      expect(chunk.size).toBeGreaterThan(0);
      end += chunk.size;
    }
    expect(end).toBe(sizeBytes);
  });
});
