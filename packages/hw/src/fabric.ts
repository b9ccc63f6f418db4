/**
 * Device -> device: posted 32-bit writes to another device's registers, one FIFO for each ordered pair of devices. Stands for
 * peer-to-peer PCI writes. Owns the entries' layout; which registers may be written is checked by the receiving device.
 */

import { SpscFifo } from './spsc-fifo.js';

export const FABRIC_FIFO_ENTRIES = 4096;
const ENTRY_WORDS = 4;

export interface FabricSink {
  /** `offset` counts from CFG_BASE. */
  registerWrite(offset: number, value: number): void;
}

export class FabricFifo {
  readonly buffer: SharedArrayBuffer;
  readonly #fifo: SpscFifo;

  static createBuffer(entries: number = FABRIC_FIFO_ENTRIES): SharedArrayBuffer {
    return new SharedArrayBuffer(SpscFifo.bytes(entries, ENTRY_WORDS));
  }

  constructor(buffer: SharedArrayBuffer = FabricFifo.createBuffer()) {
    this.buffer = buffer;
    this.#fifo = new SpscFifo(buffer, ENTRY_WORDS);
  }

  get isEmpty(): boolean {
    return this.#fifo.isEmpty;
  }
  get free(): number {
    return this.#fifo.free;
  }

  /** Sender. False when full: the sender has to stall, the write must not be lost. */
  tryPush(offset: number, value: number): boolean {
    const at = this.#fifo.reserve();
    if (at < 0) return false;
    this.#fifo.words[at] = offset;
    this.#fifo.words[at + 1] = value;
    this.#fifo.commit();
    return true;
  }

  /** Receiver. Hands over at most `limit` writes, oldest first; returns how many. */
  drain(sink: FabricSink, limit: number = this.#fifo.capacity): number {
    let taken = 0;
    for (; taken < limit; taken++) {
      const at = this.#fifo.peek();
      if (at < 0) break;
      const offset = this.#fifo.words[at] as number;
      const value = this.#fifo.words[at + 1] as number;
      this.#fifo.release();
      sink.registerWrite(offset, value);
    }
    return taken;
  }
}
