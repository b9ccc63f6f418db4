/**
 * Host memory of one open file: command buffers, host buffers, the completion ring.
 *
 * Owns: the segments (sealed memfds the daemon created) and which bytes of them are taken. One segment holds many small
 * objects, so that a command buffer costs no descriptor; a large host buffer has a segment of its own.
 * Must not know handles, mappings or what the bytes are used for.
 */
import { errno, HlError, type LeakTracker, RefCounted } from '@pedrera/base';
import { type MappedView, SharedMemory } from '@pedrera/wire';
import { RangeAllocator } from './range-allocator.js';

export const PAGE_SIZE = 4096;

/**
 * Small objects share segments, each twice as large as the one before up to the largest. Only touched pages cost memory,
 * but the engine counts every mapped byte as its own: a thousand clients with one buffer each must not look like 64 GiB.
 */
const SMALLEST_POOL_SEGMENT = 2 ** 20;
const LARGEST_POOL_SEGMENT = 64 * 2 ** 20;
/** From this size on an object gets a segment of its own. */
const OWN_SEGMENT_FROM = 8 * 2 ** 20;

/** Objects one client may hold: each costs the daemon more than its bytes, which may never be touched. */
const MAX_OBJECTS = 2 ** 18;

/** A multiple of every page size in use. */
const WINDOW_ALIGNMENT = 65536;

/** Up to this size a copy loop beats making views. */
const SMALL_COPY = 512;

/** Rounded up to whole pages. */
export function pageAlign(size: number): number {
  return Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
}

/** One sealed memfd. Lives until the last of: its objects, the devices it is mapped into. */
export class Segment extends RefCounted {
  readonly id: number;
  readonly memory: SharedMemory;
  readonly allocator: RangeAllocator;
  /** It holds one object, and never another one. */
  readonly own: boolean;
  readonly #onRelease: (segment: Segment) => void;
  #view: MappedView | undefined;
  #words: Uint32Array | undefined;

  constructor(
    id: number,
    memory: SharedMemory,
    { own, onRelease }: { own: boolean; onRelease: (segment: Segment) => void },
    tracker: LeakTracker,
  ) {
    super('segment', tracker);
    this.id = id;
    this.memory = memory;
    this.own = own;
    this.allocator = new RangeAllocator(0, memory.size);
    this.#onRelease = onRelease;
  }

  get size(): number {
    return this.memory.size;
  }

  /** The daemon's own mapping of the whole segment, made at first use. */
  get bytes(): Uint8Array {
    this.#view ??= this.memory.map(0, this.memory.size);
    return this.#view.bytes;
  }

  /** Runs `use` on a part of the segment, of which any is at most MAX_VIEW_BYTES; the whole may be larger. */
  window<T>(offset: number, length: number, use: (bytes: Uint8Array) => T): T {
    const start = offset - (offset % WINDOW_ALIGNMENT);
    const view = this.memory.map(start, Math.min(offset + length, this.size) - start);
    try {
      return use(view.bytes.subarray(offset - start));
    } finally {
      view.unmap();
    }
  }

  /** The same as dwords. */
  get words(): Uint32Array {
    this.#words ??= new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, this.size >>> 2);
    return this.#words;
  }

  protected override release(): void {
    this.#view?.unmap();
    this.memory.close();
    this.#onRelease(this);
  }
}

/** A run of whole pages in a segment; holds the segment. Freed pages read as zero when they are handed out again. */
export class HostRange {
  readonly segment: Segment;
  readonly offset: number;
  /** Whole pages. */
  readonly length: number;

  constructor(segment: Segment, offset: number, length: number) {
    this.segment = segment.get();
    this.offset = offset;
    this.length = length;
  }

  /** The range as the daemon sees it. */
  bytes(): Uint8Array {
    return this.segment.bytes.subarray(this.offset, this.offset + this.length);
  }

  /** Copies the first `sizeBytes` bytes into `words` from `firstWord` on. */
  copyTo(words: Uint32Array, firstWord: number, sizeBytes: number): void {
    if (sizeBytes <= SMALL_COPY) {
      // Cheaper than two typed-array views for the few packets most command buffers hold.
      const source = this.segment.words;
      const from = this.offset >>> 2;
      for (let i = 0; i < sizeBytes >>> 2; i++) {
        words[firstWord + i] = source[from + i] as number;
      }
      return;
    }
    const bytes = this.segment.bytes.subarray(this.offset, this.offset + sizeBytes);
    new Uint8Array(words.buffer, firstWord * 4, sizeBytes).set(bytes);
  }

