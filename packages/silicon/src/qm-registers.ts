/**
 * What the registers of a queue manager read (device.md 2.4), computed from the state of one: nothing here is stored, and
 * nothing is changed. Also the idle check, which reads the same registers of every engine.
 */

import {
  busAddress,
  CFG_BASE,
  CGM_STS_IDLE,
  CPS_PER_QM,
  CQ_STRIDE,
  DMA_CORE_BUSY,
  DMA_CORE_REGISTERS,
  type EngineName,
  FENCE_REGISTER_STRIDE,
  FENCES_PER_STREAM,
  GIC_SETSPI,
  GLBL_STS0_IDLE,
  HOST_WINDOW_BASE,
  MME_STATUS_IDLE,
  MSG_SHORT_BASES,
  QM_REGISTERS as REG,
  RING_DESCRIPTORS_OFFSET,
  STREAMS_PER_ENGINE,
} from '@pedrera/hw';
import { type CommandProcessor, FENCED, IDLE, STOPPED } from './command-processor.js';
import type { QueueManager } from './queue-manager.js';

/** Bits of CP_STS. The ready bits of engine, registers and messages are clear while something is on its way. */
const CP_ENGINE_READY = 1 << 16;
const CP_REGISTERS_READY = 1 << 17;
const CP_MESSAGES_READY = 1 << 18;
const CP_STOPPED = 1 << 19;
const CP_FENCE_ID_SHIFT = 20;
const CP_FENCE_IN_PROGRESS = 1 << 22;

const CQF_IDLE_SHIFT = 4;
const CP_IDLE_SHIFT = 9;
const CP_STOP_SHIFT = 25;
/** PQF, CQF and CP of every stream, enabled, or stopped by an error. */
const STREAMS_ON = 0x1eff;
const ALL_ON = 0x3fff;
const STOP_ON_ERROR = 0x3fff_0000;
const ENGINE_GUARD = 0x100;

/** Words of a packet's header, of the packet a processor stands at; null when it stands at none. */
export type HeadReader = (processor: CommandProcessor) => readonly number[] | null;

/** A queue manager nobody has used yet reads as one that is idle. `hangs`: its engine was hung by the host. */
export function globalStatus(qm: QueueManager | undefined, hangs: boolean): number {
  let idle = GLBL_STS0_IDLE;
  let stopped = 0;
  for (const processor of qm?.processors ?? []) {
    const { index } = processor;
    if (processor.pi !== processor.fetched && !processor.isLower) idle &= ~(1 << index);
    if (hasBuffer(processor)) idle &= ~(1 << (CQF_IDLE_SHIFT + index));
    if (processor.state !== IDLE) idle &= ~(1 << (CP_IDLE_SHIFT + index));
    if (processor.state === STOPPED) stopped |= 1 << (CP_STOP_SHIFT + index);
  }
  if (hangs) idle &= ~(ALL_ON << CP_IDLE_SHIFT);
  return (idle | stopped) >>> 0;
}

export function clockGateStatus(globalStatusWord: number): number {
  return (globalStatusWord & GLBL_STS0_IDLE) === GLBL_STS0_IDLE ? CGM_STS_IDLE : 0;
}

export function dmaCoreStatus(qm: QueueManager | undefined, hangs: boolean): number {
  const moves = qm?.processors.some((processor) => processor.inTransfer) === true;
  return hangs || moves ? DMA_CORE_BUSY : 0;
}

/** ARCH_STATUS of a matrix engine. `qm` is its master's own: the slave works along with it. */
export function mmeStatus(qm: QueueManager | undefined, hangs: boolean): number {
  const computes = qm?.processors.some(({ computation }) => computation !== null) === true;
  return hangs || computes ? 0 : MME_STATUS_IDLE;
}

function hasBuffer(processor: CommandProcessor): boolean {
  if (processor.bufferDone < processor.bufferBytes) return true;
  return processor.isLower && processor.qm.fifo.size > 0;
}

export function cpStatus(processor: CommandProcessor): number {
  const fenced = processor.state === FENCED;
  return (
    (processor.inTransfer ? 0 : CP_ENGINE_READY) |
    CP_REGISTERS_READY |
    CP_MESSAGES_READY |
    (processor.state === STOPPED ? CP_STOPPED : 0) |
    (fenced ? (processor.fenceId << CP_FENCE_ID_SHIFT) | CP_FENCE_IN_PROGRESS : 0)
  );
}

