/**
 * Signals reserved ahead of the work that gives them (uapi.md 4.11).
 *
 * Owns: the reservations of one context, by handle; who may still be waited for through them.
 * Must not know submissions beyond which one a reservation is attached to.
 */
import { errno } from '@pedrera/base';
import { QUEUES } from '@pedrera/hw';
import { MAX_PENDING, MAX_SOB_VALUE } from '@pedrera/uapi';
import type { Context } from './context.js';
import type { Submission } from './submission.js';
import type { SignalledObject, SyncStreamQueue } from './sync-stream.js';

export interface Reservation {
  readonly id: number;
  readonly queue: SyncStreamQueue;
  /** The object, and the value the first reserved signal gives it. */
  readonly first: SignalledObject;
  readonly count: number;
  /** The first part of the staged submission that gives the signals. */
  submission: Submission | undefined;
  /** One for the table or the submission, one for each wait under way. */
  refs: number;
}

export interface ReserveResult {
  readonly handleId: number;
  /** The queue's next value after the reservation, not the number of signals reserved. */
  readonly count: number;
  readonly sobBaseAddrOffset: number;
}

/** Whether signal, wait and reserve work on a queue: the external ones (uapi.md 2.8). */
export function supportsSyncStream(queue: number): boolean {
  return QUEUES[queue]?.kind === 'external';
}

export class Reservations {
  readonly #context: Context;
  readonly #byId = new Map<number, Reservation>();
  /** All ids below are taken. */
  #lowestFree = 1;

  constructor(context: Context) {
    this.#context = context;
  }

  /** For inspection. */
  [Symbol.iterator](): IterableIterator<Reservation> {
    return this.#byId.values();
  }

  /** Errors: EINVAL for too many signals, a queue without a sync stream, or both objects of the queue being in use. */
  reserve(queueIndex: number, count: number): ReserveResult {
    if (count >= MAX_SOB_VALUE) {
      throw errno('EINVAL', `${count} signals; a sync object counts to ${MAX_SOB_VALUE - 1}`);
    }
    if (!supportsSyncStream(queueIndex)) {
      throw errno('EINVAL', `queue ${queueIndex} does not support signals`);
    }
    if (this.#byId.size >= MAX_PENDING) {
      throw errno('EINVAL', `this context holds ${this.#byId.size} reservations already`);
    }
    const queue = this.#context.syncStream.queue(queueIndex);
    const first = queue.reserve(count);
    const id = this.#freeId();
    this.#byId.set(id, { id, queue, first, count, submission: undefined, refs: 1 });
    return { handleId: id, count: queue.next, sobBaseAddrOffset: first.object.offset };
  }

  /** Errors: EINVAL for an unknown or attached handle, or when another signal or reservation came after it. */
  unreserve(id: number): void {
    const reservation = this.#unattached(id);
    const { queue, first, count } = reservation;
    if (!queue.unreserve(first, count)) {
      throw errno('EINVAL', `reservation ${id} is not the last thing that took signals of its queue`);
    }
    this.#delete(id);
  }

  /** The reservation `id`, if a submission may still give its signals. Errors: EINVAL. */
  #unattached(id: number): Reservation {
    const reservation = this.#byId.get(id);
    if (reservation === undefined) {
      throw errno('EINVAL', `no reservation has the handle ${id}`);
    }
    if (reservation.submission !== undefined) {
      throw errno('EINVAL', `reservation ${id} belongs to submission ${reservation.submission.seq} already`);
    }
    return reservation;
  }

  /** `first` is the first part of the staged submission that gives the signals. Errors: EINVAL. */
  attach(id: number, first: Submission): void {
    const reservation = this.#unattached(id);
    reservation.submission = first;
    first.sync = {
      reservation,
      release: () => {
        reservation.first.object.put();
        this.put(reservation);
      },
    };
  }

  /** The reservation whose signals the submission `seq` gives; takes a reference. */
  lookupBySubmission(seq: number): Reservation | undefined {
    const found = this.#context.pending.lookup(seq);
    const reservation = found === undefined || found === 'gone' ? undefined : found.sync?.reservation;
    if (reservation === undefined || reservation.refs === 0) {
      return undefined;
    }
    reservation.refs++;
    return reservation;
  }

  put(reservation: Reservation): void {
    if (--reservation.refs === 0) {
      this.#delete(reservation.id);
    }
  }

  /**
   * The file is closed: what nobody can attach any more is dropped (uapi.md 1.7). Signals that others have counted on top
   * of are given, so that a queue that lives on stays in step with its object.
   */
  dropUnattached(): void {
    // The last one first: as long as nothing was taken after it, it can simply be undone.
    for (const reservation of [...this.#byId.values()].reverse()) {
      if (reservation.submission === undefined) {
        const { queue, first, count } = reservation;
        if (!queue.unreserve(first, count)) {
          if (count > 0) {
            first.object.add(count);
          }
          first.object.put();
        }
        this.#delete(reservation.id);
      }
    }
  }

  /** The lowest free one, from 1. */
  #freeId(): number {
    let id = this.#lowestFree;
    while (this.#byId.has(id)) {
      id++;
    }
    this.#lowestFree = id + 1;
    return id;
  }

  #delete(id: number): void {
    this.#byId.delete(id);
    this.#lowestFree = Math.min(this.#lowestFree, id);
  }
}
