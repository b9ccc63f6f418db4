/**
 * A command processor and its transfer: what begins one (a write of COMMIT to the DMA core behind the processor, which then
 * carries it), what takes it on from turn to turn, and what its end does. The bytes are moved by dma-engine.ts.
 */

import { FAULT, OPCODE } from '@pedrera/hw';
import type { CommandProcessor } from './command-processor.js';
import { DMA_ERROR } from './fault-captures.js';
import type { Parts } from './parts.js';
import { DONE, STALL, TRANSFER } from './status.js';

/** Begins what the core's registers describe; `flags` are the low bits of COMMIT. Returns TRANSFER or a fault. */
export function startTransfer(processor: CommandProcessor, flags: number): number {
  const { qm } = processor;
  if (qm.dmaCore === null) return FAULT['wrong-engine'];
  const status = qm.dmaCore.commit(flags, processor.usedTransfer());
  if (status !== DONE) return status;
  qm.transfers++;
  processor.transferNumber = ++qm.commits;
  return TRANSFER;
}

/** Goes on with the transfer the processor is in, by up to `bytes`; moves past its packet when it is done. */
export function continueTransfer(parts: Parts, processor: CommandProcessor, bytes: number): number {
  const transfer = processor.usedTransfer();
  const { dma, registers } = parts;
  const { context } = processor;
  const status = dma.move(context, transfer, bytes);
  if (status !== DONE) {
    // The access is dropped and the machine carries on (device.md 1.5): the rest of this transfer is not attempted.
    if (!parts.faults.packet(processor, status, dma.faultAddress, OPCODE.LIN_DMA)) return STALL;
    const { dmaCore } = processor.qm;
    if (dmaCore !== null) dmaCore.errorCause |= parts.decoder.faultIsWrite ? DMA_ERROR.HBW_WRITE : DMA_ERROR.HBW_READ;
    transfer.abandon();
  }
  if (transfer.remaining > 0) return DONE;
  if (transfer.completion) {
    const { completionAddress, completionData } = transfer;
    const written = registers.writeUser(context, processor, completionAddress, completionData);
    if (written === STALL) return STALL;
    if (written !== DONE && !parts.faults.packet(processor, written, completionAddress, OPCODE.LIN_DMA)) return STALL;
  }
  if (processor.moveSinceNs >= 0) parts.tracer.moveEnded(processor);
  transfer.active = false;
  processor.qm.transfers--;
  processor.bufferDone += processor.transferPacketBytes;
  return DONE;
}
