/**
 * 32-bit writes and reads on behalf of a packet or a monitor: to memory, to the device's registers as far as the writer may
 * reach them, to the sync objects of other devices. Owns the question "which register is this and who may write it"; the
 * registers' behaviour is elsewhere.
 */

import {
  blockEngine,
  blockKind,
  blockRegister,
  CQ_STRIDE,
  cpFenceRdataAddress,
  DMA_CORE_REGISTERS,
  dcoreOfOffset,
  ENGINES,
  FAULT,
  type FabricFifo,
  FENCE_REGISTER_STRIDE,
  hasQueueManager,
  isUserRegister,
  MME_CTRL_REGISTERS,
  MSI_INTR_0,
  MSI_REQ,
  MSI_VECTORS,
  PSOC_TIMESTAMP,
  QM_REGISTERS,
  REGISTER_BLOCK,
  registerBlock,
  SM_BLOCK_SIZE,
  SM_REGISTERS,
  SOBS_PER_DCORE,
  STREAMS_PER_ENGINE,
  sobAddress,
  TPC_CFG_REGISTERS,
} from '@pedrera/hw';
import { Access, type AddressDecoder, IS_MAPPED_REGISTER, IS_MEMORY, IS_PROCESS } from './address-decoder.js';
import type { CommandProcessor } from './command-processor.js';
import type { Context } from './context.js';
import type { FaultReporter } from './faults.js';
import type { QueueManager } from './queue-manager.js';
import type { RegisterFile } from './register-file.js';
import { DONE, ENGINE, STALL } from './status.js';
import type { SyncManager } from './sync-manager.js';

const FENCE_RDATA_END = QM_REGISTERS.CP_FENCE_CNT;
const CQ4_CTL = QM_REGISTERS.CQ4_PTR_LO + 0xc;
const WEIGHTS_END = QM_REGISTERS.ARB_WRR_WEIGHT_0 + 4 * STREAMS_PER_ENGINE;
/** By engine id. */
const isSlave = ENGINES.map((engine) => !hasQueueManager(engine));

export interface RegisterBusOptions {
  readonly index: number;
  readonly decoder: AddressDecoder;
  readonly faults: FaultReporter;
  /** The registers that are nothing but memory. */
  readonly plain: RegisterFile;
  readonly fabricOut: ReadonlyMap<number, FabricFifo>;
  readonly contextOf: (asid: number) => Context | undefined;
}

export class RegisterBus {
  readonly #options: RegisterBusOptions;
  readonly #access = new Access();
  #sync!: SyncManager;
  /** Devices written to; whoever wakes them takes them out. */
  readonly peersWritten = new Set<number>();

  constructor(options: RegisterBusOptions) {
    this.#options = options;
  }

  /** The sync manager needs this bus for its payloads, and this bus the sync manager: joined after both are made. */
  connect(sync: SyncManager): void {
    this.#sync = sync;
  }

  /**
   * Writes a word where a user's address points. `origin` is the stream whose packet it is, null for a monitor's payload.
   * Returns DONE, STALL or a fault.
   */
  writeUser(context: Context, origin: CommandProcessor | null, address: number, value: number): number {
    if (address % 4 !== 0) return FAULT.misaligned;
    const access = this.#access;
    const kind = this.#options.decoder.user(context, address, true, access);
    if (kind > 0) return kind;
    if (kind === IS_MEMORY) return storeWord(access, value);
    if (kind === IS_PROCESS) return access.storeWord(value);
    if (kind === IS_MAPPED_REGISTER) return this.#writeMapped(origin, access.device, access.register, value);
    return this.writeOwn(context, origin, access.register, value, false);
  }

  /** Writes a word with the driver's rights (MSG_PROT). */
  writePrivileged(origin: CommandProcessor, address: number, value: number): number {
    if (address % 4 !== 0) return FAULT.misaligned;
    const access = this.#access;
    const kind = this.#options.decoder.privileged(address, access);
    if (kind > 0) return kind;
    if (kind === IS_MEMORY) return storeWord(access, value);
    if (kind === IS_PROCESS) return access.storeWord(value);
    if (kind === IS_MAPPED_REGISTER) return this.#writeMapped(origin, access.device, access.register, value);
    return this.writeOwn(origin.context, origin, access.register, value, true);
  }

