/**
 * The packets of jobs, wherever they lie: in the kernel's patched copies, in device memory, in memory of hosts and peers.
 *
 * Owns: the way to each of those. Reads only, and no more than a bound. Must not know what the packets mean.
 */
import { HlError } from '@pedrera/base';
import {
  classifyBusAddress,
  DRAM_USER_BASE,
  DRAM_USER_END,
  DRAM_VA_BASE,
  formatAddress,
  HOST_VA_BASE,
  SRAM_BASE,
  SRAM_END,
} from '@pedrera/hw';
import type { SharedMemory } from '@pedrera/wire';
import type { Context } from '../context.js';
import type { HlDevice } from '../device.js';
import type { Machine } from '../machine.js';
import type { Job } from '../submission.js';

/** Dwords in which packets lie from `first` on; what they say may change after this turn, unless they were copied. */
export interface Code {
  readonly words: Uint32Array;
  readonly first: number;
  /** Of the packets, in dwords. */
  readonly count: number;
  /** Why it is not all of them, in words. */
  readonly cut: string | null;
}

/** What could not be read, with the reason; or what only the device can, by its offset in SRAM. */
type CodeOrNot = Code | { readonly unread: string } | { readonly sramOffset: number; readonly bytes: number };

/** Of one command buffer; a larger one is shown as far as that. */
const MOST_BYTES = 64 * 1024;
/** A multiple of the page size of every machine. */
const MAP_ALIGNMENT = 2 ** 16;

export class CodeReader {
  readonly #machine: Machine;
  readonly #device: HlDevice;
  readonly #context: Context;

  constructor(machine: Machine, context: Context) {
    this.#machine = machine;
    this.#device = context.device;
    this.#context = context;
  }

  /** The packets of a job that is not over, the tail of the driver's included. */
  job({ block, address, sizeBytes }: Job): CodeOrNot {
    if (block === undefined) {
      return this.at(address, sizeBytes);
    }
    return { words: block.chunk.words, first: block.firstWord, count: sizeBytes >>> 2, cut: null };
  }

  /** Those at a device address of the context. */
  at(address: number, sizeBytes: number): CodeOrNot {
    const bytes = Math.min(sizeBytes - (sizeBytes % 4), MOST_BYTES);
    const cut = bytes < sizeBytes - (sizeBytes % 4) ? `only the first ${MOST_BYTES} bytes were read` : null;
    if (address >= SRAM_BASE && address + bytes <= SRAM_END) {
      return { sramOffset: address - SRAM_BASE, bytes };
    }
    try {
      const read = this.#read(address, bytes);
      return typeof read === 'string' ? { unread: read } : codeOf(read, cut);
    } catch (error) {
      if (error instanceof HlError) {
        return { unread: error.detail ?? error.code };
      }
      throw error;
    }
  }

  /** What only the device can read. Errors: those of the device. */
  async fromSram({ sramOffset, bytes }: { readonly sramOffset: number; readonly bytes: number }): Promise<Code> {
    return codeOf(await this.#device.hardware.readSram(sramOffset, bytes), null);
  }

  #read(address: number, bytes: number): Uint8Array | string {
    if (address >= DRAM_USER_BASE && address + bytes <= DRAM_USER_END) {
      return readShared(this.#device.memory.hbm, address, bytes);
    }
    const where = formatAddress(address);
    const piece =
      address >= HOST_VA_BASE || address >= DRAM_VA_BASE
        ? this.#context.addressSpace.translate(address, bytes)
        : undefined;
    if (piece === undefined) {
      return `nothing, or more than one piece of memory, is mapped at ${where}`;
    }
    if (piece.space === 'hbm') {
      return readShared(this.#device.memory.hbm, piece.address, bytes);
    }
    const place = classifyBusAddress(piece.address);
    switch (place?.kind) {
      case 'host':
        return this.#device.bus.read(piece.address, bytes);
      case 'peer-hbm': {
        const peer = this.#machine.devices[place.device];
        return peer === undefined ? `${where} leads to no device` : readShared(peer.memory.hbm, place.address, bytes);
      }
      case 'peer-cfg':
      case undefined:
        return `${where} is no memory`;
    }
  }
}

function codeOf(read: Uint8Array, cut: string | null): Code {
  const { buffer, length } = read.slice();
  return { words: new Uint32Array(buffer, 0, length >>> 2), first: 0, count: length >>> 2, cut };
}

function readShared(memory: SharedMemory, offset: number, size: number): Uint8Array {
  const start = offset - (offset % MAP_ALIGNMENT);
  const end = Math.min(memory.size, Math.ceil((offset + size) / MAP_ALIGNMENT) * MAP_ALIGNMENT);
  using view = memory.map(start, end - start);
  return view.bytes.slice(offset - start, offset - start + size);
}
