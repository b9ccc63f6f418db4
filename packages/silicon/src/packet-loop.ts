/**
 * A command processor's turn: fetches descriptors and executes packets until there is nothing left to do, something blocks,
 * or the turn is over. The loop over packets is the hot path of the whole machine (measured with measure.ts): no allocation,
 * no closures, no bigint in it; the frequent packets are done in place, the others in packet-effects.ts.
 */

import { FAULT, OPCODE, ringAdvance, ringSlot, slotOf, slotOffset } from '@pedrera/hw';
import { type CommandProcessor, FENCED, IDLE, RUNNABLE, STALLED, STOPPED } from './command-processor.js';
import { continueTransfer, executePacket, FENCE as ON_FENCE, STOP, TRANSFER } from './packet-effects.js';
import type { Parts } from './parts.js';
import { SliceSize } from './slice-size.js';
import { DONE, STALL } from './status.js';

const NOP = OPCODE.NOP;
const MSG_SHORT = OPCODE.MSG_SHORT;
const FENCE = OPCODE.FENCE;

/** A MSG_SHORT that writes a sync object: these control bits are as given, the others are address or do not matter. */
const SOB_WRITE_MASK = 0x0070_e003;
const SOB_WRITE = 0x0040_0000;
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
  /** Packets executed since the machine was made. */
  packets = 0;
  readonly slice = new SliceSize();
  #packetsLeft = 0;
  #bytesLeft = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Gives the processor its turn and leaves the outcome in its state: RUNNABLE means the limits ended it. */
  run(processor: CommandProcessor, limits: TurnLimits): void {
    this.#packetsLeft = limits.packets;
    this.#bytesLeft = limits.bytes;
    while (processor.state === RUNNABLE) {
      if (processor.inTransfer) {
        if (this.#bytesLeft <= 0) return;
        this.#transfer(processor);
      } else if (processor.at < processor.end) {
        if (this.#packetsLeft <= 0 || this.#bytesLeft <= 0) return;
        this.#execute(processor);
      } else if (processor.fetched === processor.pi) {
        processor.state = IDLE;
      } else {
        if (this.#packetsLeft <= 0) return;
        this.#packetsLeft--;
        this.#fetch(processor);
      }
    }
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
  }

  #fetch(processor: CommandProcessor): void {
    const { ring, fetched } = processor;
    const address = ring.descriptorAddress(fetched);
    const bytes = ring.descriptorBytes(fetched);
    const slot = slotOf(address);
    const offset = slotOffset(address);
    const block = this.#parts.bus.block(slot);
    processor.currentSlot = ringSlot(fetched, ring.length);
    processor.reportedFaults = 0;
    const usable = block !== undefined && bytes > 0 && bytes % 8 === 0 && offset % 8 === 0;
    if (!usable || offset + bytes > block.bytes.length) {
      if (!this.#parts.faults.packet(processor, FAULT['bad-descriptor'], address, -1)) {
        processor.state = STALLED;
        return;
      }
    } else {
      processor.bufferSlot = slot;
      processor.start = processor.at = offset >>> 2;
      processor.end = (offset + bytes) >>> 2;
    }
    processor.fetched = ringAdvance(fetched, ring.length);
    ring.fetched = processor.fetched;
  }

  #execute(processor: CommandProcessor): void {
    const block = this.#parts.bus.block(processor.bufferSlot);
    if (block === undefined) {
      // The kernel took the memory away under the command buffer.
      if (this.#parts.faults.packet(processor, FAULT['bus-error'], 0, -1)) processor.at = processor.end;
      else processor.state = STALLED;
      return;
    }
    const left = this.#packetsLeft;
    this.#packetsLeft = this.#packetsFrom(processor, block.words, left);
    this.packets += left - this.#packetsLeft;
  }

  /** Executes packets of one command buffer, `budget` at most; returns how much of the budget is left. */
  #packetsFrom(processor: CommandProcessor, words: Uint32Array, budget: number): number {
    const sync = this.#parts.sync;
    const values = sync.values;
    const owners = sync.owners;
    const watched = sync.watched;
    const asid = processor.asid;
    const end = processor.end;
    let at = processor.at;
    let left = budget;
    let writes = 0;
    while (left > 0 && at < end) {
      const control = words[at + 1] as number;
      const opcode = (control >>> 24) & 0x1f;
      if (opcode === NOP) {
        at += 2;
        left--;
        continue;
      }
      if (opcode === MSG_SHORT && (control & SOB_WRITE_MASK) === SOB_WRITE) {
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
      } else if (opcode === FENCE) {
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
      processor.at = at;
      const status = executePacket(this.#parts, processor, words, opcode);
      at = processor.at;
      if (status !== DONE) {
        if (status === STALL) processor.state = STALLED;
        else if (status === STOP) processor.state = STOPPED;
        else if (status === ON_FENCE) processor.state = FENCED;
        else if (status === TRANSFER) left--;
        break;
      }
      left--;
    }
    processor.at = at;
    sync.writes += writes;
    return left;
  }
}