  isRegister(context: Context, address: number): boolean {
    const kind = this.#options.decoder.user(context, address, true, this.#access);
    return kind < 0 && kind !== IS_PROCESS;
  }

  readUser(context: Context, address: number): number {
    const access = this.#access;
    const kind = this.#options.decoder.user(context, address, false, access);
    if (kind === IS_PROCESS) access.load(4);
    else if (kind !== IS_MEMORY) return kind > 0 ? kind : FAULT.razwi;
    if (access.after < 4) return FAULT['page-fault'];
    const { bytes, offset } = access;
    this.lastRead = (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8);
    this.lastRead =
      (this.lastRead | ((bytes[offset + 2] as number) << 16) | ((bytes[offset + 3] as number) << 24)) >>> 0;
    return DONE;
  }
  /** The word the last successful readUser() found. */
  lastRead = 0;

  /** A write to one of the device's own registers, named by its offset from CFG_BASE. */
  writeOwn(
    context: Context,
    origin: CommandProcessor | null,
    offset: number,
    value: number,
    privileged: boolean,
  ): number {
    if (offset % 4 !== 0) return FAULT.misaligned;
    const dcore = dcoreOfOffset(offset);
    if (dcore >= 0) return this.#writeSync(context, origin, dcore, offset & (SM_BLOCK_SIZE - 1), value, privileged);
    const block = registerBlock(offset);
    if (block !== 0) return this.#writeEngine(context, origin, block, offset, value, privileged);
    if (privileged && isMsi(offset)) {
      const vector = offset === MSI_REQ ? 0 : (offset - MSI_INTR_0) >> 2;
      return this.#options.faults.msi(context.asid, vector) ? DONE : STALL;
    }
    return this.#writeOther(context, offset, value, privileged);
  }

  /**
   * A register write that arrived from another device: sync objects only, and only ones that somebody holds. A write that was
   * on its way while this device was reset finds nobody, and leaves no trace.
   */
  writeFromPeer(offset: number, value: number): void {
    const sob = sobOfOffset(offset);
    if (sob < 0 || this.#sync.owners[sob] === 0) return;
    this.#reportOverflow(sob, value);
    this.#sync.writeSob(sob, value);
  }

  writeSobFromHost(sob: number, value: number): void {
    this.#reportOverflow(sob, value);
    this.#sync.writeSob(sob, value);
  }

  /** PayloadSink of the sync manager. */
  deliver(asid: number, queue: number, address: number, data: number): boolean {
    const context = this.#options.contextOf(asid);
    if (context === undefined) return true;
    const status = this.writeUser(context, null, address, data);
    if (status > 0) this.#options.faults.detached(context, queue, status, address);
    return status !== STALL;
  }

  forget(): void {
    this.#access.forget();
  }

  #writeSync(
    context: Context,
    origin: CommandProcessor | null,
    dcore: number,
    register: number,
    value: number,
    privileged: boolean,
  ): number {
    const sync = this.#sync;
    if (register < SM_REGISTERS.SOB || register >= SM_REGISTERS.END) return FAULT.razwi;
    if (register >= SM_REGISTERS.MON_PAY_ADDRL) {
      // A monitor that arms monitors could fire for ever within one write.
      if (origin === null) return FAULT['not-modelled'];
      return sync.writeMonitor(dcore, register, value, context.asid, origin.queue, privileged);
    }
    const sob = dcore * SOBS_PER_DCORE + ((register - SM_REGISTERS.SOB) >> 2);
    if (!privileged && sync.owners[sob] !== context.asid) return FAULT.razwi;
    return this.#writeSob(origin, sob, value);
  }

