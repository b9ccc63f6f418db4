/**
 * The device addresses of one context and what is behind them (uapi.md 5.4 to 5.6).
 *
 * Owns: the virtual address ranges, the live mappings, the order of unmapping: first the device forgets the
 * translation, then what was mapped is let go.
 * Must not know handles or who asked.
 */
import { errno } from '@pedrera/base';
import { type Device, DRAM_VA_BASE, DRAM_VA_END, HOST_VA_END, HOST_VA_USER_BASE, privilegedAddress } from '@pedrera/hw';
import { type Birth, UNKNOWN_BIRTH } from './caller.js';
import { PAGE_SIZE, pageAlign } from './host-memory.js';
import { type FreeRange, RangeAllocator } from './range-allocator.js';

const HUGE_PAGE_SIZE = 2 * 2 ** 20;

/** Pieces one context may have mapped: each costs the daemon and the device some memory, whatever its size. */
export const MAX_PIECES = 2 ** 18;

/** Where a contiguous piece of a mapping really lies. */
export interface Piece {
  readonly space: 'hbm' | 'bus';
  readonly address: number;
  readonly size: number;
}

export type VaRange = 'host' | 'dram';

/** What is mapped: memory of a process or a host buffer by the address it was named with, device memory by handle, a dma-buf. */
export type MappingSource =
  | { readonly kind: 'host'; readonly pid: number; readonly address: number }
  | { readonly kind: 'device'; readonly handle: number }
  | { readonly kind: 'import'; readonly id: number };

/** The address by which the device itself knows a piece: host memory begins at the host window (device.md 1.1). */
export function physicalAddress({ space, address }: Piece): number {
  return space === 'hbm' ? address : privilegedAddress(address);
}

export interface MapRequest {
  readonly range: VaRange;
  /** Bytes asked for. */
  readonly size: number;
  /** One behind the other. Whole pages, the offset's page included, or with `exact` only the bytes from the offset on. */
  readonly pieces: readonly Piece[];
  readonly exact?: boolean;
  /** Low bits the device address keeps from the source: its offset inside a page. */
  readonly pageOffset: number;
  readonly pageSize: number;
  readonly alignment: number;
  readonly hint: number;
  readonly forceHint: boolean;
  readonly writable: boolean;
  readonly source: MappingSource;
  /** Runs once, after the device has forgotten the translation. */
  readonly onUnmapped: () => void | Promise<void>;
}

/** One mapping, as inspection sees it. */
export interface LiveMapping {
  /** What MAP returned, the offset inside the page included. */
  readonly va: number;
  /** Bytes asked for. */
  readonly size: number;
  readonly source: MappingSource;
  readonly pieces: readonly Piece[];
  /** Bytes of the first piece before `va`. */
  readonly pageOffset: number;
  readonly pageSize: number;
  readonly writable: boolean;
  readonly birth: Birth;
}

interface Block {
  readonly start: number;
  readonly blockSize: number;
  /** Bytes with something behind them. */
  readonly length: number;
}

class Mapped implements LiveMapping {
  readonly va: number;
  /** The device addresses taken: whole pages. */
  readonly blockStart: number;
  readonly blockSize: number;
  /** The device addresses with something behind them. */
  readonly from: number;
  readonly length: number;
  readonly request: MapRequest;
  readonly birth: Birth;

  constructor(request: MapRequest, { start, blockSize, length }: Block, birth: Birth) {
    this.request = request;
    this.birth = birth;
    this.blockStart = start;
    this.blockSize = blockSize;
    this.va = start + request.pageOffset;
    this.from = request.exact === true ? this.va : start;
    this.length = length;
  }

  get size(): number {
    return this.request.size;
  }
  get source(): MappingSource {
    return this.request.source;
  }
  get pieces(): readonly Piece[] {
    return this.request.pieces;
  }
  get pageOffset(): number {
    return this.va - this.from;
  }
  get pageSize(): number {
    return this.request.pageSize;
  }
  get writable(): boolean {
    return this.request.writable;
  }
}

/**
 * The alignment rule of host mappings: 2 MiB when the source is 2 MiB aligned, also where small pages are used (uapi.md
 * 5.4).
 */
export function hostAlignment(hostAddress: number): number {
  return hostAddress % HUGE_PAGE_SIZE === 0 ? HUGE_PAGE_SIZE : PAGE_SIZE;
}

/** Huge pages serve what lies in pieces of whole huge pages, small ones everything else (uapi.md 5.4). */
export function hostPageSize(pieces: readonly Piece[]): number {
  const huge = pieces.every(({ address, size }) => address % HUGE_PAGE_SIZE === 0 && size % HUGE_PAGE_SIZE === 0);
  return huge ? HUGE_PAGE_SIZE : PAGE_SIZE;
}

export class AddressSpace {
  readonly #device: Device;
  readonly #asid: number;
  readonly #birth: () => Birth;
  readonly #ranges: Record<VaRange, RangeAllocator>;
  readonly #mappings = new Map<number, Mapped>();
  #mappedBytes = 0;
  #pieces = 0;

