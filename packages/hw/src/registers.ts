/**
 * The register map: offsets from CFG_BASE of the registers that packets and the driver touch (device.md 1.6, 2.4, 4.1, 5.2).
 * Owns names, numbers and the arithmetic between them; no register's behaviour.
 */

import { CFG_BASE } from './address-map.js';
import { type EngineName, QUEUES, queueName } from './queues.js';

/** Ids of the four sync-manager instances, as INFO SYNC_MANAGER counts them. */
export const DCORE = { W_S: 0, W_N: 1, E_N: 2, E_S: 3 } as const;
export const DCORE_NAMES = ['W_S', 'W_N', 'E_N', 'E_S'] as const;
export const DCORE_COUNT = 4;
export const SOBS_PER_DCORE = 2048;
export const MONITORS_PER_DCORE = 512;
/** A monitor watches objects of one group. */
export const SOBS_PER_GROUP = 8;
export const SOB_MAX = 0x7fff;

/** Base of each sync manager's 64 KiB register block, by dcore id. */
export const SM_BLOCK_BASES = [0x49_0000, 0x4d_0000, 0x4f_0000, 0x4b_0000] as const;
export const SM_BLOCK_SIZE = 0x1_0000;
/** Offsets inside a sync manager's block; each register array has one 32-bit entry an object. */
export const SM_REGISTERS = {
  SOB: 0x2000,
  MON_PAY_ADDRL: 0x4000,
  MON_PAY_ADDRH: 0x4800,
  MON_PAY_DATA: 0x5000,
  MON_ARM: 0x5800,
  MON_STATUS: 0x6000,
  END: 0x6800,
} as const;

/** Offsets inside a queue manager. [s] registers are 4 bytes a stream, [c] registers 4 bytes a command processor. */
export const QM_REGISTERS = {
  GLBL_CFG0: 0x000,
  GLBL_CFG1: 0x004,
  GLBL_STS0: 0x038,
  GLBL_STS1: 0x040,
  PQ_BASE_LO: 0x070,
  PQ_BASE_HI: 0x080,
  PQ_SIZE: 0x090,
  PQ_PI: 0x0a0,
  PQ_CI: 0x0b0,
  CP_MSG_BASE0_LO: 0x228,
  CP_FENCE_RDATA: 0x308,
  CP_FENCE_CNT: 0x358,
  CP_STS: 0x3a8,
  ARB_CFG_0: 0xa00,
  ARB_WRR_WEIGHT_0: 0xa08,
  ARB_MST_QUIET_PER: 0xb34,
} as const;
/** Distance between the RDATA (or CNT) arrays of fence n and fence n + 1: five command processors. */
export const FENCE_REGISTER_STRIDE = 0x14;
export const FENCES_PER_STREAM = 4;
export const FENCE_COUNTER_MAX = 0x3fff;
export const ARB_CFG_0_ENABLE = 0x100;

/** Offsets inside a DMA core. */
export const DMA_CORE_REGISTERS = {
  CFG_0: 0x00,
  SRC_BASE_LO: 0x14,
  SRC_BASE_HI: 0x18,
  DST_BASE_LO: 0x1c,
  DST_BASE_HI: 0x20,
  SRC_TSIZE_1: 0x2c,
  SRC_STRIDE_1: 0x30,
  SRC_TSIZE_0: 0x4c,
  DST_TSIZE_1: 0x54,
  DST_STRIDE_1: 0x58,
  DST_TSIZE_0: 0x74,
  COMMIT: 0x78,
  WR_COMP_WDATA: 0x7c,
  WR_COMP_ADDR_LO: 0x80,
  WR_COMP_ADDR_HI: 0x84,
} as const;

export const MSI_INTR_0 = 0xc1_3000;
export const MSI_REQ = 0xc0_4100;
export const MSI_VECTORS = 32;

export function dmaCoreBase(n: number): number {
  return 0x50_0000 + n * 0x2_0000;
}

/** Offset from CFG_BASE of an engine's queue manager. MME1 and MME3 are slaves and have none. */
export function qmBase(engine: EngineName): number {
  const n = Number(engine.slice(3));
  switch (engine.slice(0, 3)) {
    case 'DMA':
      return dmaCoreBase(n) + 0x8000;
    case 'TPC':
      return 0xe0_8000 + n * 0x4_0000;
    case 'NIC':
      return 0xce_0000 + (n >> 1) * 0x4_0000 + (n & 1) * 0x2000;
    case 'MME':
      if (n % 2 === 0) return 0x6_8000 + n * 0x8_0000;
      break;
    default:
      break;
  }
  throw new RangeError(`${engine} has no queue manager`);
}

/** Absolute device address of a sync object's register. */
export function sobAddress(dcore: number, sob: number): number {
  return CFG_BASE + smBlock(dcore) + SM_REGISTERS.SOB + 4 * sob;
}

