/**
 * What each packet does (device.md 3). A packet either takes effect as a whole and the stream moves past it, or leaves no
 * trace and is tried again. What is not modelled is reported as such, never passed over in silence.
 */

import {
  CFG_BASE,
  DMA_CORE_REGISTERS,
  FAULT,
  HOST_WINDOW_BASE,
  MSG_SHORT_BASES,
  OPCODE,
  packetByOpcode,
  packetWords,
  QUEUES,
  qmBase,
  RING_COMPLETIONS_OFFSET,
  slotOf,
  slotOffset,
} from '@pedrera/hw';
import type { CommandProcessor } from './command-processor.js';
import type { DmaCore } from './dma-core.js';
import type { Parts } from './parts.js';
import { DONE, STALL } from './status.js';

/** Apart from DONE and STALL, executePacket answers: parked on a fence, in a transfer, stopped for good. */
export const FENCE = -2;
export const TRANSFER = -3;
export const STOP = -4;

const OP_VALUE = 0;
const OP_TIMESTAMP = 1;
const PREDICATES_BYTES = 128;

/** By opcode, from the packet table: size in dwords (0 = undefined), and whether the low control bits name a predicate. */
const sizes = Uint8Array.from({ length: 32 }, (_, opcode) => (packetByOpcode(opcode)?.spec.bytes ?? 0) / 4);
const predicated = Array.from({ length: 32 }, (_, opcode) => packetByOpcode(opcode)?.spec.fields.pred !== undefined);

function word(words: Uint32Array, index: number): number {
  return words[index] as number;
}

function addressAt(words: Uint32Array, index: number): number {
  return word(words, index + 1) * 2 ** 32 + word(words, index);
}

/** Executes the packet at processor.at and moves past it, or says why not. */
export function executePacket(parts: Parts, processor: CommandProcessor, words: Uint32Array, opcode: number): number {
  const { at } = processor;
  const size = opcode === OPCODE.WREG_BULK ? packetWords(words, at) : (sizes[opcode] as number);
  if (size === 0) return stop(parts, processor, FAULT['undefined-opcode'], opcode);
  if (at + size > processor.end) {
    if (!parts.faults.packet(processor, FAULT['truncated-packet'], 0, opcode)) return STALL;
    processor.at = processor.end;
    return DONE;
  }
  if (isSkipped(processor, opcode, word(words, at + 1))) {
    processor.at = at + size;
    return DONE;
  }
  const status = effect(parts, processor, words, opcode);
  if (status > 0) {
    if (!parts.faults.packet(processor, status, parts.faults.address, opcode)) return STALL;
  } else if (status !== DONE) {
    processor.transferEnd = at + size;
    return status;
  }
  processor.at = at + size;
  return DONE;
}

/** Whether the packet's predicate is false (device.md 3.1). */
function isSkipped(processor: CommandProcessor, opcode: number, control: number): boolean {
  return (predicated[opcode] as boolean) && ((processor.predicates >>> (control & 0x1f)) & 1) === 0;
}

function stop(parts: Parts, processor: CommandProcessor, cause: number, opcode: number): number {
  return parts.faults.packet(processor, cause, 0, opcode) ? STOP : STALL;
}

/** Returns DONE, STALL, FENCE, TRANSFER, STOP, or a fault, whose address is then in parts.faults.address. */
function effect(parts: Parts, processor: CommandProcessor, words: Uint32Array, opcode: number): number {
  const { at } = processor;
  const { faults, registers } = parts;
  faults.address = 0;
  switch (opcode) {
    case OPCODE.MSG_SHORT:
      return messageShort(parts, processor, words);
    case OPCODE.MSG_LONG: {
      const address = addressAt(words, at + 2);
      faults.address = address;
      const op = (word(words, at + 1) >>> 20) & 3;
      if (op === OP_VALUE) return registers.writeUser(processor.context, processor, address, word(words, at));
      if (op === OP_TIMESTAMP) return timestamp(parts, processor, address);
      return FAULT['not-modelled'];
    }
    case OPCODE.MSG_PROT:
      return messageProtected(parts, processor, words);
    case OPCODE.FENCE:
      return fence(processor, word(words, at));
    case OPCODE.LIN_DMA: {
      const core = processor.context.dmaCore(processor.engine);
      const control = word(words, at + 1);
      core.programLinear(
        word(words, at),
        word(words, at + 2),
        word(words, at + 3),
        word(words, at + 4),
        word(words, at + 5),
      );
      return startTransfer(core, processor, control & 0x7f);
    }
    case OPCODE.WREG_32:
      return writeWindow(parts, processor, (word(words, at + 1) >>> 8) & 0xffff, word(words, at));
    case OPCODE.LOAD_AND_EXE:
      return loadPredicates(parts, processor, word(words, at), addressAt(words, at + 2));
    case OPCODE.ARB_POINT:
      // Arbitration cannot be switched on (register-bus.ts), and without it the packet does nothing.
      return DONE;
    case OPCODE.NOP:
      return DONE;
    case OPCODE.STOP:
      return stop(parts, processor, FAULT['stop-packet'], opcode);
    default:
      return FAULT['not-modelled'];
  }
}

