/**
 * Many schedules of one scenario, until one fails.
 *
 * Owns: what is run, one after the other or shared among threads, and what is reported. Must not know scenarios.
 */
import { Bounded } from './bounded.js';
import { CALM, follow, ScheduleMismatch } from './chooser.js';
import { type Failure, failureOf, Lab } from './lab.js';
import type { Run, Step } from './run.js';
import type { Scenario } from './scenario.js';
import type { Schedule } from './schedule.js';
import { Tally } from './tally.js';
import type { Workers } from './workers.js';
import type { Sabotage } from './world.js';

export interface ExploreOptions {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly runs: number;
  /** Instead of seeds: every schedule, those with fewer choices first. In this thread. */
  readonly systematic?: boolean;
  /** In this thread, for it is a function. */
  readonly sabotage?: Sabotage;
  /** Schedules tried to make a failing one smaller. */
  readonly shrinkBudget?: number;
  /** Share the seeds. The result is the same. */
  readonly workers?: Workers;
}

export interface Exploration {
  readonly scenario: string;
  readonly runs: number;
  /** Moves of all runs. */
  readonly moves: number;
  /** How often each call had which outcome, all runs together: whether the race was run both ways. */
  readonly answers: Readonly<Record<string, number>>;
  /** Systematic only: all schedules with at most so many choices have been run. */
  readonly covered: number | undefined;
  readonly failure: Failure | undefined;
}

const SHRINK_BUDGET = 1500;

/** Runs the schedules of the seeds from `seed` on. Each seed is a schedule by itself: `runs: 1` repeats it. */
export async function explore(options: ExploreOptions): Promise<Exploration> {
  using lab = new Lab(options.scenario, options.sabotage);
  // Awaited here: the lab is closed when this returns.
  return await new Exploring(lab, options).run();
}

class Exploring {
  readonly #lab: Lab;
  readonly #options: ExploreOptions;
  readonly #tally = new Tally();
  #covered: number | undefined;

  constructor(lab: Lab, options: ExploreOptions) {
    this.#lab = lab;
    this.#options = options;
  }

  async run(): Promise<Exploration> {
    const { scenario, systematic, sabotage, runs, workers } = this.#options;
    const calm = await this.#lab.run(CALM);
    let failure = await this.#judge(calm, undefined);
    // It is no schedule of a seed: the numbers are those of the seeds, unless there are none.
    let counted = failure === undefined ? -1 : 0;
    if (failure === undefined) {
      if (systematic === true) {
        failure = await this.#systematic();
      } else if (sabotage === undefined && workers?.worthwhile(runs) === true) {
        failure = await this.#shared(workers, calm.steps);
      } else {
        failure = await this.#oneByOne(calm.steps);
      }
    }
    counted += this.#tally.runs;
    return {
      scenario: scenario.name,
      runs: counted,
      moves: this.#tally.moves,
      answers: this.#tally.inOrder(),
      covered: this.#covered,
      failure,
    };
  }

  async #oneByOne(length: number): Promise<Failure | undefined> {
    const { seed: first, runs } = this.#options;
    for (let seed = first; seed < first + runs; seed++) {
      const failure = await this.#judge(await this.#lab.runSeed(seed, length), seed);
      if (failure !== undefined) {
        return failure;
      }
    }
    return undefined;
  }

  async #shared(workers: Workers, length: number): Promise<Failure | undefined> {
    const { scenario, seed, runs } = this.#options;
    const pieces = await workers.run({ scenario: scenario.name, seed, runs, length });
    for (const piece of pieces) {
      this.#tally.merge(piece);
    }
    const failed = pieces.at(-1)?.failedSeed;
    if (failed === undefined) {
      return undefined;
    }
    // Once more here, where it is made small and told.
    const failure = await this.#judge(await this.#lab.runSeed(failed, length), failed);
    if (failure === undefined) {
      throw new Error(`seed ${failed} of ${scenario.name} failed in one thread and not in another`);
    }
    return failure;
  }

  async #systematic(): Promise<Failure | undefined> {
    const bounded = new Bounded();
    for (let done = 0; done < this.#options.runs; done++) {
      const schedule = bounded.take();
      if (schedule === undefined) {
        break;
      }
      const run = await this.#lab.run(follow(schedule), { onStep: bounded.observer(schedule) });
      const failure = await this.#judge(run, undefined);
      this.#covered = bounded.choices === 0 ? undefined : bounded.choices - 1;
      if (failure !== undefined) {
        return failure;
      }
    }
    this.#covered = bounded.choices === 0 ? undefined : bounded.choices - 1;
    return undefined;
  }

  async #judge(run: Run, seed: number | undefined): Promise<Failure | undefined> {
    this.#tally.add(run);
    return run.violation === undefined
      ? undefined
      : this.#lab.explain(run, seed, this.#options.shrinkBudget ?? SHRINK_BUDGET);
  }
}

/** One schedule again. Undefined when nothing fails. Throws when the schedule does not fit the scenario. */
export async function replay(
  scenario: Scenario,
  schedule: Schedule,
  sabotage?: Sabotage,
): Promise<{ failure: Failure | undefined; trace: readonly Step[] }> {
  using lab = new Lab(scenario, sabotage);
  const repeated = await lab.run(follow(schedule), { traced: true });
  if (repeated.violation instanceof ScheduleMismatch) {
    throw repeated.violation;
  }
  return { failure: failureOf(repeated, undefined, schedule), trace: repeated.trace };
}
