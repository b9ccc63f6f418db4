/**
 * Tells the host what went wrong, and keeps a client that faults in a loop from flooding it: one entry for each cause and
 * command buffer, one at a time for each cause of a context where there is no command buffer. All of them are counted.
 */

import type { InterruptFifo } from '@pedrera/hw';
import type { CommandProcessor } from './command-processor.js';
import type { Context } from './context.js';

export class FaultReporter {
  readonly #interrupts: InterruptFifo;
  /** Entries that completions leave free, for faults that cannot be made to wait. */
  readonly #reserve: number;
  count = 0;
  /** Address of the access at hand, for the report if it fails. */
  address = 0;
  /** Set when something was put into the FIFO; whoever tells the host clears it. */
  raised = false;

  constructor(interrupts: InterruptFifo) {
    this.#interrupts = interrupts;
    this.#reserve = Math.min(64, (interrupts.size + interrupts.free) >> 2);
  }

  get hasRoom(): boolean {
    return this.#interrupts.free > this.#reserve;
  }

  /** False when there is no room. */
  msi(asid: number, vector: number): boolean {
    if (!this.hasRoom) return false;
    this.#interrupts.tryPushMsi(asid, vector);
    this.raised = true;
    return true;
  }

  /** A fault of the packet the processor stands at. False when there is no room: the packet has to be tried again. */
  packet(processor: CommandProcessor, cause: number, address: number, opcode: number): boolean {
    const bit = 1 << cause;
    if ((processor.reportedFaults & bit) === 0) {
      if (!this.hasRoom) return false;
      const slot = processor.currentSlot;
      this.#interrupts.tryPushFault(processor.asid, processor.queue, slot, address, cause, opcode);
      processor.reportedFaults |= bit;
      this.raised = true;
    }
    this.count++;
    return true;
  }

  /** A fault that belongs to no packet: a monitor's payload, a write from another device. Never waits. */
  detached(context: Context, queue: number, cause: number, address: number): void {
    this.count++;
    const last = context.reportedFaults[cause] as number;
    // Entry numbers count modulo 2^32: the last report is still in the FIFO if the head has not passed it.
    if (last >= 0 && ((this.#interrupts.head - last) | 0) <= 0) return;
    const entry = this.#interrupts.tail;
    if (!this.#interrupts.tryPushFault(context.asid, queue, -1, address, cause, -1)) return;
    context.reportedFaults[cause] = entry;
    this.raised = true;
  }
}
