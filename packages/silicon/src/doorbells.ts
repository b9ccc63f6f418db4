/**
 * Doorbells on their way in: from the FIFO, or rung by the host directly. Owns what is taken when, and what becomes of those
 * that found the FIFO full: the index their ring tells is taken in their place. Wakes streams, and does not run them.
 */

import { type DoorbellFifo, doorbellAsid, doorbellPi, doorbellQueue, ringDistance } from '@pedrera/hw';
import { type CommandProcessor, IDLE } from './command-processor.js';
import type { ContextTable } from './context-table.js';

export class Doorbells {
  readonly #fifo: DoorbellFifo | undefined;
  readonly #contexts: ContextTable;
  #lost = false;

  constructor(fifo: DoorbellFifo | undefined, contexts: ContextTable) {
    this.#fifo = fifo;
    this.#contexts = contexts;
  }

  /** The producer index of a ring is now `pi`. A doorbell for a ring that is gone is dropped, as the bus would drop it. */
  ring(asid: number, queue: number, pi: number): void {
    const processor = this.#contexts.at(asid)?.processors[queue];
    const ring = processor?.ring;
    if (processor === undefined || ring === undefined || ring === null) return;
    processor.pi = pi & (2 * ring.length - 1);
    if (processor.state === IDLE && processor.pi !== processor.fetched) {
      processor.qm.wake(processor);
    }
  }

  /**
   * Which doorbells have been rung by now, for serviceUpTo(). If some were lost because the FIFO was full, also notes every
   * ring's producer index, each time anew until they are serviced: a ring may have been created meanwhile.
   */
  mark(): number {
    const fifo = this.#fifo;
    if (fifo === undefined) return 0;
    const mark = fifo.tail;
    if (fifo.overflowed) {
      fifo.clearOverflow();
      this.#lost = true;
    }
    if (this.#lost) for (const stream of this.#streams()) stream.sampledPi = stream.ring?.pi ?? -1;
    return mark;
  }

  serviceUpTo(mark: number): void {
    const fifo = this.#fifo;
    if (fifo === undefined) return;
    for (let left = (mark - fifo.head) | 0; left > 0; left--) {
      const word = fifo.take();
      this.#ringUnlessOlder(this.#contexts.at(doorbellAsid(word))?.processors[doorbellQueue(word)], doorbellPi(word));
    }
    if (!this.#lost) return;
    this.#lost = false;
    for (const stream of this.#streams()) {
      if (stream.sampledPi >= 0) this.#ringUnlessOlder(stream, stream.sampledPi);
      stream.sampledPi = -1;
    }
  }

  /** Drops what was rung for a context that is gone. */
  forget(asid: number): void {
    this.#fifo?.forget(asid);
  }

  reset(): void {
    this.#lost = false;
  }

  /** An index further ahead than the ring has room for is one that lies behind: a doorbell overtaken by a sampled index. */
  #ringUnlessOlder(stream: CommandProcessor | undefined, pi: number): void {
    const length = stream?.ring?.length;
    if (stream === undefined || length === undefined) return;
    const room = length - ringDistance(stream.fetched, stream.pi, length);
    if (ringDistance(stream.pi, pi, length) <= room) this.ring(stream.asid, stream.queue, pi);
  }

  /** Those with a ring. */
  *#streams(): Generator<CommandProcessor> {
    for (const context of this.#contexts)
      for (const stream of context.processors) if (stream !== undefined) yield stream;
  }
}
