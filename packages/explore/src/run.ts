/**
 * One run of a scenario under one schedule.
 *
 * Owns: the course of a run: preparing, racing, everybody gone, nothing left. Must not know where the choices come from.
 */
import { CALM, type Chooser } from './chooser.js';
import type { DeviceMemories } from './memory.js';
import { calmest, type Move } from './move.js';
import type { Scenario } from './scenario.js';
import { type Schedule, trimmed } from './schedule.js';
import { asViolation, Violation } from './violation.js';
import { type Sabotage, settle, World } from './world.js';

/** A run that has not come to rest by now is left to itself, and has to come to rest then. */
const CHOSEN_STEPS = 4000;
const MAX_STEPS = 20_000;

export interface Step {
  readonly what: string;
  readonly key: string;
  /** An undisturbed machine would have done something else. */
  readonly chosen: boolean;
}

export interface Run {
  readonly violation: Violation | undefined;
  /** What was chosen, to be followed again. */
  readonly schedule: Schedule;
  /** Moves until everything was over, or until the violation. */
  readonly steps: number;
  /** How often each call of the race had which outcome: `CS`, `CS EBUSY`. */
  readonly answers: ReadonlyMap<string, number>;
  /** Only when asked for. */
  readonly trace: readonly Step[];
}

export interface RunOptions {
  readonly scenario: Scenario;
  readonly memories: DeviceMemories;
  readonly chooser: Chooser;
  readonly sabotage?: Sabotage | undefined;
  readonly traced?: boolean;
  /** Told of each step's possible moves; for those who try one after the other. */
  readonly onStep?: ((moves: readonly Move[], taken: number, step: number) => void) | undefined;
}

export async function run(options: RunOptions): Promise<Run> {
  const course = new Course(options);
  let violation: Violation | undefined;
  try {
    await course.run();
  } catch (error) {
    violation = asViolation(error);
  } finally {
    course.close();
  }
  return {
    violation,
    schedule: trimmed(course.schedule),
    steps: course.schedule.length,
    answers: course.answers,
    trace: course.trace,
  };
}

class Course {
  readonly schedule: (string | undefined)[] = [];
  readonly trace: Step[] = [];
  readonly #options: RunOptions;
  readonly #world: World;
  #chooser: Chooser = CALM;
  #last = -1;
  /** Preparing is over. */
  #racing = false;
  /** What a program, or a promise nobody looks after, has failed with. */
  #failed: Violation | undefined;
  readonly #onRejection = (error: unknown) => this.#fail(error);

  constructor(options: RunOptions) {
    this.#options = options;
    this.#world = new World(options.scenario, options.memories, options.sabotage);
  }

  get answers(): ReadonlyMap<string, number> {
    return this.#world.answers;
  }

  async run(): Promise<void> {
    rejections.add(this.#onRejection);
    const world = this.#world;
    const programs = await this.#prepare();
    this.#chooser = this.#options.chooser;
    this.#racing = true;
    let running = programs.length;
    for (const [i, program] of programs.entries()) {
      program().then(
        () => {
          running--;
          world.clients[i]?.close();
        },
        (error: unknown) => this.#fail(error),
      );
    }
    await settle();
    await this.#untilRest();
    if (running > 0) {
      throw new Violation(
        'lost-wake-up',
        `nothing can move any more, and still waiting: ${world.waiting().join('; ')}`,
      );
    }
    world.checkReleased();
    await this.#finish(world.kernel.close(), 'the end of the kernel');
    world.checkNothingLeft();
  }

  close(): void {
    rejections.delete(this.#onRejection);
    this.#world.powerOff();
  }

  async #prepare(): Promise<readonly (() => Promise<void>)[]> {
    const { scenario } = this.#options;
    const world = this.#world;
    let programs: readonly (() => Promise<void>)[] = [];
    await this.#finish(
      scenario.prepare(world.clients, world).then((made) => {
        programs = made;
      }),
      'preparing',
    );
    world.answers.clear();
    this.schedule.length = 0;
    this.trace.length = 0;
    return programs;
  }

  /** Until `promise` is settled and nothing moves. */
  async #finish(promise: Promise<unknown>, what: string): Promise<void> {
    let done = false;
    promise.then(
      () => {
        done = true;
      },
      (error: unknown) => this.#fail(error),
    );
    await settle();
    await this.#untilRest();
    if (!done) {
      throw new Violation(
        'lost-wake-up',
        `nothing can move any more, and ${what} is not done: ${this.#world.waiting().join('; ')}`,
      );
    }
  }

  async #untilRest(): Promise<void> {
    for (;;) {
      if (this.#failed !== undefined) {
        throw this.#failed;
      }
      const moves = this.#world.moves();
      if (moves.length === 0) {
        return;
      }
      await this.#step(moves);
    }
  }

  async #step(moves: readonly Move[]): Promise<void> {
    const step = this.schedule.length;
    if (step >= MAX_STEPS) {
      throw new Violation(
        'livelock',
        `still not at rest after ${step} moves; the last possible ones are ${moves.map(({ key }) => key).join(' ')}`,
      );
    }
    const calm = calmest(moves, this.#last);
    const chooser = step < CHOSEN_STEPS ? this.#chooser : CALM;
    const taken = chooser.choose(moves, calm, step);
    const move = moves[taken] as Move;
    if (this.#racing) {
      this.#options.onStep?.(moves, taken, step);
    }
    const chosen = taken !== calm;
    this.schedule.push(chosen ? move.key : undefined);
    if (this.#options.traced === true) {
      this.trace.push({ what: move.describe(), key: move.key, chosen });
    }
    if (move.client !== undefined) {
      this.#last = move.client;
    }
    await this.#world.make(move);
  }

  #fail(error: unknown): void {
    this.#failed ??= asViolation(error);
  }
}

/** Who hears of promises that fail unheard. One run at a time is the rule; each hears of all. */
const rejections = new Set<(error: unknown) => void>();

/** While it lives, promises that fail unheard are violations of the run they belong to, and not the end of the process. */
export class RejectionGuard {
  readonly #others = process.listeners('unhandledRejection');
  readonly #hear = (error: unknown) => {
    for (const rejection of rejections) {
      rejection(error);
    }
  };

  constructor() {
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', this.#hear);
  }

  [Symbol.dispose](): void {
    process.off('unhandledRejection', this.#hear);
    for (const other of this.#others) {
      process.on('unhandledRejection', other);
    }
  }
}