  free(keepContents = false): void {
    if (!keepContents) {
      this.segment.memory.punchHole(this.offset, this.length);
    }
    this.segment.allocator.release(this.offset, this.length);
    this.segment.put();
  }
}

/** The segments of one open file. */
export class HostMemory {
  readonly #segments = new Map<number, Segment>();
  /** Those that hold many objects, oldest first. */
  readonly #pools = new Set<Segment>();
  readonly #tracker: LeakTracker;
  readonly #limit: number;
  #nextId = 1;
  #nextPoolSize = SMALLEST_POOL_SEGMENT;
  #pool: Segment | undefined;
  #allocated = 0;
  #objects = 0;
  #keepContents = false;

  constructor(limit: number, tracker: LeakTracker) {
    this.#limit = limit;
    this.#tracker = tracker;
  }

  /** Bytes handed out, whole pages. */
  get allocated(): number {
    return this.#allocated;
  }

  segments(): IterableIterator<Segment> {
    return this.#segments.values();
  }

  /** Zeroed memory of at least `size` bytes, with `alone` in a segment of its own. Errors: ENOMEM beyond the limit of one client or of the machine. */
  allocate(size: number, alone = false): HostRange {
    const length = pageAlign(Math.max(size, 1));
    if (this.#objects >= MAX_OBJECTS) {
      throw errno('ENOMEM', `this client holds ${MAX_OBJECTS} buffers, as many as it may`);
    }
    if (this.#allocated + length > this.#limit) {
      throw errno(
        'ENOMEM',
        `${length} bytes of host memory on top of ${this.#allocated} exceed what one client may hold (${this.#limit})`,
      );
    }
    const range = alone || length >= OWN_SEGMENT_FROM ? this.#ownSegment(length) : this.#fromPool(length);
    this.#allocated += length;
    this.#objects++;
    return range;
  }

  free(range: HostRange): void {
    this.#allocated -= range.length;
    this.#objects--;
    range.free(this.#keepContents);
  }

  /** From here on what is freed is not handed out again and keeps its bytes: a client may still have it mapped. */
  keepContents(): void {
    this.#keepContents = true;
  }

  /** Drops the pool; segments still held by others live on until they let go. */
  close(): void {
    this.#pool?.put();
    this.#pool = undefined;
  }

  #ownSegment(length: number): HostRange {
    const segment = this.#newSegment(length, true);
    segment.allocator.allocate(length);
    const range = new HostRange(segment, 0, length);
    segment.put();
    return range;
  }

  #fromPool(length: number): HostRange {
    for (const segment of this.#pools) {
      const offset = segment.allocator.free >= length ? segment.allocator.allocate(length) : undefined;
      if (offset !== undefined) {
        return new HostRange(segment, offset, length);
      }
    }
    const segment = this.#newSegment(Math.max(this.#nextPoolSize, length), false);
    this.#nextPoolSize = Math.min(LARGEST_POOL_SEGMENT, 2 * segment.size);
    // The newest pool segment stays while the file is open, so that a lone buffer made and freed in a loop costs no memfd.
    this.#pool?.put();
    this.#pool = segment;
    this.#pools.add(segment);
    return new HostRange(segment, segment.allocator.allocate(length) as number, length);
  }

  #newSegment(size: number, own: boolean): Segment {
    const onRelease = (ended: Segment) => {
      this.#segments.delete(ended.id);
      this.#pools.delete(ended);
    };
    const id = this.#nextId++;
    let memory: SharedMemory;
    try {
      memory = SharedMemory.create(`pedrera-segment-${id}`, size);
    } catch (error) {
      // Whatever the machine ran out of, to the client it is memory (uapi.md 3.2).
      throw error instanceof HlError ? errno('ENOMEM', error.message) : error;
    }
    const segment = new Segment(id, memory, { own, onRelease }, this.#tracker);
    this.#segments.set(segment.id, segment);
    return segment;
  }
}
