/**
 * The state of a device as opens and calls see it, and the hard reset that brings it back (uapi.md 1.6, 7.1, 7.2).
 *
 * Owns: the status, the order of the reset's steps, the count of resets. Must not know how a step is carried out: the
 * device brings the steps.
 */
import type { Clock, ErrnoCode } from '@pedrera/base';
import { DEVICE_STATUS } from '@pedrera/uapi';
import type { Settings } from './settings.js';
import type { Submission } from './submission.js';

export type ResetCause =
  /** sysfs hard_reset. */
  | { readonly kind: 'manual' }
  | { readonly kind: 'tdr'; readonly submission: Submission; readonly detail: string }
  | { readonly kind: 'event'; readonly detail: string }
  | { readonly kind: 'heartbeat' }
  /** debugfs stop_on_err. */
  | { readonly kind: 'debugfs' }
  /** The last reference on the context went while engines were not idle (uapi.md 1.7). */
  | { readonly kind: 'release' }
  | { readonly kind: 'inject' };

const CAUSES: Record<Exclude<ResetCause['kind'], 'tdr' | 'event'>, string> = {
  manual: 'a hard reset was asked for',
  heartbeat: 'the firmware did not answer the heartbeat',
  debugfs: 'stop_on_err was changed',
  release: 'engines were busy when the device was closed',
  inject: 'a hard reset was injected',
};

/** Why, in one sentence without a full stop. */
function describeCause(cause: ResetCause): string {
  return cause.kind === 'tdr' || cause.kind === 'event' ? cause.detail : CAUSES[cause.kind];
}

/** What the unfinished work of a device finishes with. */
export interface RollBack {
  readonly error: ErrnoCode;
  readonly detail: string;
  /** The one that timed out; the error is its, all others get EIO. */
  readonly submission?: Submission;
}

export interface ResetSteps {
  /** Halts the engines, lets what is complete complete, ends the rest. */
  rollBack(verdict: RollBack): Promise<void>;
  /** Whether anybody has the primary node open. */
  isOpen(): boolean;
  /** Ends who has it open. Resolves when their files are released. */
  evict(reason: string): Promise<void>;
  /** Resolves to false when something still holds a context after the time the settings give. */
  released(): Promise<boolean>;
  /** Hardware reset and initialisation. Resolves to false when the device does not come back idle. */
  reinitialise(): Promise<boolean>;
  /** The device is up again. */
  up(): void;
  report(message: string, failed: boolean): void;
}

export class ResetMachine {
  readonly #clock: Clock;
  readonly #settings: Settings;
  readonly #steps: ResetSteps;
  #running: Promise<void> | undefined;
  /** A time-out was left alone: the operator has to reset (uapi.md 4.7). */
  needsReset = false;
  /** By a failed reset, or by debugfs. */
  disabled = false;
  hardResets = 0;
  /** The reset that began last. */
  last: { readonly reason: string; readonly atNs: number } | undefined;

  constructor(clock: Clock, settings: Settings, steps: ResetSteps) {
    this.#clock = clock;
    this.#settings = settings;
    this.#steps = steps;
  }

  get inReset(): boolean {
    return this.#running !== undefined;
  }

  /** Which state shows first where several hold: uapi.md 1.6. */
  get status(): number {
    if (this.inReset) {
      return DEVICE_STATUS.IN_RESET;
    }
    if (this.needsReset) {
      return DEVICE_STATUS.NEEDS_RESET;
    }
    return this.disabled ? DEVICE_STATUS.MALFUNCTION : DEVICE_STATUS.OPERATIONAL;
  }

  /** Returns at once; ignored while a reset runs. A device that is disabled or malfunctions is reset like any other. */
  request(cause: ResetCause): void {
    if (this.#running !== undefined) {
      return;
    }
    // Claimed before anything is called: what the steps do may ask for a reset again.
    this.#running = Promise.resolve();
    this.#running = this.#run(cause);
  }

  /** Resolves when no reset runs. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) {
      await this.#running;
    }
  }

  async #run(cause: ResetCause): Promise<void> {
    const reason = describeCause(cause);
    const detail = `hard reset: ${reason}`;
    this.last = { reason, atNs: this.#clock.nowNs() };
    this.#steps.report(detail, false);
    let succeeded = false;
    try {
      succeeded = await this.#reset(cause, detail);
    } catch (error) {
      this.#steps.report(`hard reset failed: ${error instanceof Error ? error.message : String(error)}`, true);
    }
    this.#running = undefined;
    this.disabled = !succeeded;
    if (succeeded) {
      this.needsReset = false;
    }
    // A failed one counts too (uapi.md 7.2).
    this.hardResets++;
    if (succeeded) {
      this.#steps.up();
    }
  }

  async #reset(cause: ResetCause, detail: string): Promise<boolean> {
    const steps = this.#steps;
    await steps.rollBack(
      cause.kind === 'tdr'
        ? { error: 'ETIMEDOUT', detail: cause.detail, submission: cause.submission }
        : { error: 'EIO', detail },
    );
    if (steps.isOpen()) {
      await this.#sleep(this.#settings.resetGraceNs);
      await steps.evict(detail);
    }
    if (!(await steps.released())) {
      steps.report('hard reset failed: the old context is still held by an export or a wait', true);
      return false;
    }
    await this.#sleep(this.#settings.resetDurationNs);
    if (!(await steps.reinitialise())) {
      steps.report('hard reset failed: engines are not idle after it', true);
      return false;
    }
    return true;
  }

  #sleep(ns: number): Promise<void> {
    return ns === 0
      ? Promise.resolve()
      : new Promise((resolve) => void this.#clock.at(this.#clock.nowNs() + ns, resolve));
  }
}
