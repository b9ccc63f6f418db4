/**
 * One client's share of a device: an ASID and all that hangs on it.
 *
 * Owns: address space, queues, sequence numbers, leases, counters; the order of its teardown.
 * References: creation (the open file), each command buffer, each unfinished submission, each running wait, each
 * exported dma-buf (uapi.md 1.7). Must not know connections or ioctls.
 */
import { type ErrnoCode, errno, RefCounted, type Timer } from '@pedrera/base';
import type { SyncLease } from '@pedrera/hw';
import { ContextQueue } from './context-queue.js';
import { CsCounters, type DropReason } from './counters.js';
import type { HlDevice } from './device.js';
import type { Allocation } from './device-memory.js';
import { AddressSpace } from './mapping.js';
import { PatchedPool } from './patched-pool.js';
import { PendingRing } from './pending-ring.js';
import type { Job, Submission } from './submission.js';

/** What INFO SYNC_MANAGER leases to a context that never asked for a certain number. */
const DEFAULT_LEASE = { syncObjects: 32, monitors: 8 };

export interface FaultReport {
  readonly queue: number;
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
  readonly leases: (SyncLease | undefined)[] = [];
  sramLease: { base: number; size: number } | undefined;
  /** Bytes of MEMORY ALLOC (uapi.md 5.1, 5.2). */
  dramUsed = 0;
  faults = 0;
  submitted = 0;
  /** Device memory this context allocated under `shared`. */
  readonly allocations = new Set<Allocation>();
  /** Set once nothing may be submitted any more, with the reason. */
  lost: string | undefined;

  readonly #queues: (ContextQueue | undefined)[] = [];
  #unfinished = 0;
  #tdr: { timer: Timer; deadlineNs: number } | undefined;
  #headSinceNs = 0;
  #stopping: Promise<void> | undefined;

  constructor(device: HlDevice, asid: number, pid: number) {
    super('context', device.tracker);
    this.device = device;
    this.asid = asid;
    this.pid = pid;
    this.addressSpace = new AddressSpace(device.hardware, asid);
    this.patchedPool = new PatchedPool(device.bus);
  }

  get unfinished(): number {
    return this.#unfinished;
  }

  get queues(): readonly (ContextQueue | undefined)[] {
    return this.#queues;
  }

  /** The context's ring for an external queue, made at its first use. */
  queue(id: number): ContextQueue {
    let queue = this.#queues[id];
    if (queue === undefined) {
      queue = new ContextQueue(this.device.hardware, this.device.bus, this.asid, id);
      this.#queues[id] = queue;
    }
    return queue;
  }

  /** The objects of a sync manager this context may touch, if any. */
  heldLease(dcore: number): SyncLease | undefined {
    return this.device.policy.ownsDevice ? this.device.ownedSync(dcore) : this.leases[dcore];
  }

  /** As heldLease(); where nothing was leased yet, a few objects are now. */
  syncLease(dcore: number): SyncLease {
    return this.heldLease(dcore) ?? this.leaseSync(dcore, DEFAULT_LEASE);
  }

  /** Errors: EBUSY when there is a lease already, EINVAL, ENOSPC. Under `exclusive` all objects are the context's. */
  leaseSync(dcore: number, wanted: { syncObjects: number; monitors: number }): SyncLease {
    const held = this.heldLease(dcore);
    if (held !== undefined) {
      if (this.device.policy.ownsDevice) {
        return held;
      }
      throw errno(
        'EBUSY',
        `this context already leases ${held.sobs} sync objects of dcore ${dcore}, from ${held.firstSob}`,
      );
    }
    const lease = this.device.leases.leaseSync(dcore, wanted.syncObjects, wanted.monitors);
    this.leases[dcore] = lease;
    this.device.updateRights(this);
    return lease;
  }

  leaseSram(size: number): { base: number; size: number } {
    if (this.sramLease !== undefined) {
      throw errno('EBUSY', `this context already holds ${this.sramLease.size} bytes of SRAM`);
    }
    this.sramLease = this.device.leases.leaseSram(size);
    this.device.updateRights(this);
    return this.sramLease;
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
    submission.submittedNs = this.device.clock.nowNs();
    if (this.#unfinished++ === 0) {
      this.#headSinceNs = submission.submittedNs;
      this.#armTdr(submission);
    }
  }

