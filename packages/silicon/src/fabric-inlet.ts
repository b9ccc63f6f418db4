/** Register writes of other devices on their way in. Owns when they are taken; what they do is the register bus's. */

import type { FabricFifo } from '@pedrera/hw';
import type { RegisterBus } from './register-bus.js';

/** Writes taken from one peer before everyone else gets a turn. */
const BATCH = 256;

const NOWHERE = { registerWrite: () => undefined };

export class FabricInlet {
  readonly #fifos: readonly FabricFifo[];
  readonly #sink: { readonly registerWrite: (offset: number, value: number) => void };

  constructor(fifos: readonly FabricFifo[], registers: RegisterBus) {
    this.#fifos = fifos;
    this.#sink = { registerWrite: (offset, value) => registers.writeFromPeer(offset, value) };
  }

  /** Takes in some of what has been sent. True if there was anything. */
  take(): boolean {
    let taken = 0;
    for (const fifo of this.#fifos) taken += fifo.drain(this.#sink, BATCH);
    return taken > 0;
  }

  /** Takes in all that has been sent so far: before objects change hands, so that it gets to the holder it was meant for. */
  land(): void {
    for (const fifo of this.#fifos) fifo.drain(this.#sink);
  }

  /** What has been sent so far is lost, as it is on a bus whose other end is in reset. */
  discard(): void {
    for (const fifo of this.#fifos) fifo.drain(NOWHERE);
  }
}
