/**
 * Which contexts the device has, by ASID, and which it had before a reset took them away. A table and no more: what the coming
 * and going of a context does to the other parts is the machine's (gaudi.ts).
 */

import type { Context } from './context.js';

export class ContextTable {
  readonly #contexts: (Context | undefined)[] = [];
  /** Contexts a reset took away, until their ASID is used again: the kernel still takes its books down. */
  readonly #forgotten = new Set<number>();

  at(asid: number): Context | undefined {
    return this.#contexts[asid];
  }

  /** undefined for a context that a reset took away; any other that does not exist is a mistake of the caller's. */
  expect(asid: number): Context | undefined {
    const context = this.#contexts[asid];
    if (context === undefined && !this.#forgotten.has(asid)) throw new Error(`no context ${asid}`);
    return context;
  }

  /** The one that answers where the host asks for something that every context has one of. */
  lowest(): Context | undefined {
    return this.#contexts.find((context) => context !== undefined);
  }

  /** In the order of their ASIDs. */
  *[Symbol.iterator](): Generator<Context> {
    for (const context of this.#contexts) if (context !== undefined) yield context;
  }

  /** Precondition: its ASID is free. */
  add(context: Context): void {
    this.#contexts[context.asid] = context;
    this.#forgotten.delete(context.asid);
  }

  remove(asid: number): void {
    this.#contexts[asid] = undefined;
    this.#forgotten.delete(asid);
  }

  /** A reset takes them all away. */
  forgetAll(): void {
    for (const { asid } of this) this.#forgotten.add(asid);
    this.#contexts.length = 0;
  }
}