/**
 * What register `register` of the queue manager reads; undefined for one that is not modelled. Precondition: `register` is a
 * multiple of 4.
 */
export function readQueueManager(
  qm: QueueManager,
  register: number,
  hangs: boolean,
  head: HeadReader,
): number | undefined {
  const array = arrayOf(register);
  if (array !== undefined) return readArray(qm, array.base, (register - array.base) >> 2, head);
  if (register >= REG.CP_FENCE_RDATA && register < REG.CP_STS) return readFence(qm, register);
  if (register >= REG.CQ_PTR_LO && register < REG.CQ_PTR_LO_STS) return readQueue(qm, register);
  switch (register) {
    case REG.GLBL_CFG0:
      return qm.hasLower ? ALL_ON : STREAMS_ON;
    case REG.GLBL_ERR_CFG:
      return STOP_ON_ERROR | (qm.hasLower ? ALL_ON : STREAMS_ON);
    case REG.GLBL_STS0:
      return globalStatus(qm, hangs);
    case REG.CGM_STS:
      return clockGateStatus(globalStatus(qm, hangs));
    case REG.ARB_CFG_0:
      return qm.arbitration.config;
    case REG.ARB_MST_QUIET_PER:
      return qm.arbitration.quietPeriod;
    case REG.ARB_STATE_STS:
      return qm.arbitration.holder < 0 ? 0 : 1 << qm.arbitration.holder;
    case REG.GLBL_ERR_ADDR_LO:
      return (CFG_BASE + GIC_SETSPI) % 2 ** 32;
    case REG.GLBL_ERR_ADDR_HI:
      return Math.floor((CFG_BASE + GIC_SETSPI) / 2 ** 32);
    case REG.GLBL_ERR_WDATA:
      return errorEvent(qm.engine);
    default:
      return undefined;
  }
}

/** Registers there is one of for each stream or each command processor. */
const ARRAYS: readonly { readonly base: number; readonly count: number }[] = [
  { base: REG.NON_SECURE_PROPS, count: CPS_PER_QM },
  { base: REG.GLBL_STS1, count: CPS_PER_QM },
  { base: REG.PQ_BASE_LO, count: STREAMS_PER_ENGINE },
  { base: REG.PQ_BASE_HI, count: STREAMS_PER_ENGINE },
  { base: REG.PQ_SIZE, count: STREAMS_PER_ENGINE },
  { base: REG.PQ_PI, count: STREAMS_PER_ENGINE },
  { base: REG.PQ_CI, count: STREAMS_PER_ENGINE },
  { base: REG.CQ_PTR_LO_STS, count: CPS_PER_QM },
  { base: REG.CQ_PTR_HI_STS, count: CPS_PER_QM },
  { base: REG.CQ_TSIZE_STS, count: CPS_PER_QM },
  { base: REG.CQ_CTL_STS, count: CPS_PER_QM },
  // Low and high words of the four bases.
  { base: REG.CP_MSG_BASE0_LO, count: 8 * CPS_PER_QM },
  { base: REG.CP_LDMA_TSIZE_OFFSET, count: CPS_PER_QM },
  { base: REG.CP_LDMA_SRC_BASE_LO_OFFSET, count: CPS_PER_QM },
  { base: REG.CP_LDMA_DST_BASE_LO_OFFSET, count: CPS_PER_QM },
  { base: REG.CP_STS, count: CPS_PER_QM },
  { base: REG.CP_CURRENT_INST_LO, count: CPS_PER_QM },
  { base: REG.CP_CURRENT_INST_HI, count: CPS_PER_QM },
  { base: REG.CP_BARRIER_CFG, count: CPS_PER_QM },
  { base: REG.ARB_WRR_WEIGHT_0, count: STREAMS_PER_ENGINE },
];

function arrayOf(register: number): { readonly base: number } | undefined {
  return ARRAYS.find(({ base, count }) => register >= base && register < base + 4 * count);
}

