/**
 * The packets that set the engine behind a queue manager to work (device.md 3, 5): LIN_DMA, CP_DMA, and register writes, of which
 * some start it. They return at once; how the work goes on is in dma-transfers.ts and mme.ts. Each returns DONE, another status,
 * or a fault, whose address is then in parts.faults.address.
 */

import { CFG_BASE, DMA_CORE_REGISTERS, FAULT, MME_CTRL_REGISTERS } from '@pedrera/hw';
import type { CommandProcessor } from './command-processor.js';
import { COMMIT_LIN, COMMIT_MEM_SET, COMMIT_WR_COMP } from './dma-core.js';
import { startTransfer } from './dma-transfers.js';
import { startComputation } from './mme.js';
import { addressAt, word } from './packet-words.js';
import type { Parts } from './parts.js';
import { DONE, ENGINE, STALL, TRANSFER } from './status.js';

/** The bits of COMMIT that a LIN_DMA carries in its control word. */
const COMMIT_MASK = 0x7f;

/** Only where a DMA core hangs below: external queues, the lower processors of the other DMA engines (device.md 2.7). */
export function linearDma(
  collapse: boolean,
  processor: CommandProcessor,
  words: Uint32Array,
  at: number,
  size: number,
): number {
  const { qm } = processor;
  const core = qm.dmaCore;
  if (core === null || !(qm.isExternal || processor.isLower)) return FAULT['wrong-engine'];
  const flags = word(words, at + 1) & COMMIT_MASK;
  if (collapse && !core.reduces && isRepeated(words, at, size, processor.end)) return DONE;
  core.programLinear(
    word(words, at),
    word(words, at + 2),
    word(words, at + 3),
    word(words, at + 4),
    word(words, at + 5),
  );
  return startTransfer(processor, flags);
}

/**
 * Whether the next packet does the same again, so that only the last of a row has to be done: the memory comes out the same
 * (device.md 5.4). Not for moves that write what they read, nor for such as tell somebody that they are done.
 */
function isRepeated(words: Uint32Array, at: number, size: number, end: number): boolean {
  if (at + 2 * size > end) return false;
  for (let i = 0; i < size; i++) if (word(words, at + i) !== word(words, at + size + i)) return false;
  const control = word(words, at + 1);
  if ((control & COMMIT_WR_COMP) !== 0 || (control & COMMIT_LIN) === 0) return false;
  const distance = addressAt(words, at + 2) - ((word(words, at + 5) & 0xff_ffff) * 2 ** 32 + word(words, at + 4));
  return (control & COMMIT_MEM_SET) !== 0 || Math.abs(distance) >= word(words, at);
}

/** CP_DMA: a command buffer for the lower processor; the upper one goes on at once (device.md 2.2). */
export function lowerBuffer(parts: Parts, processor: CommandProcessor, bytes: number, address: number): number {
  parts.faults.address = address;
  if (processor.isLower || !processor.qm.hasLower) return FAULT['wrong-engine'];
  return processor.qm.loadLower(processor.index, address, bytes);
}

/** Bit 15 of the offset chooses the own queue manager, otherwise the engine behind it (device.md 2.6). */
export function writeWindow(parts: Parts, processor: CommandProcessor, offset: number, value: number): number {
  const { qm } = processor;
  if ((offset & 0x8000) !== 0) {
    const register = qm.base + (offset & 0x7fff);
    parts.faults.address = CFG_BASE + register;
    return parts.registers.writeOwn(processor.context, processor, register, value, false);
  }
  if (qm.dmaCore !== null) {
    parts.faults.address = CFG_BASE + qm.base - 0x8000 + offset;
    if (offset === DMA_CORE_REGISTERS.COMMIT) return startTransfer(processor, value & COMMIT_MASK);
    return qm.dmaCore.write(offset, value);
  }
  const window = qm.engineRegisters;
  if (window === null) return FAULT['wrong-engine'];
  parts.faults.address = CFG_BASE + window.base + window.register(offset);
  if (qm.computes && offset === MME_CTRL_REGISTERS.CMD && value !== 0) return startComputation(processor, value);
  return window.write(offset, value);
}

/**
 * Pairs of registers in a row. Each write stands for itself: the first fault is the packet's, the others are still made. A
 * write that starts the engine, after a fault, is not: what it would start was never described.
 */
export function writeBulk(
  parts: Parts,
  processor: CommandProcessor,
  words: Uint32Array,
  at: number,
  size: number,
): number {
  const { faults } = parts;
  const first = (word(words, at + 1) >>> 8) & 0xffff;
  let outcome = DONE;
  let address = 0;
  for (let i = processor.bulkDone; i < size - 2; i++) {
    const offset = (first + 4 * i) & 0xffff;
    if (outcome > 0 && offset === processor.qm.startOffset) continue;
    const status = writeWindow(parts, processor, offset, word(words, at + 2 + i));
    if (status === STALL || status === ENGINE) {
      processor.bulkDone = i;
      return status;
    }
    if (status === TRANSFER) {
      outcome = status;
    } else if (status !== DONE && outcome === TRANSFER) {
      // The packet ends with its transfer, which may be long after this.
      faults.detached(processor.context, processor.queue, status, faults.address);
    } else if (status !== DONE && outcome === DONE) {
      outcome = status;
      address = faults.address;
    }
  }
  processor.bulkDone = 0;
  processor.surcharge = size >>> 1;
  faults.address = address;
  return outcome;
}
