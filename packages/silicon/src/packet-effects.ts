/**
 * What each packet does (device.md 3); those that set an engine to work are in engine-packets.ts. A packet either takes effect
 * as a whole and the processor moves past it, or leaves no trace and is tried again. What is not modelled is reported as such,
 * never passed over in silence.
 */

import {
  CFG_BASE,
  DEVICE_TRACE,
  FAULT,
  HOST_WINDOW_BASE,
  MSG_SHORT_BASES,
  OPCODE,
  packetByOpcode,
  packetWords,
  RING_COMPLETIONS_OFFSET,
  slotOf,
  slotOffset,
} from '@pedrera/hw';
import type { CommandProcessor } from './command-processor.js';
import { DEAD } from './command-processor.js';
import { linearDma, lowerBuffer, writeBulk, writeWindow } from './engine-packets.js';
import { addressAt, word } from './packet-words.js';
import type { Parts } from './parts.js';
import { CROSSING, DONE, ENGINE, FENCE, GRANT, STALL, STOP, TRANSFER } from './status.js';
import { STS1 } from './sts1.js';

const ENGINE_BARRIER = 0x2000_0000;
const OP_VALUE = 0;
const OP_TIMESTAMP = 1;
const PREDICATES_BYTES = 128;
const SCALARS = 4;
/** LOAD_AND_EXE. */
const DST_SCALARS = 0x001;
const LOAD = 0x100;
const EXECUTE = 0x200;
const UPPER_SCALARS = 0x400;

/** By opcode, from the packet table: size in dwords (0 = undefined), and whether the low control bits name a predicate. */
const sizes = Uint8Array.from({ length: 32 }, (_, opcode) => (packetByOpcode(opcode)?.spec.bytes ?? 0) / 4);
const predicated = Array.from({ length: 32 }, (_, opcode) => packetByOpcode(opcode)?.spec.fields.pred !== undefined);

/**
 * Executes the packet at processor.at and moves past it, or says why not. The engine barrier has been seen to. The size is
 * read once: the memory may belong to a client that changes it meanwhile.
 */
