/**
 * One accelerator as the kernel sees it: who may open it, which contexts it has, what they share.
 *
 * Owns: ASIDs, the device's memory and lease books, the policy, open statistics, interrupts on their way to contexts.
 * Must not know connections, ioctls, or how the hardware behind the Device interface works.
 */
import { type Clock, errno, type LeakTracker } from '@pedrera/base';
import {
  type ContextRights,
  DCORE_COUNT,
  type Device,
  type FaultRecord,
  type InterruptSink,
  MONITORS_PER_DCORE,
  packetByOpcode,
  QUEUES,
  SOBS_PER_DCORE,
  SRAM_BASE,
  SRAM_SIZE,
  type SyncLease,
} from '@pedrera/hw';
import { DEVICE_STATUS } from '@pedrera/uapi';
import type { SharedMemory } from '@pedrera/wire';
import { Bus } from './bus.js';
import { Context } from './context.js';
import { CsCounters } from './counters.js';
import { DeviceMemory } from './device-memory.js';
import { firstFree, Leases } from './leases.js';
import type { Policy } from './policy.js';

/** What the device tells the log. */
export interface DeviceLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface HlDeviceOptions {
  readonly hardware: Device;
  readonly hbm: SharedMemory;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  readonly log: DeviceLog;
}

/** Under `exclusive` every object of every sync manager is the context's. */
const ALL_SYNC: readonly SyncLease[] = Array.from({ length: DCORE_COUNT }, (_, dcore) => ({
  dcore,
  firstSob: 0,
  sobs: SOBS_PER_DCORE,
  firstMonitor: 0,
  monitors: MONITORS_PER_DCORE,
}));

/** A burst of faults says nothing after the first few; they are counted, not all logged. */
const LOGGED_FAULTS_PER_CONTEXT = 8;

export class HlDevice {
  readonly index: number;
  readonly hardware: Device;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  readonly memory: DeviceMemory;
  readonly leases = new Leases();
  readonly bus: Bus;
  /** Drops since the daemon started, all contexts together. */
  readonly counters = new CsCounters();
  /** Bytes of MEMORY ALLOC, all contexts together. */
  dramUsed = 0;
  hardResets = 0;
  openCounter = 0;
  lastOpenDurationMs = 0;
  readonly status = DEVICE_STATUS.OPERATIONAL;

  readonly #log: DeviceLog;
  readonly #contexts = new Map<number, Context>();
  readonly #freeAsids: number[] = [];
  #nextAsid = 1;
  /** Opens waiting until the context before them is gone. */
  #waitingOpens: (() => void)[] = [];
  /** Files whose context is not closed yet. */
  #activeContexts = 0;
  readonly #interruptSink: InterruptSink;

