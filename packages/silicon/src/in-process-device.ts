/**
 * A Gaudi behind the kernel's Device interface, on the caller's own thread: for tests, and for whoever wants to choose the
 * order in which streams run. Every call takes effect at once; packets run only in step() and runUntilIdle(), or, with
 * `autoRun`, in a microtask after a doorbell.
 */

import type { Clock } from '@pedrera/base';
import {
  type AddressWalk,
  type BusRegion,
  type ContextRights,
  type Device,
  type DeviceFaultRule,
  type DeviceSnapshot,
  type EngineName,
  type EngineStatus,
  FabricFifo,
  InterruptFifo,
  type InterruptSink,
  type Mapping,
  QUEUES,
  RingView,
} from '@pedrera/hw';
import { Gaudi } from './gaudi.js';
import type { MemorySource } from './memory.js';
import type { TurnLimits } from './packet-loop.js';
import type { StepResult, StreamId } from './scheduler.js';

export interface FabricEnds {
  readonly fabricIn: readonly FabricFifo[];
  readonly fabricOut: ReadonlyMap<number, FabricFifo>;
}

/** FIFOs between each two of `count` devices; the ends of each device, by device. */
export function createFabric(count: number, entries?: number): FabricEnds[] {
  const ends = Array.from({ length: count }, () => ({
    fabricIn: [] as FabricFifo[],
    fabricOut: new Map<number, FabricFifo>(),
  }));
  ends.forEach((from, fromIndex) => {
    ends.forEach((to, toIndex) => {
      if (fromIndex === toIndex) return;
      const fifo = new FabricFifo(FabricFifo.createBuffer(entries));
      from.fabricOut.set(toIndex, fifo);
      to.fabricIn.push(fifo);
    });
  });
  return ends;
}

export interface InProcessDeviceOptions {
  readonly index?: number;
  readonly clock: Pick<Clock, 'nowNs'>;
  readonly memory: MemorySource;
  /** This device's ends of the fabric, from createFabric(). */
  readonly fabric?: FabricEnds;
  readonly interruptEntries?: number;
  readonly turn?: TurnLimits;
  readonly autoRun?: boolean;
  /** See GaudiOptions. */
  readonly collapseRepeatedDma?: boolean;
}

/** More steps than any finite test needs: a run that gets here does not end. */
const DEFAULT_MAX_STEPS = 10_000_000;

export class InProcessDevice implements Device {
  readonly index: number;
  readonly machine: Gaudi;
  onInterrupt: (() => void) | null = null;
  readonly #interrupts: InterruptFifo;
  readonly #rings = new Map<string, RingView>();
  readonly #autoRun: boolean;
  #announced = false;
  #runScheduled = false;

  constructor(options: InProcessDeviceOptions) {
    this.index = options.index ?? 0;
    this.#autoRun = options.autoRun ?? false;
    this.#interrupts = new InterruptFifo(InterruptFifo.createBuffer(options.interruptEntries));
    this.machine = new Gaudi({
      index: this.index,
      clock: options.clock,
      memory: options.memory,
      interrupts: this.#interrupts,
      onInterrupt: () => this.#announce(),
      ...options.fabric,
      ...(options.turn === undefined ? {} : { turn: options.turn }),
      ...(options.collapseRepeatedDma === undefined ? {} : { collapseRepeatedDma: options.collapseRepeatedDma }),
    });
  }

  async ready(): Promise<void> {}

  addBusRegion(region: BusRegion): void {
    this.machine.addBusRegion(region);
  }

  async removeBusRegion(slot: number): Promise<void> {
    this.machine.removeBusRegion(slot);
  }

  createContext(asid: number, rights: ContextRights): void {
    this.machine.createContext(asid, rights);
  }

  setRights(asid: number, rights: ContextRights): void {
    this.machine.setRights(asid, rights);
  }

  async destroyContext(asid: number): Promise<void> {
    this.machine.destroyContext(asid);
    for (const queue of QUEUES) this.#rings.delete(ringKey(asid, queue.id));
  }

  map(asid: number, mapping: Mapping): void {
    this.machine.map(asid, mapping);
  }

  async unmap(asid: number, va: number, size: number): Promise<void> {
    this.machine.unmap(asid, va, size);
  }

