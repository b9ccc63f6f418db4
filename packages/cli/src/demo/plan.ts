/**
 * How a file is cut into chunks, and chunks into submissions. Pure.
 */
import { PAGE_SIZE } from '@pedrera/uapi';

const KIB = 1024;
const MIB = 1024 * KIB;
const MIN_CHUNK = 64 * KIB;
const MAX_CHUNK = 4 * MIB;
/** Enough chunks for a small file that upload and relay overlap visibly. */
const CHUNKS_OF_A_SMALL_FILE = 16;
/** A relay submits everything ahead of the data; with more submissions than this, several chunks share one. */
const MAX_SUBMISSIONS = 256;
/** One sync object counts the chunks (device.md 4.2). */
const MAX_SOB_COUNT = 0x7fff;

export interface Plan {
  readonly sizeBytes: number;
  /** To allocate on a device: what is smaller than a page cannot be exported (uapi.md 5.8). */
  readonly memoryBytes: number;
  readonly chunkBytes: number;
  readonly chunks: number;
  readonly chunksPerSubmission: number;
  readonly submissions: number;
}

export interface Chunk {
  readonly index: number;
  readonly offset: number;
  readonly size: number;
}

/** Largest file that one counting sync object can lead through. */
export const MAX_PLANNED_BYTES = MAX_CHUNK * MAX_SOB_COUNT;

/** Preconditions: 0 < sizeBytes <= MAX_PLANNED_BYTES. */
export function planChunks(sizeBytes: number): Plan {
  const even = Math.ceil(sizeBytes / CHUNKS_OF_A_SMALL_FILE / MIN_CHUNK) * MIN_CHUNK;
  const chunkBytes = Math.min(MAX_CHUNK, Math.max(MIN_CHUNK, even));
  const chunks = Math.ceil(sizeBytes / chunkBytes);
  const chunksPerSubmission = Math.ceil(chunks / MAX_SUBMISSIONS);
  return {
    sizeBytes,
    memoryBytes: Math.max(PAGE_SIZE, sizeBytes),
    chunkBytes,
    chunks,
    chunksPerSubmission,
    submissions: Math.ceil(chunks / chunksPerSubmission),
  };
}

export function chunkAt(plan: Plan, index: number): Chunk {
  const offset = index * plan.chunkBytes;
  return { index, offset, size: Math.min(plan.chunkBytes, plan.sizeBytes - offset) };
}

/** The chunks of one submission. */
export function chunksOf(plan: Plan, submission: number): Chunk[] {
  const first = submission * plan.chunksPerSubmission;
  const end = Math.min(plan.chunks, first + plan.chunksPerSubmission);
  return Array.from({ length: end - first }, (_, i) => chunkAt(plan, first + i));
}
