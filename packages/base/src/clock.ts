/**
 * Time as the stack sees it: nanoseconds on a monotonic scale, and deadlines on that scale.
 *
 * Owns: the only reading of the machine's clock and the only node timer below the daemon's main.
 * Must not know: what is waited for.
 */
import { DeadlineHeap } from './deadline-heap.js';

export interface Timer {
  /** Harmless when the timer has fired or was cancelled before. */
  cancel(): void;
}

export interface Clock {
  /** Monotonic nanoseconds; as a double exact to 2^53 ns, 104 days, and to some ns beyond. */
  nowNs(): number;
  /** Calls `fn` once, never before `deadlineNs`, never from within this call. */
  at(deadlineNs: number, fn: () => void): Timer;
}

const NS_PER_MS = 1e6;
/** Longest delay node's timers take; a later deadline is re-armed when this one expires. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** CLOCK_MONOTONIC. All deadlines share one node timer: thousands of waits cost one heap, not thousands of timers. */
export class RealClock implements Clock {
  readonly #heap = new DeadlineHeap();
  readonly #keepAlive: boolean;
  #timer: NodeJS.Timeout | undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  /** With keepAlive false a pending deadline does not hold the process open. */
  constructor(options: { readonly keepAlive?: boolean } = {}) {
    this.#keepAlive = options.keepAlive ?? true;
  }

  nowNs(): number {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e9 + nanoseconds;
  }

  at(deadlineNs: number, fn: () => void): Timer {
    // A deadline in the past counts from now: it takes its turn behind those that fell due before it was set.
    const entry = this.#heap.add(Math.max(deadlineNs, this.nowNs()), fn);
    if (entry.at < this.#armedFor) this.#arm();
    return {
      cancel: () => {
        // Only an empty heap disarms: re-arming on every cancel would cost more than one idle wake-up.
        if (this.#heap.remove(entry) && this.#heap.size === 0) this.#disarm();
      },
    };
  }

  #arm(): void {
    this.#disarm();
    const next = this.#heap.peek();
    if (next === undefined || next.at === Number.POSITIVE_INFINITY) return;
    const ms = Math.ceil((next.at - this.nowNs()) / NS_PER_MS);
    this.#armedFor = next.at;
    this.#timer = setTimeout(() => this.#expire(), Math.min(Math.max(ms, 0), MAX_TIMEOUT_MS));
    if (!this.#keepAlive) this.#timer.unref();
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #expire(): void {
    const now = this.nowNs();
    // What is set from here on waits for the next round, so a callback that re-arms itself cannot starve I/O. It cannot hide an older
    // entry either: it is due at `now` or later, and behind its equals.
    const newcomers = this.#heap.nextOrder;
    this.#armedFor = Number.NEGATIVE_INFINITY;
    try {
      for (let next = this.#heap.peek(); next !== undefined; next = this.#heap.peek()) {
        if (next.at > now || next.order >= newcomers) break;
        this.#heap.remove(next);
        next.fire();
      }
    } finally {
      this.#arm();
    }
  }
}

/** Simulated time: stands still until a test moves it. */
export class VirtualClock implements Clock {
  readonly #heap = new DeadlineHeap();
  #now: number;

  constructor(startNs = 0) {
    this.#now = startNs;
  }

  nowNs(): number {
    return this.#now;
  }

  at(deadlineNs: number, fn: () => void): Timer {
    const entry = this.#heap.add(deadlineNs, fn);
    return { cancel: () => void this.#heap.remove(entry) };
  }

  /** Deadlines not yet fired. */
  get pending(): number {
    return this.#heap.size;
  }

  /** When the next deadline falls due; undefined when there is none. */
  get nextNs(): number | undefined {
    return this.#heap.peek()?.at;
  }

  /** Moves time on and fires what falls due, each at its own instant and in order. */
  advance(ns: number): void {
    if (!(ns >= 0)) throw new RangeError('time does not run backwards');
    const until = this.#now + ns;
    while (this.#fireNext(until));
    this.#now = Math.max(this.#now, until);
  }

  /** Fires everything there is, including what is set on the way. Throws when that does not end. */
  runUntilIdle(maxFirings = 1_000_000): void {
    for (let fired = 0; this.#fireNext(Number.MAX_VALUE); fired += 1) {
      if (fired >= maxFirings) throw new Error(`still not idle after ${maxFirings} deadlines`);
    }
  }

  #fireNext(until: number): boolean {
    const next = this.#heap.peek();
    if (next === undefined || next.at > until) return false;
    this.#heap.remove(next);
    this.#now = Math.max(this.#now, next.at);
    next.fire();
    return true;
  }
}
