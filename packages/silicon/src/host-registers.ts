/**
 * The registers as the host sees them over the BAR (device.md 1.3, 2.4, 4.1, 8.4, 8.5). Parts that exist once per context
 * answer for the context with the lowest ASID. What is not modelled is memory: it reads what was last written.
 */

import {
  ARM_RST_CONTROL,
  blockEngine,
  blockKind,
  blockRegister,
  CFG_SIZE,
  CPS_PER_QM,
  DMA_CORE_REGISTERS,
  dcoreOfOffset,
  ENGINES,
  HBM_CONTROLLER_BASE,
  HBM_CONTROLLER_COUNT,
  HBM_CONTROLLER_REGISTERS,
  HBM_CONTROLLER_STRIDE,
  hasQueueManager,
  KMD_MSG_TO_CPU,
  MME_CTRL_REGISTERS,
  MONITORS_PER_DCORE,
  PSOC_TIMESTAMP,
  QM_REGISTERS,
  REGISTER_BLOCK,
  registerBlock,
  SM_BLOCK_SIZE,
  SM_REGISTERS,
  SOBS_PER_DCORE,
  TPC_CFG_REGISTERS,
  TPC_STATUS_IDLE,
} from '@pedrera/hw';
import type { Context } from './context.js';
import type { FaultCaptures } from './fault-captures.js';
import {
  clockGateStatus,
  dmaCoreStatus,
  globalStatus,
  type HeadReader,
  mmeStatus,
  readQueueManager,
} from './qm-registers.js';
import type { QueueManager } from './queue-manager.js';
import type { RegisterBus } from './register-bus.js';
import type { RegisterFile } from './register-file.js';
import type { SyncManager } from './sync-manager.js';

/** Written to KMD_MSG_TO_CPU: go to wait-for-event, and stay there. */
const GO_TO_WFE = 1;
/** A monitor the host arms belongs to no queue. */
const NO_QUEUE = 0xff;
/** By engine id: MME1 and MME3, which no context has a queue manager of. */
const isSlave = ENGINES.map((engine) => !hasQueueManager(engine));

export interface HostRegistersOptions {
  readonly plain: RegisterFile;
  readonly sync: SyncManager;
  readonly bus: RegisterBus;
  readonly captures: FaultCaptures;
  readonly nowNs: () => number;
  readonly lowestContext: () => Context | undefined;
  readonly hangs: (engineId: number) => boolean;
  readonly head: HeadReader;
}

export class HostRegisters {
  readonly #options: HostRegistersOptions;
  /** The device's CPU answers no more, until the device is reset. */
  cpuHalted = false;

  constructor(options: HostRegistersOptions) {
    this.#options = options;
  }

  read(offset: number): number {
    checkOffset(offset);
    const { plain, captures, nowNs } = this.#options;
    if (dcoreOfOffset(offset) >= 0) return this.#readSync(offset);
    const block = registerBlock(offset);
    if (block !== 0) return (this.#readEngine(block, blockRegister(offset)) ?? plain.read(offset)) >>> 0;
    if (offset === PSOC_TIMESTAMP.CNTCVL) return Math.floor(nowNs()) % 2 ** 32;
    if (offset === PSOC_TIMESTAMP.CNTCVU) return Math.floor(nowNs() / 2 ** 32) % 2 ** 32;
    return captures.read(offset) ?? plain.read(offset);
  }

  /** Registers that only tell a state keep telling it: a write to one of those is remembered nowhere. */
  write(offset: number, word: number): void {
    checkOffset(offset);
    const value = word >>> 0;
    const { plain, captures } = this.#options;
    if (dcoreOfOffset(offset) >= 0) {
      this.#writeSync(offset, value);
      return;
    }
    const block = registerBlock(offset);
    if (block !== 0 && this.#writeEngine(block, offset, value)) return;
    if (captures.write(offset, value)) return;
    plain.write(offset, value);
    if (offset === ARM_RST_CONTROL && value === 0 && plain.read(KMD_MSG_TO_CPU) === GO_TO_WFE) this.cpuHalted = true;
    const controller = offset - HBM_CONTROLLER_BASE;
    if (controller >= 0 && controller < HBM_CONTROLLER_COUNT * HBM_CONTROLLER_STRIDE) {
      if (controller % HBM_CONTROLLER_STRIDE === HBM_CONTROLLER_REGISTERS.OP)
        plain.write(offset - HBM_CONTROLLER_REGISTERS.OP + HBM_CONTROLLER_REGISTERS.DONE, value);
    }
  }

  reset(): void {
    this.#options.plain.clear();
    this.#options.captures.reset();
    this.cpuHalted = false;
  }

  #readSync(offset: number): number {
    const { sync, plain } = this.#options;
    const dcore = dcoreOfOffset(offset);
    const register = offset & (SM_BLOCK_SIZE - 1);
    if (register < SM_REGISTERS.SOB || register >= SM_REGISTERS.END) return plain.read(offset);
    if (register >= SM_REGISTERS.MON_PAY_ADDRL) return sync.readMonitor(dcore, register);
    return sync.values[dcore * SOBS_PER_DCORE + ((register - SM_REGISTERS.SOB) >> 2)] as number;
  }

  #writeSync(offset: number, value: number): void {
    const { sync, plain, bus, lowestContext } = this.#options;
    const dcore = dcoreOfOffset(offset);
    const register = offset & (SM_BLOCK_SIZE - 1);
    if (register < SM_REGISTERS.SOB || register >= SM_REGISTERS.END) plain.write(offset, value);
    else if (register >= SM_REGISTERS.MON_PAY_ADDRL) {
      // What the monitor writes when it fires goes out with the rights of its holder, or else of the first context.
      const owner = sync.monitorOwners[dcore * MONITORS_PER_DCORE + ((register & 0x7ff) >> 2)] as number;
      sync.writeMonitor(dcore, register, value, owner || (lowestContext()?.asid ?? 0), NO_QUEUE, true);
    } else bus.writeSobFromHost(dcore * SOBS_PER_DCORE + ((register - SM_REGISTERS.SOB) >> 2), value);
  }

