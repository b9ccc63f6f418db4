/**
 * The register map: offsets from CFG_BASE of the registers that packets and the driver touch (device.md 1.6, 2.4, 4.1, 5.2).
 * Owns names, numbers and the arithmetic between them; no register's behaviour.
 */

import { CFG_BASE, CFG_SIZE } from './address-map.js';
import { ENGINES, type EngineName, QUEUES, queueName } from './queues.js';

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
  GLBL_PROT: 0x008,
  GLBL_ERR_CFG: 0x00c,
  SECURE_PROPS: 0x010,
  NON_SECURE_PROPS: 0x024,
  GLBL_STS0: 0x038,
  /** One a command processor: streams 0-3, then the lower one. */
  GLBL_STS1: 0x040,
  PQ_BASE_LO: 0x070,
  PQ_BASE_HI: 0x080,
  PQ_SIZE: 0x090,
  PQ_PI: 0x0a0,
  PQ_CI: 0x0b0,
  /** PTR_LO, PTR_HI, TSIZE and CTL of each queue, CQ_STRIDE apart; the lower one's are at CQ4_PTR_LO. */
  CQ_PTR_LO: 0x174,
  CQ4_PTR_LO: 0x1b4,
  CQ_PTR_LO_STS: 0x1c4,
  CQ_PTR_HI_STS: 0x1d8,
  CQ_TSIZE_STS: 0x1ec,
  CQ_CTL_STS: 0x200,
  CP_MSG_BASE0_LO: 0x228,
  CP_LDMA_TSIZE_OFFSET: 0x2c8,
  CP_LDMA_SRC_BASE_LO_OFFSET: 0x2e0,
  CP_LDMA_DST_BASE_LO_OFFSET: 0x2f4,
  CP_FENCE_RDATA: 0x308,
  CP_FENCE_CNT: 0x358,
  CP_STS: 0x3a8,
  CP_CURRENT_INST_LO: 0x3bc,
  CP_CURRENT_INST_HI: 0x3d0,
  CP_BARRIER_CFG: 0x3f4,
  ARB_CFG_0: 0xa00,
  ARB_WRR_WEIGHT_0: 0xa08,
  ARB_CFG_1: 0xa18,
  ARB_MST_QUIET_PER: 0xb34,
  ARB_SLV_CHOISE_WDT: 0xb38,
  ARB_STATE_STS: 0xb80,
  ARB_ERR_CAUSE: 0xb9c,
  CGM_STS: 0xc74,
  GLBL_ERR_ADDR_LO: 0xcd0,
  GLBL_ERR_ADDR_HI: 0xcd4,
  GLBL_ERR_WDATA: 0xcd8,
} as const;
/** Bytes of a queue manager's register block. */
export const QM_SIZE = 0x1000;
export const CQ_STRIDE = 0x10;
/** Command processors of a queue manager; the last is the lower one. */
export const CPS_PER_QM = 5;
export const LOWER_CP = 4;
/** All agents idle; and the idle bits of GLBL_STS0 (device.md 2.4). */
export const CGM_STS_IDLE = 0x100;
export const GLBL_STS0_IDLE = 0x3fff;
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
  WR_COMP_AWUSER_31_11: 0x88,
  TE_NUMROWS: 0x94,
  PROT: 0xb8,
  SECURE_PROPS: 0xf0,
  NON_SECURE_PROPS: 0xf4,
  WR_AWUSER_31_11: 0x130,
  ERR_CFG: 0x160,
  ERR_CAUSE: 0x164,
  STS0: 0x190,
  STS1: 0x194,
} as const;
/** Of STS0. */
export const DMA_CORE_BUSY = 0x8000_0000;

/** Offsets inside a TPC's configuration block; the status bits that are all set while it is idle (device.md 2.4, 6.1). */
export const TPC_CFG_REGISTERS = { STATUS: 0x91c, TPC_CMD: 0x930, TPC_EXECUTE: 0x938, INTR_CAUSE: 0x958 } as const;
export const TPC_STATUS_IDLE = 0xee;
/** Offsets inside an MME's control block (device.md 6.2). ARCH_STATUS comes first. */
export const MME_CTRL_REGISTERS = { ARCH_STATUS: 0x00, CMD: 0x280 } as const;
export const MME_STATUS_IDLE = 0x1180;

export const PSOC_TIMESTAMP = { CNTCVL: 0xc4_9008, CNTCVU: 0xc4_900c } as const;
/** Written in this order, 1 and 0, they stop the device's CPU (device.md 8.4). */
export const KMD_MSG_TO_CPU = 0xc4_b304;
export const ARM_RST_CONTROL = 0x44_1124;
/** A write of an event's number raises it. */
export const GIC_SETSPI = 0x80_0040;
export const HBM_CONTROLLER_BASE = 0x60_0000;
export const HBM_CONTROLLER_STRIDE = 0x8_0000;
export const HBM_CONTROLLER_COUNT = 4;
/** Offsets in an HBM controller: a value written to OP is done at once, and shows in DONE (device.md 8.5). */
export const HBM_CONTROLLER_REGISTERS = { OP: 0x9028, DONE: 0x9034 } as const;

/** What the MMU and the protection units remember of the first fault, until it is cleared (device.md 1.3, 1.5). */
export const MMU_REGISTERS = {
  PAGE_ERROR_CAPTURE: 0xc1_1034,
  PAGE_ERROR_CAPTURE_VA: 0xc1_1038,
  ACCESS_ERROR_CAPTURE: 0xc1_103c,
  ACCESS_ERROR_CAPTURE_VA: 0xc1_1040,
  RAZWI_WRITE_VLD: 0xc1_105c,
  RAZWI_WRITE_ID: 0xc1_1060,
  RAZWI_READ_VLD: 0xc1_1064,
  RAZWI_READ_ID: 0xc1_1068,
} as const;
/** Of a capture register, above bits 49:32 of the address. */
export const MMU_CAPTURE_VALID = 0x4_0000;

