/**
 * A fence: one point on a timeline that is reached once (uapi.md 6.3).
 *
 * Owns: the one transition from pending to signalled, its error and time, who is told and in which order.
 * References: whoever will signal it, and whoever waits for it. A registered callback is not a reference.
 * Must not know what stands behind it; who makes a fence promises that it signals in bounded time.
 *
 * Sequence numbers are doubles: safe integers, 104 days at one a nanosecond, so the contract's 64-bit compare is `>`.
 */
import { ERRNO, type ErrnoCode, errno, errnoCode, RefCounted } from '@pedrera/base';
import type { FenceDomain, TimelineIdentity } from './fence-domain.js';
import type { FenceSource } from './fence-source.js';

/** Errors are -1 to this, negated. */
export const MAX_ERRNO = 4095;

export type FenceCallback = (fence: DmaFence) => void;

/** A callback that was added, as the handle to take it back with. */
export class FenceRegistration {
  readonly run: FenceCallback;
  readonly #fence: DmaFence;

  constructor(fence: DmaFence, run: FenceCallback) {
    this.#fence = fence;
    this.run = run;
  }

  /** True when it was taken back before it ran. */
  remove(): boolean {
    return this.#fence.removeCallback(this);
  }
}

export class DmaFence extends RefCounted {
  readonly domain: FenceDomain;
  readonly timeline: TimelineIdentity;
  readonly seqno: number;
  /** What it stands for, while that is unfinished; for inspection. */
  source: FenceSource | undefined;
  /** A set, for a waiter that gives up must be found at once among thousands. Made for the first callback. */
  #callbacks: Set<FenceRegistration> | undefined;
  #signalled = false;
  #error = 0;
  #detail: string | undefined;
  #timestampNs = 0;

  /** Born with one reference, the creator's. Errors: EINVAL. */
  constructor(domain: FenceDomain, timeline: TimelineIdentity, seqno: number) {
    if (!Number.isSafeInteger(seqno) || seqno < 0) {
      throw errno('EINVAL', `sequence number ${seqno} of a fence: an integer from 0 below 2^53 expected`);
    }
    super('dma-fence', domain.tracker);
    this.domain = domain;
    this.timeline = timeline;
    this.seqno = seqno;
    domain.witness?.(this);
  }

  get context(): number {
    return this.timeline.context;
  }

  /** "<driver>-<timeline><context>-<seqno>" (uapi.md 6.5). */
  get name(): string {
    const { driverName, timelineName, context } = this.timeline;
    return `${driverName}-${timelineName}${context}-${this.seqno}`;
  }

  /** An array or a chain, which stands for other fences. */
  get isContainer(): boolean {
    return false;
  }

  get signalled(): boolean {
    if (!this.#signalled) {
      this.poll();
    }
    return this.#signalled;
  }

  /** 0 pending, 1 signalled, negative: signalled with this error. */
  get status(): number {
    if (!this.signalled) {
      return 0;
    }
    return this.#error === 0 ? 1 : this.#error;
  }

  /** 0 or negative; may be set before the fence signals. */
  get error(): number {
    return this.#error;
  }

