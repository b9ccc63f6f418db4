/**
 * The simulated Gaudi: a machine that is told what the kernel may tell a device, and stepped by whoever hosts it (a worker
 * thread, a test, a schedule explorer). Puts the parts together and owns what concerns several of them: the life of a context,
 * reset, and the order of things within a step. Each part says in its own file what it does: doorbells.ts and
 * fabric-inlet.ts what comes in, scheduler.ts whose turn it is, packet-loop.ts and packet-effects.ts what a turn does,
 * sync-manager.ts the sync objects, faults.ts what goes out. Never learns what an ioctl, a process or a file is.
 */

import type { Clock } from '@pedrera/base';
import {
  type AddressWalk,
  ASID_MAX,
  type BusRegion,
  type ContextRights,
  DCORE_COUNT,
  type DeviceFaultRule,
  type DeviceSnapshot,
  type DoorbellFifo,
  ENGINES,
  type EngineName,
  type EngineStatus,
  type FabricFifo,
  type InterruptFifo,
  type Mapping,
  type PackedSnapshot,
  QUEUES,
  queueName,
  RingView,
  SOBS_PER_DCORE,
  SRAM_BASE,
  unpackSnapshot,
} from '@pedrera/hw';
import { AddressDecoder } from './address-decoder.js';
import { walkAddress } from './address-walk.js';
import { BusMemory } from './bus-memory.js';
import { type CommandProcessor, DEAD } from './command-processor.js';
import { Context } from './context.js';
import { ContextTable } from './context-table.js';
import { DmaEngine } from './dma-engine.js';
import { Doorbells } from './doorbells.js';
import { EngineTimesBook } from './engine-times.js';
import { FabricInlet } from './fabric-inlet.js';
import { FaultCaptures } from './fault-captures.js';
import { FaultInjector } from './fault-injector.js';
import { FaultReporter } from './faults.js';
import { HeadPacket } from './head-packet.js';
import { HostRegisters } from './host-registers.js';
import { HungEngines } from './hung-engines.js';
import { grantLeases } from './leases.js';
import { DeviceMemory, type MemorySource } from './memory.js';
import { MmeEngine } from './mme.js';
import { PacketLoop, type TurnLimits } from './packet-loop.js';
import type { Scheduling } from './parts.js';
import { RegisterBus } from './register-bus.js';
import { RegisterFile } from './register-file.js';
import { RunQueue } from './run-queue.js';
import { Scheduler, type StepResult, type StreamId } from './scheduler.js';
import {
  engineStates,
  engineStatuses,
  packEngineTimes,
  packMonitors,
  packStreams,
  packSyncObjects,
} from './snapshot.js';
import { SyncManager } from './sync-manager.js';
import { Timers } from './timers.js';
import { Tracer } from './tracer.js';

export interface GaudiOptions {
  readonly index: number;
  readonly clock: Pick<Clock, 'nowNs'>;
  readonly memory: MemorySource;
  readonly interrupts: InterruptFifo;
  /** Without it, doorbells come through ringDoorbell() alone. */
  readonly doorbells?: DoorbellFifo;
  /** Register writes to other devices, by device, and from them. */
  readonly fabricOut?: ReadonlyMap<number, FabricFifo>;
  readonly fabricIn?: readonly FabricFifo[];
  /** There are new entries in the interrupt FIFO. Called between turns, never from within a call of the host's. */
  readonly onInterrupt?: () => void;
  /** There are new writes for this device. Called between turns. */
  readonly onFabricWrite?: (device: number) => void;
  /** Fixed limits for a turn, for tests that explore schedules. */
  readonly turn?: TurnLimits;
  /**
   * Of consecutive identical LIN_DMA packets in one command buffer only the last is carried out: the memory comes out the same, the
   * work is less than was asked for (device.md 5.4). Off unless given.
   */
  readonly collapseRepeatedDma?: boolean;
}