export const MSI_INTR_0 = 0xc1_3000;
export const MSI_REQ = 0xc0_4100;
export const MSI_VECTORS = 32;

export function dmaCoreBase(n: number): number {
  return 0x50_0000 + n * 0x2_0000;
}

export function tpcCfgBase(n: number): number {
  return 0xe0_6000 + n * 0x4_0000;
}

export function mmeCtrlBase(n: number): number {
  return 0x6_0000 + n * 0x8_0000;
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

/** Absolute address of the fence register of command processor `cp` (0-3 a stream, 4 the lower one) of an engine. */
export function cpFenceRdataAddress(engine: EngineName, cp: number, fence: number): number {
  return CFG_BASE + qmBase(engine) + QM_REGISTERS.CP_FENCE_RDATA + FENCE_REGISTER_STRIDE * fence + 4 * cp;
}

/** Absolute address at which a write adds its low four bits to a stream's fence counter. */
export function fenceRdataAddress(queue: number, fence: number): number {
  const info = QUEUES[queue];
  if (info === undefined || info.kind === 'cpu') throw new RangeError(`${queueName(queue)} has no fences`);
  return cpFenceRdataAddress(info.engine, info.stream, fence);
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

/**
 * Which block of an engine's registers a CFG offset lies in, as kind * 32 + engine id (of ENGINES), or 0: one look-up in a
 * table of 4 KiB pages, because packets and monitors ask for every register they write.
 */
export const REGISTER_BLOCK = { QM: 1, DMA_CORE: 2, TPC_CFG: 3, MME_CTRL: 4 } as const;
const BLOCK_PAGE_SHIFT = 12;
const blockPages = new Uint8Array(CFG_SIZE >>> BLOCK_PAGE_SHIFT);
for (const [id, engine] of ENGINES.entries()) {
  const n = Number(engine.slice(3));
  const kind = engine.slice(0, 3);
  if (kind === 'DMA') setBlock(dmaCoreBase(n), REGISTER_BLOCK.DMA_CORE, id);
  if (kind === 'TPC') setBlock(tpcCfgBase(n), REGISTER_BLOCK.TPC_CFG, id);
  if (kind === 'MME') setBlock(mmeCtrlBase(n), REGISTER_BLOCK.MME_CTRL, id);
  if (hasQueueManager(engine)) setBlock(qmBase(engine), REGISTER_BLOCK.QM, id);
}

function setBlock(base: number, kind: number, engine: number): void {
  blockPages[base >>> BLOCK_PAGE_SHIFT] = kind * 32 + engine;
}

export function hasQueueManager(engine: EngineName): boolean {
  return engine !== 'MME1' && engine !== 'MME3' && engine !== 'CPU';
}

export function registerBlock(offset: number): number {
  return blockPages[offset >>> BLOCK_PAGE_SHIFT] as number;
}
export function blockKind(block: number): number {
  return block >>> 5;
}
export function blockEngine(block: number): number {
  return block & 31;
}
/** Offset inside a block. */
export function blockRegister(offset: number): number {
  return offset & 0xfff;
}

/** Register ranges that packets of users cannot reach (device.md 1.6); ends are exclusive. */
const PROTECTED_RANGES: readonly (readonly [from: number, to: number])[] = [
  [0xe_8000, 0x12_0000],
  [0x1e_8000, 0x49_0000],
  [0x60_0000, 0xc4_9000],
  [0xc4_a000, 0xce_0000],
  [0xce_4000, 0xd2_0000],
  [0xd2_4000, 0xd6_0000],
  [0xd6_4000, 0xda_0000],
  [0xda_4000, 0xde_0000],
  [0xde_4000, 0xe0_6000],
  [0xfc_9000, CFG_SIZE],
];

export function isUserRegister(offset: number): boolean {
  return !PROTECTED_RANGES.some(([from, to]) => offset >= from && offset < to);
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
  const block = registerBlock(offset);
  if (block !== 0) return describeEngineRegister(block, blockRegister(offset));
  return `CFG+0x${offset.toString(16)}`;
}

const BLOCK_NAMES = ['', 'QM', 'core', 'CFG', 'CTRL'] as const;
const ENGINE_REGISTER_NAMES: readonly (Readonly<Record<string, number>> | undefined)[] = [
  undefined,
  QM_REGISTERS,
  DMA_CORE_REGISTERS,
  TPC_CFG_REGISTERS,
  MME_CTRL_REGISTERS,
];

/** 'TPC3 CFG TPC_EXECUTE', 'DMA2 QM ARB_CFG_0', 'MME0 CTRL+0x28'. */
function describeEngineRegister(block: number, register: number): string {
  const fence = (register - QM_REGISTERS.CP_FENCE_RDATA) / FENCE_REGISTER_STRIDE;
  if (blockKind(block) === REGISTER_BLOCK.QM && fence >= 0 && fence < FENCES_PER_STREAM && fence % 1 !== 0)
    return `${ENGINES[blockEngine(block)]} lower FENCE ${Math.floor(fence)}`;
  const where = `${ENGINES[blockEngine(block)]} ${BLOCK_NAMES[blockKind(block)]}`;
  const names = ENGINE_REGISTER_NAMES[blockKind(block)] ?? {};
  const name = Object.keys(names).find((key) => names[key] === register);
  return name === undefined ? `${where}+0x${register.toString(16)}` : `${where} ${name}`;
}