export interface MonitorRegisters {
  readonly addressLow: number;
  readonly addressHigh: number;
  readonly data: number;
  readonly arm: number;
  readonly status: number;
}

/** Absolute device addresses of a monitor's registers. */
export function monitorRegisters(dcore: number, monitor: number): MonitorRegisters {
  const block = CFG_BASE + smBlock(dcore) + 4 * monitor;
  return {
    addressLow: block + SM_REGISTERS.MON_PAY_ADDRL,
    addressHigh: block + SM_REGISTERS.MON_PAY_ADDRH,
    data: block + SM_REGISTERS.MON_PAY_DATA,
    arm: block + SM_REGISTERS.MON_ARM,
    status: block + SM_REGISTERS.MON_STATUS,
  };
}

function smBlock(dcore: number): number {
  const base = SM_BLOCK_BASES[dcore];
  if (base === undefined) throw new RangeError(`no sync manager ${dcore}`);
  return base;
}

/** The dcore whose sync-manager block holds this CFG offset, or -1. */
export function dcoreOfOffset(offset: number): number {
  switch (offset >>> 16) {
    case 0x49:
      return 0;
    case 0x4d:
      return 1;
    case 0x4f:
      return 2;
    case 0x4b:
      return 3;
    default:
      return -1;
  }
}

/** Absolute address at which a write adds its low four bits to a stream's fence counter. */
export function fenceRdataAddress(queue: number, fence: number): number {
  const info = QUEUES[queue];
  if (info === undefined || info.kind === 'cpu') throw new RangeError(`${queueName(queue)} has no fences`);
  return CFG_BASE + qmBase(info.engine) + QM_REGISTERS.CP_FENCE_RDATA + FENCE_REGISTER_STRIDE * fence + 4 * info.stream;
}

const fenceTargets = new Map<number, number>();
for (const queue of QUEUES) {
  if (queue.kind === 'cpu') continue;
  for (let fence = 0; fence < FENCES_PER_STREAM; fence++)
    fenceTargets.set(fenceRdataAddress(queue.id, fence) - CFG_BASE, queue.id * FENCES_PER_STREAM + fence);
}

/** The fence a CFG offset feeds, as queue * FENCES_PER_STREAM + fence, or -1. */
export function fenceOfOffset(offset: number): number {
  return fenceTargets.get(offset) ?? -1;
}

/** Absolute address of the register that raises an MSI. */
export function msiAddress(vector: number): number {
  return CFG_BASE + MSI_INTR_0 + 4 * vector;
}

/** CFG offsets of the four MSG_SHORT bases the driver programs into every command processor (device.md 2.6). */
export const MSG_SHORT_BASES = [
  SM_BLOCK_BASES[DCORE.E_N] + SM_REGISTERS.MON_PAY_ADDRL,
  SM_BLOCK_BASES[DCORE.E_N] + SM_REGISTERS.SOB,
  SM_BLOCK_BASES[DCORE.W_S] + SM_REGISTERS.MON_PAY_ADDRL,
  SM_BLOCK_BASES[DCORE.W_S] + SM_REGISTERS.SOB,
] as const;

const MONITOR_REGISTER_NAMES = [
  'payload address low',
  'payload address high',
  'payload data',
  'arm',
  'status',
] as const;

/** A readable name for a CFG offset: 'E_N SOB 5', 'W_S MON 64 arm', 'DMA_0_0 FENCE 2', 'MSI 3', or the number. */
export function describeRegister(offset: number): string {
  const dcore = dcoreOfOffset(offset);
  if (dcore >= 0) {
    const at = offset & (SM_BLOCK_SIZE - 1);
    const name = DCORE_NAMES[dcore] ?? '';
    if (at >= SM_REGISTERS.SOB && at < SM_REGISTERS.MON_PAY_ADDRL) return `${name} SOB ${(at - SM_REGISTERS.SOB) >> 2}`;
    if (at >= SM_REGISTERS.MON_PAY_ADDRL && at < SM_REGISTERS.END) {
      const which = MONITOR_REGISTER_NAMES[(at - SM_REGISTERS.MON_PAY_ADDRL) >> 11] ?? '';
      return `${name} MON ${(at & 0x7ff) >> 2} ${which}`;
    }
  }
  const fence = fenceOfOffset(offset);
  if (fence >= 0) return `${queueName(fence >> 2)} FENCE ${fence & 3}`;
  if (offset >= MSI_INTR_0 && offset < MSI_INTR_0 + 4 * MSI_VECTORS) return `MSI ${(offset - MSI_INTR_0) >> 2}`;
  if (offset === MSI_REQ) return 'MSI';
  return `CFG+0x${offset.toString(16)}`;
}
