/**
 * Where the patched copies of a context's command buffers live while the device runs them (uapi.md 3.5).
 *
 * Owns: chunks of memory shared with the device, cut into blocks of one size each. A context has a pool of its own, so
 * that one that queues a lot exhausts nobody else's.
 * Must not know what is in a block.
 */
import { errno } from '@pedrera/base';
import { busAddress } from '@pedrera/hw';
import type { Bus } from './bus.js';

const SMALLEST_BLOCK = 128;
/** Each chunk is twice as large as the one before, up to the largest: most contexts never need more than the first. */
const SMALLEST_CHUNK = 2 ** 16;
const LARGEST_CHUNK = 2 ** 20;

/** Memory shared with the device, cut into equal blocks. */
interface Chunk {
  readonly words: Uint32Array;
  readonly slot: number;
  readonly blockSize: number;
  readonly freeBlocks: number[];
  readonly blocks: number;
}

export interface PatchedBlock {
  readonly chunk: Chunk;
  /** Index of the block's first dword in chunk.words. */
  readonly firstWord: number;
  /** Where the device reads it. */
  readonly busAddress: number;
}

export class PatchedPool {
  readonly #bus: Bus;
  /** Live bytes at most. */
  readonly #limit: number;
  /** Chunks with a free block, by block size. A full chunk is only held by its blocks. */
  readonly #available = new Map<number, Chunk[]>();
  #live = 0;
  #nextChunkSize = SMALLEST_CHUNK;

  constructor(bus: Bus, limitBytes: number) {
    this.#bus = bus;
    this.#limit = limitBytes;
  }

  get liveBytes(): number {
    return this.#live;
  }

  /** Errors: ENOMEM, as when the driver finds no memory for the copy (uapi.md 4.3). */
  allocate(sizeBytes: number): PatchedBlock {
    let blockSize = SMALLEST_BLOCK;
    while (blockSize < sizeBytes) {
      blockSize *= 2;
    }
    if (this.#live + blockSize > this.#limit) {
      throw errno(
        'ENOMEM',
        `the command buffers this context has queued already take ${this.#live} bytes (limit ${this.#limit}); wait for some to complete`,
      );
    }
    let chunks = this.#available.get(blockSize);
    if (chunks === undefined) {
      chunks = [];
      this.#available.set(blockSize, chunks);
    }
    let chunk = chunks.at(-1);
    if (chunk === undefined) {
      chunk = this.#newChunk(blockSize);
      chunks.push(chunk);
    }
    const offset = chunk.freeBlocks.pop() as number;
    if (chunk.freeBlocks.length === 0) {
      chunks.pop();
    }
    this.#live += blockSize;
    return { chunk, firstWord: offset >>> 2, busAddress: busAddress(chunk.slot, offset) };
  }

  free(block: PatchedBlock): void {
    const { chunk } = block;
    const chunks = this.#available.get(chunk.blockSize) as Chunk[];
    if (chunk.freeBlocks.length === 0) {
      chunks.push(chunk);
    }
    chunk.freeBlocks.push(block.firstWord * 4);
    this.#live -= chunk.blockSize;
    // One empty chunk a size is kept: the next submission will want it.
    if (chunk.freeBlocks.length === chunk.blocks && chunks.length > 1) {
      chunks.splice(chunks.indexOf(chunk), 1);
      this.#drop(chunk);
    }
  }

  /** Gives everything back. Preconditions: the device no longer runs anything of this context. */
  async close(): Promise<void> {
    const removals: Promise<void>[] = [];
    for (const chunks of this.#available.values()) {
      for (const chunk of chunks) {
        removals.push(this.#bus.removeShared(chunk.slot));
      }
    }
    this.#available.clear();
    await Promise.all(removals);
  }

  #newChunk(blockSize: number): Chunk {
    const bytes = Math.max(this.#nextChunkSize, blockSize);
    this.#nextChunkSize = Math.min(LARGEST_CHUNK, 2 * bytes);
    const buffer = sharedMemory(bytes);
    const blocks = bytes / blockSize;
    const freeBlocks: number[] = [];
    for (let i = blocks - 1; i >= 0; i--) {
      freeBlocks.push(i * blockSize);
    }
    return { words: new Uint32Array(buffer), slot: this.#bus.addShared(buffer), blockSize, freeBlocks, blocks };
  }

  #drop(chunk: Chunk): void {
    // Nobody waits for this: the chunk is empty, the device only has to forget it.
    void this.#bus.removeShared(chunk.slot);
  }
}

function sharedMemory(bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch {
    throw errno('ENOMEM', `the machine has no ${bytes} bytes for a copy of a command buffer`);
  }
}
