/**
 * The line between kernel and silicon: everything the kernel may do with one accelerator. No ioctl, process or file above
 * this line is known below it, and no packet executes above it.
 * Methods without a promise are posted. All methods take effect in the order of the calls, doorbells included.
 */

import type { DeviceFaultRule, DeviceFaultRuleState } from './fault-rules.js';
import type { InterruptSink } from './interrupts.js';
import type { EngineName } from './queues.js';

/** A range of sync objects and one of monitors of one dcore. */
export interface SyncLease {
  readonly dcore: number;
  readonly firstSob: number;
  readonly sobs: number;
  readonly firstMonitor: number;
  readonly monitors: number;
  /**
   * Access without ownership's clearing: the objects keep their values and the monitors stay armed when the lease begins or
   * ends, until the device is reset. The driver's own objects of a device with one context are given to it this way.
   */
  readonly persistent?: boolean;
}

/** What a context may reach apart from its mappings. */
export interface ContextRights {
  /** HBM by its physical address, the driver's part excepted. */
  readonly physicalHbm: boolean;
  readonly sram: { readonly base: number; readonly size: number } | null;
  /** No two contexts hold the same object. */
  readonly sync: readonly SyncLease[];
  /** For the kernel's own use: the device carries on after a fault in any case (device.md 1.5). */
  readonly failOnFault: boolean;
}

export type MappingTarget =
  | { readonly space: 'hbm'; readonly address: number }
  /** Host memory, another device's HBM, or registers of a device (PEER_CFG window: 4-byte writes to sync objects only). */
  | { readonly space: 'bus'; readonly address: number };

/** One contiguous piece of a context's translation. */
export interface Mapping {
  readonly va: number;
  readonly size: number;
  readonly target: MappingTarget;
  readonly writable: boolean;
}

export type BusMemory =
  | { readonly kind: 'shared'; readonly buffer: SharedArrayBuffer; readonly offset: number }
  | { readonly kind: 'fd'; readonly fd: number; readonly offset: number }
  /** Memory of a process, from an address of its own on. It is reached piece by piece; what is not there (any more) is a page fault. */
  | { readonly kind: 'process'; readonly pid: number; readonly address: number };

/** Host memory the device may reach: slot `slot` of the bus, from the slot's start. */
export interface BusRegion {
  readonly slot: number;
  /** At most BUS_SLOT_SIZE. */
  readonly size: number;
  readonly memory: BusMemory;
}

export interface Device {
  readonly index: number;

  /** Resolves when the device is powered up and answers. */
  ready(): Promise<void>;

  addBusRegion(region: BusRegion): void;
  /** Resolves when the device can no longer touch the memory. */
  removeBusRegion(slot: number): Promise<void>;

  createContext(asid: number, rights: ContextRights): void;
  /**
   * Objects no longer leased are zeroed, monitors no longer leased are disarmed, persistent leases excepted; SRAM that is
   * newly given reads zero.
   */
  setRights(asid: number, rights: ContextRights): void;
  /** Stops the context's streams at once, forgets its translations, zeroes its sync objects, disarms its monitors. */
  destroyContext(asid: number): Promise<void>;

  map(asid: number, mapping: Mapping): void;
  /** Takes every translation out of [va, va + size). Resolves after the TLB flush. */
  unmap(asid: number, va: number, size: number): Promise<void>;

  /**
   * Any queue but the CPU's; the ring has QUEUES[queue].length entries. The pointer of a descriptor is a bus address on an
   * external queue; on an internal one it is a device address of the context, read when it is executed, and nothing is
   * completed. Makes bus slot `ring.slot` of the ring's memory too, if it is not yet; removeBusRegion takes it away again.
   */
  createRing(asid: number, queue: number, ring: { readonly buffer: SharedArrayBuffer; readonly slot: number }): void;
  /** Writes the producer index into the ring and rings. */
  ringDoorbell(asid: number, queue: number, pi: number): void;

  /** A write of zero to each; monitors that wait for zero fire. */
  clearSyncObjects(dcore: number, first: number, count: number): void;

