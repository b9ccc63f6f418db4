/**
 * The sequence numbers of one context and the fences behind the last 16384 of them (uapi.md 4.6).
 *
 * Owns: which number comes next, which fence a number still has, the completion ring a client reads without a message,
 * and the outcome store for timestamps of fences that are gone (uapi.md 4.14).
 * Must not know queues or jobs.
 */
import { errno } from '@pedrera/base';
import { COMPLETION_RING_BYTES, MAX_PENDING, OUTCOME_STORE_ENTRIES } from '@pedrera/uapi';
import type { HostMemory, HostRange } from './host-memory.js';
import type { Outcome, Submission } from './submission.js';

/** What remains of a finished submission that asked for a timestamp. */
export interface StoredOutcome {
  readonly outcome: Outcome;
  readonly timestampNs: number;
}

export class PendingRing {
  readonly #fences: (Submission | undefined)[] = [];
  readonly #outcomes = new Map<number, StoredOutcome>();
  #nextSeq = 1;
  #oldestUnfinished = 1;
  #completionRange: HostRange | undefined;
  #completionWords: Int32Array | undefined;

  get nextSeq(): number {
    return this.#nextSeq;
  }

  /**
   * The number of the submission about to be made, and its slot. Errors: EAGAIN while the slot's old fence is running:
   * one stuck submission blocks the one 16384 later (uapi.md 4.6).
   */
  checkRoom(): void {
    const old = this.#fences[this.#nextSeq % MAX_PENDING];
    if (old !== undefined && !old.finished) {
      throw errno('EAGAIN', `${MAX_PENDING} submissions are in flight; sequence ${old.seq} has not finished`);
    }
  }

  /** Takes the next number for `make(seq)`. Preconditions: checkRoom() passed. */
  add(make: (seq: number) => Submission): Submission {
    const seq = this.#nextSeq++;
    const submission = make(seq);
    this.#fences[seq % MAX_PENDING] = submission;
    if (this.#completionWords !== undefined) {
      // The number that had the slot is gone from now on, which only WAIT_CS can say.
      Atomics.store(this.#completionWords, seq % MAX_PENDING, 0);
    }
    return submission;
  }

  /**
   * The fence has been signalled. What asked for a timestamp is remembered, the refused ones included: the 256 that
   * finished last (uapi.md 4.14).
   */
  finished(submission: Submission): void {
    const { outcome, timestampNs, wantsTimestamp, seq } = submission;
    if (wantsTimestamp && outcome !== undefined) {
      this.#store(seq, { outcome, timestampNs });
    }
  }

  /** The fence of `seq`: 'gone' when it is too old, undefined when it was never issued. */
  lookup(seq: number): Submission | 'gone' | undefined {
    if (seq >= this.#nextSeq) {
      return undefined;
    }
    const fence = seq > 0 ? this.#fences[seq % MAX_PENDING] : undefined;
    return fence?.seq === seq ? fence : 'gone';
  }

  /** One-shot: reading an outcome removes it (uapi.md 4.14). */
  takeOutcome(seq: number): StoredOutcome | undefined {
    const stored = this.#outcomes.get(seq);
    this.#outcomes.delete(seq);
    return stored;
  }

  /** The oldest submission that has not finished. */
  oldest(): Submission | undefined {
    while (this.#oldestUnfinished < this.#nextSeq) {
      const fence = this.#fences[this.#oldestUnfinished % MAX_PENDING];
      if (fence?.seq === this.#oldestUnfinished && !fence.finished) {
        return fence;
      }
      this.#oldestUnfinished++;
    }
    return undefined;
  }

  /** All that have not finished, oldest first. */
  *unfinished(): IterableIterator<Submission> {
    for (let seq = this.oldest()?.seq ?? this.#nextSeq; seq < this.#nextSeq; seq++) {
      const fence = this.#fences[seq % MAX_PENDING];
      if (fence?.seq === seq && !fence.finished) {
        yield fence;
      }
    }
  }

  /** For inspection: the newest that have finished, oldest first, `most` at most. Looks at no more than four times as many. */
  newestFinished(most: number): Submission[] {
    const found: Submission[] = [];
    for (let seq = this.#nextSeq - 1, looks = 4 * most; seq > 0 && found.length < most && looks > 0; seq--, looks--) {
      const fence = this.#fences[seq % MAX_PENDING];
      if (fence?.seq === seq && fence.finished) {
        found.push(fence);
      }
    }
    return found.reverse();
  }

  /**
   * Writes the number into the client's completion ring, if it mapped one. Only successes without a timestamp go
   * there: all else has to be asked for with WAIT_CS, so a client can never mistake one for the other.
   */
  publish(submission: Submission): void {
    if (this.#completionWords !== undefined && submission.outcome?.error === undefined && !submission.wantsTimestamp) {
      Atomics.store(this.#completionWords, submission.seq % MAX_PENDING, submission.seq | 0);
    }
  }

  /** The memory of the completion ring: MAX_PENDING dwords. Made at first use, filled with what is known. */
  completionRing(memory: HostMemory): HostRange {
    if (this.#completionRange === undefined) {
      this.#completionRange = memory.allocate(COMPLETION_RING_BYTES);
      const bytes = this.#completionRange.bytes();
      this.#completionWords = new Int32Array(bytes.buffer, bytes.byteOffset, MAX_PENDING);
      for (const fence of this.#fences) {
        if (fence?.finished === true) {
          this.publish(fence);
        }
      }
    }
    return this.#completionRange;
  }

  close(memory: HostMemory): void {
    if (this.#completionRange !== undefined) {
      // Whoever still looks finds nothing, and asks.
      this.#completionWords?.fill(0);
      memory.free(this.#completionRange);
    }
    this.#completionRange = undefined;
    this.#completionWords = undefined;
  }

  #store(seq: number, outcome: StoredOutcome): void {
    this.#outcomes.set(seq, outcome);
    if (this.#outcomes.size > OUTCOME_STORE_ENTRIES) {
      const oldest = this.#outcomes.keys().next().value;
      if (oldest !== undefined) {
        this.#outcomes.delete(oldest);
      }
    }
  }
}
