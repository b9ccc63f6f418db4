/**
 * Packet sequences that write sync-manager registers: signals and armed monitors (device.md 3.3, 3.5).
 *
 * Owns: which packet reaches which register, and in which order a monitor is set up.
 * Must not know: command buffers; it works on dwords at an index, as the encoders of hw do.
 */
import {
  CFG_BASE,
  encodePacket,
  type MonitorRegisters,
  MSG_SHORT_BASES,
  monitorArm,
  PACKETS,
  SM_BLOCK_SIZE,
  SOBS_PER_GROUP,
} from '@pedrera/hw';

/** Engine, register and message barrier: the packet waits for the engine, for register writes, for messages before it (device.md 3.1). */
export interface Barriers {
  readonly eb?: boolean;
  readonly rb?: boolean;
  readonly mb?: boolean;
}

/** A message that tells others about work: it waits for all of it. */
export const AFTER_EVERYTHING: Barriers = { eb: true, rb: true, mb: true };
const AFTER_REGISTERS: Barriers = { rb: true };
const AFTER_MESSAGES: Barriers = { rb: true, mb: true };

/**
 * The MSG_SHORT base from which a register is written in 8 bytes instead of 16, or -1: only two of the four sync managers have
 * bases (device.md 2.6).
 */
function shortBase(address: number): number {
  const offset = address - CFG_BASE;
  let best = -1;
  MSG_SHORT_BASES.forEach((base, i) => {
    const reachable = offset >= base && Math.floor(offset / SM_BLOCK_SIZE) === Math.floor(base / SM_BLOCK_SIZE);
    if (reachable && (best < 0 || base > (MSG_SHORT_BASES[best] ?? 0))) best = i;
  });
  return best;
}

export function registerWriteBytes(address: number): number {
  return shortBase(address) < 0 ? PACKETS.MSG_LONG.bytes : PACKETS.MSG_SHORT.bytes;
}

/** Writes one 32-bit word to a sync-manager register, or to wherever an import maps one. Returns the index behind it. */
export function encodeRegisterWrite(
  words: Uint32Array,
  at: number,
  address: number,
  value: number,
  barriers: Barriers,
): number {
  const base = shortBase(address);
  if (base < 0) return encodePacket(words, at, 'MSG_LONG', { ...barriers, address, value });
  const addressOffset = address - CFG_BASE - (MSG_SHORT_BASES[base] ?? 0);
  return encodePacket(words, at, 'MSG_SHORT', { ...barriers, base, addressOffset, value });
}

export interface ArmedCondition {
  /** Indices of the watched objects, all of one group of SOBS_PER_GROUP. */
  readonly objects: readonly number[];
  readonly mode: '>=' | '==';
  readonly value: number;
}

export interface MonitorPayload {
  readonly address: number;
  readonly value: number;
}

export function monitorBytes(registers: MonitorRegisters): number {
  return 4 * registerWriteBytes(registers.arm);
}

/** Payload address low, high, payload, then arm: a monitor whose condition holds already fires at once (device.md 4.3). */
export function encodeMonitor(
  words: Uint32Array,
  at: number,
  registers: MonitorRegisters,
  condition: ArmedCondition,
  payload: MonitorPayload,
): number {
  const group = Math.floor((condition.objects[0] ?? 0) / SOBS_PER_GROUP);
  let watched = 0;
  for (const object of condition.objects) watched |= 1 << (object % SOBS_PER_GROUP);
  const arm = monitorArm({
    group,
    mask: ~watched & 0xff,
    mode: condition.mode === '==' ? 'eq' : 'ge',
    value: condition.value,
  });
  let next = encodeRegisterWrite(words, at, registers.addressLow, payload.address % 2 ** 32, AFTER_REGISTERS);
  next = encodeRegisterWrite(
    words,
    next,
    registers.addressHigh,
    Math.floor(payload.address / 2 ** 32),
    AFTER_REGISTERS,
  );
  next = encodeRegisterWrite(words, next, registers.data, payload.value, AFTER_REGISTERS);
  return encodeRegisterWrite(words, next, registers.arm, arm, AFTER_MESSAGES);
}
