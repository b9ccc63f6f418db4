/**
 * A command processor's turn: fetches descriptors and executes packets until there is nothing left to do, something blocks,
 * or the turn is over. The loop over packets is the hot path of the whole machine (measured with measure.ts): no allocation,
 * no closures, no bigint in it; the frequent packets are done in place, the others in packet-effects.ts.
 */

import { DEVICE_TRACE, FAULT, OPCODE, ringAdvance, ringSlot, slotOf, slotOffset } from '@pedrera/hw';
import {
  type CommandProcessor,
  FENCED,
  HUNG,
  IDLE,
  RUNNABLE,
  STALLED,
  STOPPED,
  WAITS_FOR_ENGINE,
  WAITS_FOR_GRANT,
} from './command-processor.js';
import { CommandView } from './command-view.js';
import { continueTransfer } from './dma-transfers.js';
import type { FaultInjector } from './fault-injector.js';
import { continueComputation, type MmeJob } from './mme.js';
import { executePacket } from './packet-effects.js';
import type { Parts } from './parts.js';
import type { QueueManager } from './queue-manager.js';
import { SliceSize } from './slice-size.js';
import { CROSSING, DONE, ENGINE, GRANT, FENCE as ON_FENCE, STALL, STOP, TRANSFER } from './status.js';

const NOP = OPCODE.NOP;
const FENCE = OPCODE.FENCE;

/** Opcode and engine barrier of a packet's head: one comparison finds the frequent packets without a barrier. */
const HEAD_SHIFT = 24;
const HEAD_MASK = 0x3f;
const OPCODE_MASK = 0x1f;

/**
 * A MSG_SHORT without engine barrier that writes a sync object: opcode, barrier and these bits are as given, the others are
 * address or do not matter.
 */
const SOB_WRITE_MASK = 0x3f70_e003;
const SOB_WRITE = 0x0440_0000;
/** Base 3 (W_S) instead of base 1 (E_N, dcore 2). */
const SOB_WRITE_W_S = 0x0080_0000;
const E_N_FIRST_SOB = 4096;

/** Reading the clock costs as much as twenty packets: only moves that take much longer are timed. */
const TIMED_BYTES = 2 ** 20;

export interface TurnLimits {
  readonly packets: number;
  readonly bytes: number;
}

