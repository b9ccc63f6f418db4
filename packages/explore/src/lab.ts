/**
 * What all runs of one scenario share, and what can be done with it: a run, a seed's run, a failure made small.
 *
 * Owns: which schedule a seed stands for; memory of the devices, and the promises that fail unheard, while it lives.
 * Must not know how many runs there are, or where they are made.
 */
import { Prng } from '@pedrera/base';
import { type Chooser, follow, priorities, randomWalk } from './chooser.js';
import { DeviceMemories } from './memory.js';
import { RejectionGuard, type Run, type RunOptions, run, type Step } from './run.js';
import type { Scenario } from './scenario.js';
import type { Schedule } from './schedule.js';
import { shrink } from './shrink.js';
import type { ViolationKind } from './violation.js';
import type { Sabotage } from './world.js';

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

/** Interruptions of a schedule by priorities. */
const CHANGES = 3;

export class Lab {
  readonly #scenario: Scenario;
  readonly #sabotage: Sabotage | undefined;
  readonly #memories = new DeviceMemories();
  readonly #guard = new RejectionGuard();

  constructor(scenario: Scenario, sabotage?: Sabotage) {
    this.#scenario = scenario;
    this.#sabotage = sabotage;
  }

  run(chooser: Chooser, more: Pick<RunOptions, 'traced' | 'onStep'> = {}): Promise<Run> {
    return run({ scenario: this.#scenario, memories: this.#memories, sabotage: this.#sabotage, chooser, ...more });
  }

  /** Even seeds are walks at random, odd ones priorities, whose changes lie within `length` steps. */
  runSeed(seed: number, length: number): Promise<Run> {
    const prng = new Prng(seed);
    return this.run(seed % 2 === 0 ? randomWalk(prng) : priorities(prng, length, CHANGES));
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

export function failureOf(
  { violation, schedule, trace }: Run,
  seed: number | undefined,
  foundWith: Schedule,
): Failure | undefined {
  return violation === undefined
    ? undefined
    : { seed, kind: violation.kind, message: violation.message, schedule, foundWith, trace };
}
