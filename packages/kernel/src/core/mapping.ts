/**
 * The device addresses of one context and what is behind them (uapi.md 5.4 to 5.6).
 *
 * Owns: the virtual address ranges, the live mappings, the order of unmapping: first the device forgets the
 * translation, then what was mapped is let go.
 * Must not know handles or who asked.
 */
import { errno } from '@pedrera/base';
import { type Device, DRAM_VA_BASE, DRAM_VA_END, HOST_VA_END, HOST_VA_USER_BASE } from '@pedrera/hw';
import { PAGE_SIZE, pageAlign } from './host-memory.js';
import { RangeAllocator } from './range-allocator.js';

const HUGE_PAGE_SIZE = 2 * 2 ** 20;

/** Where a contiguous piece of a mapping really lies. */
export interface Piece {
  readonly space: 'hbm' | 'bus';
  readonly address: number;
  readonly size: number;
}

export type VaRange = 'host' | 'dram';

export interface MapRequest {
  readonly range: VaRange;
  readonly pieces: readonly Piece[];
  /** Low bits the device address keeps from the source: its offset inside a page. */
  readonly pageOffset: number;
  readonly alignment: number;
  readonly hint: number;
  readonly forceHint: boolean;
  readonly writable: boolean;
  readonly kind: 'host' | 'device' | 'import';
  /** Runs once, after the device has forgotten the translation. */
  readonly onUnmapped: () => void | Promise<void>;
}

interface LiveMapping {
  readonly va: number;
  readonly size: number;
  readonly blockStart: number;
  readonly blockSize: number;
  readonly request: MapRequest;
}

/** The alignment rule of host mappings: 2 MiB when the source is 2 MiB aligned (uapi.md 5.4). */
export function hostAlignment(hostAddress: number): number {
  return hostAddress % HUGE_PAGE_SIZE === 0 ? HUGE_PAGE_SIZE : PAGE_SIZE;
}

export class AddressSpace {
  readonly #device: Device;
  readonly #asid: number;
  readonly #ranges: Record<VaRange, RangeAllocator>;
  readonly #mappings = new Map<number, LiveMapping>();

  constructor(device: Device, asid: number) {
    this.#device = device;
    this.#asid = asid;
    this.#ranges = {
      // The driver's own pool takes the start of the host range at open (uapi.md 1.3).
      host: new RangeAllocator(HOST_VA_USER_BASE, HOST_VA_END, 'best'),
      dram: new RangeAllocator(DRAM_VA_BASE, DRAM_VA_END, 'best'),
    };
  }

  get mappedBytes(): number {
    let bytes = 0;
    for (const mapping of this.#mappings.values()) {
      bytes += mapping.size;
    }
    return bytes;
  }

  /** Maps the pieces one behind the other; returns the device address. Errors: ENOMEM, EINVAL (FORCE_HINT). */
  map(request: MapRequest): number {
    const size = request.pieces.reduce((sum, piece) => sum + piece.size, 0);
    const blockSize = pageAlign(request.pageOffset + size);
    const blockStart = this.#place(request, blockSize);
    const va = blockStart + request.pageOffset;
    let at = va;
    for (const piece of request.pieces) {
      this.#device.map(this.#asid, {
        va: at,
        size: piece.size,
        target: { space: piece.space, address: piece.address },
        writable: request.writable,
      });
      at += piece.size;
    }
    this.#mappings.set(va, { va, size, blockStart, blockSize, request });
    return va;
  }

  /** Errors: EINVAL when `va` is not exactly an address MAP returned (uapi.md 5.6). */
  async unmap(va: number): Promise<void> {
    const mapping = this.#mappings.get(va);
    if (mapping === undefined) {
      throw errno('EINVAL', `0x${va.toString(16)} is not the device address of a mapping of this context`);
    }
    this.#mappings.delete(va);
    await this.#device.unmap(this.#asid, va, mapping.size);
    this.#ranges[mapping.request.range].release(mapping.blockStart, mapping.blockSize);
    await mapping.request.onUnmapped();
  }

  /** Lets everything go. Preconditions: the device has already forgotten this ASID. */
  async close(): Promise<void> {
    const mappings = [...this.#mappings.values()];
    this.#mappings.clear();
    await Promise.all(mappings.map((mapping) => mapping.request.onUnmapped()));
  }

  #place(request: MapRequest, blockSize: number): number {
    const { hint, forceHint, alignment, pageOffset } = request;
    const range = this.#ranges[request.range];
    if (forceHint && hint !== 0 && pageOffset !== 0) {
      throw errno('EINVAL', `FORCE_HINT with a source that is not page aligned (offset ${pageOffset})`);
    }
    if (hint !== 0 && hint % alignment === 0 && range.isFree(hint, blockSize)) {
      range.allocate(blockSize, { at: hint });
      return hint;
    }
    if (forceHint) {
      throw errno(
        'ENOMEM',
        `the forced device address 0x${hint.toString(16)} is not free or not a multiple of ${alignment}`,
      );
    }
    const start = range.allocate(blockSize, { align: alignment });
    if (start === undefined) {
      throw errno('ENOMEM', `no ${blockSize} bytes of device addresses left in the ${request.range} range`);
    }
    return start;
  }
}
