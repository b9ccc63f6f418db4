/**
 * One client's share of a device: an ASID and all that hangs on it.
 *
 * Owns: address space, queues, sequence numbers, counters, its unfinished work; the order of its teardown. What it leases is in
 * context-leases.ts, when its work has taken too long in tdr.ts.
 * References: creation (the open file), each command buffer, each unfinished submission, each running wait, each
 * exported dma-buf (uapi.md 1.7). Must not know connections or ioctls.
 */
import { type ErrnoCode, RefCounted } from '@pedrera/base';
import { TRACE_KIND } from '@pedrera/uapi';
import type { Birth, Caller } from './caller.js';
import { Captures } from './captures.js';
import { ContextLeases } from './context-leases.js';
import { ContextQueue } from './context-queue.js';
import { CsCounters, type DropReason } from './counters.js';
import type { DeferredWork } from './deferred-work.js';
import type { HlDevice } from './device.js';
import type { Allocation } from './device-memory.js';
import { Reservations } from './encapsulated-signals.js';
import type { FenceDomain } from './fence/fence-domain.js';
import { InternalPool } from './internal-pool.js';
import { AddressSpace } from './mapping.js';
import { PatchedPool } from './patched-pool.js';
import { PendingRing } from './pending-ring.js';
import type { Job, Outcome, Submission } from './submission.js';
import { LeasedSyncNumbers, SyncStream } from './sync-stream.js';
import { Tdr } from './tdr.js';

const REFUSED: Outcome = { error: 'EBUSY', detail: 'the submission was refused' };

/** Why a context's work ends: what the timed-out submission (else the oldest) finishes with, the sentence for all. */
export interface StopVerdict {
  readonly error: ErrnoCode;
  readonly detail: string;
  readonly submission?: Submission;
}

export interface FaultReport {
  readonly queue: number;
  readonly address: number;
  /** Undefined when no job of a ring caused it (a monitor's payload). */
  readonly ringSlot: number | undefined;
  readonly text: string;
}

export class Context extends RefCounted {
  readonly device: HlDevice;
  readonly asid: number;
  readonly pid: number;
  readonly addressSpace: AddressSpace;
  readonly patchedPool: PatchedPool;
  readonly pending = new PendingRing();
  readonly counters = new CsCounters();
  readonly leases = new ContextLeases(this);
  readonly reservations: Reservations;
  /** Bytes of MEMORY ALLOC (uapi.md 5.1, 5.2). */
  dramUsed = 0;
  faults = 0;
  lastFault: { readonly address: number; readonly text: string; readonly atNs: number } | undefined;
  submitted = 0;
  /** Device memory this context allocated under `shared`. */
  readonly allocations = new Set<Allocation>();
  /** Set once nothing may be submitted any more, with the reason. */
  lost: string | undefined;
  /** Submissions that wait for fences; made for the first one. */
  deferred: DeferredWork | undefined;
  /** First errors since the open: the device's, or its own where the device is shared. */
  readonly captures: Captures;

  birth: Birth;
  #caller: Caller | undefined;
  readonly #queues: (ContextQueue | undefined)[] = [];
  readonly #usedQueues: ContextQueue[] = [];
  #unfinished = 0;
  readonly #tdr = new Tdr(this);
  #stopping: Promise<void> | undefined;
  #syncStream: SyncStream | undefined;
  #internalPool: InternalPool | undefined;
  #timelines: (number | undefined)[] | undefined;
  #fileClosed = false;

