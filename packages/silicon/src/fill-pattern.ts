/** Fills memory with a 64-bit pattern. Knows only byte arrays. */

/** Large enough to run at memory speed, small enough to be read from the cache. A multiple of the pattern's size. */
const CHUNK = 2 ** 18;
const SEED = 64;

/**
 * Fills `count` bytes from `offset` with the little-endian 64-bit pattern, starting at byte `phase` (modulo 8) of it.
 * The pattern counts from the start of the transfer, not from aligned addresses.
 */
export function fillPattern(
  bytes: Uint8Array,
  offset: number,
  count: number,
  low: number,
  high: number,
  phase: number,
): void {
  const first = low & 0xff;
  const uniform = Math.imul(first, 0x0101_0101) >>> 0;
  if (uniform === low && uniform === high) {
    bytes.fill(first, offset, offset + count);
    return;
  }
  const seed = Math.min(count, SEED);
  for (let i = 0; i < seed; i++) {
    const byte = (phase + i) % 8;
    bytes[offset + i] = byte < 4 ? low >>> (8 * byte) : high >>> (8 * (byte - 4));
  }
  // Doubling up to the chunk, then the chunk again and again: each copy starts a multiple of the pattern behind the last.
  let filled = seed;
  while (filled < count) {
    const next = Math.min(filled, CHUNK, count - filled);
    bytes.copyWithin(offset + filled, offset, offset + next);
    filled += next;
  }
}
