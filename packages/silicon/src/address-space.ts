/**
 * One context's translations: disjoint pieces, sorted by virtual address, with the last hit of each direction remembered
 * (neighbouring accesses nearly always fall into one piece). Knows nothing of what stands behind a target.
 */

import { HOST_WINDOW_BASE, type Mapping } from '@pedrera/hw';

export class AddressSpace {
  /** Parallel arrays, by piece. */
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly targets: number[] = [];
  /** Whether the target is a bus address, else one of the device's own HBM. */
  readonly onBus: boolean[] = [];
  readonly writable: boolean[] = [];
  #lastRead = 0;
  #lastWrite = 0;

  get pieces(): number {
    return this.starts.length;
  }

  map(mapping: Mapping): void {
    const { va, size, target } = mapping;
    if (!(size > 0 && va >= HOST_WINDOW_BASE && va + size <= Number.MAX_SAFE_INTEGER))
      throw new RangeError(`mapping of ${size} bytes at 0x${va.toString(16)}`);
    const at = this.#firstEndingAfter(va);
    const next = this.starts[at];
    if (next !== undefined && next < va + size)
      throw new Error(`0x${va.toString(16)} is mapped already, or the ${size} bytes from there run into a mapping`);
    this.#insert(at, va, va + size, target.address, target.space === 'bus', mapping.writable);
  }

  /** Takes all translations out of the range; a piece that reaches over an edge keeps what lies outside. */
  unmap(va: number, size: number): void {
    const from = va;
    const to = va + size;
    const first = this.#firstEndingAfter(from);
    let last = first;
    while (last < this.starts.length && this.#start(last) < to) last++;
    if (last === first) return;
    const head = this.#pieceAt(first);
    const tail = this.#pieceAt(last - 1);
    const count = last - first;
    for (const array of [this.starts, this.ends, this.targets]) array.splice(first, count);
    for (const array of [this.onBus, this.writable]) array.splice(first, count);
    if (tail.end > to) this.#insert(first, to, tail.end, tail.target + (to - tail.start), tail.onBus, tail.writable);
    if (head.start < from) this.#insert(first, head.start, from, head.target, head.onBus, head.writable);
  }

  clear(): void {
    for (const array of [this.starts, this.ends, this.targets, this.onBus, this.writable]) array.length = 0;
  }

  /** The piece that holds an address, or -1. */
  find(address: number, write: boolean): number {
    const hit = write ? this.#lastWrite : this.#lastRead;
    // The index may be stale after a change; the comparison with the bounds makes that harmless.
    if (hit < this.starts.length && address >= this.#start(hit) && address < this.#end(hit)) return hit;
    const at = this.#firstEndingAfter(address);
    if (at >= this.starts.length || address < this.#start(at)) return -1;
    if (write) this.#lastWrite = at;
    else this.#lastRead = at;
    return at;
  }

  #start(piece: number): number {
    return this.starts[piece] as number;
  }
  #end(piece: number): number {
    return this.ends[piece] as number;
  }

  #firstEndingAfter(address: number): number {
    let low = 0;
    let high = this.ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#end(middle) > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #pieceAt(piece: number) {
    return {
      start: this.#start(piece),
      end: this.#end(piece),
      target: this.targets[piece] as number,
      onBus: this.onBus[piece] as boolean,
      writable: this.writable[piece] as boolean,
    };
  }

  #insert(at: number, start: number, end: number, target: number, onBus: boolean, writable: boolean): void {
    this.starts.splice(at, 0, start);
    this.ends.splice(at, 0, end);
    this.targets.splice(at, 0, target);
    this.onBus.splice(at, 0, onBus);
    this.writable.splice(at, 0, writable);
  }
}
