/**
 * One thing that can happen next.
 *
 * Owns: what names a move and in which order moves are taken when nobody chooses. Must not know what a move does.
 */

/** In the order in which an undisturbed machine does them: what is under way is finished before something new begins. */
export const RANK = {
  /** The device takes control messages off its port. */
  control: 0,
  doorbell: 1,
  /** The kernel takes a message of the device off its port. */
  port: 2,
  fabric: 3,
  /** One turn of one stream. */
  turn: 4,
  /** A client hears a reply. */
  reply: 5,
  /** Programs tell each other something. */
  word: 6,
  /** The kernel takes what a client sent. */
  request: 7,
  /** Time of the device's own. */
  deviceTime: 8,
  time: 9,
} as const;

export interface Move {
  /** Names it in a schedule: the same wherever the same move is possible. */
  readonly key: string;
  readonly rank: number;
  /** Whose move it is, if it is a client's: an undisturbed client goes on before the next one does. */
  readonly client?: number;
  /** For people; asked before it is done. */
  readonly describe: () => string;
  readonly run: () => void;
  /** It may resolve promises, whose handlers have to run before anything else happens. */
  readonly settles: boolean;
}

/** Which move an undisturbed machine would make; `last` is the client that moved last. */
export function calmest(moves: readonly Move[], last: number): number {
  let best = 0;
  for (let i = 1; i < moves.length; i++) {
    if (weight(moves[i] as Move, last) < weight(moves[best] as Move, last)) {
      best = i;
    }
  }
  return best;
}

/** Of equals the first; a client that has begun goes on. */
function weight({ rank, client }: Move, last: number): number {
  return 2 * rank + (client === undefined || client === last ? 0 : 1);
}
