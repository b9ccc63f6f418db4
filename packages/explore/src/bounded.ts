/**
 * Every schedule, those with fewer choices first: what needs few interruptions is found for certain (Musuvathi and Qadeer,
 * "Iterative context bounding for systematic testing of multithreaded programs").
 *
 * Owns: which schedule comes next. Must not know what a run is.
 */
import type { Move } from './move.js';
import type { Schedule } from './schedule.js';

/** A schedule with one choice more than another one. */
interface Branch {
  readonly from: Schedule;
  readonly step: number;
  readonly key: string;
}

export class Bounded {
  /** Not yet run, with as many choices as the present one, and with one more. */
  #present: Branch[] = [];
  #taken = 0;
  #later: Branch[] = [];
  #begun = false;
  /** All schedules with fewer choices than this have been run. */
  choices = 0;

  /** Undefined when there are no more. */
  take(): Schedule | undefined {
    if (!this.#begun) {
      this.#begun = true;
      return [];
    }
    if (this.#taken === this.#present.length) {
      this.#present = this.#later;
      this.#taken = 0;
      this.#later = [];
      this.choices++;
    }
    const branch = this.#present[this.#taken++];
    if (branch === undefined) {
      return undefined;
    }
    const { from, step, key } = branch;
    const left = Array.from({ length: step - from.length }, () => undefined);
    return [...from, ...left, key];
  }

  /** For the run of `schedule`: notes what could have been done instead, behind its last choice. */
  observer(schedule: Schedule): (moves: readonly Move[], taken: number, step: number) => void {
    return (moves, taken, step) => {
      if (step >= schedule.length) {
        for (const [i, { key }] of moves.entries()) {
          if (i !== taken) {
            this.#later.push({ from: schedule, step, key });
          }
        }
      }
    };
  }
}