function messageShort(parts: Parts, processor: CommandProcessor, words: Uint32Array): number {
  const control = word(words, processor.at + 1);
  const register = (MSG_SHORT_BASES[(control >>> 22) & 3] as number) + (control & 0xffff);
  parts.faults.address = CFG_BASE + register;
  if (((control >>> 20) & 3) !== OP_VALUE) return FAULT['not-modelled'];
  return parts.registers.writeOwn(processor.context, processor, register, word(words, processor.at), false);
}

/** The 64-bit device time, low word first. */
function timestamp(parts: Parts, processor: CommandProcessor, address: number): number {
  const { registers } = parts;
  const now = Math.floor(parts.nowNs());
  const { context } = processor;
  if (registers.isRegister(context, address)) return FAULT['not-modelled'];
  return (
    registers.writeUser(context, processor, address, (now % 2 ** 32) | 0) ||
    registers.writeUser(context, processor, address + 4, Math.floor(now / 2 ** 32))
  );
}

/** Only the driver's own tail uses it: a completion word to host memory, or the write that raises an MSI (device.md 2.3). */
function messageProtected(parts: Parts, processor: CommandProcessor, words: Uint32Array): number {
  const address = addressAt(words, processor.at + 2);
  parts.faults.address = address;
  if (((word(words, processor.at + 1) >>> 20) & 3) !== OP_VALUE) return FAULT['not-modelled'];
  const status = parts.registers.writePrivileged(processor, address, word(words, processor.at));
  if (status === DONE && address >= HOST_WINDOW_BASE) {
    const bus = address - HOST_WINDOW_BASE;
    const isCompletion = slotOf(bus) === processor.ringBusSlot && slotOffset(bus) >= RING_COMPLETIONS_OFFSET;
    if (isCompletion) processor.ring.countCompletion();
  }
  return status;
}

function fence(processor: CommandProcessor, value: number): number {
  const id = value >>> 30;
  const target = (value >>> 16) & 0xff;
  const counter = processor.fences[id] as number;
  if (counter < target) {
    processor.fenceId = id;
    processor.fenceTarget = target;
    return FENCE;
  }
  const dec = value & 0xf;
  processor.fences[id] = counter < dec ? 0 : counter - dec;
  return counter < dec ? FAULT['fence-underflow'] : DONE;
}

function startTransfer(core: DmaCore, processor: CommandProcessor, flags: number): number {
  const status = core.commit(flags, processor.usedTransfer());
  return status === DONE ? TRANSFER : status;
}

/** WREG_32: bit 15 of the offset chooses the own queue manager, otherwise the DMA core (device.md 2.6). */
function writeWindow(parts: Parts, processor: CommandProcessor, offset: number, value: number): number {
  if ((offset & 0x8000) !== 0) {
    const info = QUEUES[processor.queue];
    if (info === undefined) return FAULT['not-modelled'];
    const register = qmBase(info.engine) + (offset & 0x7fff);
    parts.faults.address = CFG_BASE + register;
    return parts.registers.writeOwn(processor.context, processor, register, value, false);
  }
  const core = processor.context.dmaCore(processor.engine);
  if (offset === DMA_CORE_REGISTERS.COMMIT) return startTransfer(core, processor, value & 0x7f);
  return core.write(offset, value);
}

/** P[i] = bit 0 of dword i; P0 stays 1 (device.md 3.4). Scalars and execution cannot reach an external stream. */
function loadPredicates(parts: Parts, processor: CommandProcessor, config: number, address: number): number {
  const load = (config & 0x100) !== 0;
  const beyond = (config & 0x201) !== 0;
  if (beyond) return FAULT['not-modelled'];
  if (!load) return DONE;
  parts.faults.address = address;
  if (address % PREDICATES_BYTES !== 0) return FAULT.misaligned;
  let predicates = 1;
  for (let i = 1; i < 32; i++) {
    const status = parts.registers.readUser(processor.context, address + 4 * i);
    if (status !== DONE) return status;
    if ((parts.registers.lastRead & 1) !== 0) predicates |= 1 << i;
  }
  processor.predicates = predicates >>> 0;
  return DONE;
}

/** Goes on with the transfer the processor is in, by up to `bytes`; moves past its packet when it is done. */
export function continueTransfer(parts: Parts, processor: CommandProcessor, bytes: number): number {
  const transfer = processor.usedTransfer();
  const { dma, faults, registers } = parts;
  const { context } = processor;
  const status = dma.move(context, transfer, bytes);
  if (status !== DONE) {
    // The access is dropped and the machine carries on (device.md 1.5): the rest of this transfer is not attempted.
    if (!faults.packet(processor, status, dma.faultAddress, OPCODE.LIN_DMA)) return STALL;
    transfer.abandon();
  }
  if (transfer.remaining > 0) return DONE;
  if (transfer.completion) {
    const core = context.dmaCore(processor.engine);
    const written = registers.writeUser(context, processor, core.completionAddress, core.completionData);
    if (written === STALL) return STALL;
    if (written !== DONE && !faults.packet(processor, written, core.completionAddress, OPCODE.LIN_DMA)) return STALL;
  }
  transfer.active = false;
  processor.at = processor.transferEnd;
  return DONE;
}
