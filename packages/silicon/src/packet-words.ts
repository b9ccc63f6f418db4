/** How packets lie in memory: dwords, addresses in two of them. */

export function word(words: Uint32Array, index: number): number {
  return words[index] as number;
}

export function addressAt(words: Uint32Array, index: number): number {
  return word(words, index + 1) * 2 ** 32 + word(words, index);
}
