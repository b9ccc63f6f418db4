/**
 * One command submission and its fence (uapi.md 4.5, 4.14).
 *
 * Owns: what is left to complete, what its jobs hold until it is released, the outcome, who waits for it.
 * References: it holds its context and its patched command buffers until it has finished; waiters hold it.
 * Must not know the device: the context's queues report completions and faults to it.
 */
import type { ErrnoCode, Timer } from '@pedrera/base';
import type { Context } from './context.js';
import type { Reservation } from './encapsulated-signals.js';
import type { FenceSource } from './fence/fence-source.js';
import type { PatchedBlock } from './patched-pool.js';
import type { StagedGroup } from './staged.js';
import type { SignalledObject } from './sync-stream.js';

/** What became of a finished submission; an error is carried by the fence to every waiter. */
export interface Outcome {
  readonly error?: ErrnoCode;
  readonly detail?: string;
}

const SUCCESS: Outcome = {};

/** As debugfs prints them (uapi.md 9.3). */
export const SUBMISSION_TYPE = { DEFAULT: 0, SIGNAL: 1, WAIT: 2, COLLECTIVE_WAIT: 3 } as const;
export type SubmissionType = (typeof SUBMISSION_TYPE)[keyof typeof SUBMISSION_TYPE];

export interface Waiter {
  /** True: the submission finished; false: the deadline passed or the wait was given up. */
  settle(finished: boolean): void;
  timer: Timer | undefined;
}

/** One command buffer on one queue. Made when its chunk is checked; on the queue once it has a ring index. */
export class Job {
  readonly submission: Submission;
  readonly queue: number;
  /** The patched copy, or the address of the user's own bytes on an internal queue. */
  readonly #place: PatchedBlock | number;
  /** Bytes the device reads; on an external queue the tail is added when the job is queued. */
  sizeBytes: number;
  /** Its tail's first packet waits for the engine. */
  readonly usesDma: boolean;
  /** It reports its completion; otherwise its slot is freed with the submission (uapi.md 4.3). */
  readonly completes: boolean;
  /** Number within its submission, from 1. */
  id = 0;
  /** Ring index, as the producer index counted. */
  index = -1;

  constructor(
    submission: Submission,
    queue: number,
    place: PatchedBlock | number,
    { sizeBytes, usesDma, completes }: { sizeBytes: number; usesDma: boolean; completes: boolean },
  ) {
    this.submission = submission;
    this.queue = queue;
    this.#place = place;
    this.sizeBytes = sizeBytes;
    this.usesDma = usesDma;
    this.completes = completes;
  }

  /** Undefined on an internal queue, where the device reads the user's own bytes. */
  get block(): PatchedBlock | undefined {
    return typeof this.#place === 'number' ? undefined : this.#place;
  }

  /** Where the device reads: a bus address on an external queue, an address of the context on an internal one. */
  get address(): number {
    return typeof this.#place === 'number' ? this.#place : this.#place.busAddress;
  }
}

export interface SubmissionOptions {
  readonly type: SubmissionType;
  readonly wantsTimestamp: boolean;
  readonly timeoutNs: number;
  /** SKIP_RESET_ON_TIMEOUT was given. */
  readonly skipResetOnTimeout: boolean;
}

/** What a submission has to do with the sync stream. */
export interface SyncPart {
  /** The object it signals, and the value that then has (uapi.md 4.9). */
  readonly signal?: SignalledObject;
  /** The reserved signals it gives (uapi.md 4.11). */
  readonly reservation?: Reservation;
  /** Gives back what it refers to. Called once, when it is over. */
  readonly release: () => void;
}

const TYPE_BITS = 0x3;
const WANTS_TIMESTAMP = 0x4;
const SUBMITTED = 0x8;
const SKIPS_RESET = 0x10;
const HAS_NO_TIMER = 0x20;
const EXPIRED = 0x40;
const TIMED_OUT = 0x80;
const DEFERRED = 0x100;

/** 16384 of these are kept a context: what is a yes or no shares one word, what is rare one record. */
export class Submission {
  readonly context: Context;
  readonly seq: number;
  readonly timeoutNs: number;
  #bits: number;
  submittedNs = 0;
  /** External jobs that have not completed. */
  jobsLeft = 0;
  /** Undefined while it runs. */
  outcome: Outcome | undefined;
  /** Set by the first fault of one of its packets, under a policy that fails on faults. */
  fault: string | undefined;
  /** 0 while it runs. */
  finishedNs = 0;
  waiters: Waiter[] | undefined;
  /** The staged submission it is a part of (uapi.md 4.8). */
  staged: StagedGroup | undefined;
  /** Jobs that report no completion. */
  held: Job[] | undefined;
  /** External queues it has jobs on, a bit each. */
  externalQueues = 0;
  /** Once it is over: the queues of its jobs that reported no completion. */
  heldQueues: Uint8Array | undefined;
  sync: SyncPart | undefined;
  /** Made when somebody asks for its fence (submission-fence.ts). */
  fenceSource: FenceSource | undefined;

