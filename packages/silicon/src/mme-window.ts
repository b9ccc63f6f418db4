/** Single f32 values at device addresses, as one context sees them: finds the memory once and stays in it while it can. */

import { FAULT } from '@pedrera/hw';
import { Access, type AddressDecoder, IS_MEMORY, IS_PROCESS } from './address-decoder.js';
import type { Context } from './context.js';
import { DONE } from './status.js';

const WORD_BYTES = 4;
const BITS = new Uint32Array(1);
const FLOAT = new Float32Array(BITS.buffer);
const BYTES = new Uint8Array(BITS.buffer);
const BYTE = new Uint8Array(1);
const NO_FLOATS = new Float32Array(0);

export function floatOfBits(bits: number): number {
  BITS[0] = bits;
  return FLOAT[0] as number;
}

export class MmeWindow {
  readonly #decoder: AddressDecoder;
  readonly #isWrite: boolean;
  readonly #access = new Access();
  /** Addresses in view, and the address of the first byte of `bytes`. */
  #start = 0;
  #end = 0;
  #origin = 0;
  /** The words in view, as what they mean. */
  #floats: Float32Array = NO_FLOATS;
  /** Address of the value that could not be reached, after a fault. */
  faultAddress = 0;

  constructor(decoder: AddressDecoder, isWrite: boolean) {
    this.#decoder = decoder;
    this.#isWrite = isWrite;
  }

  /** Mappings may change between turns. */
  forget(): void {
    this.#start = 0;
    this.#end = 0;
    this.#floats = NO_FLOATS;
    this.#access.forget();
  }

  /** Reads `count` values in a row to into[at] and on. DONE or a fault, with faultAddress set. */
  read(context: Context, address: number, into: Float32Array, at: number, count: number): number {
    for (let done = 0; done < count; ) {
      const next = address + WORD_BYTES * done;
      if (next < this.#start || next + WORD_BYTES > this.#end) {
        const status = this.#open(context, next);
        if (status !== DONE) return this.#fault(status, next);
      }
      const offset = next - this.#origin;
      const room = Math.floor((this.#end - next) / WORD_BYTES);
      if (room === 0 || offset % WORD_BYTES !== 0) {
        const status = this.#readBytes(context, next);
        if (status !== DONE) return this.#fault(status, next);
        into[at + done++] = FLOAT[0] as number;
        continue;
      }
      const floats = this.#floats;
      const first = offset >>> 2;
      const run = Math.min(room, count - done);
      for (let i = 0; i < run; i++) into[at + done + i] = floats[first + i] as number;
      done += run;
    }
    return DONE;
  }

  /** DONE or a fault. */
  write(context: Context, address: number, value: number): number {
    if (address < this.#start || address + WORD_BYTES > this.#end) {
      const status = this.#open(context, address);
      if (status !== DONE) return this.#fault(status, address);
    }
    FLOAT[0] = value;
    if (address + WORD_BYTES > this.#end || this.#access.port !== null) {
      const status = this.#writeBytes(context, address);
      return status === DONE ? DONE : this.#fault(status, address);
    }
    const at = address - this.#origin;
    if (at % WORD_BYTES === 0) this.#access.words[at >>> 2] = BITS[0] as number;
    else for (let i = 0; i < WORD_BYTES; i++) this.#access.bytes[at + i] = BYTES[i] as number;
    return DONE;
  }

  #open(context: Context, address: number): number {
    const access = this.#access;
    this.#start = 0;
    this.#end = 0;
    if (address % WORD_BYTES !== 0) {
      this.#decoder.faultIsWrite = this.#isWrite;
      return FAULT.misaligned;
    }
    const kind = this.#decoder.user(context, address, this.#isWrite, access);
    if (kind === IS_PROCESS) {
      if (!this.#isWrite && access.load() !== DONE) return FAULT['page-fault'];
      this.#start = address;
      this.#origin = address;
    } else if (kind === IS_MEMORY) {
      this.#start = address - access.before;
      this.#origin = address - access.offset;
    } else {
      // Registers answer to command processors only.
      return kind < 0 ? FAULT.razwi : kind;
    }
    this.#end = address + access.after;
    const { words } = access;
    if (!this.#isWrite) this.#floats = new Float32Array(words.buffer, words.byteOffset, words.length);
    return DONE;
  }

  /** A word whose bytes lie in more than one piece of memory, or not as a word in one, into FLOAT. */
  #readBytes(context: Context, address: number): number {
    const access = this.#access;
    for (let i = 0; i < WORD_BYTES; i++) {
      const kind = this.#decoder.user(context, address + i, false, access);
      if (kind === IS_PROCESS ? access.load(1) !== DONE : kind !== IS_MEMORY) return this.#lost(kind);
      BYTES[i] = access.bytes[access.offset] as number;
    }
    this.#end = 0;
    return DONE;
  }

  /** The value in FLOAT, byte by byte: into a process, or over the end of a piece of memory. */
  #writeBytes(context: Context, address: number): number {
    const access = this.#access;
    this.#end = 0;
    for (let i = 0; i < WORD_BYTES; ) {
      const kind = this.#decoder.user(context, address + i, true, access);
      if (kind === IS_MEMORY) {
        access.bytes[access.offset] = BYTES[i] as number;
        i++;
      } else if (kind === IS_PROCESS && access.port !== null) {
        const count = access.after >= WORD_BYTES - i ? WORD_BYTES - i : 1;
        BYTE[0] = BYTES[i] as number;
        const bytes = count === 1 ? BYTE : BYTES.subarray(i);
        if (access.port.write(access.portAddress, bytes) !== count) return this.#lost(IS_PROCESS);
        i += count;
      } else {
        return this.#lost(kind);
      }
    }
    return DONE;
  }

  #fault(status: number, address: number): number {
    this.faultAddress = address;
    return status;
  }

  #lost(kind: number): number {
    this.#end = 0;
    if (kind > 0) return kind;
    this.#decoder.faultIsWrite = this.#isWrite;
    return kind === IS_PROCESS ? FAULT['page-fault'] : FAULT.razwi;
  }
}
