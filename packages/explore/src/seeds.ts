/**
 * A piece of a range of seeds: the work one thread does at a time.
 *
 * Owns: the rule that a piece ends with the first seed that fails. Must not know who else works, or how failures are told.
 */
import type { Lab } from './lab.js';
import { Tally } from './tally.js';

export interface Piece {
  readonly from: number;
  readonly count: number;
  /** Moves of an undisturbed run, which says where priorities change. */
  readonly length: number;
}

/** As it crosses threads. */
export interface PieceResult extends Pick<Tally, 'runs' | 'moves' | 'answers'> {
  /** The first one; the runs counted are those before it. */
  readonly failedSeed: number | undefined;
}

export async function runPiece(lab: Lab, { from, count, length }: Piece): Promise<PieceResult> {
  const tally = new Tally();
  for (let seed = from; seed < from + count; seed++) {
    const run = await lab.runSeed(seed, length);
    if (run.violation !== undefined) {
      return { ...tally, failedSeed: seed };
    }
    tally.add(run);
  }
  return { ...tally, failedSeed: undefined };
}
