/** What begins a transfer: a write of COMMIT to the registers of the DMA core behind a command processor, which then carries it. */

import { FAULT } from '@pedrera/hw';
import type { CommandProcessor } from './command-processor.js';
import { DONE, TRANSFER } from './status.js';

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