export function executePacket(parts: Parts, processor: CommandProcessor, words: Uint32Array, opcode: number): number {
  const { at } = processor;
  const size = opcode === OPCODE.WREG_BULK ? packetWords(words, at) : (sizes[opcode] as number);
  if (size === 0) return stop(parts, processor, FAULT['undefined-opcode'], opcode);
  if (at + size > processor.end) {
    if (processor.continues) return CROSSING;
    if (!parts.faults.packet(processor, FAULT['truncated-packet'], 0, opcode)) return STALL;
    processor.at = processor.end;
    return DONE;
  }
  if (isSkipped(processor, opcode, word(words, at + 1))) {
    processor.at = at + size;
    return DONE;
  }
  const status = effect(parts, processor, words, at, size, opcode);
  if (status > 0) {
    if (!parts.faults.packet(processor, status, parts.faults.address, opcode)) return STALL;
  } else if (status !== DONE) {
    processor.transferPacketBytes = 4 * size;
    if (status === TRANSFER && (parts.tracer.kinds & DEVICE_TRACE.MOVES) !== 0) parts.tracer.moveBegan(processor);
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

/** Returns DONE, another status, or a fault, whose address is then in parts.faults.address. */
function effect(
  parts: Parts,
  processor: CommandProcessor,
  words: Uint32Array,
  at: number,
  size: number,
  opcode: number,
): number {
  const { faults, registers } = parts;
  faults.address = 0;
  switch (opcode) {
    case OPCODE.MSG_SHORT:
      return messageShort(parts, processor, words, at);
    case OPCODE.MSG_LONG: {
      const address = addressAt(words, at + 2);
      faults.address = address;
      const op = (word(words, at + 1) >>> 20) & 3;
      if (op === OP_VALUE) return registers.writeUser(processor.context, processor, address, word(words, at));
      if (op === OP_TIMESTAMP) return timestamp(parts, processor, address);
      return FAULT['not-modelled'];
    }
    case OPCODE.MSG_PROT:
      return messageProtected(parts, processor, words, at);
    case OPCODE.FENCE:
      return fence(processor, word(words, at));
    case OPCODE.LIN_DMA:
      return linearDma(parts.collapseRepeatedDma, processor, words, at, size);
    case OPCODE.CP_DMA:
      return lowerBuffer(parts, processor, word(words, at), addressAt(words, at + 2));
    case OPCODE.WREG_32:
      return writeWindow(parts, processor, (word(words, at + 1) >>> 8) & 0xffff, word(words, at));
    case OPCODE.WREG_BULK:
      return writeBulk(parts, processor, words, at, size);
    case OPCODE.LOAD_AND_EXE:
      return loadAndExecute(parts, processor, word(words, at), addressAt(words, at + 2));
    case OPCODE.ARB_POINT:
      return arbitrate(parts, processor, word(words, at));
    case OPCODE.WAIT:
      return wait(parts, processor, word(words, at));
    case OPCODE.NOP:
      return DONE;
    case OPCODE.STOP:
      return stop(parts, processor, FAULT['stop-packet'], opcode);
    default:
      // REPEAT: no source tells where its count comes from.
      return FAULT['not-modelled'];
  }
}

function messageShort(parts: Parts, processor: CommandProcessor, words: Uint32Array, at: number): number {
  const control = word(words, at + 1);
  const register = (MSG_SHORT_BASES[(control >>> 22) & 3] as number) + (control & 0xffff);
  parts.faults.address = CFG_BASE + register;
  // The bases point into the sync managers, whose registers take no 64-bit time.
  if (((control >>> 20) & 3) !== OP_VALUE) return FAULT['not-modelled'];
  return parts.registers.writeOwn(processor.context, processor, register, word(words, at), false);
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
function messageProtected(parts: Parts, processor: CommandProcessor, words: Uint32Array, at: number): number {
  const { ring } = processor;
  const address = addressAt(words, at + 2);
  parts.faults.address = address;
  // What runs here was written by a user: the privileged attributes come from the driver's copy of external buffers alone.
  if (!processor.qm.isExternal || ring === null) return FAULT.razwi;
  if (((word(words, at + 1) >>> 20) & 3) !== OP_VALUE) return FAULT['not-modelled'];
  const status = parts.registers.writePrivileged(processor, address, word(words, at));
  if (status === DONE && address >= HOST_WINDOW_BASE) {
    const bus = address - HOST_WINDOW_BASE;
    const isCompletion = slotOf(bus) === processor.ringBusSlot && slotOffset(bus) >= RING_COMPLETIONS_OFFSET;
    if (isCompletion) {
      ring.countCompletion();
      processor.completed++;
    }
  }
  return status;
}

function fence(processor: CommandProcessor, value: number): number {
  const id = value >>> 30;
  const target = (value >>> 16) & 0xff;
  const counter = processor.fences[id] as number;
  processor.fenceId = id;
  processor.fenceTarget = target;
  if (counter < target) return FENCE;
  const dec = value & 0xf;
  processor.fences[id] = counter < dec ? 0 : counter - dec;
  if (counter >= dec) return DONE;
  processor.note(STS1.FENCE_UNDERFLOW << id);
  return FAULT['fence-underflow'];
}

function arbitrate(parts: Parts, processor: CommandProcessor, value: number): number {
  const { arbitration } = processor.qm;
  // Arbitration is between the four streams; switched off, the packet does nothing.
  if (processor.isLower) return FAULT['not-modelled'];
  if (!arbitration.enabled) return DONE;
  if (value >= 0x8000_0000) {
    const { quietPeriod } = arbitration;
    if (arbitration.release(processor.index))
      arbitration.quietUntilNs = quietPeriod === 0 ? 0 : parts.timers.dueAfter(quietPeriod);
    return DONE;
  }
  if (arbitration.holder === processor.index) return DONE;
  arbitration.request(processor.index, value & 0xff);
  return GRANT;
}

/** Feeds a fence of the same processor after some cycles; the processor goes on meanwhile. */
function wait(parts: Parts, processor: CommandProcessor, value: number): number {
  const id = (value >>> 28) & 3;
  const bit = 1 << id;
  // One at a time for each fence: whoever sends more waits for the first to end.
  if ((processor.waits & bit) !== 0) return STALL;
  processor.waits |= bit;
  parts.timers.after(value & 0xff_ffff, () => {
    if (processor.state === DEAD) return;
    processor.waits &= ~bit;
    const status = processor.qm.feedFence(processor.index, id, (value >>> 24) & 0xf);
    if (status !== DONE) parts.faults.detached(processor.context, processor.queue, status, 0);
  });
  return DONE;
}

function loadAndExecute(parts: Parts, processor: CommandProcessor, config: number, address: number): number {
  if ((config & LOAD) !== 0 && !processor.hasLoaded) {
    parts.faults.address = address;
    if (address % PREDICATES_BYTES !== 0) return FAULT.misaligned;
    const status =
      (config & DST_SCALARS) !== 0 ? loadScalars(parts, processor, address) : loadPredicates(parts, processor, address);
    if (status !== DONE) return status;
  }
  if ((config & EXECUTE) === 0) return DONE;
  parts.faults.address = 0;
  const status = executeScalars(parts, processor, (config & UPPER_SCALARS) !== 0 ? 2 : 0);
  // A packet that has to wait does so with the registers as they were loaded.
  processor.hasLoaded = status === STALL || status === FENCE || status === ENGINE || status === GRANT;
  return status;
}

/** P[i] = bit 0 of dword i; P0 stays 1 (device.md 3.4). */
function loadPredicates(parts: Parts, processor: CommandProcessor, address: number): number {
  let predicates = 1;
  for (let i = 1; i < 32; i++) {
    const status = parts.registers.readUser(processor.context, address + 4 * i);
    if (status !== DONE) return status;
    if ((parts.registers.lastRead & 1) !== 0) predicates |= 1 << i;
  }
  processor.predicates = predicates >>> 0;
  return DONE;
}

function loadScalars(parts: Parts, processor: CommandProcessor, address: number): number {
  for (let i = 0; i < SCALARS; i++) {
    const status = parts.registers.readUser(processor.context, address + 4 * i);
    if (status !== DONE) return status;
    processor.scalars[i] = parts.registers.lastRead;
  }
  return DONE;
}

/** Exactly one packet, from R0 or R2 on; one that does not fit into the registers is no packet (device.md 3.4). */
function executeScalars(parts: Parts, processor: CommandProcessor, at: number): number {
  const { scalars, qm } = processor;
  const control = word(scalars, at + 1);
  const opcode = (control >>> 24) & 0x1f;
  const size = packetWords(scalars, at);
  if (size === 0) return stop(parts, processor, FAULT['undefined-opcode'], opcode);
  if (at + size > SCALARS) return FAULT['truncated-packet'];
  // The registers hold what a user has written: no privileged attributes for it.
  if (opcode === OPCODE.MSG_PROT) return FAULT.razwi;
  // It could only execute itself.
  if (opcode === OPCODE.LOAD_AND_EXE) return FAULT['not-modelled'];
  if ((control & ENGINE_BARRIER) !== 0 && qm.barrierHolds(processor)) return ENGINE;
  if (isSkipped(processor, opcode, control)) return DONE;
  return effect(parts, processor, scalars, at, size, opcode);
}
