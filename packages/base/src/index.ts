/** @pedrera/base: errno, reference counts, clocks, seeded randomness. Imports nothing. */
export type { Brand } from './brand.js';
export { type Clock, RealClock, type Timer, VirtualClock } from './clock.js';
export { ERRNO, ERRNO_MEANING, type ErrnoCode, errnoCode } from './errno.js';
export { errno, HlError } from './hl-error.js';
export { Prng } from './prng.js';
export { LeakTracker, type LiveObject, RefCounted } from './refcount.js';
