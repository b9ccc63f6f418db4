/**
 * One context's translations: disjoint pieces, sorted by virtual address, with the last hit of each direction remembered
 * (neighbouring accesses nearly always fall into one piece). Kept in runs of bounded length, so that neither mapping nor
 * unmapping moves all that others have mapped. Knows nothing of what stands behind a target.
 */

import { HOST_WINDOW_BASE, type Mapping } from '@pedrera/hw';

const RUN_LIMIT = 256;

export class TranslatedPiece {
  start: number;
  end: number;
  /** What `start` translates to: a bus address with onBus, else one of the device's own HBM. */
  target: number;
  readonly onBus: boolean;
  readonly writable: boolean;

  constructor(start: number, end: number, target: number, onBus: boolean, writable: boolean) {
    this.start = start;
    this.end = end;
    this.target = target;
    this.onBus = onBus;
    this.writable = writable;
  }
}

/** Holds no address. */
const NO_PIECE = new TranslatedPiece(-1, -1, 0, false, false);

export class AddressSpace {
  /** None is empty. */
  readonly #runs: TranslatedPiece[][] = [];
  #pieces = 0;
  #lastRead = NO_PIECE;
  #lastWrite = NO_PIECE;

  get pieces(): number {
    return this.#pieces;
  }

  map(mapping: Mapping): void {
    const { va, size, target } = mapping;
    if (!(size > 0 && va >= HOST_WINDOW_BASE && va + size <= Number.MAX_SAFE_INTEGER))
      throw new RangeError(`mapping of ${size} bytes at 0x${va.toString(16)}`);
    const next = this.#firstEndingAfter(va);
    if (next !== undefined && next.start < va + size)
      throw new Error(`0x${va.toString(16)} is mapped already, or the ${size} bytes from there run into a mapping`);
    this.#insert(new TranslatedPiece(va, va + size, target.address, target.space === 'bus', mapping.writable));
  }

  /** Takes all translations out of the range; a piece that reaches over an edge keeps what lies outside. */
  unmap(va: number, size: number): void {
    const from = va;
    const to = va + size;
    this.#lastRead = NO_PIECE;
    this.#lastWrite = NO_PIECE;
    for (let piece = this.#firstEndingAfter(from); piece !== undefined && piece.start < to; ) {
      const { start, end, target, onBus, writable } = piece;
      this.#remove(piece);
      if (start < from) this.#insert(new TranslatedPiece(start, from, target, onBus, writable));
      if (end > to) this.#insert(new TranslatedPiece(to, end, target + (to - start), onBus, writable));
      piece = this.#firstEndingAfter(from);
    }
  }

  clear(): void {
    this.#runs.length = 0;
    this.#pieces = 0;
    this.#lastRead = NO_PIECE;
    this.#lastWrite = NO_PIECE;
  }

  /** The piece that holds an address. */
  find(address: number, write: boolean): TranslatedPiece | undefined {
    const hit = write ? this.#lastWrite : this.#lastRead;
    if (address >= hit.start && address < hit.end) return hit;
    const piece = this.#firstEndingAfter(address);
    if (piece === undefined || address < piece.start) return undefined;
    if (write) this.#lastWrite = piece;
    else this.#lastRead = piece;
    return piece;
  }

  #firstEndingAfter(address: number): TranslatedPiece | undefined {
    const run = this.#runs[this.#runFor(address)];
    return run?.[indexIn(run, address)];
  }

  /** The first run that ends behind an address; the number of runs if none does. */
  #runFor(address: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const run = this.#runs[middle] as TranslatedPiece[];
      if ((run[run.length - 1] as TranslatedPiece).end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #insert(piece: TranslatedPiece): void {
    this.#pieces++;
    const last = this.#runs.length - 1;
    if (last < 0) {
      this.#runs.push([piece]);
      return;
    }
    const at = Math.min(this.#runFor(piece.start), last);
    const run = this.#runs[at] as TranslatedPiece[];
    const index = indexIn(run, piece.start);
    run.splice(index, 0, piece);
    if (run.length <= RUN_LIMIT) return;
    // What only grows at its end fills its runs; elsewhere halves leave room on both sides.
    const keep = at === last && index === RUN_LIMIT ? RUN_LIMIT : RUN_LIMIT / 2;
    this.#runs.splice(at + 1, 0, run.splice(keep));
  }

  #remove(piece: TranslatedPiece): void {
    this.#pieces--;
    const at = this.#runFor(piece.start);
    const run = this.#runs[at] as TranslatedPiece[];
    run.splice(indexIn(run, piece.start), 1);
    if (run.length === 0) this.#runs.splice(at, 1);
  }
}

/** Index of the first piece of a run that ends behind an address. */
function indexIn(run: readonly TranslatedPiece[], address: number): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((run[middle] as TranslatedPiece).end > address) high = middle;
    else low = middle + 1;
  }
  return low;
}
