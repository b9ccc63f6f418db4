/**
 * One external queue as one context has it: the kernel's side of a ring (device.md 2.1, 2.3).
 *
 * Owns: producer and consumer index, which job sits in which slot, reading the completion queue.
 * Must not know packets, handles or who submitted.
 */
import {
  COMPLETION_INDEX_MASK,
  COMPLETION_READY,
  createRingBuffer,
  type Device,
  RING_ENTRIES,
  RingView,
  ringAdvance,
  ringDistance,
  ringSlot,
} from '@pedrera/hw';
import { CompletionTail } from '../asic/gaudi/parser.js';
import type { Bus } from './bus.js';
import type { Job } from './submission.js';

export class ContextQueue {
  readonly queue: number;
  readonly tail: CompletionTail;
  /** By ring slot; undefined where nothing is in flight. */
  readonly jobs: (Job | undefined)[] = new Array(RING_ENTRIES).fill(undefined);
  readonly #ring: RingView;
  readonly #busSlot: number;
  readonly #bus: Bus;
  /** Both count to twice the length and wrap there. */
  #pi = 0;
  #ci = 0;
  #completed = 0;

  constructor(device: Device, bus: Bus, asid: number, queue: number) {
    this.queue = queue;
    this.#bus = bus;
    const buffer = createRingBuffer();
    this.#ring = new RingView(buffer);
    this.#busSlot = bus.takeRingSlot();
    this.tail = new CompletionTail(this.#busSlot, queue);
    device.createRing(asid, queue, { buffer, slot: this.#busSlot });
  }

  get pi(): number {
    return this.#pi;
  }

  get ci(): number {
    return this.#ci;
  }

  get completed(): number {
    return this.#completed;
  }

  get inFlight(): number {
    return ringDistance(this.#ci, this.#pi, RING_ENTRIES);
  }

  /** Queued and not yet fetched by the device. */
  get pending(): number {
    return ringDistance(this.#ring.fetched, this.#pi, RING_ENTRIES);
  }

  /** Slots a submission may still take; a slot is freed when its completion word arrives (device.md 2.1). */
  get free(): number {
    return RING_ENTRIES - this.inFlight;
  }

  /** Where the next job will sit. */
  get nextSlot(): number {
    return ringSlot(this.#pi, RING_ENTRIES);
  }

  /** Writes the descriptor; the device sees it with the next doorbell. Preconditions: free > 0. */
  push(job: Job): void {
    const slot = this.nextSlot;
    this.jobs[slot] = job;
    this.#ring.writeDescriptor(this.#pi, job.block.busAddress, job.sizeBytes, slot);
    this.#pi = ringAdvance(this.#pi, RING_ENTRIES);
  }

  /**
   * Retires the oldest job, whose completion word an interrupt announced. One a call: every job has an interrupt of its
   * own, and the next job's faults, which are reported before its interrupt, may not have been seen yet.
   */
  takeCompletion(): Job {
    const slot = ringSlot(this.#ci, RING_ENTRIES);
    const word = this.#ring.completion(slot);
    if ((word & COMPLETION_READY) === 0 || (word & COMPLETION_INDEX_MASK) !== slot) {
      throw new Error(`queue ${this.queue}: completion word 0x${word.toString(16)} in slot ${slot}`);
    }
    this.#ring.clearCompletion(slot);
    this.#completed++;
    return this.#retire(slot);
  }

  /** The jobs that never completed. Preconditions: the device stopped this context's streams. */
  *abandoned(): IterableIterator<Job> {
    while (this.#ci !== this.#pi) {
      yield this.#retire(ringSlot(this.#ci, RING_ENTRIES));
    }
  }

  oldestJob(): Job | undefined {
    return this.jobs[ringSlot(this.#ci, RING_ENTRIES)];
  }

  async close(): Promise<void> {
    await this.#bus.removeShared(this.#busSlot);
  }

  #retire(slot: number): Job {
    const job = this.jobs[slot] as Job;
    this.jobs[slot] = undefined;
    this.#ci = ringAdvance(this.#ci, RING_ENTRIES);
    return job;
  }
}