  /**
   * The host's access to the registers over the BAR; `offset` counts from CFG_BASE and is a multiple of 4. Registers of the
   * parts that exist once per context mean the context with the lowest ASID. What the device does not model is a plain word:
   * it reads what was last written, at first 0.
   */
  readRegister(offset: number): Promise<number>;
  writeRegister(offset: number, value: number): Promise<void>;
  /** All of SRAM, the reserved bytes included; `offset` counts from SRAM_BASE. */
  readSram(offset: number, size: number): Promise<Uint8Array>;
  writeSram(offset: number, bytes: Uint8Array): Promise<void>;

  snapshot(): Promise<DeviceSnapshot>;
  /** What a context's address leads to, by its rights and translations; null where an access to it would fault. Reads nothing. */
  walk(asid: number, address: number): Promise<AddressWalk | null>;
  /**
   * From now on the device writes what it does into a ring of createTraceRing(); `kinds` are bits of DEVICE_TRACE, null or 0 ends
   * it. What is under way when it begins is told as begun then.
   */
  setTrace(kinds: number, ring: SharedArrayBuffer | null): void;
  /**
   * For experiments: the rules that hold from now on, in place of those before. One of the same id goes on counting, whatever else
   * of it has changed. They outlive a reset.
   */
  setFaultRules(rules: readonly DeviceFaultRule[]): void;
  /** What the idle check reads of each engine (device.md 2.4), in the order of ENGINES. */
  engineStatus(): Promise<readonly EngineStatus[]>;

  /** Sends the CPU queue's TEST message: resolves to the same value, or to undefined when the device's CPU is halted. */
  testFirmware(value: number): Promise<number | undefined>;
  /**
   * Power-on values: all contexts, their leases and streams are forgotten; every sync object, monitor, register and fence
   * counter is zero; nothing hangs. HBM, SRAM and bus regions stay. Calls for a context forgotten in this way do nothing
   * until its ASID is used for a new one.
   */
  reset(): Promise<void>;
  /** For experiments: the engine makes no more progress until the device is reset. */
  hangEngine(engine: EngineName): void;

  /** Called when there is something to drain; not again before drainInterrupts() was called. */
  onInterrupt: (() => void) | null;
  drainInterrupts(sink: InterruptSink): void;

  close(): Promise<void>;
}

/** 'arbitration': waits for the grant it asked for. 'barrier': waits for the engine behind it to become idle. */
export type StreamState =
  | 'idle'
  | 'running'
  | 'fence'
  | 'dma'
  | 'stalled'
  | 'stopped'
  | 'hung'
  | 'arbitration'
  | 'barrier';

/** How a stream stands with its queue manager's arbiter (device.md 2.5). */
export interface StreamArbitration {
  readonly mode: 'priority' | 'weighted';
  /** It stands at an ARB_POINT. */
  readonly waiting: boolean;
  /** Queue of the stream that has the lock, or null. */
  readonly holder: number | null;
  /** It waits, nobody has the lock, and the arbiter's quiet time after the last release is not over. */
  readonly quiet: boolean;
  /** With which priority it asked last; greater ones come first in mode 'priority'. */
  readonly priority: number;
  /** Grants in a row in mode 'weighted'. */
  readonly weight: number;
}

export interface StreamSnapshot {
  readonly asid: number;
  /** Of a lower command processor, the queue that gave it the buffer it is in; the first of its engine when it is in none. */
  readonly queue: number;
  readonly engine: EngineName;
  /** The engine's lower command processor, number 4, which has no ring: pi, fetched and completed count its buffers. */
  readonly lower: boolean;
  readonly pi: number;
  readonly fetched: number;
  readonly completed: number;
  readonly state: StreamState;
  /** The packet the stream stands at: its dwords, its byte offset in the command buffer, the command buffer's size. */
  readonly head: { readonly words: readonly number[]; readonly offset: number; readonly bytes: number } | null;
  readonly fence: {
    readonly id: number;
    readonly target: number;
    readonly value: number;
    /** Where a write would release it. */
    readonly rdataAddress: number;
  } | null;
  /** Between the streams of an external or internal queue manager; null while that is switched off, and for a lower processor. */
  readonly arbitration: StreamArbitration | null;
  readonly fenceCounters: readonly number[];
  /** What register CP_STS shows (device.md 2.4). */
  readonly cpSts: number;
}

