/**
 * One queue as one context has it: the kernel's side of a ring (device.md 2.1, 2.3).
 *
 * Owns: the producer index, which job sits in which slot, how many slots are taken, reading the completion queue.
 * Jobs of an external queue that report completion free their slot with it; all others (internal queues, staged parts
 * before the last) when their submission is released, in whatever order that happens.
 * Must not know packets, handles or who submitted.
 */
import {
  COMPLETION_INDEX_MASK,
  COMPLETION_READY,
  createRingBuffer,
  type Device,
  QUEUES,
  type QueueInfo,
  RingView,
  ringAdvance,
  ringDistance,
  ringSlot,
} from '@pedrera/hw';
import { CompletionTail } from '../asic/gaudi/parser.js';
import type { Bus } from './bus.js';
import type { PatchedBlock, PatchedPool } from './patched-pool.js';
import type { Job } from './submission.js';

/** A command buffer whose submission is released, but which the device may still be reading. */
interface Lingering {
  readonly index: number;
  readonly block: PatchedBlock;
}

export class ContextQueue {
  readonly queue: number;
  readonly length: number;
  /** Of an external queue. */
  readonly tail: CompletionTail | undefined;
  /** By ring slot; undefined where nothing is in flight. */
  readonly jobs: (Job | undefined)[];
  readonly #ring: RingView;
  readonly #busSlot: number;
  readonly #bus: Bus;
  readonly #pool: PatchedPool;
  /** Counts to twice the length and wraps there, as do all indices. */
  #pi = 0;
  /** Slots taken. */
  #used = 0;
  /** Jobs whose completion is still to come, and the index of the oldest of them. */
  #awaited = 0;
  #next = 0;
  #completed = 0;
  #lingering: Lingering[] | undefined;

