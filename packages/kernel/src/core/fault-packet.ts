/**
 * Which packet of a command buffer a fault was: the device tells the job, the opcode and the address, not the place.
 *
 * Owns: finding it again, in the kernel's copy of the command buffer. Reads only, and no more than a bound.
 */
import { type DecodedPacket, decodePacket, type FaultRecord, formatPacket } from '@pedrera/hw';
import type { Context } from './context.js';

const MOST_PACKETS = 4096;

/** `byte 120 of its command buffer: LIN_DMA ...`; undefined for what is in no copy, or not found. */
export function faultingPacket(context: Context, fault: FaultRecord): string | undefined {
  const { queue, ringSlot, lowerCp, opcode, address } = fault;
  const job = lowerCp || ringSlot < 0 ? undefined : context.queues[queue]?.jobs[ringSlot];
  if (job?.block === undefined) {
    return undefined;
  }
  const { chunk, firstWord } = job.block;
  const end = firstWord + (job.sizeBytes >>> 2);
  let at = firstWord;
  for (let count = 0; count < MOST_PACKETS; count++) {
    const packet = decodePacket(chunk.words, at, end);
    if (packet === undefined) {
      return undefined;
    }
    if (packet.opcode === opcode && reaches(packet, address)) {
      return `byte ${4 * (at - firstWord)} of its command buffer: ${formatPacket(packet)}`;
    }
    at += packet.words;
  }
  return undefined;
}

/** Of several packets that do, the first is as good a guess as any. */
function reaches({ fields }: DecodedPacket, address: number): boolean {
  const { size = 0, dst = -1, src = -1, memSet = 0 } = fields;
  const isInside = (start: number) => start >= 0 && address >= start && address < start + size;
  return fields.address === address || isInside(dst) || (memSet === 0 && isInside(src));
}