function readArray(qm: QueueManager, base: number, index: number, head: HeadReader): number {
  switch (base) {
    case REG.NON_SECURE_PROPS:
      return qm.context.asid;
    case REG.GLBL_STS1:
      return qm.errors[index] ?? 0;
    case REG.CP_MSG_BASE0_LO: {
      const address = CFG_BASE + (MSG_SHORT_BASES[Math.floor(index / (2 * CPS_PER_QM))] as number);
      return index % (2 * CPS_PER_QM) < CPS_PER_QM ? address % 2 ** 32 : Math.floor(address / 2 ** 32);
    }
    case REG.ARB_WRR_WEIGHT_0:
      return qm.arbitration.weights[index] ?? 0;
    default: {
      const processor = qm.processors[index];
      return processor === undefined ? 0 : readProcessor(processor, base, head);
    }
  }
}

function readProcessor(processor: CommandProcessor, base: number, head: HeadReader): number {
  const { ring, qm, isLower } = processor;
  const descriptors = ring === null ? 0 : HOST_WINDOW_BASE + busAddress(processor.ringBusSlot, RING_DESCRIPTORS_OFFSET);
  const buffer = processor.bufferAddress + processor.bufferDone + (qm.isExternal ? HOST_WINDOW_BASE : 0);
  switch (base) {
    case REG.PQ_BASE_LO:
      return descriptors % 2 ** 32;
    case REG.PQ_BASE_HI:
      return Math.floor(descriptors / 2 ** 32);
    case REG.PQ_SIZE:
      return ring === null ? 0 : Math.log2(ring.length);
    case REG.PQ_PI:
      return processor.pi;
    case REG.PQ_CI:
      return processor.fetched;
    case REG.CQ_PTR_LO_STS:
      return hasBuffer(processor) ? buffer % 2 ** 32 : 0;
    case REG.CQ_PTR_HI_STS:
      return hasBuffer(processor) ? Math.floor(buffer / 2 ** 32) : 0;
    case REG.CQ_TSIZE_STS:
      return processor.bufferBytes - processor.bufferDone;
    case REG.CQ_CTL_STS:
      return qm.isExternal && processor.currentSlot >= 0 ? (processor.currentSlot << 16) >>> 0 : 0;
    // Upper processors of internal queue managers feed CQ4, all others the DMA core (device.md 2.6).
    case REG.CP_LDMA_TSIZE_OFFSET:
      return qm.hasLower && !isLower ? 0x81bc : DMA_CORE_REGISTERS.DST_TSIZE_0;
    case REG.CP_LDMA_SRC_BASE_LO_OFFSET:
      return qm.hasLower && !isLower ? 0x81b4 : DMA_CORE_REGISTERS.SRC_BASE_LO;
    case REG.CP_LDMA_DST_BASE_LO_OFFSET:
      return DMA_CORE_REGISTERS.DST_BASE_LO;
    case REG.CP_STS:
      return cpStatus(processor);
    case REG.CP_CURRENT_INST_LO:
      return head(processor)?.[0] ?? 0;
    case REG.CP_CURRENT_INST_HI:
      return head(processor)?.[1] ?? 0;
    case REG.CP_BARRIER_CFG:
      return qm.isExternal ? ENGINE_GUARD : 0;
    default:
      return 0;
  }
}

/** RDATA is for writing: it reads 0. Behind the counters of the four fences there is a gap up to CP_STS. */
function readFence(qm: QueueManager, register: number): number | undefined {
  if (register < REG.CP_FENCE_CNT) return 0;
  const at = register - REG.CP_FENCE_CNT;
  const fence = Math.floor(at / FENCE_REGISTER_STRIDE);
  if (fence >= FENCES_PER_STREAM) return undefined;
  return qm.processors[(at % FENCE_REGISTER_STRIDE) >> 2]?.fences[fence] ?? 0;
}

/** The registers by which a queue can be loaded directly: they keep what was put into CQ4 last, the others read 0. */
function readQueue(qm: QueueManager, register: number): number {
  if (register < REG.CQ4_PTR_LO || register >= REG.CQ4_PTR_LO + CQ_STRIDE) return 0;
  const { address, bytes } = qm.fifo;
  return [address % 2 ** 32, Math.floor(address / 2 ** 32), bytes, 0][(register - REG.CQ4_PTR_LO) >> 2] ?? 0;
}

/** The event number (of the CPU's list, device.md 8.2) an engine's queue manager raises on an error. */
function errorEvent(engine: EngineName): number {
  const n = Number(engine.slice(3));
  switch (engine.slice(0, 3)) {
    case 'TPC':
      return 421 + n;
    case 'MME':
      return 430 + (n >> 1);
    case 'DMA':
      return 432 + n;
    default:
      return 443 + n;
  }
}
