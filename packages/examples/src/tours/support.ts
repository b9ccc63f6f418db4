/**
 * What the programs of docs/debugging.md need beside what every example needs: they go wrong on purpose, and stay until they are ended.
 *
 * Owns: how they end. Must not know: devices.
 */
export { ending, nextMessage, roleOfThisProcess, startProcess, tellParent } from '../support.js';

/** Ends this process once whoever started it has ended, or says so by closing the channel between them. */
export function endWithParent(): void {
  process.once('disconnect', () => process.exit());
}