  constructor(context: Context, seq: number, options: SubmissionOptions) {
    this.context = context;
    this.seq = seq;
    this.timeoutNs = options.timeoutNs;
    this.#bits =
      options.type | (options.wantsTimestamp ? WANTS_TIMESTAMP : 0) | (options.skipResetOnTimeout ? SKIPS_RESET : 0);
  }

  get type(): SubmissionType {
    return (this.#bits & TYPE_BITS) as SubmissionType;
  }

  get wantsTimestamp(): boolean {
    return (this.#bits & WANTS_TIMESTAMP) !== 0;
  }

  /** It is on its queues, or deferred. Otherwise it is still being checked, or was refused. */
  get submitted(): boolean {
    return (this.#bits & SUBMITTED) !== 0;
  }
  set submitted(on: boolean) {
    this.#set(SUBMITTED, on);
  }

  /** Its time-out resets nothing: SKIP_RESET_ON_TIMEOUT, or debugfs said so when it was submitted (uapi.md 4.7). */
  get skipResetOnTimeout(): boolean {
    return (this.#bits & SKIPS_RESET) !== 0;
  }
  set skipResetOnTimeout(on: boolean) {
    this.#set(SKIPS_RESET, on);
  }

  /** False for the parts of a staged submission but the first. */
  get hasTimer(): boolean {
    return (this.#bits & HAS_NO_TIMER) === 0;
  }
  set hasTimer(on: boolean) {
    this.#set(HAS_NO_TIMER, !on);
  }

  /** Its time-out was reached; a timer fires once. */
  get expired(): boolean {
    return (this.#bits & EXPIRED) !== 0;
  }
  set expired(on: boolean) {
    this.#set(EXPIRED, on);
  }

  /** Its time-out ended it, or left the device in need of a reset: whatever follows, the fence says ETIMEDOUT. */
  get timedOut(): boolean {
    return (this.#bits & TIMED_OUT) !== 0;
  }
  set timedOut(on: boolean) {
    this.#set(TIMED_OUT, on);
  }

  /** It waits for fences, and none of its jobs is on a queue yet. */
  get deferred(): boolean {
    return (this.#bits & DEFERRED) !== 0;
  }
  set deferred(on: boolean) {
    this.#set(DEFERRED, on);
  }

  /** CLOCK_MONOTONIC ns of completion; 0 unless the TIMESTAMP flag was given. */
  get timestampNs(): number {
    return this.wantsTimestamp ? this.finishedNs : 0;
  }

  get finished(): boolean {
    return this.outcome !== undefined;
  }

  /** All queues it has jobs on; of a staged submission those of all parts so far. */
  queuesUsed(): number[] {
    const parts: readonly Submission[] = this.staged?.parts ?? [this];
    return [...new Set(parts.flatMap((part) => part.ownQueues()))].sort((a, b) => a - b);
  }

  /** The same of this part alone, also when it is over. */
  ownQueues(): number[] {
    const queues = new Set<number>();
    for (let id = 0, mask = this.externalQueues; mask !== 0; id++, mask >>>= 1) {
      if ((mask & 1) !== 0) {
        queues.add(id);
      }
    }
    for (const { queue } of this.held ?? []) {
      queues.add(queue);
    }
    for (const queue of this.heldQueues ?? []) {
      queues.add(queue);
    }
    return [...queues].sort((a, b) => a - b);
  }

  /** Its jobs that reported no completion left their queues. */
  forgetHeld(): void {
    if (this.held !== undefined) {
      this.heldQueues = Uint8Array.from(this.held, ({ queue }) => queue);
      this.held = undefined;
    }
  }

  /** Signals the fence, once. */
  finish(nowNs: number, outcome: Outcome = SUCCESS): void {
    if (this.outcome !== undefined) {
      throw new Error(`submission ${this.seq} finished twice`);
    }
    this.outcome =
      this.timedOut && outcome.error === undefined
        ? { error: 'ETIMEDOUT', detail: `submission ${this.seq} completed after its time-out` }
        : outcome;
    this.finishedNs = nowNs;
    this.sync?.release();
    const waiters = this.waiters;
    this.waiters = undefined;
    if (waiters !== undefined) {
      for (const waiter of waiters) {
        waiter.timer?.cancel();
        waiter.settle(true);
      }
    }
  }

  #set(bit: number, on: boolean): void {
    this.#bits = on ? this.#bits | bit : this.#bits & ~bit;
  }

  addWaiter(waiter: Waiter): void {
    this.waiters ??= [];
    this.waiters.push(waiter);
  }

  removeWaiter(waiter: Waiter): void {
    const at = this.waiters?.indexOf(waiter) ?? -1;
    if (at >= 0) {
      this.waiters?.splice(at, 1);
    }
  }
}
