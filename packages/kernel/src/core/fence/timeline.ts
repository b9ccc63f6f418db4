/**
 * The producing side of a timeline: makes fences in order, signals them in order, and leaves none behind (uapi.md 6.3).
 *
 * Owns: the next number, a reference on every fence that is outstanding. Closing, or the death of the producer, signals all of
 * them with an error: a fence that was handed out never waits for ever.
 * Must not know what is produced.
 */
import { type ErrnoCode, errno } from '@pedrera/base';
import { DmaFence } from './dma-fence.js';
import type { FenceDomain, TimelineIdentity } from './fence-domain.js';

export class Timeline {
  readonly domain: FenceDomain;
  readonly identity: TimelineIdentity;
  /** By number, ascending. */
  readonly #outstanding = new Map<number, DmaFence>();
  #lastSeqno = 0;
  #signalledThrough = 0;
  #closed: ErrnoCode | undefined;

  constructor(domain: FenceDomain, names: Omit<TimelineIdentity, 'context'>) {
    this.domain = domain;
    this.identity = { context: domain.newContext(), driverName: names.driverName, timelineName: names.timelineName };
  }

  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** Number of the fence made last. */
  get lastSeqno(): number {
    return this.#lastSeqno;
  }

  get signalledThrough(): number {
    return this.#signalledThrough;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** The next fence; the reference is the caller's. Errors: ESHUTDOWN once closed. */
  createFence(): DmaFence {
    if (this.#closed !== undefined) {
      throw errno('ESHUTDOWN', `timeline ${this.identity.timelineName} was closed with ${this.#closed}`);
    }
    const fence = new DmaFence(this.domain, this.identity, this.#lastSeqno + 1);
    this.#lastSeqno = fence.seqno;
    this.#outstanding.set(fence.seqno, fence.get());
    return fence;
  }

  /**
   * Everything up to this number is done; the error is that of this number alone. Errors: EINVAL for a number that was not handed
   * out, or is done already.
   */
  complete(seqno: number, { error, detail, atNs }: { error?: ErrnoCode; detail?: string; atNs?: number } = {}): void {
    if (!Number.isInteger(seqno) || seqno > this.#lastSeqno) {
      throw errno('EINVAL', `number ${seqno} of ${this.identity.timelineName}: the last one is ${this.#lastSeqno}`);
    }
    if (seqno <= this.#signalledThrough || this.#closed !== undefined) {
      throw errno('EINVAL', `number ${seqno} of ${this.identity.timelineName} has signalled already`);
    }
    this.#signalledThrough = seqno;
    for (const [number, fence] of this.#outstanding) {
      if (number > seqno) {
        break;
      }
      this.#conclude(fence, number === seqno ? error : undefined, detail, atNs);
    }
  }

  /** The producer is gone. Signals what is outstanding, oldest first; harmless the second time. */
  close(code: ErrnoCode, detail?: string): void {
    if (this.#closed !== undefined) {
      return;
    }
    this.#closed = code;
    const nowNs = this.domain.clock.nowNs();
    for (const fence of this.#outstanding.values()) {
      this.#conclude(fence, code, detail, nowNs);
    }
  }

  #conclude(fence: DmaFence, error: ErrnoCode | undefined, detail: string | undefined, atNs: number | undefined): void {
    this.#outstanding.delete(fence.seqno);
    if (!fence.signalled) {
      if (error === undefined) {
        fence.signal(atNs);
      } else {
        fence.fail(error, detail, atNs);
      }
    }
    fence.put();
  }
}

/** A timeline that software moves on by counting, as sw_sync: a fence is a value to be reached. */
export class SoftwareTimeline {
  readonly domain: FenceDomain;
  readonly identity: TimelineIdentity;
  readonly #points = new Map<number, DmaFence>();
  #value = 0;
  #closed = false;

  constructor(domain: FenceDomain, timelineName: string) {
    this.domain = domain;
    this.identity = { context: domain.newContext(), driverName: 'sw_sync', timelineName };
  }

  get value(): number {
    return this.#value;
  }

  get outstanding(): number {
    return this.#points.size;
  }

  /** The fence of a value; one that is reached already has signalled. The reference is the caller's. Errors: ESHUTDOWN, EINVAL. */
  point(value: number): DmaFence {
    if (this.#closed) {
      throw errno('ESHUTDOWN', `timeline ${this.identity.timelineName} is closed`);
    }
    const existing = this.#points.get(value);
    if (existing !== undefined) {
      return existing.get();
    }
    const fence = new DmaFence(this.domain, this.identity, value);
    if (value <= this.#value) {
      fence.signal();
    } else {
      this.#points.set(value, fence.get());
    }
    return fence;
  }

  /** Moves on and signals what is reached, in order. Errors: EINVAL. */
  advance(by = 1): void {
    if (!Number.isSafeInteger(by) || by < 0 || !Number.isSafeInteger(this.#value + by)) {
      throw errno('EINVAL', `timeline ${this.identity.timelineName} at ${this.#value} cannot be moved on by ${by}`);
    }
    this.#value += by;
    const reached = this.#value;
    this.#drain((value) => value <= reached, undefined);
  }

  /** What is outstanding signals with ENOENT: nobody will ever count to it. */
  close(): void {
    this.#closed = true;
    this.#drain(() => true, 'ENOENT');
  }

  #drain(which: (value: number) => boolean, error: ErrnoCode | undefined): void {
    const due = [...this.#points.values()].filter((fence) => which(fence.seqno)).sort((a, b) => a.seqno - b.seqno);
    // Out of the list before anybody is told: who is told may move the timeline on or close it.
    for (const fence of due) {
      this.#points.delete(fence.seqno);
    }
    for (const fence of due) {
      if (!fence.signalled) {
        if (error === undefined) {
          fence.signal();
        } else {
          fence.fail(error, `timeline ${this.identity.timelineName} was closed at ${this.#value}`);
        }
      }
      fence.put();
    }
  }
}
