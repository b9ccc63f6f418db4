/**
 * The bytes of a memory region, wherever they lie: one run behind the other.
 *
 * Owns: the views of them, made when they are first touched and gone with close(). Must not know whose they are.
 */
import type { MappedView, SharedMemory } from '@pedrera/wire';

/** A run of bytes in memory that can be mapped. */
export interface Run {
  readonly memory: SharedMemory;
  readonly offset: number;
  readonly size: number;
}

/** Bytes one view covers at most; a multiple of every page size. */
const VIEW_BYTES = 2 ** 28;
const VIEW_ALIGNMENT = 2 ** 16;

interface Part extends Run {
  /** Of the region's bytes that come before. */
  readonly start: number;
  view: MappedView | undefined;
  bytes: Uint8Array;
}

const NONE = new Uint8Array(0);

export class RegionMemory {
  readonly size: number;
  readonly #parts: Part[] = [];

  constructor(runs: readonly Run[]) {
    let start = 0;
    for (const { memory, offset, size } of runs) {
      for (let at = 0; at < size; ) {
        const length = Math.min(size - at, VIEW_BYTES);
        this.#parts.push({ memory, offset: offset + at, size: length, start, view: undefined, bytes: NONE });
        at += length;
        start += length;
      }
    }
    this.size = start;
  }

  /** As many of the bytes from `offset` on as lie in one piece. Precondition: offset < size, not closed. */
  at(offset: number): Uint8Array {
    let low = 0;
    let high = this.#parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#parts[middle] as Part).start <= offset) low = middle;
      else high = middle - 1;
    }
    const part = this.#parts[low] as Part;
    if (part.view === undefined) {
      const shift = part.offset % VIEW_ALIGNMENT;
      part.view = part.memory.map(part.offset - shift, part.size + shift);
      part.bytes = part.view.bytes.subarray(shift);
    }
    return part.bytes.subarray(offset - part.start);
  }

  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const bytes = this.at(offset + done).subarray(0, into.length - done);
      into.set(bytes, done);
      done += bytes.length;
    }
  }

  write(offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; ) {
      const into = this.at(offset + done);
      const count = Math.min(into.length, from.length - done);
      into.set(from.subarray(done, done + count));
      done += count;
    }
  }

  /** Moves bytes from here into another region; as memmove would where they are the same. */
  copyTo(offset: number, to: RegionMemory, toOffset: number, size: number): void {
    for (let done = 0; done < size; ) {
      const into = to.at(toOffset + done);
      const bytes = this.at(offset + done).subarray(0, Math.min(size - done, into.length));
      into.set(bytes);
      done += bytes.length;
    }
  }

  close(): void {
    for (const part of this.#parts) {
      part.view?.unmap();
      part.view = undefined;
      part.bytes = NONE;
    }
  }
}
