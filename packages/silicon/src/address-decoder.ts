/**
 * From an address to what answers there, with the rights of whoever asks: a user's context (translations, leases, protected
 * ranges; device.md 1.1, 1.4, 1.5) or the driver itself. Reads and writes nothing.
 */

import {
  CFG_BASE,
  CFG_END,
  DRAM_USER_BASE,
  FAULT,
  HBM_BANK_COUNT,
  HBM_BANK_SIZE,
  HBM_SIZE,
  HOST_WINDOW_BASE,
  HOST_WINDOW_SIZE,
  MAX_DEVICES,
  PEER_CFG_BUS_BASE,
  PEER_CFG_BUS_END,
  PEER_CFG_BUS_STRIDE,
  PEER_HBM_BUS_BASE,
  SRAM_BASE,
  SRAM_END,
  SRAM_USER_BASE,
} from '@pedrera/hw';
import type { BusMemory } from './bus-memory.js';
import type { Context } from './context.js';
import { type DeviceMemory, type MemoryBlock, memoryBlock, type ProcessPort } from './memory.js';
import { DONE } from './status.js';

/** What the decoder found. Any greater value is a number of FAULT. */
export const IS_MEMORY = 0;
/** `access.register` is an offset into the device's own registers. */
const IS_REGISTER = -1;
/** `access.register` is an offset into the registers of device `access.device`, reached by a mapping. */
export const IS_MAPPED_REGISTER = -2;
/** Memory of a process, which is in no view of ours: load() and storeWord() reach it, or access.port for bulk moves. */
export const IS_PROCESS = -3;

/** Bytes that load() takes at most: packets are executed from them, so it should be many, and is wasted on a single word. */
const LOAD_BYTES = 4096;

const NO_BLOCK: MemoryBlock = { bytes: new Uint8Array(0), words: new Uint32Array(0) };

/** The answer, in one object that is used again and again: decoding must not allocate. */
export class Access {
  bytes: Uint8Array = NO_BLOCK.bytes;
  words: Uint32Array = NO_BLOCK.words;
  offset = 0;
  /** How far the same memory goes on from the address, and how far it goes back. */
  after = 0;
  before = 0;
  /** Whether the memory lies on the host bus: host memory, or another device's. */
  onBus = false;
  device = 0;
  register = 0;
  /** With IS_PROCESS: what reaches the process, and the address there. With IS_MEMORY null. */
  port: ProcessPort | null = null;
  portAddress = 0;
  #staging: MemoryBlock | undefined;

  /** Only for the decoder. */
  reach(port: ProcessPort, address: number, after: number, before: number): number {
    this.port = port;
    this.portAddress = address;
    this.after = after;
    this.before = before;
    return IS_PROCESS;
  }

  /** After IS_PROCESS: takes a copy of up to `count` bytes and shows it as memory. DONE, or the fault if there are none. */
  load(count: number = LOAD_BYTES): number {
    this.#staging ??= memoryBlock(new Uint8Array(LOAD_BYTES));
    const { bytes, words } = this.#staging;
    const wanted = Math.min(count, LOAD_BYTES, this.after);
    this.after = this.port?.read(this.portAddress, bytes.subarray(0, wanted)) ?? 0;
    this.bytes = bytes;
    this.words = words;
    this.offset = 0;
    return this.after > 0 ? DONE : FAULT['page-fault'];
  }

  /** After IS_PROCESS: writes a word there. DONE or a fault. */
  storeWord(value: number): number {
    this.#staging ??= memoryBlock(new Uint8Array(LOAD_BYTES));
    const { bytes, words } = this.#staging;
    words[0] = value;
    const isThere = this.after >= 4 && this.port?.write(this.portAddress, bytes.subarray(0, 4)) === 4;
    return isThere ? DONE : FAULT['page-fault'];
  }

  /** Lets go of the memory, so that an idle device keeps no view alive. */
  forget(): void {
    this.bytes = NO_BLOCK.bytes;
    this.words = NO_BLOCK.words;
    this.port = null;
  }
}

export class AddressDecoder {
  readonly #memory: DeviceMemory;
  readonly #bus: BusMemory;
  /** Whether the last user's access that did not lead to memory was a write. */
  faultIsWrite = false;

  constructor(memory: DeviceMemory, bus: BusMemory) {
    this.#memory = memory;
    this.#bus = bus;
  }

  /** An address in a user's packet or in a monitor's payload register. */
  user(context: Context, address: number, write: boolean, out: Access): number {
    out.onBus = false;
    const kind = this.#user(context, address, write, out);
    if (kind !== IS_MEMORY) this.faultIsWrite = write;
    return kind;
  }