export class Gaudi {
  readonly index: number;
  readonly #options: GaudiOptions;
  readonly #contexts = new ContextTable();
  readonly #hung = new HungEngines();
  /** What the queue managers of a new context are given. */
  readonly #scheduling: Scheduling;
  readonly #bus: BusMemory;
  readonly #memory: DeviceMemory;
  readonly #dma: DmaEngine;
  readonly #faults: FaultReporter;
  readonly #registers: RegisterBus;
  readonly #sync: SyncManager;
  readonly #loop: PacketLoop;
  readonly #timers: Timers;
  readonly #hostRegisters: HostRegisters;
  readonly #head: HeadPacket;
  readonly #times: EngineTimesBook;
  readonly #tracer: Tracer;
  readonly #injector: FaultInjector;
  readonly #scheduler: Scheduler;
  readonly #doorbells: Doorbells;
  readonly #fabric: FabricInlet;

  constructor(options: GaudiOptions) {
    this.index = options.index;
    this.#options = options;
    const runQueue = new RunQueue();
    const captures = new FaultCaptures();
    const plain = new RegisterFile();
    const nowNs = () => options.clock.nowNs();
    this.#bus = new BusMemory(options.memory);
    this.#memory = new DeviceMemory(options.index, options.memory);
    const decoder = new AddressDecoder(this.#memory, this.#bus);
    this.#dma = new DmaEngine(decoder);
    this.#timers = new Timers(nowNs);
    this.#tracer = new Tracer(nowNs);
    this.#times = new EngineTimesBook(nowNs, this.#hangs);
    this.#scheduling = { runQueue, times: this.#times, tracer: this.#tracer };
    this.#head = new HeadPacket(this.#bus, decoder);
    this.#faults = new FaultReporter(options.interrupts, captures, decoder, this.#tracer);
    this.#registers = new RegisterBus({
      index: options.index,
      decoder,
      faults: this.#faults,
      plain,
      fabricOut: options.fabricOut ?? new Map(),
      contextOf: (asid) => this.#contexts.at(asid),
    });
    this.#sync = new SyncManager(this.#registers, this.#tracer);
    this.#registers.connect(this.#sync);
    this.#hostRegisters = new HostRegisters({
      plain,
      captures,
      nowNs,
      sync: this.#sync,
      bus: this.#registers,
      lowestContext: () => this.#contexts.lowest(),
      hangs: this.#hangs,
      head: this.#headWords,
    });
    this.#loop = new PacketLoop({
      bus: this.#bus,
      decoder,
      dma: this.#dma,
      mme: new MmeEngine(decoder),
      faults: this.#faults,
      hung: this.#hung,
      registers: this.#registers,
      sync: this.#sync,
      timers: this.#timers,
      tracer: this.#tracer,
      nowNs,
      collapseRepeatedDma: options.collapseRepeatedDma === true,
    });
    this.#injector = new FaultInjector({
      faults: this.#faults,
      timers: this.#timers,
      nowNs,
      head: this.#headWords,
      hang: (engineId) => this.#hang(engineId),
    });
    this.#scheduler = new Scheduler({
      runQueue,
      loop: this.#loop,
      sync: this.#sync,
      timers: this.#timers,
      times: this.#times,
      tracer: this.#tracer,
      injector: this.#injector,
      turn: options.turn,
    });
    this.#doorbells = new Doorbells(options.doorbells, this.#contexts);
    this.#fabric = new FabricInlet(options.fabricIn ?? [], this.#registers);
  }

  // What the kernel may do. Each takes effect before it returns; see Device of @pedrera/hw for the meaning.

  addBusRegion(region: BusRegion): void {
    this.#bus.add(region);
  }

  removeBusRegion(slot: number): void {
    this.#forgetViews();
    this.#bus.remove(slot);
  }

  createContext(asid: number, rights: ContextRights): void {
    if (!(Number.isInteger(asid) && asid > 0 && asid <= ASID_MAX)) throw new RangeError(`no asid ${asid}`);
    if (this.#contexts.at(asid) !== undefined) throw new Error(`context ${asid} exists`);
    grantLeases(this.#sync, asid, rights.sync);
    this.#contexts.add(new Context(asid, rights, this.#scheduling));
  }

  setRights(asid: number, rights: ContextRights): void {
    const context = this.#contexts.expect(asid);
    if (context === undefined) return;
    this.#fabric.land();
    grantLeases(this.#sync, asid, rights.sync);
    const { sram } = rights;
    if (sram !== null && (sram.base !== context.rights.sram?.base || sram.size !== context.rights.sram.size))
      this.#memory.clearSram(sram.base - SRAM_BASE, sram.size);
    context.rights = rights;
  }

  destroyContext(asid: number): void {
    const context = this.#contexts.expect(asid);
    if (context === undefined) {
      this.#contexts.remove(asid);
      return;
    }
    this.#stop(context);
    this.#sync.disarmAllOf(asid);
    this.#fabric.land();
    grantLeases(this.#sync, asid, []);
    this.#contexts.remove(asid);
    this.#doorbells.forget(asid);
    this.#forgetViews();
  }

  map(asid: number, mapping: Mapping): void {
    this.#contexts.expect(asid)?.space.map(mapping);
  }

  unmap(asid: number, va: number, size: number): void {
    this.#contexts.expect(asid)?.space.unmap(va, size);
    this.#forgetViews();
  }

  createRing(asid: number, queue: number, ring: { readonly buffer: SharedArrayBuffer; readonly slot: number }): void {
    const context = this.#contexts.expect(asid);
    if (context === undefined) return;
    const info = QUEUES[queue];
    if (info === undefined || info.kind === 'cpu') throw new RangeError(`${queueName(queue)} has no ring for users`);
    if (context.processors[queue] !== undefined) throw new Error(`context ${asid} has a ring for ${info.name}`);
    this.#bus.addRing(ring.slot, ring.buffer);
    const processor = context.stream(queue);
    processor.attachRing(new RingView(ring.buffer, info.length), ring.slot);
    context.processors[queue] = processor;
  }

  ringDoorbell(asid: number, queue: number, pi: number): void {
    this.#doorbells.ring(asid, queue, pi);
  }

  clearSyncObjects(dcore: number, first: number, count: number): void {
    if (!(dcore >= 0 && dcore < DCORE_COUNT && first >= 0 && count >= 0 && first + count <= SOBS_PER_DCORE))
      throw new RangeError(`no sync objects ${first}..${first + count - 1} in dcore ${dcore}`);
    this.#fabric.land();
    for (let i = 0; i < count; i++) this.#sync.writeSob(dcore * SOBS_PER_DCORE + first + i, 0);
  }

  readRegister(offset: number): number {
    return this.#hostRegisters.read(offset);
  }

  writeRegister(offset: number, value: number): void {
    this.#hostRegisters.write(offset, value);
  }

  readSram(offset: number, size: number): Uint8Array {
    return this.#memory.readSram(offset, size);
  }

  writeSram(offset: number, bytes: Uint8Array): void {
    this.#memory.writeSram(offset, bytes);
  }

  testFirmware(value: number): number | undefined {
    return this.#hostRegisters.cpuHalted ? undefined : value;
  }

  /** See Device.reset(). Nothing is zeroed by writing to it: no monitor fires, no peer hears of it. */
  reset(): void {
    for (const context of this.#contexts) {
      this.#stop(context);
      this.#doorbells.forget(context.asid);
    }
    this.#contexts.forgetAll();
    this.#doorbells.reset();
    this.#hung.clear();
    this.#timers.clear();
    this.#loop.reset();
    this.#sync.reset();
    this.#hostRegisters.reset();
    this.#fabric.discard();
    this.#forgetViews();
  }

  engineStatus(): EngineStatus[] {
    return engineStatuses([...this.#contexts], this.#hangs);
  }

  snapshot(): DeviceSnapshot {
    return unpackSnapshot(this.packedSnapshot());
  }

  /** The same, to be handed to another thread. */
  packedSnapshot(): PackedSnapshot {
    const contexts = [...this.#contexts];
    this.#times.settle();
    const timeNs = this.#options.clock.nowNs();
    return {
      index: this.index,
      timeNs,
      ...packStreams(contexts, this.#hangs, this.#headWords),
      monitors: packMonitors(this.#sync),
      syncObjects: packSyncObjects(this.#sync),
      engines: engineStates(contexts, this.#hangs, this.#times, timeNs),
      engineTimes: packEngineTimes(contexts, timeNs),
      counters: {
        packets: this.#loop.packets,
        dmaBytes: this.#dma.bytes,
        busReadBytes: this.#dma.busRead,
        busWrittenBytes: this.#dma.busWritten,
        sobWrites: this.#sync.writes,
        monitorsFired: this.#sync.fired,
        faults: this.#faults.count,
      },
      faultRules: this.#injector.states(),
    };
  }

  walk(asid: number, address: number): AddressWalk | null {
    const context = this.#contexts.at(asid);
    return context === undefined ? null : walkAddress(context, address, this.#bus, this.#sync);
  }

  setTrace(kinds: number, ring: SharedArrayBuffer | null): void {
    const processors = [...this.#contexts].flatMap((context) => [...context.allProcessors()]);
    this.#tracer.set(kinds, ring, processors);
    this.#sync.traceChanged();
  }

  setFaultRules(rules: readonly DeviceFaultRule[]): void {
    this.#injector.set(rules);
  }

  hangEngine(engine: EngineName): void {
    const id = ENGINES.indexOf(engine);
    if (id < 0) throw new RangeError(`no engine ${engine}`);
    this.#hang(id);
  }

  /** Lets go of all memory. The machine must not be used afterwards. */
  close(): void {
    for (const context of this.#contexts) this.destroyContext(context.asid);
    this.#forgetViews();
    this.#bus.close();
    this.#memory.close();
  }

  // What the host does to make it run.

  /** Takes in the doorbells rung so far. Only when no control message older than them is waiting; see pump(). */
  serviceDoorbells(): void {
    this.#doorbells.serviceUpTo(this.#doorbells.mark());
  }

  /** Takes in register writes from other devices. True if there were any. */
  drainFabric(): boolean {
    return this.#fabric.take();
  }

  /** One turn of the next runnable stream, or of the one named, if it is runnable. */
  step(stream?: StreamId): StepResult {
    this.#scheduler.step(stream);
    // Whoever is told may ring doorbells before it returns: only then is it known whether there is more to do.
    this.#tellOthers();
    return this.#scheduler.outlook;
  }

  /**
   * For a host whose clock does not move by itself: lets what is due next in the device's own time happen now. False if
   * nothing is, or while streams can go on.
   */
  skipTime(): boolean {
    return this.#scheduler.skipTime();
  }

  /**
   * Runs until nothing can go on, or `shouldYield` says that control messages (mappings, contexts) wait to be applied.
   * A doorbell is looked at only after shouldYield has been asked: a control message posted before the doorbell is then known
   * to wait, and is applied before the work that needs it.
   */
  pump(shouldYield?: () => boolean): StepResult {
    for (;;) {
      const mark = this.#doorbells.mark();
      if (shouldYield?.() === true) return 'busy';
      this.#doorbells.serviceUpTo(mark);
      const fromPeers = this.drainFabric();
      const result = this.step();
      if (result !== 'busy' && !fromPeers) return result;
    }
  }

  /** The streams that can go on, in the order of their turns. */
  runnable(): StreamId[] {
    return this.#scheduler.runnable();
  }

  /** None of its processors runs again, and it can reach nothing any more. */
  #stop(context: Context): void {
    for (const processor of context.allProcessors()) {
      this.#tracer.cut(processor);
      processor.state = DEAD;
    }
    this.#times.forget(context);
    this.#scheduler.remove(context);
    context.space.clear();
  }

  #hang(engineId: number): void {
    this.#hung.add(engineId);
    for (const context of this.#contexts) {
      const qm = context.peekQueueManager(engineId);
      if (qm !== undefined) this.#times.note(qm);
    }
  }

  readonly #hangs = (engineId: number): boolean => this.#hung.has(engineId);
  readonly #headWords = (processor: CommandProcessor) => this.#head.words(processor);

  #tellOthers(): void {
    if (this.#faults.raised) {
      this.#faults.raised = false;
      this.#options.onInterrupt?.();
    }
    const { peersWritten } = this.#registers;
    if (peersWritten.size > 0) {
      for (const device of peersWritten) this.#options.onFabricWrite?.(device);
      peersWritten.clear();
    }
  }

  #forgetViews(): void {
    this.#dma.forget();
    this.#registers.forget();
  }
}
