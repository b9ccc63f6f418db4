/**
 * The memory the device owns or was given: HBM banks, SRAM, the HBM of its peers. Banks are asked for when first touched and
 * kept. Knows physical addresses only; who may reach them is decided in address-decoder.ts.
 */

import type { BusRegion } from '@pedrera/hw';
import { HBM_BANK_COUNT, HBM_BANK_SIZE, SRAM_SIZE } from '@pedrera/hw';

/** The same memory as bytes, for bulk moves, and as aligned words, for single 32-bit accesses that must not tear. */
export interface MemoryBlock {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

export function memoryBlock(bytes: Uint8Array): MemoryBlock {
  if (bytes.byteOffset % 4 !== 0)
    throw new RangeError(`memory at offset ${bytes.byteOffset} of its buffer is not word aligned`);
  return { bytes, words: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2) };
}

/** Reaches the memory of one process. Both return how many bytes they moved: fewer than asked where that memory ends, 0 where there is none. */
export interface ProcessPort {
  read(address: number, into: Uint8Array): number;
  write(address: number, from: Uint8Array): number;
  close(): void;
}

/** Where the memory comes from: shared mappings in the daemon, plain arrays in tests. */
export interface MemorySource {
  /** HBM bank `bank`, HBM_BANK_SIZE bytes. A shorter array is a device with less memory: what lies behind is a bus error. */
  hbmBank(bank: number): Uint8Array;
  /** Without it, no other device's memory can be reached. */
  peerHbmBank?(device: number, bank: number): Uint8Array;
  /** Without it, the device makes its own SRAM. */
  sram?(): Uint8Array;
  /** Maps memory given by descriptor; memory of kind 'shared' needs no help. */
  mapBusRegion?(region: BusRegion): Uint8Array;
  /** Without it, or where it finds no process, what is mapped of a process cannot be reached: page faults. */
  openProcess?(pid: number): ProcessPort | undefined;
  /** Called when the device has let go of what mapBusRegion returned. */
  unmapBusRegion?(region: BusRegion, bytes: Uint8Array): void;
}

export class DeviceMemory {
  readonly #index: number;
  readonly #source: MemorySource;
  readonly #banks: (MemoryBlock | undefined)[] = [];
  readonly #peerBanks = new Map<number, MemoryBlock>();
  #sram: MemoryBlock | undefined;

  constructor(index: number, source: MemorySource) {
    this.#index = index;
    this.#source = source;
  }

  /** Precondition: 0 <= bank < HBM_BANK_COUNT. */
  hbmBank(bank: number): MemoryBlock {
    const known = this.#banks[bank];
    if (known !== undefined) return known;
    const block = memoryBlock(this.#source.hbmBank(bank));
    if (block.bytes.length > HBM_BANK_SIZE) throw new RangeError(`HBM bank ${bank} of ${block.bytes.length} bytes`);
    this.#banks[bank] = block;
    return block;
  }

  /** A bank of any device on the bus, this one included; undefined where there is none. */
  busHbmBank(device: number, bank: number): MemoryBlock | undefined {
    if (device === this.#index) return this.hbmBank(bank);
    const key = device * HBM_BANK_COUNT + bank;
    const known = this.#peerBanks.get(key);
    if (known !== undefined) return known;
    const bytes = this.#source.peerHbmBank?.(device, bank);
    if (bytes === undefined) return undefined;
    const block = memoryBlock(bytes);
    this.#peerBanks.set(key, block);
    return block;
  }

  sram(): MemoryBlock {
    this.#sram ??= memoryBlock(this.#source.sram?.() ?? new Uint8Array(SRAM_SIZE));
    return this.#sram;
  }

  /** A copy. */
  readSram(offset: number, size: number): Uint8Array {
    checkSram(offset, size);
    return this.sram().bytes.slice(offset, offset + size);
  }

  writeSram(offset: number, bytes: Uint8Array): void {
    checkSram(offset, bytes.length);
    this.sram().bytes.set(bytes, offset);
  }

  clearSram(offset: number, size: number): void {
    this.sram().bytes.fill(0, offset, offset + size);
  }

  /** Lets go of everything; whoever provided the memory may unmap it afterwards. */
  close(): void {
    this.#banks.length = 0;
    this.#peerBanks.clear();
    this.#sram = undefined;
  }
}

function checkSram(offset: number, size: number): void {
  if (!(offset >= 0 && size >= 0 && offset + size <= SRAM_SIZE))
    throw new RangeError(`${size} bytes at 0x${offset.toString(16)} are not in SRAM`);
}
