/**
 * Submissions that wait for fences before they go onto their queues (uapi.md 6.4: implicit and explicit synchronization).
 *
 * Owns: those of one context, in the order they came; that nothing of the context overtakes them on a queue; how long they wait at most.
 * A submission only ever waits for fences that were there before it, so no circle can form among these waits; one that leads through a
 * device (a stream that waits for a signal of work that is deferred) ends with the time-out of either.
 * References: a deferred submission holds its context. Must not know who made the fences.
 */
import type { Context } from './context.js';
import type { DmaFence } from './fence/dma-fence.js';
import { FenceWait } from './fence/fence-wait.js';
import type { StagedGroup } from './staged.js';
import type { Job, Outcome, Submission } from './submission.js';

/** What is held back; without fences it only has to stay behind others. */
export interface HeldSubmission {
  readonly submission: Submission;
  readonly jobs: readonly Job[];
  readonly fences: readonly DmaFence[];
  readonly deadlineNs: number;
  /** The newest of those held before it that it must not overtake: on a queue of both, or of the same staged submission. */
  readonly behind: Submission | undefined;
}

interface Deferred {
  readonly submission: Submission;
  readonly jobs: readonly Job[];
  /** Undefined for one that only has to stay behind others. */
  readonly wait: FenceWait | undefined;
  ready: boolean;
}

export class DeferredWork {
  readonly #context: Context;
  readonly #start: (submission: Submission, jobs: readonly Job[]) => void;
  readonly #entries = new Set<Deferred>();
  readonly #jobsOn = new Map<number, number>();

  constructor(context: Context, start: (submission: Submission, jobs: readonly Job[]) => void) {
    this.#context = context;
    this.#start = start;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** For inspection: what is held back, in the order it came, and the fences each waits for still. */
  *[Symbol.iterator](): IterableIterator<HeldSubmission> {
    const last = new Map<number | StagedGroup, Submission>();
    for (const { submission, jobs, wait } of this.#entries) {
      let behind: Submission | undefined;
      for (const claim of claimsOf(submission, jobs)) {
        const before = last.get(claim);
        if (before !== submission && before !== undefined && (behind === undefined || before.seq > behind.seq)) {
          behind = before;
        }
        last.set(claim, submission);
      }
      yield {
        submission,
        jobs,
        fences: wait?.pending() ?? [],
        deadlineNs: wait?.deadlineNs ?? Number.POSITIVE_INFINITY,
        behind,
      };
    }
  }

  /** Jobs that will need room on a queue. */
  jobsOn(queue: number): number {
    return this.#jobsOn.get(queue) ?? 0;
  }

  /** These would overtake something. */
  blocks({ staged }: Submission, jobs: readonly Job[]): boolean {
    return (
      this.#entries.size > 0 &&
      (jobs.some(({ queue }) => this.#jobsOn.has(queue)) || (staged?.parts.some(({ deferred }) => deferred) ?? false))
    );
  }

  /** Preconditions: its queues have room for its jobs, those deferred before included. */
  add(submission: Submission, jobs: readonly Job[], fences: readonly DmaFence[]): void {
    const { device } = this.#context;
    submission.submitted = true;
    submission.deferred = true;
    submission.submittedNs = device.clock.nowNs();
    this.#context.get();
    const wait = fences.length === 0 ? undefined : new FenceWait(device.clock, fences, this.#patienceNs(submission));
    const entry: Deferred = { submission, jobs, wait, ready: wait === undefined };
    this.#entries.add(entry);
    for (const { queue } of jobs) {
      this.#jobsOn.set(queue, this.jobsOn(queue) + 1);
    }
    void wait?.result.then(({ outcome }) => {
      if (!this.#entries.has(entry)) {
        return;
      }
      if (outcome === 'signalled') {
        entry.ready = true;
      } else {
        this.#fail(entry, { error: 'ETIMEDOUT', detail: 'what it had to wait for did not signal in time' });
      }
      this.#startReady();
    });
  }

  /** The context's work is being ended. */
  cancel(outcome: Outcome): void {
    for (const entry of [...this.#entries]) {
      this.#fail(entry, outcome);
    }
  }

  /** A submission without a time-out must not wait for ever either: nobody says that what it waits for has one. */
  #patienceNs({ timeoutNs }: Submission): number {
    const { dependencyTimeoutNs } = this.#context.device.settings;
    return Number.isFinite(timeoutNs) ? Math.max(timeoutNs, dependencyTimeoutNs) : dependencyTimeoutNs;
  }

  #startReady(): void {
    const taken = new Set<number | StagedGroup>();
    for (const entry of [...this.#entries]) {
      const { submission, jobs, ready } = entry;
      const claims = claimsOf(submission, jobs);
      if (!ready || claims.some((claim) => taken.has(claim))) {
        for (const claim of claims) {
          taken.add(claim);
        }
      } else if (this.#context.device.operational) {
        this.#remove(entry);
        this.#start(submission, jobs);
        this.#context.put();
      } else {
        this.#fail(entry, { error: 'EIO', detail: this.#context.device.statusText });
      }
    }
  }

  #remove(entry: Deferred): void {
    this.#entries.delete(entry);
    entry.submission.deferred = false;
    entry.wait?.cancel();
    for (const { queue } of entry.jobs) {
      const left = this.jobsOn(queue) - 1;
      if (left === 0) {
        this.#jobsOn.delete(queue);
      } else {
        this.#jobsOn.set(queue, left);
      }
    }
  }

  #fail(entry: Deferred, outcome: Outcome): void {
    this.#remove(entry);
    const { submission, jobs } = entry;
    for (const { block } of jobs) {
      if (block !== undefined) {
        this.#context.patchedPool.free(block);
      }
    }
    this.#context.neverStarted(submission, outcome);
    this.#context.put();
  }
}

/** What nothing may overtake it on: its queues, and the rest of its staged submission. */
function claimsOf({ staged }: Submission, jobs: readonly Job[]): (number | StagedGroup)[] {
  const claims: (number | StagedGroup)[] = jobs.map(({ queue }) => queue);
  if (staged !== undefined) {
    claims.push(staged);
  }
  return claims;
}
