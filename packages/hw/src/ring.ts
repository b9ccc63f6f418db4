/**
 * A queue's ring in memory that kernel and device share: indices, descriptors (device.md 2.1) and, behind them, the
 * completion queue its command buffers write their completion words to (device.md 2.3).
 * Owns the layout. Who may submit, and what a descriptor's buffer holds, is none of its business.
 */

import { busAddress, privilegedAddress } from './bus.js';

/** Longest ring. Shorter queues use the first entries of the same layout. */
export const RING_ENTRIES = 4096;
export const RING_HEADER_BYTES = 64;
export const DESCRIPTOR_BYTES = 16;
export const RING_DESCRIPTORS_OFFSET = RING_HEADER_BYTES;
export const RING_COMPLETIONS_OFFSET = RING_DESCRIPTORS_OFFSET + RING_ENTRIES * DESCRIPTOR_BYTES;
export const RING_BYTES = RING_COMPLETIONS_OFFSET + RING_ENTRIES * 4;

/** Words of the header. PI is the kernel's, the others are the device's. */
const PI = 0;
const FETCHED = 1;
const COMPLETED = 2;

export const COMPLETION_READY = 0x8000_0000;
export const COMPLETION_INDEX_VALID = 0x4000_0000;
export const COMPLETION_INDEX_MASK = 0xfff;

/** The word a command buffer's tail writes when the work of ring slot `ringSlot` is done. */
export function completionWord(ringSlot: number): number {
  return (COMPLETION_READY | COMPLETION_INDEX_VALID | (ringSlot & COMPLETION_INDEX_MASK)) >>> 0;
}

/** The (privileged) device address of a completion-queue entry of the ring that lies in bus slot `busSlot`. */
export function completionAddress(busSlot: number, ringSlot: number): number {
  return privilegedAddress(busAddress(busSlot, RING_COMPLETIONS_OFFSET + 4 * ringSlot));
}

/** Indices count to twice the length, so that a full ring and an empty one differ. */
export function ringAdvance(index: number, length: number, by = 1): number {
  return (index + by) & (2 * length - 1);
}

/** Entries from index `from` up to index `to`. */
export function ringDistance(from: number, to: number, length: number): number {
  return (to - from) & (2 * length - 1);
}

/** The entry of the ring an index stands for. */
export function ringSlot(index: number, length: number): number {
  return index & (length - 1);
}

export class RingView {
  readonly buffer: SharedArrayBuffer;
  readonly length: number;
  readonly #header: Int32Array;
  readonly #descriptors: Uint32Array;
  readonly #completions: Uint32Array;

  /** Preconditions: `buffer` holds RING_BYTES or more; `length` is a power of two up to RING_ENTRIES. */
  constructor(buffer: SharedArrayBuffer, length: number = RING_ENTRIES) {
    if (buffer.byteLength < RING_BYTES)
      throw new RangeError(`a ring needs ${RING_BYTES} bytes, not ${buffer.byteLength}`);
    if (length < 1 || length > RING_ENTRIES || (length & (length - 1)) !== 0)
      throw new RangeError(`ring length ${length}`);
    this.buffer = buffer;
    this.length = length;
    this.#header = new Int32Array(buffer, 0, RING_HEADER_BYTES / 4);
    this.#descriptors = new Uint32Array(buffer, RING_DESCRIPTORS_OFFSET, (length * DESCRIPTOR_BYTES) / 4);
    this.#completions = new Uint32Array(buffer, RING_COMPLETIONS_OFFSET, RING_ENTRIES);
  }

  get pi(): number {
    return Atomics.load(this.#header, PI);
  }
  set pi(index: number) {
    Atomics.store(this.#header, PI, index);
  }

  /** Index of the next descriptor the device will fetch. */
  get fetched(): number {
    return Atomics.load(this.#header, FETCHED);
  }
  set fetched(index: number) {
    Atomics.store(this.#header, FETCHED, index);
  }

  /** How many completion words the device has written here (modulo 2^32). */
  get completed(): number {
    return Atomics.load(this.#header, COMPLETED) >>> 0;
  }
  countCompletion(): void {
    Atomics.add(this.#header, COMPLETED, 1);
  }

  /** Descriptors put in and not yet fetched. */
  get pending(): number {
    return ringDistance(this.fetched, this.pi, this.length);
  }

  /** Writes the descriptor for index `index`: the command buffer's bus address, its size, and the word it is echoed by. */
  writeDescriptor(index: number, busAddr: number, bytes: number, ctl: number): void {
    const at = ringSlot(index, this.length) * 4;
    this.#descriptors[at] = busAddr % 2 ** 32;
    this.#descriptors[at + 1] = Math.floor(busAddr / 2 ** 32);
    this.#descriptors[at + 2] = bytes;
    this.#descriptors[at + 3] = ctl;
  }

  descriptorAddress(index: number): number {
    const at = ringSlot(index, this.length) * 4;
    return (this.#descriptors[at + 1] as number) * 2 ** 32 + (this.#descriptors[at] as number);
  }

  descriptorBytes(index: number): number {
    return this.#descriptors[ringSlot(index, this.length) * 4 + 2] as number;
  }

  descriptorCtl(index: number): number {
    return this.#descriptors[ringSlot(index, this.length) * 4 + 3] as number;
  }

  completion(slot: number): number {
    return this.#completions[slot] ?? 0;
  }

  clearCompletion(slot: number): void {
    this.#completions[slot] = 0;
  }
}

export function createRingBuffer(): SharedArrayBuffer {
  return new SharedArrayBuffer(RING_BYTES);
}
