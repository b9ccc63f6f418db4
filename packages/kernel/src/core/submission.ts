/**
 * One command submission and its fence (uapi.md 4.5, 4.14).
 *
 * Owns: what is left to complete, the outcome, who waits for it.
 * References: it holds its context and its patched command buffers until it has finished; waiters hold it.
 * Must not know the device: the context's queues report completions and faults to it.
 */
import type { ErrnoCode, Timer } from '@pedrera/base';
import type { Context } from './context.js';
import type { PatchedBlock } from './patched-pool.js';

/** What became of a finished submission; an error is carried by the fence to every waiter. */
export interface Outcome {
  readonly error?: ErrnoCode;
  readonly detail?: string;
}

const SUCCESS: Outcome = {};

export interface Waiter {
  /** True: the submission finished; false: the deadline passed or the wait was given up. */
  settle(finished: boolean): void;
  timer: Timer | undefined;
}

/** One command buffer on one queue. */
export interface Job {
  readonly submission: Submission;
  readonly queue: number;
  readonly block: PatchedBlock;
  /** Bytes the device reads, tail included. */
  readonly sizeBytes: number;
}

export class Submission {
  readonly context: Context;
  readonly seq: number;
  readonly wantsTimestamp: boolean;
  readonly timeoutNs: number;
  submittedNs = 0;
  jobsLeft = 0;
  /** Undefined while it runs. */
  outcome: Outcome | undefined;
  /** Set by the first fault of one of its packets, under a policy that fails on faults. */
  fault: string | undefined;
  /** CLOCK_MONOTONIC ns of completion; 0 unless the TIMESTAMP flag was given. */
  timestampNs = 0;
  waiters: Waiter[] | undefined;

  constructor(context: Context, seq: number, options: { wantsTimestamp: boolean; timeoutNs: number }) {
    this.context = context;
    this.seq = seq;
    this.wantsTimestamp = options.wantsTimestamp;
    this.timeoutNs = options.timeoutNs;
  }

  get finished(): boolean {
    return this.outcome !== undefined;
  }

  /** Signals the fence, once. */
  finish(nowNs: number, outcome: Outcome = SUCCESS): void {
    if (this.outcome !== undefined) {
      throw new Error(`submission ${this.seq} finished twice`);
    }
    this.outcome = outcome;
    if (this.wantsTimestamp) {
      this.timestampNs = nowNs;
    }
    const waiters = this.waiters;
    this.waiters = undefined;
    if (waiters !== undefined) {
      for (const waiter of waiters) {
        waiter.timer?.cancel();
        waiter.settle(true);
      }
    }
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
