/**
 * Tells the host what went wrong, and keeps a client that faults in a loop from flooding it: one entry for each cause and
 * command buffer, one at a time for each cause of a context where there is no command buffer. All of them are counted.
 */

import { DEVICE_TRACE, type DeviceFaultHit, FAULT, type InterruptFifo, OPCODE } from '@pedrera/hw';
import type { AddressDecoder } from './address-decoder.js';
import type { CommandProcessor } from './command-processor.js';
import type { Context } from './context.js';
import type { FaultCaptures } from './fault-captures.js';
import { engineOfQueue } from './queue-manager.js';
import { STS1 } from './sts1.js';
import type { Tracer } from './tracer.js';

export class FaultReporter {
  readonly #interrupts: InterruptFifo;
  readonly #captures: FaultCaptures;
  readonly #decoder: AddressDecoder;
  readonly #tracer: Tracer;
  /** Entries that completions leave free, for faults that cannot be made to wait. */
  readonly #reserve: number;
  count = 0;
  /** Address of the access at hand, for the report if it fails. */
  address = 0;
  /** Set when something was put into the FIFO; whoever tells the host clears it. */
  raised = false;

  constructor(interrupts: InterruptFifo, captures: FaultCaptures, decoder: AddressDecoder, tracer: Tracer) {
    this.#interrupts = interrupts;
    this.#captures = captures;
    this.#decoder = decoder;
    this.#tracer = tracer;
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

  /**
   * A fault of the packet the processor stands at, or (`ofEngine`) of the engine it has started. False when there is no room:
   * the packet has to be tried again.
   */
  packet(
    processor: CommandProcessor,
    cause: number,
    address: number,
    opcode: number,
    ofEngine = opcode === OPCODE.LIN_DMA,
  ): boolean {
    const bit = 1 << cause;
    if ((processor.reportedFaults & bit) === 0) {
      if (!this.hasRoom) return false;
      const slot = processor.currentSlot;
      this.#interrupts.tryPushFault(processor.asid, processor.queue, slot, address, cause, opcode, processor.isLower);
      processor.reportedFaults |= bit;
      this.raised = true;
      if ((this.#tracer.kinds & DEVICE_TRACE.FAULTS) !== 0)
        this.#tracer.fault(processor.asid, processor.queue, processor.isLower, slot, cause, address);
    }
    this.count++;
    const isWrite = this.#isWrite(cause, opcode, ofEngine);
    this.#captures.latch(cause, address, isWrite, processor.engine);
    noteError(processor, cause, opcode, isWrite, ofEngine);
    return true;
  }

  /** Only an engine does both; of that the address decoder knows which it was. */
  #isWrite(cause: number, opcode: number, ofEngine: boolean): boolean {
    if (ofEngine) return this.#decoder.faultIsWrite;
    return opcode >= 0 && opcode !== OPCODE.LOAD_AND_EXE && cause !== FAULT['bad-descriptor'];
  }

  /** A rule has struck. Never waits: the rule's own count is kept in any case. */
  hit(hit: DeviceFaultHit): void {
    if (this.hasRoom && this.#interrupts.tryPushHit(hit)) this.raised = true;
  }

  /** A fault that belongs to no packet: a monitor's payload, a write from another device. Never waits. */
  detached(context: Context, queue: number, cause: number, address: number, lowerCp = false): void {
    this.count++;
    this.#captures.latch(cause, address, true, engineOfQueue(queue));
    const last = context.reportedFaults[cause] as number;
    // Entry numbers count modulo 2^32: the last report is still in the FIFO if the head has not passed it.
    if (last >= 0 && ((this.#interrupts.head - last) | 0) <= 0) return;
    const entry = this.#interrupts.tail;
    if (!this.#interrupts.tryPushFault(context.asid, queue, -1, address, cause, -1, lowerCp)) return;
    context.reportedFaults[cause] = entry;
    this.raised = true;
    if ((this.#tracer.kinds & DEVICE_TRACE.FAULTS) !== 0)
      this.#tracer.fault(context.asid, queue, lowerCp, -1, cause, address);
  }
}

/** Sets the queue manager's error bits (device.md 2.4). Fences set theirs themselves, and a DMA core has its own. */
function noteError(
  processor: CommandProcessor,
  cause: number,
  opcode: number,
  isWrite: boolean,
  ofEngine: boolean,
): void {
  const isBusError = cause === FAULT.razwi || cause === FAULT['bus-error'] || cause === FAULT.misaligned;
  if (cause === FAULT['undefined-opcode']) processor.note(STS1.UNDEFINED_OPCODE);
  else if (cause === FAULT['stop-packet']) processor.note(STS1.STOP);
  else if (cause === FAULT['bad-descriptor']) processor.note(STS1.CQ_READ);
  else if (!isBusError || ofEngine) return;
  else if (opcode === OPCODE.WREG_32 || opcode === OPCODE.WREG_BULK) processor.note(STS1.WREG);
  else processor.note(isWrite ? STS1.MSG_WRITE : STS1.CP_READ);
}
