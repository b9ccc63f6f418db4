/**
 * Who decides which move comes next.
 *
 * Owns: the ways of choosing: as it comes, at random, by changing priorities (PCT), as a schedule says. Must not know what
 * the moves do.
 */
import type { Prng } from '@pedrera/base';
import type { Move } from './move.js';
import type { Schedule } from './schedule.js';
import { Violation } from './violation.js';

export interface Chooser {
  /** The number of a move; `calm` is the one an undisturbed machine would make. */
  choose(moves: readonly Move[], calm: number, step: number): number;
}

export const CALM: Chooser = { choose: (_, calm) => calm };

/** Time passes seldom while something else can happen: else every time-out would strike before anything is done. */
const TIME_ODDS = 24;

const isTime = ({ key }: Move) => key === 't';

/** Any move, all equally likely but the passing of time. */
export function randomWalk(prng: Prng): Chooser {
  return {
    choose(moves) {
      const last = moves.length - 1;
      // Time is the last move, where it is one at all.
      if (last === 0 || !isTime(moves[last] as Move)) {
        return prng.below(last + 1);
      }
      return prng.below(TIME_ODDS) === 0 ? last : prng.below(last);
    },
  };
}

/**
 * Everyone has a priority drawn by lot, the highest one goes on as long as it can, and at `changes` steps somewhere in the
 * first `length` it falls to the bottom: finds what needs a few well-placed interruptions (Burckhardt et al., "A randomized
 * scheduler with probabilistic guarantees of finding bugs").
 */
export function priorities(prng: Prng, length: number, changes: number): Chooser {
  const of = new Map<string, number>();
  const falls = new Set<number>();
  for (let i = 0; i < changes; i++) {
    falls.add(prng.below(Math.max(length, 1)));
  }
  let bottom = 0;
  const priority = (move: Move) => {
    let known = of.get(move.key);
    if (known === undefined) {
      known = isTime(move) && prng.below(4) !== 0 ? 0 : 1 + prng.nextU32();
      of.set(move.key, known);
    }
    return known;
  };
  const highest = (moves: readonly Move[]) => {
    let best = 0;
    for (let i = 1; i < moves.length; i++) {
      if (priority(moves[i] as Move) > priority(moves[best] as Move)) {
        best = i;
      }
    }
    return best;
  };
  return {
    choose(moves, _, step) {
      if (falls.has(step)) {
        const fallen = moves[highest(moves)] as Move;
        of.set(fallen.key, --bottom);
      }
      return highest(moves);
    },
  };
}

/**
 * As the schedule says, then as it comes. A move that is not possible where the schedule wants it is an error, or with
 * `lenient` left to the machine.
 */
export function follow(schedule: Schedule, { lenient = false } = {}): Chooser {
  return {
    choose(moves, calm, step) {
      const key = schedule[step];
      if (key === undefined) {
        return calm;
      }
      const found = moves.findIndex((move) => move.key === key);
      if (found < 0 && !lenient) {
        throw new ScheduleMismatch(step, key, moves);
      }
      return found < 0 ? calm : found;
    },
  };
}

/** The schedule is one of another scenario, or of another version of the code. */
export class ScheduleMismatch extends Violation {
  constructor(step: number, key: string, moves: readonly Move[]) {
    super(
      'internal',
      `the schedule does not fit: at step ${step} it wants ${key}, possible are ${moves.map((move) => move.key).join(' ')}`,
    );
    this.name = 'ScheduleMismatch';
  }
}