  createRing(asid: number, queue: number, ring: { readonly buffer: SharedArrayBuffer; readonly slot: number }): void {
    this.machine.createRing(asid, queue, ring);
    this.#rings.set(ringKey(asid, queue), new RingView(ring.buffer, QUEUES[queue]?.length));
  }

  ringDoorbell(asid: number, queue: number, pi: number): void {
    const ring = this.#rings.get(ringKey(asid, queue));
    if (ring === undefined) return;
    ring.pi = pi;
    this.machine.ringDoorbell(asid, queue, pi);
    this.#scheduleRun();
  }

  clearSyncObjects(dcore: number, first: number, count: number): void {
    this.machine.clearSyncObjects(dcore, first, count);
    this.#scheduleRun();
  }

  async readRegister(offset: number): Promise<number> {
    return this.machine.readRegister(offset);
  }

  async writeRegister(offset: number, value: number): Promise<void> {
    this.machine.writeRegister(offset, value);
    this.#scheduleRun();
  }

  async readSram(offset: number, size: number): Promise<Uint8Array> {
    return this.machine.readSram(offset, size);
  }

  async writeSram(offset: number, bytes: Uint8Array): Promise<void> {
    this.machine.writeSram(offset, bytes);
  }

  async snapshot(): Promise<DeviceSnapshot> {
    return this.machine.snapshot();
  }

  async walk(asid: number, address: number): Promise<AddressWalk | null> {
    return this.machine.walk(asid, address);
  }

  setTrace(kinds: number, ring: SharedArrayBuffer | null): void {
    this.machine.setTrace(kinds, ring);
  }

  setFaultRules(rules: readonly DeviceFaultRule[]): void {
    this.machine.setFaultRules(rules);
  }

  async engineStatus(): Promise<readonly EngineStatus[]> {
    return this.machine.engineStatus();
  }

  async testFirmware(value: number): Promise<number | undefined> {
    return this.machine.testFirmware(value);
  }

  async reset(): Promise<void> {
    this.#rings.clear();
    this.machine.reset();
  }

  hangEngine(engine: EngineName): void {
    this.machine.hangEngine(engine);
  }

  drainInterrupts(sink: InterruptSink): void {
    this.#announced = false;
    this.#interrupts.drain(sink);
  }

  async close(): Promise<void> {
    this.machine.close();
    this.#rings.clear();
  }

  /** One turn of the next runnable stream, or of the one named. Takes in what other devices have sent first. */
  step(stream?: StreamId): StepResult {
    this.machine.drainFabric();
    return this.machine.step(stream);
  }

  /** Steps until nothing can go on, not even with time passing; 'stalled' if a full FIFO is in the way. Throws when it does not come to an end. */
  runUntilIdle(maxSteps: number = DEFAULT_MAX_STEPS): StepResult {
    for (let steps = 0; steps < maxSteps; steps++) {
      const fromPeers = this.machine.drainFabric();
      const result = this.machine.step();
      if (result !== 'busy' && !fromPeers && !this.machine.skipTime()) return result;
    }
    throw new Error(`device ${this.index} is still busy after ${maxSteps} steps`);
  }

  #announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    this.onInterrupt?.();
  }

  #scheduleRun(): void {
    if (!this.#autoRun || this.#runScheduled) return;
    this.#runScheduled = true;
    queueMicrotask(() => {
      this.#runScheduled = false;
      this.runUntilIdle();
    });
  }
}

/** Runs devices that talk to each other until none can go on. */
export function runAllUntilIdle(devices: readonly InProcessDevice[], maxSteps: number = DEFAULT_MAX_STEPS): StepResult {
  for (let round = 0; round < maxSteps; round++) {
    const results = devices.map((device) => {
      const before = device.machine.drainFabric();
      const result = device.machine.step();
      return before && result === 'idle' ? 'busy' : result;
    });
    if (results.includes('busy') || devices.some((device) => device.machine.skipTime())) continue;
    const waiting = results.includes('stalled');
    // A stall ends only if another device makes room; one more round without anyone busy says that none will.
    if (!waiting || devices.every((device) => !device.machine.drainFabric() && device.machine.step() !== 'busy'))
      return waiting ? 'stalled' : 'idle';
  }
  throw new Error(`devices are still busy after ${maxSteps} rounds`);
}

function ringKey(asid: number, queue: number): string {
  return `${asid}/${queue}`;
}