  /** The fault of an overflow is reported before the write, because a report may have to wait and a write must not repeat. */
  #writeSob(origin: CommandProcessor | null, sob: number, value: number): number {
    if (this.#sync.wouldOverflow(sob, value)) {
      if (origin === null) this.#reportOverflow(sob, value);
      else if (!this.#options.faults.packet(origin, FAULT['sob-overflow'], addressOfSob(sob), -1)) return STALL;
    }
    this.#sync.writeSob(sob, value, origin);
    return DONE;
  }

  #reportOverflow(sob: number, value: number): void {
    if (!this.#sync.wouldOverflow(sob, value)) return;
    const owner = this.#options.contextOf(this.#sync.owners[sob] as number);
    if (owner !== undefined) this.#options.faults.detached(owner, -1, FAULT['sob-overflow'], addressOfSob(sob));
  }

  /** Every context has queue managers and engine registers of its own: an address means those of the writer's context. */
  #writeEngine(
    context: Context,
    origin: CommandProcessor | null,
    block: number,
    offset: number,
    value: number,
    privileged: boolean,
  ): number {
    const engine = blockEngine(block);
    const register = blockRegister(offset);
    if (isSlave[engine] === true) {
      if (register === MME_CTRL_REGISTERS.CMD) return FAULT['not-modelled'];
      return this.#writeOther(context, offset, value, privileged);
    }
    const qm = context.queueManager(engine);
    const kind = blockKind(block);
    if (kind === REGISTER_BLOCK.QM) return this.#writeQueueManager(qm, origin, register, value);
    if (kind === REGISTER_BLOCK.DMA_CORE) {
      // Only the core's own command processors can start it: whose transfer would it be otherwise?
      if (register === DMA_CORE_REGISTERS.COMMIT) return FAULT['not-modelled'];
      if (isProtectedCoreRegister(register)) return FAULT.razwi;
      return qm.dmaCore?.write(register, value) ?? FAULT.razwi;
    }
    const status = kind === REGISTER_BLOCK.TPC_CFG ? TPC_CFG_REGISTERS.STATUS : MME_CTRL_REGISTERS.ARCH_STATUS;
    if (register === status) return FAULT.razwi;
    return qm.engineRegisters?.write(register, value) ?? FAULT.razwi;
  }

  /** What the protection bits leave to users (device.md 2.4); the rest is the driver's. */
  #writeQueueManager(qm: QueueManager, origin: CommandProcessor | null, register: number, value: number): number {
    if (register >= QM_REGISTERS.CP_FENCE_RDATA && register < FENCE_RDATA_END)
      return this.#feedFence(qm, register - QM_REGISTERS.CP_FENCE_RDATA, value);
    if (register >= QM_REGISTERS.ARB_WRR_WEIGHT_0 && register < WEIGHTS_END) {
      qm.arbitration.weights[(register - QM_REGISTERS.ARB_WRR_WEIGHT_0) >> 2] = value;
      return DONE;
    }
    if (register >= QM_REGISTERS.CQ4_PTR_LO && register < QM_REGISTERS.CQ4_PTR_LO + CQ_STRIDE)
      return loadLower(qm, origin, register, value);
    switch (register) {
      case QM_REGISTERS.ARB_CFG_0:
        qm.setArbitration(value);
        return DONE;
      case QM_REGISTERS.ARB_MST_QUIET_PER:
        qm.arbitration.quietPeriod = value;
        return DONE;
      default:
        return FAULT.razwi;
    }
  }

  /** `at` counts from the first RDATA register. A processor that does not exist counts nothing. */
  #feedFence(qm: QueueManager, at: number, value: number): number {
    const fence = Math.floor(at / FENCE_REGISTER_STRIDE);
    const cp = (at % FENCE_REGISTER_STRIDE) >> 2;
    const target = qm.processors[cp];
    if (target === undefined) return FAULT.razwi;
    const status = qm.feedFence(cp, fence, value);
    if (status !== DONE) {
      const address = cpFenceRdataAddress(qm.engine, cp, fence);
      this.#options.faults.detached(qm.context, target.queue, status, address, target.isLower);
    }
    return DONE;
  }

  /**
   * Any other register is a word that reads what was written. Users reach those of the windows that are theirs, if they have
   * the bare device to themselves: between several, no word may pass that was not given.
   */
  #writeOther(context: Context, offset: number, value: number, privileged: boolean): number {
    if (!privileged) {
      const isCounter = offset === PSOC_TIMESTAMP.CNTCVL || offset === PSOC_TIMESTAMP.CNTCVU;
      if (!context.rights.physicalHbm || !isUserRegister(offset) || isCounter) return FAULT.razwi;
    }
    this.#options.plain.write(offset, value);
    return DONE;
  }

  /** A write through a mapping onto registers: the mapping itself is the right to write them. */
  #writeMapped(origin: CommandProcessor | null, device: number, register: number, value: number): number {
    const sob = sobOfOffset(register);
    if (sob < 0) return FAULT.razwi;
    if (device === this.#options.index) return this.#writeSob(origin, sob, value);
    const fifo = this.#options.fabricOut.get(device);
    if (fifo === undefined) return FAULT['bus-error'];
    if (this.#sync.holdsPayloads && !this.#sync.sendingHeld) return STALL;
    if (!fifo.tryPush(register, value)) return STALL;
    this.peersWritten.add(device);
    return DONE;
  }
}

