/**
 * How much is left to chance, and where chance begins: the same in every run of the tests, other and more when asked.
 *
 * PEDRERA_TEST_SEED=7 PEDRERA_TEST_EFFORT=50 looks for more: another seed, and fifty times as many rounds.
 */
const seed = Number(process.env.PEDRERA_TEST_SEED ?? 20_210_823);
const factor = Math.max(1, Number(process.env.PEDRERA_TEST_EFFORT ?? 1));

export function effort(numRuns: number): { readonly seed: number; readonly numRuns: number } {
  return { seed, numRuns: numRuns * factor };
}

/** For the test runner: patience grows with the effort. */
export function patience(timeoutMs: number): number {
  return timeoutMs * factor;
}
