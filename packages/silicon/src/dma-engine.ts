/**
 * Moves the bytes of a transfer, a slice at a time, wherever source and destination lie: HBM banks, SRAM, host memory, other
 * devices. Stops at the first byte that cannot be reached; what that means is decided by the caller.
 */

import {
  FAULT,
  REDUCTION_ELEMENT_BYTES,
  reductionOpCode,
  reductionRoundingCode,
  reductionTypeCode,
  SRAM_BASE,
  SRAM_END,
} from '@pedrera/hw';
import { Access, type AddressDecoder, IS_MEMORY, IS_PROCESS } from './address-decoder.js';
import type { Context } from './context.js';
import { fillPattern } from './fill-pattern.js';
import { Reducer } from './reduction.js';
import { DONE } from './status.js';
import type { Transfer } from './transfer.js';

/** Below this a byte loop is faster than two subarrays and a set(). */
const SMALL = 48;
const PIECE_COST = 512;
/** Moved at once where neither side is memory of our own. */
const STAGE_BYTES = 256 * 1024;
/** Combined at once: both sides stay in the processor's caches. */
const REDUCE_BYTES = 16 * 1024;
/** Memory of a process comes and goes by pages: what lies in one is there as a whole. */
const PAGE_BYTES = 4096;

export class DmaEngine {
  readonly #decoder: AddressDecoder;
  readonly #from = new Access();
  readonly #to = new Access();
  /** Address of the byte that could not be reached, after move() returned a fault. */
  faultAddress = 0;
  /** Bytes moved since the device was made, and what moving them was charged as (see PIECE_COST). */
  bytes = 0;
  spent = 0;
  /** Of these, read from and written to memory behind the bus. */
  busRead = 0;
  busWritten = 0;
  #stage: Uint8Array | undefined;
  #reducer: Reducer | undefined;

  constructor(decoder: AddressDecoder) {
    this.#decoder = decoder;
  }

  /** Moves up to `limit` bytes. Returns DONE, with transfer.remaining saying how much is left, or a fault. */
  move(context: Context, transfer: Transfer, limit: number): number {
    let budget = limit;
    while (transfer.remaining > 0 && budget > 0) {
      const most = Math.min(transfer.remaining, budget);
      const before = transfer.remaining;
      let status: number;
      if (transfer.reduction !== 0) status = this.#reduce(context, transfer, most);
      else if (transfer.memSet) status = this.#set(context, transfer, most);
      else if (transfer.backward) status = this.#copyBackward(context, transfer, most);
      else status = this.#copy(context, transfer, most);
      if (status !== DONE) return status;
      const moved = before - transfer.remaining;
      // A strided walk may move a byte at a time: charge what finding a piece costs, or one turn could take seconds.
      const cost = Math.max(moved, PIECE_COST);
      budget -= cost;
      this.spent += cost;
      this.bytes += moved;
    }
    return DONE;
  }

  forget(): void {
    this.#from.forget();
    this.#to.forget();
  }

