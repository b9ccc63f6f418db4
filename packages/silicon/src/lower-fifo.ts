/** CQ4: the command buffers that wait for a queue manager's lower command processor. A ring of fixed size; passive. */

/** A stream whose CP_DMA finds the FIFO full waits: how far a client can run ahead of its lower processor is bounded. */
export const LOWER_FIFO_ENTRIES = 64;

export class LowerFifo {
  readonly #addresses = new Float64Array(LOWER_FIFO_ENTRIES);
  readonly #sizes = new Float64Array(LOWER_FIFO_ENTRIES);
  readonly #queues = new Int16Array(LOWER_FIFO_ENTRIES);
  readonly #slots = new Int16Array(LOWER_FIFO_ENTRIES);
  #head = 0;
  size = 0;
  /** Entries put in since the queue manager was made. */
  pushed = 0;
  /** The entry taken last: where the buffer lies, and the queue and ring slot whose CP_DMA it was. */
  address = 0;
  bytes = 0;
  queue = 0;
  slot = 0;

  /** False when there is no room. */
  push(address: number, bytes: number, queue: number, slot: number): boolean {
    if (this.size === LOWER_FIFO_ENTRIES) return false;
    const at = (this.#head + this.size) % LOWER_FIFO_ENTRIES;
    this.#addresses[at] = address;
    this.#sizes[at] = bytes;
    this.#queues[at] = queue;
    this.#slots[at] = slot;
    this.size++;
    this.pushed++;
    return true;
  }

  /** Moves the oldest entry into the fields above; false when there is none. */
  take(): boolean {
    if (this.size === 0) return false;
    const at = this.#head;
    this.address = this.#addresses[at] as number;
    this.bytes = this.#sizes[at] as number;
    this.queue = this.#queues[at] as number;
    this.slot = this.#slots[at] as number;
    this.#head = (at + 1) % LOWER_FIFO_ENTRIES;
    this.size--;
    return true;
  }
}
