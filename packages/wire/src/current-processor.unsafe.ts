/**
 * Which processor a thread runs on.
 *
 * Owns: sched_getcpu. Must not know: what the caller makes of it.
 */
import { native } from './native.unsafe.js';

/** Number of the processor at this moment; the scheduler may move the thread at any time. -1 where it cannot be told. */
export function currentProcessor(): number {
  return native().libc.sched_getcpu();
}