export class PacketLoop {
  readonly #parts: Parts;
  readonly view: CommandView;
  /** Packets executed since the machine was made. */
  packets = 0;
  readonly slice = new SliceSize();
  #packetsLeft = 0;
  #bytesLeft = 0;
  /** Set when the next packet lies in more than one piece of memory. */
  #crossing = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.view = new CommandView(parts.bus, parts.decoder);
  }

  /** Power-on state. Precondition: no processor is left. */
  reset(): void {
    this.view.forget();
  }

  /** Gives the processor its turn and leaves the outcome in its state: RUNNABLE means it wants another one. */
  run(processor: CommandProcessor, limits: TurnLimits): void {
    this.#packetsLeft = limits.packets;
    this.#bytesLeft = limits.bytes;
    if (this.#parts.hung.has(processor.engine)) processor.state = HUNG;
    while (processor.state === RUNNABLE) {
      if (processor.inTransfer) {
        if (this.#bytesLeft <= 0) return;
        const { computation } = processor;
        if (computation === null) this.#transfer(processor);
        else this.#compute(processor, computation);
      } else {
        if (this.#packetsLeft <= 0 || this.#bytesLeft <= 0) return;
        if (processor.bufferDone < processor.bufferBytes) this.#execute(processor);
        else if (processor.isLower) this.#takeLower(processor);
        else this.#fetch(processor);
      }
    }
    if (processor.qm.arbitration.requests !== 0) this.#grant(processor.qm, processor);
  }

  /** The same, a packet at a time, with the host's fault rules looking at each. */
  runExamined(processor: CommandProcessor, limits: TurnLimits, injector: FaultInjector): void {
    let { packets, bytes } = limits;
    while (processor.state === RUNNABLE && packets > 0 && bytes > 0) {
      packets--;
      if (!processor.inTransfer && processor.bufferDone < processor.bufferBytes) {
        const { bufferDone } = processor;
        injector.examine(processor);
        // Struck: it is held up, or past the packet.
        if (processor.state !== RUNNABLE || processor.bufferDone !== bufferDone) continue;
      }
      this.run(processor, { packets: 1, bytes });
      bytes = this.#bytesLeft;
    }
  }

  /**
   * Gives the lock of a queue manager to who is next, once none of its processors can go on without (device.md 2.5). `current`
   * is the one whose turn it is: it is put back by who gave it the turn.
   */
  #grant(qm: QueueManager, current: CommandProcessor | null): void {
    const { arbitration } = qm;
    if (arbitration.requests === 0 || arbitration.holder >= 0) return;
    if (qm.processors.some((processor) => processor.isActive)) return;
    const { timers } = this.#parts;
    const { quietUntilNs } = arbitration;
    if (quietUntilNs > 0 && !timers.isPast(quietUntilNs)) {
      if (arbitration.isQuiet) return;
      arbitration.isQuiet = true;
      timers.at(quietUntilNs, () => {
        arbitration.isQuiet = false;
        arbitration.quietUntilNs = 0;
        this.#grant(qm, null);
      });
      return;
    }
    const chosen = qm.processors[arbitration.grant()] as CommandProcessor;
    if (chosen.state !== WAITS_FOR_GRANT) return;
    if (chosen === current) chosen.state = RUNNABLE;
    else qm.wake(chosen);
  }

  #transfer(processor: CommandProcessor): void {
    const { dma, nowNs } = this.#parts;
    const spent = dma.spent;
    const moved = dma.bytes;
    const isTimed = this.#bytesLeft >= TIMED_BYTES && processor.usedTransfer().remaining >= TIMED_BYTES;
    const startNs = isTimed ? nowNs() : 0;
    const status = continueTransfer(this.#parts, processor, this.#bytesLeft);
    if (isTimed) this.slice.took(dma.bytes - moved, nowNs() - startNs);
    this.#bytesLeft -= dma.spent - spent;
    if (status === STALL) processor.state = STALLED;
    else if (!processor.inTransfer && processor.qm.parked > 0) processor.qm.wakeParked();
  }

  /** A slave works along with its master: if it hangs, the computation never ends. */
  #compute(processor: CommandProcessor, job: MmeJob): void {
    if (this.#parts.hung.has(processor.engine + 1)) {
      processor.state = HUNG;
      return;
    }
    const { mme } = this.#parts;
    const spent = mme.spent;
    const status = continueComputation(this.#parts, processor, job, this.#bytesLeft);
    this.#bytesLeft -= mme.spent - spent;
    if (status === STALL) processor.state = STALLED;
    else if (!processor.inTransfer && processor.qm.parked > 0) processor.qm.wakeParked();
  }

  /** The next descriptor of the ring. What an external queue's points to is host memory, given by its bus address. */
  #fetch(processor: CommandProcessor): void {
    const { ring, fetched } = processor;
    const { tracer } = this.#parts;
    if (processor.jobSinceNs >= 0) tracer.jobEnded(processor);
    if (ring === null || fetched === processor.pi) {
      processor.state = IDLE;
      return;
    }
    this.#packetsLeft--;
    const address = ring.descriptorAddress(fetched);
    const bytes = ring.descriptorBytes(fetched);
    processor.currentSlot = ringSlot(fetched, ring.length);
    processor.reportedFaults = 0;
    const usable = bytes > 0 && bytes % 8 === 0 && (!processor.qm.isExternal || this.#isOnBus(address, bytes));
    if (!usable) {
      if (!this.#parts.faults.packet(processor, FAULT['bad-descriptor'], address, -1)) {
        processor.state = STALLED;
        return;
      }
    } else {
      begin(processor, address, bytes);
      if ((tracer.kinds & DEVICE_TRACE.JOBS) !== 0) tracer.jobBegan(processor);
    }
    processor.fetched = ringAdvance(fetched, ring.length);
    ring.fetched = processor.fetched;
  }

  #isOnBus(address: number, bytes: number): boolean {
    const block = this.#parts.bus.block(slotOf(address));
    const offset = slotOffset(address);
    return block !== undefined && offset % 8 === 0 && offset + bytes <= block.bytes.length;
  }

  /** The lower processor is done with a buffer: those at a barrier look again, and the next one in CQ4 is begun. */
  #takeLower(processor: CommandProcessor): void {
    const { qm } = processor;
    const { fifo } = qm;
    const { tracer } = this.#parts;
    if (processor.inBuffer) {
      if (processor.jobSinceNs >= 0) tracer.jobEnded(processor);
      processor.inBuffer = false;
      qm.lowerFinished++;
    }
    const taken = fifo.take();
    if (qm.parked > 0) qm.wakeParked();
    if (!taken) {
      processor.state = IDLE;
      return;
    }
    this.#packetsLeft--;
    processor.queue = fifo.queue;
    processor.currentSlot = fifo.slot;
    processor.reportedFaults = 0;
    processor.inBuffer = true;
    begin(processor, fifo.address, fifo.bytes);
    if ((tracer.kinds & DEVICE_TRACE.JOBS) !== 0) tracer.jobBegan(processor);
  }

  #execute(processor: CommandProcessor): void {
    const { view } = this;
    let status = view.open(processor);
    if (status === DONE && processor.at < processor.end) this.#inView(processor);
    else this.#crossing = true;
    if (this.#crossing) {
      this.#crossing = false;
      if (status === DONE) status = view.stage(processor);
      if (status === DONE) this.#inView(processor);
    }
    if (status !== DONE) {
      // The rest of the buffer is not attempted.
      if (this.#parts.faults.packet(processor, status, view.faultAddress, -1))
        processor.bufferDone = processor.bufferBytes;
      else processor.state = STALLED;
    }
    view.forget();
  }

  #inView(processor: CommandProcessor): void {
    const from = processor.at;
    const left = this.#packetsLeft;
    this.#packetsLeft = this.#packetsFrom(processor, this.view.words, left);
    this.packets += left - this.#packetsLeft;
    this.#packetsLeft -= processor.surcharge;
    processor.surcharge = 0;
    processor.bufferDone += 4 * (processor.at - from);
  }

  /** Executes packets in view, `budget` at most; returns how much of the budget is left. */
  #packetsFrom(processor: CommandProcessor, words: Uint32Array, budget: number): number {
    const { qm } = processor;
    const sync = this.#parts.sync;
    const values = sync.values;
    const owners = sync.owners;
    const watched = sync.seen;
    const asid = processor.asid;
    const end = processor.end;
    let at = processor.at;
    let left = budget;
    let writes = 0;
    while (left > 0 && at < end) {
      const control = words[at + 1] as number;
      const head = (control >>> HEAD_SHIFT) & HEAD_MASK;
      if (head === NOP) {
        at += 2;
        left--;
        continue;
      }
      if ((control & SOB_WRITE_MASK) === SOB_WRITE) {
        const sob = ((control & 0x1ffc) >> 2) + ((control & SOB_WRITE_W_S) !== 0 ? 0 : E_N_FIRST_SOB);
        const word = words[at] as number;
        const value = (word & 0x7fff) + (word >= 0x8000_0000 ? (values[sob] as number) : 0);
        if (owners[sob] === asid && (watched[sob >> 3] as number) < 0 && value <= 0x7fff) {
          values[sob] = value;
          writes++;
          at += 2;
          left--;
          continue;
        }
      } else if (head === FENCE) {
        // Underflow and predicates other than P0 are rare enough for the general way.
        const word = words[at] as number;
        const id = word >>> 30;
        const counter = processor.fences[id] as number;
        if ((control & 0x1f) === 0 && counter >= (word & 0xf) && counter >= ((word >>> 16) & 0xff)) {
          processor.fences[id] = counter - (word & 0xf);
          at += 2;
          left--;
          continue;
        }
      }
      if (head > OPCODE_MASK && qm.barrierHolds(processor)) {
        park(processor, ENGINE);
        break;
      }
      processor.at = at;
      const status = executePacket(this.#parts, processor, words, head & OPCODE_MASK);
      at = processor.at;
      if (status !== DONE) {
        if (status === TRANSFER) left--;
        else if (status === CROSSING) this.#crossing = true;
        else park(processor, status);
        break;
      }
      left--;
      if (processor.surcharge > 0) break;
    }
    processor.at = at;
    sync.writes += writes;
    return left;
  }
}

function begin(processor: CommandProcessor, address: number, bytes: number): void {
  processor.bufferAddress = address;
  processor.bufferBytes = bytes;
  processor.bufferDone = 0;
  processor.examined = -1;
  processor.losesInterrupt = false;
}

/** The processor stands at a packet that has to wait, or that stopped it. */
function park(processor: CommandProcessor, status: number): void {
  switch (status) {
    case STALL:
      processor.state = STALLED;
      break;
    case STOP:
      processor.state = STOPPED;
      break;
    case ON_FENCE:
      processor.state = FENCED;
      break;
    case ENGINE:
      processor.state = WAITS_FOR_ENGINE;
      processor.qm.parked++;
      break;
    case GRANT:
      processor.state = WAITS_FOR_GRANT;
      break;
    default:
      throw new RangeError(`packet status ${status}`);
  }
}
