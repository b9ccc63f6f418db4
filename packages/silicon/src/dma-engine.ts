/**
 * Moves the bytes of a transfer, a slice at a time, wherever source and destination lie: HBM banks, SRAM, host memory, other
 * devices. Stops at the first byte that cannot be reached; what that means is decided by the caller.
 */

import { FAULT } from '@pedrera/hw';
import { Access, type AddressDecoder, IS_MEMORY } from './address-decoder.js';
import type { Context } from './context.js';
import { fillPattern } from './fill-pattern.js';
import { DONE } from './status.js';
import type { Transfer } from './transfer.js';

/** Below this a byte loop is faster than two subarrays and a set(). */
const SMALL = 48;
const PIECE_COST = 512;

export class DmaEngine {
  readonly #decoder: AddressDecoder;
  readonly #from = new Access();
  readonly #to = new Access();
  /** Address of the byte that could not be reached, after move() returned a fault. */
  faultAddress = 0;
  /** Bytes moved since the device was made, and what moving them was charged as (see PIECE_COST). */
  bytes = 0;
  spent = 0;

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
      if (transfer.memSet) status = this.#set(context, transfer, most);
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
    if (kind === IS_MEMORY) return DONE;
    this.faultAddress = address;
    // Registers answer to single words only, never to the DMA core.
    return kind < 0 ? FAULT.razwi : kind;
  }

  #set(context: Context, transfer: Transfer, most: number): number {
    const { destination } = transfer;
    const to = this.#to;
    const status = this.#decode(context, destination.address, true, to);
    if (status !== DONE) return status;
    const count = Math.min(most, destination.left, to.after);
    fillPattern(to.bytes, to.offset, count, transfer.patternLow, transfer.patternHigh, transfer.done);
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
    const count = Math.min(most, source.left, destination.left, from.after, to.after);
    copyBytes(from, from.offset, to, to.offset, count);
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
    copyBytes(from, from.offset - count + 1, to, to.offset - count + 1, count);
    step(transfer, count);
    return DONE;
  }
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
