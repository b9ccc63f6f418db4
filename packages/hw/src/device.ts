/**
 * The line between kernel and silicon: everything the kernel may do with one accelerator. No ioctl, process or file above
 * this line is known below it, and no packet executes above it.
 * Methods without a promise are posted. All methods take effect in the order of the calls, doorbells included.
 */

import type { InterruptSink } from './interrupts.js';
import type { EngineName } from './queues.js';

/** A range of sync objects and one of monitors of one dcore. */
export interface SyncLease {
  readonly dcore: number;
  readonly firstSob: number;
  readonly sobs: number;
  readonly firstMonitor: number;
  readonly monitors: number;
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
  | { readonly kind: 'fd'; readonly fd: number; readonly offset: number };

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
  /** Objects no longer leased are zeroed, monitors no longer leased are disarmed; SRAM that is newly given reads zero. */
  setRights(asid: number, rights: ContextRights): void;
  /** Stops the context's streams at once, forgets its translations, zeroes its sync objects, disarms its monitors. */
  destroyContext(asid: number): Promise<void>;

  map(asid: number, mapping: Mapping): void;
  /** Takes every translation out of [va, va + size). Resolves after the TLB flush. */
  unmap(asid: number, va: number, size: number): Promise<void>;

  /** Makes bus slot `ring.slot` of the ring's memory too, if it is not yet; removeBusRegion takes it away again. */
  createRing(asid: number, queue: number, ring: { readonly buffer: SharedArrayBuffer; readonly slot: number }): void;
  /** Writes the producer index into the ring and rings. */
  ringDoorbell(asid: number, queue: number, pi: number): void;

  /** A write of zero to each; monitors that wait for zero fire. */
  clearSyncObjects(dcore: number, first: number, count: number): void;

  snapshot(): Promise<DeviceSnapshot>;

  /** Called when there is something to drain; not again before drainInterrupts() was called. */
  onInterrupt: (() => void) | null;
  drainInterrupts(sink: InterruptSink): void;

  close(): Promise<void>;
}

export type StreamState = 'idle' | 'running' | 'fence' | 'dma' | 'stalled' | 'stopped';

export interface StreamSnapshot {
  readonly asid: number;
  readonly queue: number;
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
  readonly fenceCounters: readonly number[];
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
  /** The watched objects (index in the dcore) with the values they have now. */
  readonly objects: readonly { readonly sob: number; readonly value: number }[];
}

export interface DeviceCounters {
  readonly packets: number;
  readonly dmaBytes: number;
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
  /** In the order of ENGINES. */
  readonly engines: readonly { readonly name: EngineName; readonly busy: boolean }[];
  readonly counters: DeviceCounters;
}
