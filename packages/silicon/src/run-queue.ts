/** The command processors that can go on, in turn. An intrusive list: queueing allocates nothing, idle ones cost nothing. */

import type { CommandProcessor } from './command-processor.js';

export class RunQueue {
  #head: CommandProcessor | null = null;
  #tail: CommandProcessor | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }
  get isEmpty(): boolean {
    return this.#head === null;
  }

  /** Precondition: the processor is in no run queue. */
  push(processor: CommandProcessor): void {
    processor.nextInQueue = null;
    if (this.#tail === null) this.#head = processor;
    else this.#tail.nextInQueue = processor;
    this.#tail = processor;
    this.#size++;
  }

  shift(): CommandProcessor | null {
    const first = this.#head;
    if (first === null) return null;
    this.#head = first.nextInQueue;
    if (this.#head === null) this.#tail = null;
    first.nextInQueue = null;
    this.#size--;
    return first;
  }

  /** Takes out all that match, keeping the order of the others; returns the first taken. Not for hot paths. */
  remove(matches: (processor: CommandProcessor) => boolean): CommandProcessor | null {
    let found: CommandProcessor | null = null;
    for (let count = this.#size; count > 0; count--) {
      const processor = this.shift();
      if (processor === null) break;
      if (matches(processor)) found ??= processor;
      else this.push(processor);
    }
    return found;
  }

  *[Symbol.iterator](): Generator<CommandProcessor> {
    for (let at = this.#head; at !== null; at = at.nextInQueue) yield at;
  }
}
