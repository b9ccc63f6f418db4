/**
 * 32-bit writes and reads on behalf of a packet or a monitor: to memory, to the device's registers as far as the writer may
 * reach them, to the sync objects of other devices. Owns the question "which register is this and who may write it"; the
 * registers' behaviour is elsewhere.
 */

import {
  ARB_CFG_0_ENABLE,
  dcoreOfOffset,
  ENGINES,
  FAULT,
  type FabricFifo,
  FENCES_PER_STREAM,
  fenceOfOffset,
  fenceRdataAddress,
  MSI_INTR_0,
  MSI_REQ,
  MSI_VECTORS,
  QM_REGISTERS,
  qmBase,
  SM_BLOCK_SIZE,
  SM_REGISTERS,
  SOBS_PER_DCORE,
  sobAddress,
} from '@pedrera/hw';
import { Access, type AddressDecoder, IS_MAPPED_REGISTER, IS_MEMORY } from './address-decoder.js';
import { type CommandProcessor, FENCED, RUNNABLE } from './command-processor.js';
import type { Context } from './context.js';
import type { FaultReporter } from './faults.js';
import type { RunQueue } from './run-queue.js';
import { DONE, STALL } from './status.js';
import type { SyncManager } from './sync-manager.js';

const QM_SIZE = 0x1000;
const MODELLED_ENGINES = 2;
const qmBases = ENGINES.slice(0, MODELLED_ENGINES).map(qmBase);

export interface RegisterBusOptions {
  readonly index: number;
  readonly decoder: AddressDecoder;
  readonly faults: FaultReporter;
  readonly runQueue: RunQueue;
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
    if (kind === IS_MAPPED_REGISTER) return this.#writeMapped(origin, access.device, access.register, value);
    return this.writeOwn(origin.context, origin, access.register, value, true);
  }

  isRegister(context: Context, address: number): boolean {
    return this.#options.decoder.user(context, address, true, this.#access) < 0;
  }

  readUser(context: Context, address: number): number {
    const access = this.#access;
    const kind = this.#options.decoder.user(context, address, false, access);
    if (kind !== IS_MEMORY) return kind > 0 ? kind : FAULT.razwi;
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
    const fence = fenceOfOffset(offset);
    if (fence >= 0) return this.#feedFence(context, fence, value);
    if (privileged && isMsi(offset)) {
      const vector = offset === MSI_REQ ? 0 : (offset - MSI_INTR_0) >> 2;
      return this.#options.faults.msi(context.asid, vector) ? DONE : STALL;
    }
    return writeQueueManager(offset, value);
  }

  /** A register write that arrived from another device: sync objects only. */
  writeFromPeer(offset: number, value: number): void {
    const sob = sobOfOffset(offset);
    if (sob < 0) return;
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
    this.#sync.writeSob(sob, value);
    return DONE;
  }

  #reportOverflow(sob: number, value: number): void {
    if (!this.#sync.wouldOverflow(sob, value)) return;
    const owner = this.#options.contextOf(this.#sync.owners[sob] as number);
    if (owner !== undefined) this.#options.faults.detached(owner, -1, FAULT['sob-overflow'], addressOfSob(sob));
  }

  #feedFence(context: Context, fence: number, value: number): number {
    // Every context has streams of its own: a fence register means the one of the writer's context.
    const target = context.processors[Math.floor(fence / FENCES_PER_STREAM)];
    if (target === undefined) return FAULT.razwi;
    const status = target.feedFence(fence % FENCES_PER_STREAM, value);
    if (status !== DONE)
      this.#options.faults.detached(context, target.queue, status, fenceRdataAddress(target.queue, fence % 4));
    if (target.state === FENCED && target.fenceIsSatisfied) {
      target.state = RUNNABLE;
      this.#options.runQueue.push(target);
    }
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

/** Queue-manager registers other than the fences. Arbitration is not modelled; leaving it off is. */
function writeQueueManager(offset: number, value: number): number {
  for (const base of qmBases) {
    if (offset < base || offset >= base + QM_SIZE) continue;
    const disablesArbitration = offset === base + QM_REGISTERS.ARB_CFG_0 && (value & ARB_CFG_0_ENABLE) === 0;
    return disablesArbitration ? DONE : FAULT['not-modelled'];
  }
  return FAULT.razwi;
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
