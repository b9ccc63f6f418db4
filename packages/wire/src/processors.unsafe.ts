/**
 * On which processors a thread runs.
 *
 * Owns: sched_getcpu, sched_yield and the affinity mask of the calling thread. Must not know: what the caller makes of it.
 */
import { native } from './native.unsafe.js';

/** Size of the kernel's cpu_set_t: 1024 processors. */
const MASK_BYTES = 128;
const SELF = 0;

/** Number of the processor at this moment; the scheduler may move the thread at any time. -1 where it cannot be told. */
export function currentProcessor(): number {
  return native().libc.sched_getcpu();
}

/** Lets others on this processor run. For a thread that looks for work in a loop. */
export function yieldProcessor(): void {
  native().libc.sched_yield();
}

/** The calling thread's processors, and a way to keep it off one of them for a while. */
export class ThreadProcessors {
  readonly #all = new Uint8Array(MASK_BYTES);
  readonly #mask = new Uint8Array(MASK_BYTES);
  readonly #usable: boolean;
  #avoided = -1;

  constructor() {
    this.#usable = native().libc.sched_getaffinity(SELF, MASK_BYTES, this.#all) === 0;
  }

  /** From here on the thread runs elsewhere. False when there is nowhere else, or the machine forbids it. */
  avoid(processor: number): boolean {
    if (!this.#usable || processor < 0 || processor >= MASK_BYTES * 8) return false;
    this.#mask.set(this.#all);
    const index = processor >> 3;
    this.#mask[index] = (this.#mask[index] as number) & ~(1 << (processor & 7));
    if (this.#mask.every((byte) => byte === 0)) return false;
    if (native().libc.sched_setaffinity(SELF, MASK_BYTES, this.#mask) !== 0) return false;
    this.#avoided = processor;
    return true;
  }

  /** All processors the thread had at first. */
  restore(): void {
    if (this.#avoided < 0) return;
    this.#avoided = -1;
    native().libc.sched_setaffinity(SELF, MASK_BYTES, this.#all);
  }
}