  #decode(context: Context, address: number, write: boolean, out: Access): number {
    const kind = this.#decoder.user(context, address, write, out);
    if (kind === IS_MEMORY || kind === IS_PROCESS) return DONE;
    this.faultAddress = address;
    // Registers answer to single words only, never to the DMA core.
    return kind < 0 ? FAULT.razwi : kind;
  }

  #countBus(from: Access, to: Access, count: number): void {
    if (from.onBus) this.busRead += count;
    if (to.onBus) this.busWritten += count;
  }

  #set(context: Context, transfer: Transfer, most: number): number {
    const { destination } = transfer;
    const to = this.#to;
    const status = this.#decode(context, destination.address, true, to);
    if (status !== DONE) return status;
    let count = Math.min(most, destination.left, to.after);
    if (to.port === null) {
      fillPattern(to.bytes, to.offset, count, transfer.patternLow, transfer.patternHigh, transfer.done);
    } else {
      const stage = this.#staging(count);
      fillPattern(stage, 0, stage.length, transfer.patternLow, transfer.patternHigh, transfer.done);
      count = to.port.write(to.portAddress, stage);
      if (count === 0) return this.#unreachable(destination.address, true);
    }
    if (to.onBus) this.busWritten += count;
    step(transfer, count);
    destination.advance(count);
    return DONE;
  }

  #copy(context: Context, transfer: Transfer, most: number): number {
    const { source, destination } = transfer;
    const from = this.#from;
    const to = this.#to;
    const status =
      this.#decode(context, source.address, false, from) || this.#decode(context, destination.address, true, to);
    if (status !== DONE) return status;
    let count = Math.min(most, source.left, destination.left, from.after, to.after);
    if (from.port === null && to.port === null) copyBytes(from, from.offset, to, to.offset, count);
    else count = this.#copyProcess(transfer, count);
    if (count === 0) return FAULT['page-fault'];
    this.#countBus(from, to, count);
    step(transfer, count);
    source.advance(count);
    destination.advance(count);
    return DONE;
  }

  /**
   * Reads, combines, writes back; only SRAM does that (docs/decisions/0006). Whole elements: one that lies across the end of
   * a piece is misaligned.
   */
  #reduce(context: Context, transfer: Transfer, most: number): number {
    const { source, destination, reduction } = transfer;
    const type = reductionTypeCode(reduction);
    const element = REDUCTION_ELEMENT_BYTES[type] as number;
    const to = destination.address;
    this.faultAddress = to;
    this.#decoder.faultIsWrite = true;
    if (to < SRAM_BASE || to >= SRAM_END) return FAULT['not-modelled'];
    if (to % element !== 0) return FAULT.misaligned;
    const from = this.#from;
    const into = this.#to;
    const status = this.#decode(context, source.address, false, from) || this.#decode(context, to, true, into);
    if (status !== DONE) return status;
    this.#reducer ??= new Reducer(REDUCE_BYTES);
    const reducer = this.#reducer;
    let count = Math.min(Math.max(most, element), reducer.capacity, transfer.remaining);
    count = Math.min(count, source.left, destination.left, from.after, into.after);
    if (from.port !== null) count = from.port.read(from.portAddress, reducer.from.subarray(0, count));
    else reducer.from.set(from.bytes.subarray(from.offset, from.offset + count));
    if (count === 0) return this.#unreachable(source.address, false);
    count -= count % element;
    if (count === 0) return FAULT.misaligned;
    reducer.into.set(into.bytes.subarray(into.offset, into.offset + count));
    reducer.combine(count, type, reductionOpCode(reduction), reductionRoundingCode(reduction));
    into.bytes.set(reducer.into.subarray(0, count), into.offset);
    this.#countBus(from, into, count);
    step(transfer, count);
    source.advance(count);
    destination.advance(count);
    return DONE;
  }

  /** The upper end first, so that a destination that overlaps the source from above comes out as memmove would leave it. */
  #copyBackward(context: Context, transfer: Transfer, most: number): number {
    const last = transfer.remaining - 1;
    const from = this.#from;
    const to = this.#to;
    const status =
      this.#decode(context, transfer.source.base + last, false, from) ||
      this.#decode(context, transfer.destination.base + last, true, to);
    if (status !== DONE) return status;
    const count = Math.min(most, from.before + 1, to.before + 1);
    if (from.port !== null || to.port !== null) return this.#copyProcessBackward(transfer, count);
    copyBytes(from, from.offset - count + 1, to, to.offset - count + 1, count);
    this.#countBus(from, to, count);
    step(transfer, count);
    return DONE;
  }

  /** One copy where one side is memory of our own. Returns how much was moved; 0 with the fault noted. */
  #copyProcess(transfer: Transfer, count: number): number {
    const { source, destination } = transfer;
    const from = this.#from;
    const to = this.#to;
    if (from.port === null) {
      const written = this.#write(from.bytes.subarray(from.offset, from.offset + count), 0);
      if (written === 0) this.#unreachable(destination.address, true);
      return written;
    }
    const into = to.port === null ? to.bytes.subarray(to.offset, to.offset + count) : this.#staging(count);
    const read = this.#read(into, 0);
    if (read === 0) this.#unreachable(source.address, false);
    if (read === 0 || to.port === null) return read;
    const written = this.#write(into.subarray(0, read), 0);
    if (written === 0) this.#unreachable(destination.address, true);
    return written;
  }

  /** At most as much as lies in one page on either side, so that all of it is there or nothing. */
  #copyProcessBackward(transfer: Transfer, most: number): number {
    const last = transfer.remaining - 1;
    const from = this.#from;
    const to = this.#to;
    const count = Math.min(most, bytesOfPage(from), bytesOfPage(to));
    const stage = this.#staging(count);
    const back = count - 1;
    if (from.port === null) stage.set(from.bytes.subarray(from.offset - back, from.offset + 1));
    else if (this.#read(stage, back) < count) return this.#unreachable(transfer.source.base + last, false);
    if (to.port === null) to.bytes.set(stage, to.offset - back);
    else if (this.#write(stage, back) < count) return this.#unreachable(transfer.destination.base + last, true);
    this.#countBus(from, to, count);
    step(transfer, count);
    return DONE;
  }

  /** `back`: how far before the address the bytes begin. */
  #read(into: Uint8Array, back: number): number {
    return this.#from.port?.read(this.#from.portAddress - back, into) ?? 0;
  }
  #write(bytes: Uint8Array, back: number): number {
    return this.#to.port?.write(this.#to.portAddress - back, bytes) ?? 0;
  }

  #staging(count: number): Uint8Array {
    this.#stage ??= new Uint8Array(STAGE_BYTES);
    return this.#stage.subarray(0, Math.min(count, STAGE_BYTES));
  }

  #unreachable(address: number, isWrite: boolean): number {
    this.faultAddress = address;
    this.#decoder.faultIsWrite = isWrite;
    return FAULT['page-fault'];
  }
}

/** Bytes from the start of the page to the address, that one included; no bound for memory of our own. */
function bytesOfPage(access: Access): number {
  return access.port === null ? STAGE_BYTES : (access.portAddress % PAGE_BYTES) + 1;
}

function step(transfer: Transfer, count: number): void {
  transfer.remaining -= count;
  transfer.done += count;
}

function copyBytes(from: Access, fromOffset: number, to: Access, toOffset: number, count: number): void {
  const source = from.bytes;
  const destination = to.bytes;
  if (count <= SMALL && source !== destination) {
    for (let i = 0; i < count; i++) destination[toOffset + i] = source[fromOffset + i] as number;
    return;
  }
  destination.set(source.subarray(fromOffset, fromOffset + count), toOffset);
}