  constructor(device: HlDevice, asid: number, pid: number) {
    super('context', device.tracker);
    this.device = device;
    this.asid = asid;
    this.pid = pid;
    this.captures = device.policy.ownsDevice ? device.captures : new Captures();
    this.birth = { atNs: device.clock.nowNs(), call: 0 };
    this.addressSpace = new AddressSpace(device.hardware, asid, () => this.#caller?.birth() ?? this.birth);
    this.patchedPool = new PatchedPool(device.bus, device.patchedBytesPerContext);
    this.reservations = new Reservations(this);
  }

  get unfinished(): number {
    return this.#unfinished;
  }

  /** The file's calls are what makes its mappings. */
  openedBy(caller: Caller): void {
    this.#caller = caller;
    this.birth = caller.birth();
  }

  /** The submission whose time-out runs; see Tdr. */
  runningTimeout(nowNs: number): ReturnType<Tdr['running']> {
    return this.#tdr.running(nowNs);
  }

  /** Number of the timeline that the fences of a queue's submissions are on. */
  queueTimeline(domain: FenceDomain, queue: number): number {
    this.#timelines ??= [];
    this.#timelines[queue] ??= domain.newContext();
    return this.#timelines[queue];
  }

  /** The same, if any such fence was ever made. */
  knownTimeline(queue: number): number | undefined {
    return this.#timelines?.[queue];
  }

  get queues(): readonly (ContextQueue | undefined)[] {
    return this.#queues;
  }

  /** The same without gaps, in the order of their first use: of a hundred queues most contexts use two or three. */
  get usedQueues(): readonly ContextQueue[] {
    return this.#usedQueues;
  }

  /** The context's ring for a queue, made at its first use. Errors: ENOMEM when the bus has no slot left. */
  queue(id: number): ContextQueue {
    let queue = this.#queues[id];
    if (queue === undefined) {
      const { hardware, bus } = this.device;
      queue = new ContextQueue(hardware, { bus, pool: this.patchedPool, asid: this.asid, queue: id });
      this.#queues[id] = queue;
      this.#usedQueues.push(queue);
    }
    return queue;
  }

  /** Signals and waits: the device's own, or this context's where many contexts must not see each other's counts. */
  get syncStream(): SyncStream {
    if (this.device.policy.ownsDevice) {
      return this.device.syncStream;
    }
    this.#syncStream ??= new SyncStream(
      this.device.hardware,
      new LeasedSyncNumbers((sobs, monitors) => this.leases.leaseForDriver(sobs, monitors)),
    );
    return this.#syncStream;
  }

  /** Where the command buffers of collective slaves lie (device.md 7). */
  get internalPool(): InternalPool {
    this.#internalPool ??= new InternalPool(this.device.hardware, this.device.bus, this.asid);
    return this.#internalPool;
  }

  /** Counts a refused submission on the context and the device (uapi.md 4.17). */
  countDrop(reason: DropReason): void {
    this.counters.count(reason);
    this.device.counters.count(reason);
  }

  // --- submissions ---------------------------------------------------------------------------------------------------

  /** The submission is on its queues: it holds the context until it has finished. */
  started(submission: Submission): void {
    this.get();
    this.submitted++;
    this.device.submissions.started++;
    submission.submitted = true;
    submission.submittedNs = this.device.clock.nowNs();
    this.#tdr.started(submission, this.#unfinished++ === 0);
  }

  /** The interrupt of one job of a queue (device.md 2.7). */
  onInterrupt(queue: number): void {
    const job = this.#queues[queue]?.takeCompletion();
    if (job !== undefined) {
      this.#jobDone(job);
    }
  }

  /** Returns the submission whose packet it was, if that is known. */
  onFault(report: FaultReport): Submission | undefined {
    this.faults++;
    this.lastFault = { address: report.address, text: report.text, atNs: this.device.clock.nowNs() };
    const job = report.ringSlot === undefined ? undefined : this.#queues[report.queue]?.jobs[report.ringSlot];
    if (job !== undefined && this.device.policy.failOnFault) {
      job.submission.fault ??= report.text;
    }
    return job?.submission;
  }

  /** The submission was refused before it was queued: its number is spent, and reads COMPLETED (uapi.md 4.6). */
  refused(submission: Submission): void {
    submission.finish(this.device.clock.nowNs(), REFUSED);
    this.pending.finished(submission);
  }

  /** It was deferred, and is given up before any of its jobs was queued. */
  neverStarted(submission: Submission, outcome: Outcome): void {
    this.device.submissions.started++;
    this.device.submissions.failed++;
    const now = this.device.clock.nowNs();
    this.#traceEnd(submission, now, outcome);
    submission.finish(now, outcome);
    this.pending.finished(submission);
  }