export interface ArmedMonitor {
  readonly dcore: number;
  readonly monitor: number;
  readonly asid: number;
  readonly payloadAddress: number;
  readonly payloadData: number;
  readonly mode: 'ge' | 'eq';
  readonly value: number;
  readonly mask: number;
  readonly group: number;
  /** Bit i: object group * 8 + i is watched and does not have the value yet. */
  readonly pending: number;
  /** The watched objects (index in the dcore) with the values they have now. */
  readonly objects: readonly { readonly sob: number; readonly value: number }[];
}

/** A sync object that is not zero. */
export interface SyncObjectSnapshot {
  readonly dcore: number;
  readonly sob: number;
  readonly value: number;
  /** Context it is leased to, 0 for nobody. */
  readonly asid: number;
}

export interface EngineSnapshot {
  readonly name: EngineName;
  readonly busy: boolean;
  /** By hangEngine(), or by a rule of setFaultRules(). */
  readonly hung: boolean;
  /** Over all contexts together: it is busy while it is for any of them. */
  readonly times: EngineTimes;
}

/**
 * Sums since power-on, in ns; resets do not clear them. An engine is busy while any command processor of it has something it can
 * do, its turn or not. If none has, it waits for memory while one finds no room on the way out (a FIFO to the host or to another
 * device is full), and else for synchronisation while one stands at a fence, an arbiter or an engine barrier. One that hangs, or
 * was stopped by its packets, does neither. The slaves among the matrix engines count nothing.
 */
export interface EngineTimes {
  readonly busyNs: number;
  readonly waitSyncNs: number;
  readonly waitMemoryNs: number;
}

/** For one context, since that was created. */
export interface ContextEngineTimes extends EngineTimes {
  readonly engine: EngineName;
  readonly asid: number;
}

export interface EngineStatus {
  readonly name: EngineName;
  readonly idle: boolean;
  /** undefined for MME1 and MME3, which have no queue manager. */
  readonly qmGlblSts0: number | undefined;
  readonly qmCgmSts: number | undefined;
  /** DMA_CORE_STS0, CFG_STATUS of a TPC, ARCH_STATUS of an MME; NICs have none. */
  readonly status: number | undefined;
}

export interface DeviceCounters {
  readonly packets: number;
  readonly dmaBytes: number;
  /** Of these, the ones that came over the host bus (PCI), and that went out over it. */
  readonly busReadBytes: number;
  readonly busWrittenBytes: number;
  readonly sobWrites: number;
  readonly monitorsFired: number;
  /** All faults, the ones not reported singly included. */
  readonly faults: number;
}

export interface DeviceSnapshot {
  readonly index: number;
  readonly timeNs: number;
  readonly streams: readonly StreamSnapshot[];
  readonly monitors: readonly ArmedMonitor[];
  /** Those that are not zero, by dcore and number. */
  readonly syncObjects: readonly SyncObjectSnapshot[];
  /** In the order of ENGINES. */
  readonly engines: readonly EngineSnapshot[];
  /** By context and engine, those that have been used. They run on to `timeNs`. */
  readonly engineTimes: readonly ContextEngineTimes[];
  readonly counters: DeviceCounters;
  /** Of setFaultRules(), in its order. */
  readonly faultRules: readonly DeviceFaultRuleState[];
}

/** Where an address of a context leads. */
export interface AddressWalk {
  /** 'bus': host memory. 'peer': HBM of a device on the bus. 'peer-registers': the registers of one. */
  readonly space: 'hbm' | 'sram' | 'registers' | 'bus' | 'peer' | 'peer-registers';
  /** In HBM, SRAM and registers a physical address of the device; on the bus a bus address; of a peer its physical address. */
  readonly address: number;
  /** Which device, for the two peers; else null. */
  readonly device: number | null;
  /** Whether a translation leads there; false for what is addressed physically. */
  readonly translated: boolean;
  readonly writable: boolean;
  /** How many bytes from the address on lead on in the same way. */
  readonly size: number;
}