  constructor(options: HlDeviceOptions) {
    this.index = options.hardware.index;
    this.hardware = options.hardware;
    this.policy = options.policy;
    this.clock = options.clock;
    this.tracker = options.tracker;
    this.#log = options.log;
    this.memory = new DeviceMemory(options.hbm, options.tracker);
    this.bus = new Bus(options.hardware);
    this.#interruptSink = {
      msi: (asid, vector) => this.#contexts.get(asid)?.onInterrupt(vector),
      fault: (fault) => this.#onFault(fault),
    };
    this.hardware.onInterrupt = () => this.drainInterrupts();
  }

  get contexts(): IterableIterator<Context> {
    return this.#contexts.values();
  }

  get contextCount(): number {
    return this.#contexts.size;
  }

  get activeContexts(): number {
    return this.#activeContexts;
  }

  /** Bytes of HBM that are taken: counted under `exclusive`, where nothing is given out, allocated under `shared`. */
  get hbmUsed(): number {
    return this.policy.ownsDevice ? this.dramUsed : this.memory.used;
  }

  /** A context whose file is closed still runs or is still held (uapi.md 1.7). */
  get inRelease(): boolean {
    return this.#contexts.size > this.#activeContexts;
  }

  /** Handles what the device reported since the last call. Cheap when there is nothing. */
  drainInterrupts(): void {
    this.hardware.drainInterrupts(this.#interruptSink);
  }

  /**
   * A new context (uapi.md 1.2, 1.3). Under `exclusive` a second one gets EBUSY, one during the release of another
   * EAGAIN; a release that only waits for the device itself is waited for, since close() of an idle device is
   * synchronous. Under `shared` only the number of ASIDs limits: ENOMEM.
   */
  async openContext(pid: number): Promise<Context> {
    if (this.policy.ownsDevice) {
      while (this.#contexts.size > 0) {
        if (this.#activeContexts > 0) {
          throw errno('EBUSY', `hl${this.index} is open already and serves one context at a time`);
        }
        if ([...this.#contexts.values()].some((context) => context.refs > 0)) {
          throw errno('EAGAIN', `the previous context of hl${this.index} still has work or exports in use`);
        }
        await new Promise<void>((resolve) => this.#waitingOpens.push(resolve));
      }
    }
    const asid = this.#takeAsid();
    const context = new Context(this, asid, pid);
    this.#contexts.set(asid, context);
    this.#activeContexts++;
    this.openCounter++;
    if (this.policy.ownsDevice) {
      this.#clearSyncManagers();
    }
    this.hardware.createContext(asid, this.#rights(context));
    return context;
  }

  /** The file behind the context is closed. */
  contextClosed(openedForMs: number): void {
    this.#activeContexts--;
    this.lastOpenDurationMs = openedForMs;
  }

  /** The last reference is gone and the device has forgotten the ASID. */
  contextEnded(context: Context): void {
    for (const lease of context.leases) {
      if (lease !== undefined && !this.policy.ownsDevice) {
        this.leases.returnSync(lease);
      }
    }
    if (context.sramLease !== undefined) {
      this.leases.returnSram(context.sramLease);
    }
    this.dramUsed -= Math.min(this.dramUsed, context.dramUsed);
    this.#contexts.delete(context.asid);
    this.#freeAsids.push(context.asid);
    const waiting = this.#waitingOpens;
    this.#waitingOpens = [];
    for (const resolve of waiting) {
      resolve();
    }
  }

  /** For the end of the daemon: stops contexts whose files are closed and whose work would run on. */
  async endContexts(): Promise<void> {
    const detail = 'the daemon ends';
    await Promise.all([...this.#contexts.values()].map((context) => context.stop({ error: 'EIO', detail })));
  }

  /** What the one context of an owned device may use of a sync manager: all but the driver's own objects. */
  ownedSync(dcore: number): SyncLease | undefined {
    if (dcore >= DCORE_COUNT) {
      return undefined;
    }
    const { sob, monitor } = firstFree(dcore);
    return {
      dcore,
      firstSob: sob,
      sobs: SOBS_PER_DCORE - sob,
      firstMonitor: monitor,
      monitors: MONITORS_PER_DCORE - monitor,
    };
  }

  /** Counts device memory as allocated (or, below zero, as freed). A count that would leave the u53 range stops at its end. */
  countDram(context: Context, bytes: number): void {
    context.dramUsed = clampCount(context.dramUsed + bytes);
    this.dramUsed = clampCount(this.dramUsed + bytes);
  }

  contextTimedOut(context: Context, detail: string): void {
    // Gaudi answers a time-out with a hard reset; under `exclusive` the one context is all a reset can cost.
    if (this.policy.ownsDevice) {
      this.hardResets++;
    }
    this.#log.error({ device: this.index, asid: context.asid, pid: context.pid }, detail);
  }

  updateRights(context: Context): void {
    this.hardware.setRights(context.asid, this.#rights(context));
  }

  #rights(context: Context): ContextRights {
    if (this.policy.ownsDevice) {
      return { physicalHbm: true, sram: { base: SRAM_BASE, size: SRAM_SIZE }, sync: ALL_SYNC, failOnFault: false };
    }
    return {
      physicalHbm: false,
      sram: context.sramLease ?? null,
      sync: context.leases.filter((lease) => lease !== undefined),
      failOnFault: this.policy.failOnFault,
    };
  }

  /** What opening restores: all but the driver's own objects of W_S (device.md 4.5). */
  #clearSyncManagers(): void {
    for (let dcore = 0; dcore < DCORE_COUNT; dcore++) {
      const { sob } = firstFree(dcore);
      this.hardware.clearSyncObjects(dcore, sob, SOBS_PER_DCORE - sob);
    }
  }

  #takeAsid(): number {
    const reused = this.#freeAsids.shift();
    if (reused !== undefined) {
      return reused;
    }
    if (this.#nextAsid > this.policy.maxContexts) {
      throw errno('ENOMEM', `all ${this.policy.maxContexts} address spaces of hl${this.index} are taken`);
    }
    return this.#nextAsid++;
  }

  #onFault(fault: FaultRecord): void {
    const context = this.#contexts.get(fault.asid);
    if (context === undefined) {
      return;
    }
    const queue = QUEUES[fault.queue]?.name ?? `queue ${fault.queue}`;
    const packet = packetByOpcode(fault.opcode)?.name ?? 'a monitor payload';
    const text = `${fault.cause} at 0x${fault.address.toString(16)}, ${packet} on ${queue}`;
    context.onFault({ queue: fault.queue, ringSlot: fault.ringSlot < 0 ? undefined : fault.ringSlot, text });
    if (context.faults <= LOGGED_FAULTS_PER_CONTEXT) {
      this.#log.warn({ device: this.index, asid: fault.asid, pid: context.pid }, text);
    }
  }
}

function clampCount(bytes: number): number {
  return Math.min(Math.max(bytes, 0), Number.MAX_SAFE_INTEGER);
}