  #user(context: Context, address: number, write: boolean, out: Access): number {
    if (address >= HOST_WINDOW_BASE) return this.#translated(context, address, write, out);
    if (address < HBM_SIZE) {
      if (!context.rights.physicalHbm || address < DRAM_USER_BASE) return FAULT.razwi;
      return this.#hbm(address, HBM_SIZE - address, address - DRAM_USER_BASE, out);
    }
    if (address >= CFG_BASE && address < CFG_END) {
      out.register = address - CFG_BASE;
      return IS_REGISTER;
    }
    if (address >= SRAM_BASE && address < SRAM_END) return this.#sram(context, address, write, out);
    return FAULT.razwi;
  }

  /** An address used by the driver with the MMU bypassed. */
  privileged(address: number, out: Access): number {
    if (address >= HOST_WINDOW_BASE && address < HOST_WINDOW_BASE + HOST_WINDOW_SIZE) {
      const kind = this.#busAddress(
        address - HOST_WINDOW_BASE,
        Number.POSITIVE_INFINITY,
        Number.POSITIVE_INFINITY,
        out,
      );
      return kind;
    }
    if (address >= CFG_BASE && address < CFG_END) {
      out.register = address - CFG_BASE;
      return IS_REGISTER;
    }
    if (address >= SRAM_BASE && address < SRAM_END) {
      return fill(out, this.#memory.sram(), address - SRAM_BASE, SRAM_END - address, address - SRAM_BASE);
    }
    return this.#hbm(address, HBM_SIZE - address, address, out);
  }

  #translated(context: Context, address: number, write: boolean, out: Access): number {
    const piece = context.space.find(address, write);
    if (piece === undefined) return FAULT['page-fault'];
    if (write && !piece.writable) return FAULT['write-protect'];
    const before = address - piece.start;
    const after = piece.end - address;
    const target = piece.target + before;
    return piece.onBus ? this.#busAddress(target, after, before, out) : this.#hbm(target, after, before, out);
  }

  #hbm(address: number, after: number, before: number, out: Access): number {
    if (!(address < HBM_SIZE)) return FAULT['bus-error'];
    const bank = Math.floor(address / HBM_BANK_SIZE);
    return fill(out, this.#memory.hbmBank(bank), address - bank * HBM_BANK_SIZE, after, before);
  }

  #sram(context: Context, address: number, write: boolean, out: Access): number {
    const lease = context.rights.sram;
    if (lease === null) return FAULT.razwi;
    const base = write && lease.base < SRAM_USER_BASE ? SRAM_USER_BASE : lease.base;
    const end = lease.base + lease.size;
    if (address < base || address >= end) return FAULT.razwi;
    return fill(out, this.#memory.sram(), address - SRAM_BASE, end - address, address - base);
  }

  #busAddress(address: number, after: number, before: number, out: Access): number {
    out.onBus = true;
    if (address < PEER_HBM_BUS_BASE) {
      const slot = Math.floor(address / HBM_BANK_SIZE);
      const offset = address - slot * HBM_BANK_SIZE;
      const block = this.#bus.block(slot);
      if (block !== undefined) return fill(out, block, offset, after, before);
      const process = this.#bus.process(slot);
      if (process === undefined) return FAULT['bus-error'];
      const room = process.size - offset;
      return out.reach(process.port, process.address + offset, Math.min(after, room), Math.min(before, offset));
    }
    if (address < PEER_CFG_BUS_BASE) {
      const bank = Math.floor((address - PEER_HBM_BUS_BASE) / HBM_BANK_SIZE);
      const device = Math.floor(bank / HBM_BANK_COUNT);
      const block = device < MAX_DEVICES ? this.#memory.busHbmBank(device, bank % HBM_BANK_COUNT) : undefined;
      if (block === undefined) return FAULT['bus-error'];
      return fill(out, block, (address - PEER_HBM_BUS_BASE) % HBM_BANK_SIZE, after, before);
    }
    if (address >= PEER_CFG_BUS_END) return FAULT['bus-error'];
    const at = address - PEER_CFG_BUS_BASE;
    out.device = Math.floor(at / PEER_CFG_BUS_STRIDE);
    out.register = at % PEER_CFG_BUS_STRIDE;
    return IS_MAPPED_REGISTER;
  }
}

function fill(out: Access, block: MemoryBlock, offset: number, after: number, before: number): number {
  out.port = null;
  const room = block.bytes.length - offset;
  if (room <= 0) return FAULT['bus-error'];
  out.bytes = block.bytes;
  out.words = block.words;
  out.offset = offset;
  out.after = after < room ? after : room;
  out.before = before < offset ? before : offset;
  return IS_MEMORY;
}
