/**
 * Staged submissions: work handed in part by part that completes as one (uapi.md 4.8).
 *
 * Owns: which part is the first, a later one, the last, and their order. Must not know: what is in a part.
 */
import { HlError } from '@pedrera/base';
import { CS_FLAGS } from '@pedrera/uapi';
import type { Reservation } from './signals.js';
import { type Job, Submission, type SubmissionContext, type SubmitRequest, submit } from './submission.js';

export interface StageOptions {
  /** Seconds until the device stops all of it, counted from the first part. */
  readonly timeoutSec?: number;
  /** Note the time of completion. */
  readonly timestamp?: boolean;
  /** Signals that the parts' packets give, one at a time, through `reservation.object`. */
  readonly reservation?: Reservation;
}

export type Part = Job | { readonly jobs: readonly Job[] };

/**
 * Each `add` queues a part at once; only `finish` makes it complete, so a group that is never finished ends with its time-out. All parts
 * have the first one's number. A part that is refused leaves the group as it was.
 */
export class StagedSubmission {
  readonly #context: SubmissionContext;
  readonly #options: StageOptions;
  #seq: number | undefined;
  #finished = false;
  /** Parts leave in the order of the calls, and none before the first is answered. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: SubmissionContext, options: StageOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** The number all parts are known by; undefined before the first was accepted. */
  get seq(): number | undefined {
    return this.#seq;
  }

  /** Queues the first or a further part; internal queues alone will do. Errors: those of submitting; EINVAL after `finish`. */
  add(part: Part): Promise<void> {
    return this.#inTurn(() => this.#submit(part, 0));
  }

  /** Queues the last part, which needs a job on an external queue, and returns what stands for all of them. */
  finish(part: Part): Promise<Submission> {
    return this.#inTurn(async () => {
      await this.#submit(part, CS_FLAGS.STAGED_LAST);
      this.#finished = true;
      return new Submission(this.#context, this.#seq ?? 0, this.#options.timestamp === true);
    });
  }

  #inTurn<T>(make: () => Promise<T>): Promise<T> {
    const made = this.#turn.then(make);
    this.#turn = made.catch(() => {});
    return made;
  }

  async #submit(part: Part, flags: number): Promise<void> {
    if (this.#finished) throw new HlError('EINVAL', `staged submission ${this.#seq} already got its last part`, 'CS');
    const request = this.#seq === undefined ? this.#first(part, flags) : this.#further(part, flags, this.#seq);
    const { seq } = await submit(this.#context, request);
    if (this.#seq !== undefined) return;
    this.#seq = seq;
    this.#options.reservation?.attached(seq);
  }

  #first(part: Part, flags: number): SubmitRequest {
    const { timeoutSec, timestamp, reservation } = this.#options;
    return {
      ...part,
      flags: flags | CS_FLAGS.STAGED | CS_FLAGS.STAGED_FIRST,
      ...(timeoutSec === undefined ? {} : { timeoutSec }),
      ...(timestamp === undefined ? {} : { timestamp }),
      ...(reservation === undefined ? {} : { reservation }),
    };
  }

  #further(part: Part, flags: number, stagedSeq: number): SubmitRequest {
    return { ...part, flags: flags | CS_FLAGS.STAGED, stagedSeq };
  }
}