  /** `birth` says what makes a mapping just now. */
  constructor(device: Device, asid: number, birth: () => Birth = () => UNKNOWN_BIRTH) {
    this.#device = device;
    this.#asid = asid;
    this.#birth = birth;
    this.#ranges = {
      // The driver's own pool takes the start of the host range at open (uapi.md 1.3).
      host: new RangeAllocator(HOST_VA_USER_BASE, HOST_VA_END, 'best'),
      dram: new RangeAllocator(DRAM_VA_BASE, DRAM_VA_END, 'best'),
    };
  }

  get mappedBytes(): number {
    return this.#mappedBytes;
  }

  /** The live mappings, oldest first. */
  mappings(): IterableIterator<LiveMapping> {
    return this.#mappings.values();
  }

  /** For inspection: the ranges, and how much of each is taken. */
  rangesInUse(): { name: string; start: number; end: number; usedBytes: number }[] {
    const { host, dram } = this.#ranges;
    return [
      { name: 'host', start: HOST_VA_USER_BASE, end: HOST_VA_END, usedBytes: host.used },
      { name: 'dram', start: DRAM_VA_BASE, end: DRAM_VA_END, usedBytes: dram.used },
    ];
  }

  /** Device addresses nothing is mapped at, by address. */
  freeRanges(range: VaRange): Iterable<FreeRange> {
    return this.#ranges[range].freeRanges();
  }

  /** What is behind `size` bytes from a device address, if they lie in one piece. Goes through all mappings: for inspection. */
  translate(va: number, size = 1): Piece | undefined {
    for (const mapping of this.#mappings.values()) {
      let at = va - mapping.from;
      if (at < 0 || at >= mapping.length) {
        continue;
      }
      for (const piece of mapping.pieces) {
        if (at < piece.size) {
          return at + size <= piece.size ? { space: piece.space, address: piece.address + at, size } : undefined;
        }
        at -= piece.size;
      }
    }
    return undefined;
  }

  /** Maps the pieces one behind the other; returns the device address. Errors: EINVAL (FORCE_HINT), ENOMEM. */
  map(request: MapRequest): number {
    const { pageOffset, pieces, forceHint, hint } = request;
    if (forceHint && hint !== 0 && pageOffset !== 0) {
      throw errno('EINVAL', `FORCE_HINT with a source that is not page aligned (offset ${pageOffset})`);
    }
    if (this.#pieces + pieces.length > MAX_PIECES) {
      throw errno('ENOMEM', `${pieces.length} more pieces; ${this.#pieces} are mapped, the most is ${MAX_PIECES}`);
    }
    const length = pieces.reduce((sum, piece) => sum + piece.size, 0);
    const blockSize = pageAlign(request.exact === true ? pageOffset + length : length);
    const mapping = new Mapped(request, { start: this.#place(request, blockSize), blockSize, length }, this.#birth());
    let at = mapping.from;
    for (const { space, address, size } of pieces) {
      const target = { space, address };
      this.#device.map(this.#asid, { va: at, size, target, writable: request.writable });
      at += size;
    }
    this.#mappings.set(mapping.va, mapping);
    this.#mappedBytes += mapping.size;
    this.#pieces += pieces.length;
    return mapping.va;
  }

  /** Errors: EINVAL when `va` is not exactly an address MAP returned (uapi.md 5.6). */
  async unmap(va: number): Promise<void> {
    const mapping = this.#mappings.get(va);
    if (mapping === undefined) {
      throw errno('EINVAL', `0x${va.toString(16)} is not the device address of a mapping of this context`);
    }
    this.#mappings.delete(va);
    this.#mappedBytes -= mapping.size;
    this.#pieces -= mapping.pieces.length;
    await this.#device.unmap(this.#asid, mapping.from, mapping.length);
    this.#ranges[mapping.request.range].release(mapping.blockStart, mapping.blockSize);
    await mapping.request.onUnmapped();
  }

  /** Lets everything go. Preconditions: the device has already forgotten this ASID. */
  async close(): Promise<void> {
    const mappings = [...this.#mappings.values()];
    this.#mappings.clear();
    this.#mappedBytes = 0;
    this.#pieces = 0;
    await Promise.all(mappings.map((mapping) => mapping.request.onUnmapped()));
  }

  /** Takes the device addresses; their first one. The order of the rules is the driver's (uapi.md 5.4). */
  #place(request: MapRequest, blockSize: number): number {
    const { hint, forceHint, alignment } = request;
    const range = this.#ranges[request.range];
    const aligned = hint % alignment === 0;
    if (hint !== 0 && aligned && hintFits(range.rangeAt(hint), hint, blockSize, alignment)) {
      range.allocate(blockSize, { at: hint });
      return hint;
    }
    const unforced = !forceHint || (hint !== 0 && aligned);
    const start = unforced ? range.allocate(blockSize, { align: alignment }) : undefined;
    if (start !== undefined && forceHint && start !== hint) {
      range.release(start, blockSize);
    } else if (start !== undefined) {
      // Also a forced hint that the test above missed, if ordinary placement comes to the same address.
      return start;
    }
    throw errno(
      'ENOMEM',
      forceHint
        ? `the forced device address 0x${hint.toString(16)} is not free, not a multiple of ${alignment}, or 0`
        : `no ${blockSize} bytes of device addresses in a row left in the ${request.range} range`,
    );
  }
}

/** The driver compares with the last address of the free range, so a block that would end right there is missed (uapi.md 5.4). */
function hintFits(free: FreeRange | undefined, hint: number, size: number, alignment: number): boolean {
  return free !== undefined && hint >= Math.ceil(free.start / alignment) * alignment && hint + size < free.end;
}