function addressOfSob(sob: number): number {
  return sobAddress(Math.floor(sob / SOBS_PER_DCORE), sob % SOBS_PER_DCORE);
}

function isMsi(offset: number): boolean {
  return offset === MSI_REQ || (offset >= MSI_INTR_0 && offset < MSI_INTR_0 + 4 * MSI_VECTORS);
}

/** The sync object a CFG offset names, or -1. */
function sobOfOffset(offset: number): number {
  const dcore = dcoreOfOffset(offset);
  const register = offset & (SM_BLOCK_SIZE - 1);
  if (dcore < 0 || offset % 4 !== 0) return -1;
  if (register < SM_REGISTERS.SOB || register >= SM_REGISTERS.MON_PAY_ADDRL) return -1;
  return dcore * SOBS_PER_DCORE + ((register - SM_REGISTERS.SOB) >> 2);
}

function isProtectedCoreRegister(register: number): boolean {
  switch (register) {
    case DMA_CORE_REGISTERS.CFG_0:
    case DMA_CORE_REGISTERS.CFG_0 + 4:
    case DMA_CORE_REGISTERS.PROT:
    case DMA_CORE_REGISTERS.SECURE_PROPS:
    case DMA_CORE_REGISTERS.NON_SECURE_PROPS:
    case DMA_CORE_REGISTERS.ERR_CFG:
    case DMA_CORE_REGISTERS.ERR_CAUSE:
    case DMA_CORE_REGISTERS.STS0:
    case DMA_CORE_REGISTERS.STS1:
      return true;
    default:
      return false;
  }
}

/** CQ4 is loaded by the streams above it: what CP_DMA does, register by register (device.md 2.6). */
function loadLower(qm: QueueManager, origin: CommandProcessor | null, register: number, value: number): number {
  if (!qm.hasLower || origin === null || origin.qm !== qm || origin.isLower) return FAULT.razwi;
  const { cq4 } = qm;
  if (register !== CQ4_CTL) {
    cq4[(register - QM_REGISTERS.CQ4_PTR_LO) >> 2] = value;
    return DONE;
  }
  const address = (cq4[1] as number) * 2 ** 32 + (cq4[0] as number);
  const status = qm.loadLower(origin.index, address, cq4[2] as number);
  return status === ENGINE ? STALL : status;
}

function storeWord(access: Access, value: number): number {
  if (access.after < 4) return FAULT['page-fault'];
  const { offset } = access;
  if (offset % 4 === 0) {
    access.words[offset >>> 2] = value;
  } else {
    // A mapping whose pieces are shifted against the memory behind them: no single store can reach it.
    for (let byte = 0; byte < 4; byte++) access.bytes[offset + byte] = value >>> (8 * byte);
  }
  return DONE;
}
