/**
 * The completion ring: finished sequence numbers in shared memory, so that a wait for finished work costs no message.
 *
 * Owns: reading a slot. The daemon writes it, for successes only (errors are told by WAIT_CS, so none can be taken for a success).
 * Must not know: what to do when the ring does not answer.
 */
import { COMPLETION_RING_OFFSET, MAX_PENDING } from '@pedrera/uapi';
import type { Session } from './session.js';

const SLOT_BYTES = 4;

export class Completions {
  readonly #session: Session;
  #requested = false;
  #slots: Uint32Array | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Maps the ring, in the background: until it is there, or should it never be, every wait asks the daemon, which is slower and just as right.
   */
  request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.#session.segments.map(COMPLETION_RING_OFFSET, 'the completion ring', MAX_PENDING * SLOT_BYTES).then(
      (window) => {
        this.#slots = window.words();
      },
      () => {},
    );
  }

  /** True: it finished without error. False: nobody knows without asking; a later number in the slot may stand for an error here. */
  finished(seq: number): boolean {
    const slots = this.#slots;
    return slots !== undefined && Atomics.load(slots, seq % MAX_PENDING) === seq >>> 0;
  }
}
