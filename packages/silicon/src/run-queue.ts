/**
 * The command processors that can go on, in turn: contexts take turns, and within a context its processors do, so that one
 * with a hundred busy streams gets no more than one with a single stream. Intrusive lists: queueing allocates nothing, idle
 * processors cost nothing.
 */

import type { CommandProcessor } from './command-processor.js';

class ProcessorList {
  #head: CommandProcessor | null = null;
  #tail: CommandProcessor | null = null;
  /** The context whose turn comes after this one's. */
  next: ProcessorList | null = null;

  get isEmpty(): boolean {
    return this.#head === null;
  }

  push(processor: CommandProcessor): void {
    processor.nextInQueue = null;
    if (this.#tail === null) this.#head = processor;
    else this.#tail.nextInQueue = processor;
    this.#tail = processor;
  }

  shift(): CommandProcessor | null {
    const first = this.#head;
    if (first === null) return null;
    this.#head = first.nextInQueue;
    if (this.#head === null) this.#tail = null;
    first.nextInQueue = null;
    return first;
  }

  *[Symbol.iterator](): Generator<CommandProcessor> {
    for (let at = this.#head; at !== null; at = at.nextInQueue) yield at;
  }
}

export class RunQueue {
  /** By asid. */
  readonly #lists: (ProcessorList | undefined)[] = [];
  #head: ProcessorList | null = null;
  #tail: ProcessorList | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }
  get isEmpty(): boolean {
    return this.#head === null;
  }

  /** Precondition: the processor is in no run queue. */
  push(processor: CommandProcessor): void {
    const list = this.#listOf(processor.asid);
    if (list.isEmpty) this.#append(list);
    list.push(processor);
    this.#size++;
  }

  shift(): CommandProcessor | null {
    const list = this.#head;
    if (list === null) return null;
    this.#head = list.next;
    if (this.#head === null) this.#tail = null;
    const processor = list.shift();
    if (!list.isEmpty) this.#append(list);
    if (processor !== null) this.#size--;
    return processor;
  }

  /** Takes out all that match, keeping the order of the others; returns the first taken. Not for hot paths. */
  remove(matches: (processor: CommandProcessor) => boolean): CommandProcessor | null {
    let found: CommandProcessor | null = null;
    const contexts: ProcessorList[] = [];
    for (let list = this.#head; list !== null; list = list.next) contexts.push(list);
    this.#head = this.#tail = null;
    for (const list of contexts) {
      const kept: CommandProcessor[] = [];
      for (let processor = list.shift(); processor !== null; processor = list.shift()) {
        if (!matches(processor)) {
          kept.push(processor);
          continue;
        }
        found ??= processor;
        this.#size--;
      }
      for (const processor of kept) list.push(processor);
      if (!list.isEmpty) this.#append(list);
    }
    return found;
  }

  /** In the order in which they would have their turns. */
  *[Symbol.iterator](): Generator<CommandProcessor> {
    const rows: CommandProcessor[][] = [];
    for (let list = this.#head; list !== null; list = list.next) rows.push([...list]);
    const longest = Math.max(0, ...rows.map((row) => row.length));
    for (let round = 0; round < longest; round++)
      for (const row of rows) if (row[round] !== undefined) yield row[round] as CommandProcessor;
  }

  #listOf(asid: number): ProcessorList {
    const known = this.#lists[asid];
    if (known !== undefined) return known;
    const made = new ProcessorList();
    this.#lists[asid] = made;
    return made;
  }

  #append(list: ProcessorList): void {
    list.next = null;
    if (this.#tail === null) this.#head = list;
    else this.#tail.next = list;
    this.#tail = list;
  }
}
