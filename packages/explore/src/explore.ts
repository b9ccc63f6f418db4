/**
 * Many schedules of one scenario, until one fails.
 *
 * Owns: which schedule a seed stands for, and what is reported. Must not know scenarios.
 */
import { Prng } from '@pedrera/base';
import { Bounded } from './bounded.js';
import { CALM, type Chooser, follow, priorities, randomWalk, ScheduleMismatch } from './chooser.js';
import { DeviceMemories } from './memory.js';
import { RejectionGuard, type Run, type RunOptions, run, type Step } from './run.js';
import type { Scenario } from './scenario.js';
import type { Schedule } from './schedule.js';
import { shrink } from './shrink.js';
import type { ViolationKind } from './violation.js';
import type { Sabotage } from './world.js';

export interface ExploreOptions {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly runs: number;
  /** Instead of seeds: every schedule, those with fewer choices first. */
  readonly systematic?: boolean;
  readonly sabotage?: Sabotage;
  /** Schedules tried to make a failing one smaller. */
  readonly shrinkBudget?: number;
  /** Stop at the next schedule once this says so. */
  readonly until?: () => boolean;
}

export interface Failure {
  /** Undefined when it was replayed. */
  readonly seed: number | undefined;
  readonly kind: ViolationKind;
  readonly message: string;
  /** Fails in the same way, and is as small as it was found to get. */
  readonly schedule: Schedule;
  /** Choices of the schedule that was found first. */
  readonly foundWith: Schedule;
  readonly trace: readonly Step[];
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
/** Interruptions of a schedule by priorities. */
const CHANGES = 3;

/** What is run next. */
interface Attempt {
  readonly seed: number | undefined;
  readonly chooser: Chooser;
  readonly onStep?: RunOptions['onStep'];
}

/** Runs the schedules of the seeds from `seed` on. Each seed is a schedule by itself: `runs: 1` repeats it. */
export async function explore(options: ExploreOptions): Promise<Exploration> {
  const { scenario, seed, runs, sabotage, shrinkBudget = SHRINK_BUDGET, until = () => false } = options;
  using lab = new Lab(scenario, sabotage);
  const bounded = options.systematic === true ? new Bounded() : undefined;
  const answers = new Map<string, number>();
  let moves = 0;
  const report = (done: number, failure?: Failure): Exploration => {
    const inOrder = [...answers].sort(([a], [b]) => (a < b ? -1 : 1));
    const covered = bounded === undefined || bounded.choices === 0 ? undefined : bounded.choices - 1;
    return { scenario: scenario.name, runs: done, moves, answers: Object.fromEntries(inOrder), covered, failure };
  };
  const fails = async ({ seed: by, chooser, onStep }: Attempt): Promise<{ steps: number; failure?: Failure }> => {
    const found = await lab.run(chooser, { onStep });
    moves += found.steps;
    for (const [answer, times] of found.answers) {
      answers.set(answer, (answers.get(answer) ?? 0) + times);
    }
    const failure = found.violation === undefined ? undefined : await lab.explain(found, by, shrinkBudget);
    return failure === undefined ? { steps: found.steps } : { steps: found.steps, failure };
  };
  const { steps, failure: calmFailure } = await fails({ seed: undefined, chooser: CALM });
  if (calmFailure !== undefined) {
    return report(1, calmFailure);
  }
  let done = 0;
  for (; done < runs && !until(); done++) {
    const attempt = bounded === undefined ? seeded(seed + done, steps) : nextOf(bounded);
    if (attempt === undefined) {
      break;
    }
    const { failure } = await fails(attempt);
    if (failure !== undefined) {
      return report(done + 1, failure);
    }
  }
  return report(done);
}

function seeded(seed: number, length: number): Attempt {
  return { seed, chooser: chooserOf(seed, length) };
}

function nextOf(bounded: Bounded): Attempt | undefined {
  const schedule = bounded.take();
  return schedule === undefined
    ? undefined
    : { seed: undefined, chooser: follow(schedule), onStep: bounded.observer(schedule) };
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

/** Even seeds are walks at random, odd ones priorities. */
function chooserOf(seed: number, length: number): Chooser {
  const prng = new Prng(seed);
  return seed % 2 === 0 ? randomWalk(prng) : priorities(prng, length, CHANGES);
}

/** What all runs of one scenario share. */
class Lab {
  readonly #scenario: Scenario;
  readonly #sabotage: Sabotage | undefined;
  readonly #memories = new DeviceMemories();
  readonly #guard = new RejectionGuard();

  constructor(scenario: Scenario, sabotage: Sabotage | undefined) {
    this.#scenario = scenario;
    this.#sabotage = sabotage;
  }

  run(chooser: Chooser, more: Pick<RunOptions, 'traced' | 'onStep'> = {}): Promise<Run> {
    return run({ scenario: this.#scenario, memories: this.#memories, sabotage: this.#sabotage, chooser, ...more });
  }

  /** The smallest schedule found that fails in the same way, and its trace. */
  async explain(found: Run, seed: number | undefined, budget: number): Promise<Failure | undefined> {
    const kind = found.violation?.kind;
    const smallest = await shrink(
      found.schedule,
      async (schedule) => {
        const again = await this.run(follow(schedule, { lenient: true }));
        return again.violation?.kind === kind ? again.schedule : undefined;
      },
      budget,
    );
    const told = await this.run(follow(smallest), { traced: true });
    return failureOf(told.violation === undefined ? found : told, seed, found.schedule);
  }

  [Symbol.dispose](): void {
    this.#guard[Symbol.dispose]();
    this.#memories[Symbol.dispose]();
  }
}

function failureOf(
  { violation, schedule, trace }: Run,
  seed: number | undefined,
  foundWith: Schedule,
): Failure | undefined {
  return violation === undefined
    ? undefined
    : { seed, kind: violation.kind, message: violation.message, schedule, foundWith, trace };
}
