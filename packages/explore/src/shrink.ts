/**
 * From a schedule that fails to one that says why: fewer choices, fewer steps, the same kind of failure.
 *
 * Owns: which schedules are tried (delta debugging over the steps). Must not know what a run is.
 */
import { choices, type Schedule } from './schedule.js';

/** Runs a schedule; what was really chosen if it fails in the same way, else undefined. */
export type StillFails = (schedule: Schedule) => Promise<Schedule | undefined>;

export async function shrink(failing: Schedule, stillFails: StillFails, budget: number): Promise<Schedule> {
  const search = new Search(failing, stillFails, budget);
  await search.attempt([]);
  for (let before = ''; before !== search.measure; ) {
    before = search.measure;
    await search.sweep(leaveToMachine);
    await search.sweep(leaveOut);
  }
  return search.best;
}

type Edit = (schedule: Schedule, from: number, to: number) => Schedule | undefined;

/** Undefined where it would change nothing. */
const leaveToMachine: Edit = (schedule, from, to) =>
  schedule.slice(from, to).every((key) => key === undefined)
    ? undefined
    : [...schedule.slice(0, from), ...schedule.slice(from, to).fill(undefined), ...schedule.slice(to)];

const leaveOut: Edit = (schedule, from, to) => [...schedule.slice(0, from), ...schedule.slice(to)];

class Search {
  best: Schedule;
  readonly #stillFails: StillFails;
  #budget: number;

  constructor(failing: Schedule, stillFails: StillFails, budget: number) {
    this.best = failing;
    this.#stillFails = stillFails;
    this.#budget = budget;
  }

  get measure(): string {
    return `${choices(this.best)} ${this.best.length}`;
  }

  /** Tries an edit on ever smaller parts, from the end, where most choices come too late to matter. */
  async sweep(edit: Edit): Promise<void> {
    for (let size = this.best.length; size >= 1; size = Math.floor(size / 2)) {
      for (let to = this.best.length; to > 0; to -= size) {
        const edited = edit(this.best, Math.max(0, to - size), Math.min(to, this.best.length));
        if (edited !== undefined) {
          await this.attempt(edited);
        }
      }
    }
  }

  async attempt(schedule: Schedule): Promise<void> {
    if (this.#budget <= 0) {
      return;
    }
    this.#budget--;
    const found = await this.#stillFails(schedule);
    if (found !== undefined && isSmaller(found, this.best)) {
      this.best = found;
    }
  }
}

function isSmaller(a: Schedule, b: Schedule): boolean {
  const [ca, cb] = [choices(a), choices(b)];
  return ca < cb || (ca === cb && a.length < b.length);
}