  /** The interrupt of one job of a queue (device.md 2.7). */
  onInterrupt(queue: number): void {
    const job = this.#queues[queue]?.takeCompletion();
    if (job !== undefined) {
      this.#jobDone(job);
    }
  }

  onFault(report: FaultReport): void {
    this.faults++;
    const job = report.ringSlot === undefined ? undefined : this.#queues[report.queue]?.jobs[report.ringSlot];
    if (job !== undefined && this.device.policy.failOnFault) {
      job.submission.fault ??= report.text;
    }
  }

  #jobDone(job: Job): void {
    this.patchedPool.free(job.block);
    const { submission } = job;
    if (--submission.jobsLeft > 0) {
      return;
    }
    if (submission.fault === undefined) {
      this.#finish(submission);
    } else {
      this.#finish(submission, 'EIO', submission.fault);
    }
  }

  #finish(submission: Submission, error?: ErrnoCode, detail?: string): void {
    const now = this.device.clock.nowNs();
    const wasHead = this.pending.oldest() === submission;
    submission.finish(now, error === undefined ? undefined : { error, ...(detail === undefined ? {} : { detail }) });
    this.pending.publish(submission);
    this.#unfinished--;
    if (wasHead) {
      const head = this.pending.oldest();
      this.#headSinceNs = now;
      if (head !== undefined) {
        this.#armTdr(head);
      }
    }
    this.put();
  }

  // --- time-out of the oldest submission (uapi.md 4.7) -----------------------------------------------------------------

  /** Timers are lazy: one that fires early for the present head is simply set again. */
  #armTdr(head: Submission): void {
    // A context that is being stopped finishes its submissions one by one; none of them becomes a head to watch.
    if (this.#stopping !== undefined) {
      return;
    }
    const deadlineNs = this.#headSinceNs + head.timeoutNs;
    if (deadlineNs === Number.POSITIVE_INFINITY || (this.#tdr !== undefined && this.#tdr.deadlineNs <= deadlineNs)) {
      return;
    }
    this.#tdr?.timer.cancel();
    this.#tdr = { deadlineNs, timer: this.device.clock.at(deadlineNs, () => this.#tdrFired()) };
  }

  #tdrFired(): void {
    this.#tdr = undefined;
    const head = this.pending.oldest();
    if (head === undefined || this.#stopping !== undefined) {
      return;
    }
    if (this.#headSinceNs + head.timeoutNs > this.device.clock.nowNs()) {
      this.#armTdr(head);
      return;
    }
    const seconds = Math.round(head.timeoutNs / 1e9);
    this.device.contextTimedOut(this, `submission ${head.seq} did not finish within ${seconds} s`);
    void this.stop({ error: 'ETIMEDOUT', detail: `submission ${head.seq} did not finish within ${seconds} s` });
  }

  /** Gives up every handle of device memory; what is exported lives on. */
  releaseAllocations(): void {
    for (const allocation of this.allocations) {
      this.device.memory.forget(allocation);
    }
    this.allocations.clear();
  }

  // --- teardown --------------------------------------------------------------------------------------------------------

  /**
   * Ends everything the context runs and gives back all it holds but its ASID and leases, which go with the last
   * reference. Unfinished submissions finish with EIO, the oldest with `head` if given.
   * Postconditions: the device has forgotten the ASID before any memory is released.
   */
  stop(head?: { error: ErrnoCode; detail: string }): Promise<void> {
    this.lost ??= head?.detail ?? 'the file was closed';
    this.#stopping ??= this.#stop(head);
    return this.#stopping;
  }

  async #stop(head: { error: ErrnoCode; detail: string } | undefined): Promise<void> {
    this.#tdr?.timer.cancel();
    this.#tdr = undefined;
    await this.device.hardware.destroyContext(this.asid);
    this.device.drainInterrupts();
    for (const queue of this.#queues) {
      for (const job of queue?.abandoned() ?? []) {
        this.patchedPool.free(job.block);
      }
    }
    let verdict = head;
    for (const submission of [...this.pending.unfinished()]) {
      const detail = verdict?.detail ?? this.lost ?? 'the context ended';
      this.#finish(submission, verdict?.error ?? 'EIO', detail);
      verdict = head && { error: 'EIO', detail: head.detail };
    }
    await this.addressSpace.close();
    await Promise.all(this.#queues.map((queue) => queue?.close()));
    this.#queues.length = 0;
    await this.patchedPool.close();
  }

  protected override release(): void {
    void this.stop().then(() => this.device.contextEnded(this));
  }
}