  constructor(
    device: Device,
    { bus, pool, asid, queue }: { bus: Bus; pool: PatchedPool; asid: number; queue: number },
  ) {
    const { kind, length } = QUEUES[queue] as QueueInfo;
    this.queue = queue;
    this.length = length;
    this.jobs = new Array(length).fill(undefined);
    this.#bus = bus;
    this.#pool = pool;
    const buffer = createRingBuffer();
    this.#ring = new RingView(buffer, length);
    this.#busSlot = bus.takeRingSlot();
    this.tail = kind === 'external' ? new CompletionTail(this.#busSlot, queue) : undefined;
    device.createRing(asid, queue, { buffer, slot: this.#busSlot });
  }

  get pi(): number {
    return this.#pi;
  }

  /** As the driver counts it: slots are freed by number, not by position. */
  get ci(): number {
    return ringAdvance(this.#pi, this.length, -this.#used);
  }

  /** Jobs that left the queue. */
  get completed(): number {
    return this.#completed;
  }

  get inFlight(): number {
    return this.#used;
  }

  /** Queued and not yet fetched by the device. */
  get pending(): number {
    return ringDistance(this.#ring.fetched, this.#pi, this.length);
  }

  /**
   * Slots a submission may still take. Where jobs were released out of order, a slot that the device has yet to fetch or
   * to complete is not overwritten, although the driver would count it as free.
   */
  get free(): number {
    if (this.tail !== undefined && this.#awaited === this.#used && this.#lingering === undefined) {
      // The usual case: all jobs report completion, and the device is past everything else.
      return this.length - (this.#used === 0 ? 0 : this.#distance(this.#next));
    }
    return this.length - Math.max(this.#used, this.pending, this.#awaited > 0 ? this.#distance(this.#next) : 0);
  }

  /** Where the next job will sit. */
  get nextSlot(): number {
    return ringSlot(this.#pi, this.length);
  }

  /** Writes the descriptor; the device sees it with the next doorbell. Preconditions: free > 0. */
  push(job: Job): void {
    if (this.#lingering !== undefined) {
      this.#sweep();
    }
    const index = this.#pi;
    const slot = ringSlot(index, this.length);
    job.index = index;
    this.jobs[slot] = job;
    // The control word of an internal descriptor is 0 (device.md 2.1).
    this.#ring.writeDescriptor(index, job.address, job.sizeBytes, this.tail === undefined ? 0 : slot);
    if (job.completes && this.#awaited++ === 0) {
      this.#next = index;
    }
    this.#used++;
    this.#pi = ringAdvance(index, this.length);
  }

  /**
   * Retires the oldest job that reports completion, if its word is there. One a call: every job has an interrupt of its
   * own, and the next job's faults, which are reported before its interrupt, may not have been seen yet.
   */
  takeCompletion(): Job | undefined {
    const slot = ringSlot(this.#next, this.length);
    const word = this.#awaited === 0 ? 0 : this.#ring.completion(slot);
    if ((word & COMPLETION_READY) === 0 || (word & COMPLETION_INDEX_MASK) !== slot) {
      return undefined;
    }
    this.#ring.clearCompletion(slot);
    const job = this.jobs[slot] as Job;
    this.#vacate(job);
    if (--this.#awaited > 0) {
      do {
        this.#next = ringAdvance(this.#next, this.length);
      } while (this.jobs[ringSlot(this.#next, this.length)]?.completes !== true);
    }
    return job;
  }

  /**
   * Frees the slot of a job that reports no completion: its submission is released. Its command buffer is freed once the
   * device is known to be past it: the submission may have completed on another queue.
   */
  release(job: Job): void {
    this.#vacate(job);
    if (job.block === undefined) {
      return;
    }
    if (this.#isPast(job.index)) {
      this.#pool.free(job.block);
    } else {
      this.#lingering ??= [];
      this.#lingering.push({ index: job.index, block: job.block });
    }
  }

  /** Frees every command buffer that is still held. Preconditions: the device stopped this context's streams. */
  abandon(): void {
    for (const job of this.jobs) {
      if (job !== undefined) {
        this.#vacate(job);
        if (job.block !== undefined) {
          this.#pool.free(job.block);
        }
      }
    }
    this.#awaited = 0;
    for (const { block } of this.#lingering ?? []) {
      this.#pool.free(block);
    }
    this.#lingering = undefined;
  }

  /** The job that has been on the queue for longest. */
  oldestJob(): Job | undefined {
    let oldest: Job | undefined;
    if (this.#used === 0) {
      return undefined;
    }
    if (this.#awaited === this.#used) {
      // The usual case: all of them report completion, and do so in their order.
      return this.jobs[ringSlot(this.#next, this.length)];
    }
    for (const job of this.liveJobs()) {
      oldest = job;
    }
    return oldest;
  }

  /** The jobs on the queue, newest first. Looks no further back than the oldest of them. */
  *liveJobs(): IterableIterator<Job> {
    let index = this.#pi;
    for (let left = this.#used, looks = this.length; left > 0 && looks > 0; looks--) {
      index = ringAdvance(index, this.length, -1);
      const job = this.jobs[ringSlot(index, this.length)];
      if (job !== undefined) {
        left--;
        yield job;
      }
    }
  }

  /** Index of the next descriptor the device will fetch. */
  get fetched(): number {
    return this.#ring.fetched;
  }

  /** How the descriptor at an index stands: one that was fetched last runs, until its job is over. */
  progressAt(index: number): 'pending' | 'running' | 'done' {
    const distance = this.#distance(index);
    const { pending } = this;
    if (distance <= pending) {
      return 'pending';
    }
    return distance === pending + 1 && this.jobs[ringSlot(index, this.length)]?.index === index ? 'running' : 'done';
  }

  /** The queue entry in a slot: where its command buffer lies on the bus, and how long it is. */
  entryAt(slot: number): { address: number; bytes: number } {
    return { address: this.#ring.descriptorAddress(slot), bytes: this.#ring.descriptorBytes(slot) };
  }

  /** Addresses of the entries the device fetched last, newest first; fewer where there never were as many. */
  newestEntries(count: number): number[] {
    const addresses: number[] = [];
    let index = this.#ring.fetched;
    while (addresses.length < count) {
      index = ringAdvance(index, this.#ring.length, -1);
      if (this.#ring.descriptorBytes(index) === 0) {
        break;
      }
      addresses.push(this.#ring.descriptorAddress(index));
    }
    return addresses;
  }

  async close(): Promise<void> {
    await this.#bus.removeShared(this.#busSlot);
  }

  /** Descriptors from index `index` up to the producer index. */
  #distance(index: number): number {
    return ringDistance(index, this.#pi, this.length);
  }

  /** The device has fetched a later descriptor than this one, so it has done with it. */
  #isPast(index: number): boolean {
    return this.pending < this.#distance(index) - 1;
  }

  #vacate(job: Job): void {
    const slot = ringSlot(job.index, this.length);
    if (this.jobs[slot] === job) {
      this.jobs[slot] = undefined;
    }
    this.#used--;
    this.#completed++;
  }

  #sweep(): void {
    const still: Lingering[] = [];
    for (const entry of this.#lingering ?? []) {
      if (this.#isPast(entry.index)) {
        this.#pool.free(entry.block);
      } else {
        still.push(entry);
      }
    }
    this.#lingering = still.length === 0 ? undefined : still;
  }
}
