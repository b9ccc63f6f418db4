/**
 * What the MMU and the protection units remember of the first fault until somebody clears it (device.md 1.3, 1.5). Owns
 * these registers; whether a fault is also reported is none of its business.
 */

import { ENGINES, FAULT, MMU_CAPTURE_VALID, MMU_REGISTERS as REG } from '@pedrera/hw';

/** Bits of a DMA core's ERR_CAUSE (device.md 5.2). */
export const DMA_ERROR = { HBW_READ: 1, HBW_WRITE: 2 } as const;

const UNIT_SHIFT = 20;
const X_SHIFT = 24;
const Y_SHIFT = 28;
const UNITS = { MME: 0, TPC: 1, DMA: 2, NIC: 3, PCI: 4 } as const;
/** Where the routers of the engines lie, [x, y], by kind and number. */
const PLACES: Readonly<Record<'MME' | 'TPC' | 'DMA' | 'NIC', readonly (readonly [number, number])[]>> = {
  MME: [
    [3, 1],
    [5, 1],
    [3, 6],
    [5, 6],
  ],
  TPC: [
    [1, 1],
    [2, 1],
    [7, 1],
    [8, 1],
    [1, 6],
    [2, 6],
    [7, 6],
    [8, 6],
  ],
  DMA: [
    [0, 1],
    [9, 1],
    [0, 2],
    [9, 2],
    [0, 3],
    [9, 3],
    [0, 4],
    [9, 4],
  ],
  NIC: [
    [1, 1],
    [1, 6],
    [1, 6],
    [8, 6],
    [8, 6],
  ],
};

/** The initiator word of a RAZWI register; an access of unknown origin came over PCI. */
export function initiatorId(engineId: number): number {
  const engine = ENGINES[engineId] ?? '';
  const kind = engine.slice(0, 3) as keyof typeof PLACES;
  const n = Number(engine.slice(3));
  const [x, y] = PLACES[kind]?.[kind === 'NIC' ? n >> 1 : n] ?? [8, 1];
  const unit = UNITS[kind] ?? UNITS.PCI;
  return ((y << Y_SHIFT) | (x << X_SHIFT) | (unit << UNIT_SHIFT)) >>> 0;
}

export class FaultCaptures {
  /** Addresses, or -1 when nothing is captured. */
  #page = -1;
  #access = -1;
  /** Initiator words, or -1. */
  #razwiWrite = -1;
  #razwiRead = -1;

  /** `engineId` is the index in ENGINES of who asked, -1 if unknown. The first of each kind wins. */
  latch(cause: number, address: number, isWrite: boolean, engineId: number): void {
    if (cause === FAULT['page-fault']) {
      if (this.#page < 0) this.#page = address;
    } else if (cause === FAULT['write-protect']) {
      if (this.#access < 0) this.#access = address;
    } else if (cause === FAULT.razwi) {
      if (isWrite && this.#razwiWrite < 0) this.#razwiWrite = initiatorId(engineId);
      if (!isWrite && this.#razwiRead < 0) this.#razwiRead = initiatorId(engineId);
    }
  }

  /** undefined for other registers. */
  read(offset: number): number | undefined {
    switch (offset) {
      case REG.PAGE_ERROR_CAPTURE:
        return captured(this.#page);
      case REG.PAGE_ERROR_CAPTURE_VA:
        return low(this.#page);
      case REG.ACCESS_ERROR_CAPTURE:
        return captured(this.#access);
      case REG.ACCESS_ERROR_CAPTURE_VA:
        return low(this.#access);
      case REG.RAZWI_WRITE_VLD:
        return this.#razwiWrite < 0 ? 0 : 1;
      case REG.RAZWI_WRITE_ID:
        return Math.max(0, this.#razwiWrite);
      case REG.RAZWI_READ_VLD:
        return this.#razwiRead < 0 ? 0 : 1;
      case REG.RAZWI_READ_ID:
        return Math.max(0, this.#razwiRead);
      default:
        return undefined;
    }
  }

  /** A write clears a capture unless it has the valid bit set. False for other registers. */
  write(offset: number, value: number): boolean {
    if (this.read(offset) === undefined) return false;
    if (offset === REG.PAGE_ERROR_CAPTURE && (value & MMU_CAPTURE_VALID) === 0) this.#page = -1;
    if (offset === REG.ACCESS_ERROR_CAPTURE && (value & MMU_CAPTURE_VALID) === 0) this.#access = -1;
    if (offset === REG.RAZWI_WRITE_VLD && (value & 1) === 0) this.#razwiWrite = -1;
    if (offset === REG.RAZWI_READ_VLD && (value & 1) === 0) this.#razwiRead = -1;
    return true;
  }

  reset(): void {
    this.#page = -1;
    this.#access = -1;
    this.#razwiWrite = -1;
    this.#razwiRead = -1;
  }
}

function captured(address: number): number {
  return address < 0 ? 0 : MMU_CAPTURE_VALID | (Math.floor(address / 2 ** 32) & 0x3_ffff);
}

function low(address: number): number {
  return address < 0 ? 0 : address % 2 ** 32;
}