  get errorCode(): ErrnoCode | undefined {
    return errnoCode(-this.#error);
  }

  /** The sentence that goes with the error. */
  get errorDetail(): string | undefined {
    return this.#detail;
  }

  /** 0 until it has signalled. */
  get timestampNs(): number {
    return this.#timestampNs;
  }

  /** Somebody will be told. */
  get watched(): boolean {
    return this.#callbacks !== undefined && this.#callbacks.size > 0;
  }

  /** Within one timeline only; across timelines the question has no answer: false, with a warning. */
  isLaterThan(other: DmaFence): boolean {
    if (this.context !== other.context) {
      this.domain.warn(`fences ${this.name} and ${other.name} of different timelines were compared`);
      return false;
    }
    return this.seqno > other.seqno;
  }

  /** The error it will signal with. Once it has signalled: a warning, nothing changes. Errors: EINVAL out of range. */
  setError(error: number, detail?: string): void {
    if (!Number.isInteger(error) || error < -MAX_ERRNO || error > -1) {
      throw errno('EINVAL', `error ${error} of fence ${this.name}: -${MAX_ERRNO} to -1 expected`);
    }
    if (this.#signalled) {
      this.domain.warn(`error ${error} was set on fence ${this.name} after it had signalled`);
      return;
    }
    this.#error = error;
    this.#detail = detail;
  }

  /** Signals it and tells who waits, in the order they came. `atNs`: when it happened. Errors: EINVAL the second time. */
  signal(atNs: number = this.domain.clock.nowNs()): void {
    if (this.#signalled) {
      throw errno('EINVAL', `fence ${this.name} has signalled already`);
    }
    if (!(atNs >= 0)) {
      throw errno('EINVAL', `time stamp ${atNs} of fence ${this.name}: nanoseconds expected`);
    }
    this.#signalled = true;
    this.#timestampNs = atNs;
    this.settled();
    const callbacks = this.#callbacks;
    if (callbacks === undefined) {
      return;
    }
    // One that is taken back by an earlier one is skipped; none can be added any more.
    for (const registration of callbacks) {
      callbacks.delete(registration);
      try {
        registration.run(this);
      } catch (error) {
        // A waiter must not be able to keep the signaller, or other waiters, from going on.
        this.domain.warn(`a callback of fence ${this.name} threw`, error);
      }
    }
    this.#callbacks = undefined;
  }

  /** Signals it with an error. */
  fail(code: ErrnoCode, detail?: string, atNs?: number): void {
    if (!this.#signalled) {
      this.setError(-ERRNO[code], detail);
    }
    this.signal(atNs);
  }

  /** Runs once, when it signals. Errors: ENOENT when it has; then the callback is not run. */
  addCallback(run: FenceCallback): FenceRegistration {
    const registration = this.watch(run);
    if (registration === undefined) {
      throw errno('ENOENT', `fence ${this.name} has signalled already`);
    }
    return registration;
  }

  /** As addCallback, for callers to whom a signalled fence is no surprise: undefined. */
  watch(run: FenceCallback): FenceRegistration | undefined {
    if (this.signalled) {
      return undefined;
    }
    const registration = new FenceRegistration(this, run);
    this.#callbacks ??= new Set();
    this.#callbacks.add(registration);
    if (this.#callbacks.size === 1) {
      this.arm();
    }
    return registration;
  }

  removeCallback(registration: FenceRegistration): boolean {
    const removed = this.#callbacks?.delete(registration) ?? false;
    if (removed && !this.#signalled && !this.watched) {
      this.disarm();
    }
    return removed;
  }

  /** Asked before the answer "pending": a fence that depends on others looks at them and may signal. */
  protected poll(): void {}

  /** The first callback is there: from now on it has to signal by itself. */
  protected arm(): void {}

  /** The last callback was taken back. */
  protected disarm(): void {}

  /** It has signalled; nobody was told yet. */
  protected settled(): void {}

  /**
   * Nobody is left who could signal it. Waiters would hang, so they are told; that it came to this is a bug of ours. What nobody
   * waits for is just forgotten.
   */
  protected override release(): void {
    if (this.#signalled || !this.watched) {
      return;
    }
    this.domain.warn(`fence ${this.name} was released with ${this.#callbacks?.size} callbacks pending`);
    this.fail('EDEADLK', `fence ${this.name} was given up by whoever should have signalled it`);
  }
}

/** A fence that has signalled already, for places that need one and have none (context 0, as the kernel's stub). */
export function signalledStub(domain: FenceDomain, atNs?: number): DmaFence {
  const stub = new DmaFence(domain, STUB, 0);
  stub.signal(atNs);
  return stub;
}

const STUB: TimelineIdentity = { context: 0, driverName: 'stub', timelineName: 'stub' };