  #readEngine(block: number, register: number): number | undefined {
    const { lowestContext, hangs, head } = this.#options;
    const engine = blockEngine(block);
    const qm = lowestContext()?.peekQueueManager(engine);
    switch (blockKind(block)) {
      case REGISTER_BLOCK.QM:
        if (qm !== undefined) return readQueueManager(qm, register, hangs(engine), head);
        if (register === QM_REGISTERS.GLBL_STS0) return globalStatus(undefined, hangs(engine));
        if (register === QM_REGISTERS.CGM_STS) return clockGateStatus(globalStatus(undefined, hangs(engine)));
        return undefined;
      case REGISTER_BLOCK.DMA_CORE:
        if (register === DMA_CORE_REGISTERS.STS0) return dmaCoreStatus(qm, hangs(engine));
        if (register === DMA_CORE_REGISTERS.ERR_CAUSE) return qm?.dmaCore?.errorCause;
        return qm?.dmaCore?.read(register) || undefined;
      case REGISTER_BLOCK.TPC_CFG:
        if (register === TPC_CFG_REGISTERS.STATUS) return hangs(engine) ? 0 : TPC_STATUS_IDLE;
        return qm?.engineRegisters?.read(register);
      default:
        if (register === MME_CTRL_REGISTERS.ARCH_STATUS) {
          const master = isSlave[engine] === true ? engine - 1 : engine;
          return mmeStatus(lowestContext()?.peekQueueManager(master), hangs(engine));
        }
        return qm?.engineRegisters?.read(register);
    }
  }

  /** False if the register is one that no context has, or that has no effect. */
  #writeEngine(block: number, offset: number, value: number): boolean {
    const { lowestContext, bus } = this.#options;
    const context = lowestContext();
    const register = blockRegister(offset);
    const engine = blockEngine(block);
    if (context === undefined || isSlave[engine] === true) return false;
    const qm = context.queueManager(engine);
    const { dmaCore } = qm;
    if (blockKind(block) === REGISTER_BLOCK.QM && clearError(qm, register, value)) return true;
    if (blockKind(block) === REGISTER_BLOCK.DMA_CORE && register === DMA_CORE_REGISTERS.ERR_CAUSE && dmaCore !== null) {
      dmaCore.errorCause &= ~value;
      return true;
    }
    return bus.writeOwn(context, null, offset, value, true) === 0;
  }
}

/** GLBL_STS1: a bit written as one is cleared. */
function clearError(qm: QueueManager, register: number, value: number): boolean {
  const index = (register - QM_REGISTERS.GLBL_STS1) >> 2;
  if (index < 0 || index >= CPS_PER_QM) return false;
  qm.errors[index] = (qm.errors[index] as number) & ~value;
  return true;
}

function checkOffset(offset: number): void {
  if (!(Number.isInteger(offset) && offset >= 0 && offset < CFG_SIZE && offset % 4 === 0))
    throw new RangeError(`no register at offset 0x${offset.toString(16)}`);
}
