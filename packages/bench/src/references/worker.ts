/**
 * What the processes of this package have in common.
 *
 * Owns: that none outlives the run, and that Ctrl-C, which reaches every process of a terminal's job, is left to the one that
 * runs the benchmarks.
 */

export function bindToParent(): void {
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(0));
}

export function tellParent(message: object): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
