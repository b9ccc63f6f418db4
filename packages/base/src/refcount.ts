/**
 * Reference counts that cannot go wrong silently, and the tracker that says what was never let go.
 *
 * Owns: the get/put rules, the record of live objects.
 * Must not know: what the objects are.
 */

export interface LiveObject {
  readonly kind: string;
  /** Unique within the tracker, in order of creation. */
  readonly id: number;
  /** Stack of the creation; only when the tracker records stacks, for they cost microseconds each. */
  readonly born?: string;
}

export class LeakTracker {
  readonly recordStacks: boolean;
  #lastId = 0;
  readonly #live = new Map<number, LiveObject>();

  constructor(options: { readonly recordStacks?: boolean } = {}) {
    this.recordStacks = options.recordStacks ?? false;
  }

  /** Notes a birth and returns the id to report the death with. */
  created(kind: string): number {
    const id = ++this.#lastId;
    const born = this.recordStacks ? new Error(kind).stack : undefined;
    this.#live.set(id, born === undefined ? { kind, id } : { kind, id, born });
    return id;
  }

  released(id: number): void {
    if (!this.#live.delete(id)) throw new Error(`leak tracker: object ${id} was released twice or never created`);
  }

  live(kind?: string): LiveObject[] {
    const all = [...this.#live.values()];
    return kind === undefined ? all : all.filter((object) => object.kind === kind);
  }

  /** Live objects by kind; kinds with none are absent. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { kind } of this.#live.values()) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }

  assertEmpty(): void {
    if (this.#live.size === 0) return;
    const counts = Object.entries(this.counts()).map(([kind, n]) => `${n} ${kind}`);
    const first = this.#live.values().next().value;
    throw new Error(`leaked: ${counts.join(', ')}${first?.born === undefined ? '' : `\nfirst one: ${first.born}`}`);
  }
}

export class RefCounted {
  readonly kind: string;
  #refs = 1;
  readonly #tracker: LeakTracker | undefined;
  readonly #trackedAs: number;

  /** Born with one reference, the creator's. */
  constructor(kind: string, tracker?: LeakTracker) {
    this.kind = kind;
    this.#tracker = tracker;
    this.#trackedAs = tracker?.created(kind) ?? 0;
  }

  get refs(): number {
    return this.#refs;
  }

  get(): this {
    if (this.#refs === 0) throw new Error(`${this.kind}: get() after the last put()`);
    this.#refs += 1;
    return this;
  }

  put(): void {
    if (this.#refs === 0) throw new Error(`${this.kind}: put() without a reference`);
    this.#refs -= 1;
    if (this.#refs > 0) return;
    this.#tracker?.released(this.#trackedAs);
    this.release();
  }

  /** `using ref = object.get()` gives the reference back at the end of the scope. */
  [Symbol.dispose](): void {
    this.put();
  }

  /** Runs once, when the last reference is gone. */
  protected release(): void {}
}
