/**
 * Host -> device: doorbells, and the words by which the two threads wake each other. Owns the layout and the sleeping
 * protocol. A doorbell carries the new producer index, as the write to PQ_PI does on the real device: the index must not be
 * read from the ring instead, or work could be seen before the (posted) mapping it needs.
 */

import { SpscFifo } from './spsc-fifo.js';

export const DOORBELL_FIFO_ENTRIES = 16384;
const CONTROL_WORDS = 16;
const SEQUENCE = 0;
const SLEEPING = 1;
const IRQ_PENDING = 2;
const OVERFLOW = 3;
const HOST_POLLS = 4;
const HOST_PROCESSOR = 5;

/** A doorbell in one word: asid 29:20, queue 19:13, producer index 12:0 (indices count to 8191). */
export function encodeDoorbell(asid: number, queue: number, pi: number): number {
  return ((asid << 20) | (queue << 13) | pi) >>> 0;
}
export function doorbellAsid(word: number): number {
  return word >>> 20;
}
export function doorbellQueue(word: number): number {
  return (word >>> 13) & 0x7f;
}
export function doorbellPi(word: number): number {
  return word & 0x1fff;
}

export class DoorbellFifo {
  readonly fifoBuffer: SharedArrayBuffer;
  readonly controlBuffer: SharedArrayBuffer;
  readonly #fifo: SpscFifo;
  readonly #control: Int32Array;

  static createBuffers(entries: number = DOORBELL_FIFO_ENTRIES): {
    fifo: SharedArrayBuffer;
    control: SharedArrayBuffer;
  } {
    return {
      fifo: new SharedArrayBuffer(SpscFifo.bytes(entries, 1)),
      control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    };
  }

  constructor(buffers: { fifo: SharedArrayBuffer; control: SharedArrayBuffer } = DoorbellFifo.createBuffers()) {
    this.fifoBuffer = buffers.fifo;
    this.controlBuffer = buffers.control;
    this.#fifo = new SpscFifo(buffers.fifo, 1);
    this.#control = new Int32Array(buffers.control);
  }

  /**
   * Host: rings, and wakes the device. Never fails: when the FIFO is full the overflow word tells the device to look at every
   * ring's producer index, so the ring must hold the index before it is rung for.
   */
  ring(asid: number, queue: number, pi: number): void {
    const at = this.#fifo.reserve();
    if (at < 0) {
      Atomics.store(this.#control, OVERFLOW, 1);
    } else {
      this.#fifo.words[at] = encodeDoorbell(asid, queue, pi);
      this.#fifo.commit();
    }
    this.wake();
  }

  /** Device: number of the doorbell behind the last one rung so far. Take doorbells only up to a mark read earlier. */
  get tail(): number {
    return this.#fifo.tail;
  }
  get head(): number {
    return this.#fifo.head;
  }

  /** Device: the oldest doorbell word, or -1. */
  take(): number {
    const at = this.#fifo.peek();
    if (at < 0) return -1;
    const word = this.#fifo.words[at] as number;
    this.#fifo.release();
    return word;
  }

  /** Device: drops the doorbells of a context that is gone, so that they do not ring for the next one with its asid. */
  forget(asid: number): void {
    const { words, capacity, tail } = this.#fifo;
    for (let entry = this.#fifo.head; entry !== tail; entry = (entry + 1) >>> 0) {
      const at = entry & (capacity - 1);
      // ASID 0 has no rings.
      if (doorbellAsid(words[at] as number) === asid) words[at] = 0;
    }
  }

  get overflowed(): boolean {
    return Atomics.load(this.#control, OVERFLOW) !== 0;
  }
  /** Device: to be cleared before the rings are looked at, so that a doorbell rung meanwhile sets it again. */
  clearOverflow(): void {
    Atomics.store(this.#control, OVERFLOW, 0);
  }

  /** Anyone: makes the device look (new doorbells, control messages, fabric writes, room in a FIFO). */
  wake(): void {
    Atomics.add(this.#control, SEQUENCE, 1);
    if (Atomics.load(this.#control, SLEEPING) !== 0) Atomics.notify(this.#control, SEQUENCE);
  }

  /** Device: to be read before looking for work, and given to sleep() when none was found. */
  get sequence(): number {
    return Atomics.load(this.#control, SEQUENCE);
  }

  /** Device: blocks its thread until someone wakes it after `sequence` was read, or the time is over. */
  sleep(sequence: number, timeoutMs: number = Number.POSITIVE_INFINITY): void {
    Atomics.store(this.#control, SLEEPING, 1);
    Atomics.wait(this.#control, SEQUENCE, sequence, timeoutMs);
    Atomics.store(this.#control, SLEEPING, 0);
  }

  /** Host: promises to look for interrupts by itself and then to call stopPolling(). Saves the device telling it. */
  startPolling(): void {
    Atomics.store(this.#control, HOST_POLLS, 1);
  }
  /** The processor the host's thread ran on when it last rang; a device that waits actively must not wait on that one. */
  get hostProcessor(): number {
    return Atomics.load(this.#control, HOST_PROCESSOR);
  }
  set hostProcessor(processor: number) {
    Atomics.store(this.#control, HOST_PROCESSOR, processor);
  }

  /** Host: to be called before the last look, so that what comes after it is told again. */
  stopPolling(): void {
    Atomics.store(this.#control, HOST_POLLS, 0);
  }

  /** Device: marks interrupts as pending; true if the host has to be told, false if it will look anyway. */
  raiseInterrupt(): boolean {
    if (Atomics.load(this.#control, HOST_POLLS) !== 0) return false;
    return Atomics.exchange(this.#control, IRQ_PENDING, 1) === 0;
  }
  /** Host: to be called before draining the interrupt FIFO. */
  acknowledgeInterrupt(): void {
    Atomics.store(this.#control, IRQ_PENDING, 0);
  }
}