  #jobDone(job: Job): void {
    if (job.block !== undefined) {
      this.patchedPool.free(job.block);
    }
    const { submission } = job;
    if (--submission.jobsLeft > 0) {
      return;
    }
    const { staged } = submission;
    if (staged === undefined) {
      this.#finish(submission, submission.fault === undefined ? undefined : { error: 'EIO', detail: submission.fault });
      return;
    }
    // The last part completes all of them, and a fault of one is a fault of all (uapi.md 4.8).
    const fault = staged.fault();
    for (const part of staged.parts) {
      this.#finish(part, fault === undefined ? undefined : { error: 'EIO', detail: fault });
    }
  }

  #finish(submission: Submission, outcome: Outcome | undefined): void {
    const now = this.device.clock.nowNs();
    const wasHead = this.deferred === undefined ? this.pending.oldest() === submission : this.#tdr.isHead(submission);
    if (submission.held !== undefined) {
      for (const job of submission.held) {
        this.#queues[job.queue]?.release(job);
      }
      submission.forgetHeld();
    }
    this.#traceEnd(submission, now, outcome);
    submission.finish(now, outcome);
    this.device.submissionTimes.add(now - submission.submittedNs);
    if (submission.outcome?.error === undefined) {
      this.device.submissions.completed++;
    } else {
      this.device.submissions.failed++;
    }
    this.pending.finished(submission);
    this.pending.publish(submission);
    this.#unfinished--;
    if (wasHead) {
      this.#tdr.headFinished(submission, now);
    }
    if (this.#fileClosed) {
      this.#dropImports();
    }
    this.put();
  }

  #traceEnd(submission: Submission, nowNs: number, outcome: Outcome | undefined): void {
    const { trace } = this.device;
    if ((trace.kinds & TRACE_KIND.SUBMISSIONS) !== 0) {
      trace.finished(submission, nowNs, outcome?.error ?? (submission.timedOut ? 'ETIMEDOUT' : undefined));
    }
  }

  /** Gives up every handle of device memory; what is exported lives on. */
  releaseAllocations(): void {
    for (const allocation of this.allocations) {
      this.device.memory.forget(allocation);
    }
    this.allocations.clear();
  }

  /** The file is closed. What still runs keeps what it uses; imports end with the last of it. */
  fileClosed(): void {
    this.#fileClosed = true;
    this.#dropImports();
  }

  /**
   * An import of what this context exported, or of what leads back here, holds the context that holds the import: where others hold the
   * context too, imports end with the file and its work, not with the last reference, which might never go.
   */
  #dropImports(): void {
    if (this.#unfinished > 0 || this.refs === 1 || this.#stopping !== undefined || (this.deferred?.size ?? 0) > 0) {
      return;
    }
    for (const { va, source } of [...this.addressSpace.mappings()]) {
      if (source.kind === 'import') {
        // Held until the device has forgotten the address: the context may end with this.
        this.get();
        void this.addressSpace.unmap(va).finally(() => this.put());
      }
    }
  }

  // --- teardown --------------------------------------------------------------------------------------------------------

  /**
   * Ends everything the context runs and gives back all it holds but its ASID and leases, which go with the last
   * reference. Unfinished submissions finish with EIO, one with the verdict's error if there is a verdict.
   * Postconditions: the device has forgotten the ASID before any memory is released.
   */
  stop(verdict?: StopVerdict): Promise<void> {
    this.lost ??= verdict?.detail ?? 'the file was closed';
    this.#stopping ??= this.#stop(verdict);
    return this.#stopping;
  }

  async #stop(verdict: StopVerdict | undefined): Promise<void> {
    this.#tdr.stop();
    if (verdict !== undefined) {
      this.#tellEnd(verdict);
    }
    this.deferred?.cancel({ error: 'EIO', detail: verdict?.detail ?? this.lost ?? 'the context ended' });
    await this.device.hardware.destroyContext(this.asid);
    this.device.drainInterrupts();
    for (const queue of this.#queues) {
      queue?.abandon();
    }
    const judged = verdict?.submission ?? this.pending.oldest();
    for (const submission of [...this.pending.unfinished()]) {
      const error = (submission === judged ? verdict?.error : undefined) ?? 'EIO';
      // Their slots and command buffers went with the queues.
      submission.forgetHeld();
      this.#finish(submission, { error, detail: verdict?.detail ?? this.lost ?? 'the context ended' });
    }
    await this.addressSpace.close();
    await Promise.all(this.#queues.map((queue) => queue?.close()));
    this.#queues.length = 0;
    this.#usedQueues.length = 0;
    await this.#internalPool?.close();
    await this.patchedPool.close();
  }

  /** A client that just leaves says so itself. */
  #tellEnd({ detail, submission }: StopVerdict): void {
    const { device, asid, pid } = this;
    const work = this.#unfinished + (this.deferred?.size ?? 0);
    const lost = work === 0 ? '' : `; ${work} unfinished submissions fail`;
    device.eventLog.add({
      kind: 'context ended',
      severity: work === 0 ? 'info' : 'error',
      device: device.index,
      asid,
      pid,
      seq: submission?.seq,
      text: `${detail}${lost}`,
    });
  }

  protected override release(): void {
    void this.#end();
  }

  async #end(): Promise<void> {
    await this.device.contexts.finalStage();
    await this.stop();
    this.device.contexts.ended(this);
  }
}
