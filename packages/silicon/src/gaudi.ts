/**
 * The simulated Gaudi: a machine that is told what the kernel may tell a device, and stepped by whoever hosts it (a worker
 * thread, a test, a schedule explorer). Owns contexts, scheduling and the way in and out; what packets do is in
 * packet-effects.ts. Never learns what an ioctl, a process or a file is.
 *
 * Scheduling: streams that can go on take turns. A turn is a bounded number of packets, or a bounded number of bytes moved, so
 * a stream waits at most one turn of every other runnable stream. Idle and parked streams cost nothing.
 */

import type { Clock } from '@pedrera/base';
import {
  type AddressWalk,
  ASID_MAX,
  type BusRegion,
  type ContextRights,
  DCORE_COUNT,
  DEVICE_TRACE,
  type DeviceFaultRule,
  type DeviceSnapshot,
  type DoorbellFifo,
  doorbellAsid,
  doorbellPi,
  doorbellQueue,
  ENGINES,
  type EngineName,
  type EngineStatus,
  type FabricFifo,
  type InterruptFifo,
  type Mapping,
  QUEUES,
  queueName,
  RingView,
  ringDistance,
  SOBS_PER_DCORE,
  SRAM_BASE,
  SRAM_SIZE,
} from '@pedrera/hw';
import { AddressDecoder } from './address-decoder.js';
import { walkAddress } from './address-walk.js';
import { BusMemory } from './bus-memory.js';
import { type CommandProcessor, DEAD, IDLE, RUNNABLE, STALLED } from './command-processor.js';
import { Context } from './context.js';
import { DmaEngine } from './dma-engine.js';
import { EngineTimesBook, WORKS } from './engine-times.js';
import { FaultCaptures } from './fault-captures.js';
import { FaultInjector } from './fault-injector.js';
import { FaultReporter } from './faults.js';
import { HeadPacket } from './head-packet.js';
import { HostRegisters } from './host-registers.js';
import { grantLeases } from './leases.js';
import { DeviceMemory, type MemorySource } from './memory.js';
import { MmeEngine } from './mme.js';
import { PacketLoop, type TurnLimits } from './packet-loop.js';
import type { Scheduling } from './parts.js';
import { RegisterBus } from './register-bus.js';
import { RegisterFile } from './register-file.js';
import { RunQueue } from './run-queue.js';
import { armedMonitors, engineStates, engineStatuses, streamSnapshots, syncObjects } from './snapshot.js';
import { SyncManager } from './sync-manager.js';
import { Timers } from './timers.js';
import { Tracer } from './tracer.js';

/** Packets a turn while others wait, and alone. */
const PACKETS_SHARED = 256;
const PACKETS_ALONE = 1024;
/** While others run, streams that found no room are tried again only this often. */
const STEPS_BETWEEN_RETRIES = 64;
/** Writes taken from one peer before everyone else gets a turn. */
const FABRIC_BATCH = 256;

/**
 * 'busy': a stream can go on. 'stalled': none can until somebody drains a FIFO or some time has passed; look again soon. 'idle': nothing happens
 * before the kernel or another device does something.
 */
export type StepResult = 'busy' | 'stalled' | 'idle';

export interface StreamId {
  readonly asid: number;
  readonly queue: number;
  /** The lower command processor that executes for this queue, not the stream itself. */
  readonly lower?: boolean;
}

const NOWHERE = { registerWrite: () => undefined };

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
  readonly #contexts: (Context | undefined)[] = [];
  readonly #runQueue = new RunQueue();
  readonly #stalled = new RunQueue();
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
  #hasFaultRules = false;
  /** Contexts a reset took away, until their ASID is used again: the kernel still takes its books down. */
  readonly #forgotten = new Set<number>();
  readonly #fabricSink = {
    registerWrite: (offset: number, value: number) => this.#registers.writeFromPeer(offset, value),
  };
  #stepsSinceRetry = 0;
  #lostDoorbells = false;

  constructor(options: GaudiOptions) {
    this.index = options.index;
    this.#options = options;
    this.#bus = new BusMemory(options.memory);
    this.#memory = new DeviceMemory(options.index, options.memory);
    const decoder = new AddressDecoder(this.#memory, this.#bus);
    const captures = new FaultCaptures();
    const plain = new RegisterFile();
    const nowNs = () => options.clock.nowNs();
    this.#dma = new DmaEngine(decoder);
    this.#timers = new Timers(nowNs);
    this.#tracer = new Tracer(nowNs);
    this.#times = new EngineTimesBook(nowNs, this.#hangs);
    this.#head = new HeadPacket(this.#bus, decoder);
    this.#faults = new FaultReporter(options.interrupts, captures, decoder, this.#tracer);
    this.#registers = new RegisterBus({
      index: options.index,
      decoder,
      faults: this.#faults,
      plain,
      fabricOut: options.fabricOut ?? new Map(),
      contextOf: (asid) => this.#contexts[asid],
    });
    this.#sync = new SyncManager(this.#registers, this.#tracer);
    this.#registers.connect(this.#sync);
    this.#hostRegisters = new HostRegisters({
      plain,
      captures,
      nowNs,
      sync: this.#sync,
      bus: this.#registers,
      lowestContext: () => this.#contexts.find((context) => context !== undefined),
      hangs: this.#hangs,
      head: this.#headWords,
    });
    this.#loop = new PacketLoop({
      bus: this.#bus,
      decoder,
      dma: this.#dma,
      mme: new MmeEngine(decoder),
      faults: this.#faults,
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
    if (this.#contexts[asid] !== undefined) throw new Error(`context ${asid} exists`);
    grantLeases(this.#sync, asid, rights.sync);
    this.#contexts[asid] = new Context(asid, rights, this.#scheduling());
    this.#forgotten.delete(asid);
  }

  setRights(asid: number, rights: ContextRights): void {
    const context = this.#context(asid);
    if (context === undefined) return;
    this.#landPeerWrites();
    grantLeases(this.#sync, asid, rights.sync);
    const { sram } = rights;
    if (sram !== null && (sram.base !== context.rights.sram?.base || sram.size !== context.rights.sram.size)) {
      const start = sram.base - SRAM_BASE;
      this.#memory.sram().bytes.fill(0, start, start + sram.size);
    }
    context.rights = rights;
  }

  destroyContext(asid: number): void {
    const context = this.#context(asid);
    this.#forgotten.delete(asid);
    if (context === undefined) return;
    this.#stop(context);
    this.#sync.disarmAllOf(asid);
    this.#landPeerWrites();
    grantLeases(this.#sync, asid, []);
    this.#contexts[asid] = undefined;
    this.#options.doorbells?.forget(asid);
    this.#forgetViews();
  }

  map(asid: number, mapping: Mapping): void {
    this.#context(asid)?.space.map(mapping);
  }

  unmap(asid: number, va: number, size: number): void {
    this.#context(asid)?.space.unmap(va, size);
    this.#forgetViews();
  }

  createRing(asid: number, queue: number, ring: { readonly buffer: SharedArrayBuffer; readonly slot: number }): void {
    const context = this.#context(asid);
    if (context === undefined) return;
    const info = QUEUES[queue];
    if (info === undefined || info.kind === 'cpu') throw new RangeError(`${queueName(queue)} has no ring for users`);
    if (context.processors[queue] !== undefined) throw new Error(`context ${asid} has a ring for ${info.name}`);
    this.#bus.addRing(ring.slot, ring.buffer);
    const processor = context.stream(queue);
    processor.attachRing(new RingView(ring.buffer, info.length), ring.slot);
    context.processors[queue] = processor;
  }

  /** The producer index of a ring is now `pi`. A doorbell for a ring that is gone is dropped, as the bus would drop it. */
  ringDoorbell(asid: number, queue: number, pi: number): void {
    const processor = this.#contexts[asid]?.processors[queue];
    const ring = processor?.ring;
    if (processor === undefined || ring === undefined || ring === null) return;
    processor.pi = pi & (2 * ring.length - 1);
    if (processor.state === IDLE && processor.pi !== processor.fetched) {
      processor.qm.wake(processor);
    }
  }

  clearSyncObjects(dcore: number, first: number, count: number): void {
    if (!(dcore >= 0 && dcore < DCORE_COUNT && first >= 0 && count >= 0 && first + count <= SOBS_PER_DCORE))
      throw new RangeError(`no sync objects ${first}..${first + count - 1} in dcore ${dcore}`);
    this.#landPeerWrites();
    for (let i = 0; i < count; i++) this.#sync.writeSob(dcore * SOBS_PER_DCORE + first + i, 0);
  }

  readRegister(offset: number): number {
    return this.#hostRegisters.read(offset);
  }

  writeRegister(offset: number, value: number): void {
    this.#hostRegisters.write(offset, value);
  }

  readSram(offset: number, size: number): Uint8Array {
    checkSram(offset, size);
    return this.#memory.sram().bytes.slice(offset, offset + size);
  }

  writeSram(offset: number, bytes: Uint8Array): void {
    checkSram(offset, bytes.length);
    this.#memory.sram().bytes.set(bytes, offset);
  }

  engineStatus(): EngineStatus[] {
    return engineStatuses([...this.#liveContexts()], this.#hangs);
  }

  testFirmware(value: number): number | undefined {
    return this.#hostRegisters.cpuHalted ? undefined : value;
  }

  hangEngine(engine: EngineName): void {
    const id = ENGINES.indexOf(engine);
    if (id < 0) throw new RangeError(`no engine ${engine}`);
    this.#hang(id);
  }

  /** See Device.reset(). Nothing is zeroed by writing to it: no monitor fires, no peer hears of it. */
  reset(): void {
    for (const context of this.#liveContexts()) {
      this.#stop(context);
      this.#options.doorbells?.forget(context.asid);
      this.#forgotten.add(context.asid);
    }
    this.#contexts.length = 0;
    this.#lostDoorbells = false;
    this.#loop.reset();
    this.#sync.reset();
    this.#hostRegisters.reset();
    // What peers have sent before is lost, as it is on a bus whose other end is in reset.
    for (const fifo of this.#options.fabricIn ?? []) fifo.drain(NOWHERE);
    this.#forgetViews();
  }

  snapshot(): DeviceSnapshot {
    const contexts = [...this.#liveContexts()];
    this.#times.settle();
    const timeNs = this.#options.clock.nowNs();
    return {
      index: this.index,
      timeNs,
      streams: streamSnapshots(contexts, this.#hangs, this.#headWords),
      monitors: armedMonitors(this.#sync),
      syncObjects: syncObjects(this.#sync),
      engines: engineStates(contexts, this.#hangs, this.#times, timeNs),
      engineTimes: this.#times.ofContexts(contexts, timeNs),
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
    const context = this.#contexts[asid];
    return context === undefined ? null : walkAddress(context, address, this.#bus, this.#sync);
  }

  setTrace(kinds: number, ring: SharedArrayBuffer | null): void {
    const processors = [...this.#liveContexts()].flatMap((context) => [...context.allProcessors()]);
    this.#tracer.set(kinds, ring, processors);
    this.#sync.traceChanged();
  }

  setFaultRules(rules: readonly DeviceFaultRule[]): void {
    this.#injector.set(rules);
    this.#hasFaultRules = rules.length > 0;
  }

  /** Lets go of all memory. The machine must not be used afterwards. */
  close(): void {
    for (const context of this.#contexts) if (context !== undefined) this.destroyContext(context.asid);
    this.#forgetViews();
    this.#bus.close();
    this.#memory.close();
  }

  // What the host does to make it run.

  /** Takes in the doorbells rung so far. Only when no control message older than them is waiting; see pump(). */
  serviceDoorbells(): void {
    this.#serviceDoorbellsUpTo(this.#markDoorbells());
  }

  /** Takes in register writes from other devices. True if there were any. */
  drainFabric(): boolean {
    let taken = 0;
    for (const fifo of this.#options.fabricIn ?? []) taken += fifo.drain(this.#fabricSink, FABRIC_BATCH);
    return taken > 0;
  }

  /** One turn of the next runnable stream, or of the one named, if it is runnable. */
  step(stream?: StreamId): StepResult {
    this.#timers.expire();
    this.#admitStalled();
    if (this.#times.hasChanges) this.#times.settle();
    const processor =
      stream === undefined
        ? this.#runQueue.shift()
        : this.#runQueue.remove(({ asid, queue, isLower }) => {
            return asid === stream.asid && queue === stream.queue && isLower === (stream.lower ?? false);
          });
    if (processor !== null) this.#turn(processor);
    this.#tellOthers();
    if (!this.#runQueue.isEmpty) return 'busy';
    return this.#stalled.isEmpty && !this.#sync.holdsPayloads && this.#timers.isEmpty ? 'idle' : 'stalled';
  }

  /**
   * For a host whose clock does not move by itself: lets what is due next in the device's own time happen now. False if
   * nothing is, or while streams can go on.
   */
  skipTime(): boolean {
    if (!this.#runQueue.isEmpty || this.#timers.isEmpty) return false;
    this.#timers.skipToNext();
    return true;
  }

  /**
   * Runs until nothing can go on, or `shouldYield` says that control messages (mappings, contexts) wait to be applied.
   * A doorbell is looked at only after shouldYield has been asked: a control message posted before the doorbell is then known
   * to wait, and is applied before the work that needs it.
   */
  pump(shouldYield?: () => boolean): StepResult {
    for (;;) {
      const mark = this.#markDoorbells();
      if (shouldYield?.() === true) return 'busy';
      this.#serviceDoorbellsUpTo(mark);
      const fromPeers = this.drainFabric();
      const result = this.step();
      if (result !== 'busy' && !fromPeers) return result;
    }
  }

  /** The streams that can go on, in the order of their turns. */
  runnable(): StreamId[] {
    return Array.from(this.#runQueue, ({ asid, queue, isLower }) => ({
      asid,
      queue,
      ...(isLower ? { lower: true } : {}),
    }));
  }

  /** undefined for a context that a reset took away; any other that does not exist is a mistake of the caller's. */
  #context(asid: number): Context | undefined {
    const context = this.#contexts[asid];
    if (context === undefined && !this.#forgotten.has(asid)) throw new Error(`no context ${asid}`);
    return context;
  }

  *#liveContexts(): Generator<Context> {
    for (const context of this.#contexts) if (context !== undefined) yield context;
  }

  /** None of its processors runs again, and it can reach nothing any more. */
  #stop(context: Context): void {
    for (const processor of context.allProcessors()) {
      this.#tracer.cut(processor);
      processor.state = DEAD;
    }
    this.#times.forget(context);
    const isDead = (processor: CommandProcessor) => processor.context === context;
    this.#runQueue.remove(isDead);
    this.#stalled.remove(isDead);
    context.space.clear();
  }

  #scheduling(): Scheduling {
    return { runQueue: this.#runQueue, times: this.#times, tracer: this.#tracer };
  }

  #hang(engineId: number): void {
    this.#loop.hungEngines[engineId] = 1;
    for (const context of this.#liveContexts()) {
      const qm = context.peekQueueManager(engineId);
      if (qm !== undefined) this.#times.note(qm);
    }
  }

  readonly #hangs = (engineId: number): boolean => this.#loop.hungEngines[engineId] !== 0;
  readonly #headWords = (processor: CommandProcessor) => this.#head.words(processor);

  *#processors(): Generator<CommandProcessor> {
    for (const context of this.#contexts)
      for (const processor of context?.processors ?? []) if (processor !== undefined) yield processor;
  }

  #turn(processor: CommandProcessor): void {
    const alone = this.#runQueue.isEmpty;
    const packets = alone ? PACKETS_ALONE : PACKETS_SHARED;
    const limits = this.#options.turn ?? { packets, bytes: this.#loop.slice.bytes(alone) };
    if (this.#hasFaultRules && this.#injector.concerns(processor))
      this.#loop.runExamined(processor, limits, this.#injector);
    else this.#loop.run(processor, limits);
    const { state, qm } = processor;
    if (state === RUNNABLE) this.#runQueue.push(processor);
    else if (state === STALLED) this.#stalled.push(processor);
    else if ((this.#tracer.kinds & DEVICE_TRACE.WAITS) !== 0) this.#tracer.parked(processor);
    if (state !== RUNNABLE || qm.times.activity !== WORKS) this.#times.note(qm);
    if (this.#times.hasChanges) this.#times.settle();
  }

  #admitStalled(): void {
    if (this.#stalled.isEmpty && !this.#sync.holdsPayloads) return;
    if (!this.#runQueue.isEmpty && ++this.#stepsSinceRetry < STEPS_BETWEEN_RETRIES) return;
    this.#stepsSinceRetry = 0;
    this.#sync.retryHeld();
    for (let processor = this.#stalled.shift(); processor !== null; processor = this.#stalled.shift()) {
      processor.state = RUNNABLE;
      this.#runQueue.push(processor);
    }
  }

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

  /**
   * Which doorbells have been rung by now. If some were lost because the FIFO was full, also notes every ring's producer
   * index, each time anew until they are serviced: a ring may have been created meanwhile.
   */
  #markDoorbells(): number {
    const { doorbells } = this.#options;
    if (doorbells === undefined) return 0;
    const mark = doorbells.tail;
    if (doorbells.overflowed) {
      doorbells.clearOverflow();
      this.#lostDoorbells = true;
    }
    if (this.#lostDoorbells) for (const processor of this.#processors()) processor.sampledPi = processor.ring?.pi ?? -1;
    return mark;
  }

  #serviceDoorbellsUpTo(mark: number): void {
    const { doorbells } = this.#options;
    if (doorbells === undefined) return;
    for (let left = (mark - doorbells.head) | 0; left > 0; left--) {
      const word = doorbells.take();
      this.#ringUnlessOlder(this.#contexts[doorbellAsid(word)]?.processors[doorbellQueue(word)], doorbellPi(word));
    }
    if (!this.#lostDoorbells) return;
    this.#lostDoorbells = false;
    for (const processor of this.#processors()) {
      if (processor.sampledPi >= 0) this.#ringUnlessOlder(processor, processor.sampledPi);
      processor.sampledPi = -1;
    }
  }

  /** An index further ahead than the ring has room for is one that lies behind: a doorbell overtaken by a sampled index. */
  #ringUnlessOlder(processor: CommandProcessor | undefined, pi: number): void {
    const length = processor?.ring?.length;
    if (processor === undefined || length === undefined) return;
    const room = length - ringDistance(processor.fetched, processor.pi, length);
    if (ringDistance(processor.pi, pi, length) <= room) this.ringDoorbell(processor.asid, processor.queue, pi);
  }

  /** Writes that peers have already sent go to the holder they were meant for, before objects change hands. */
  #landPeerWrites(): void {
    for (const fifo of this.#options.fabricIn ?? []) fifo.drain(this.#fabricSink);
  }

  #forgetViews(): void {
    this.#dma.forget();
    this.#registers.forget();
  }
}

function checkSram(offset: number, size: number): void {
  if (!(offset >= 0 && size >= 0 && offset + size <= SRAM_SIZE))
    throw new RangeError(`${size} bytes at 0x${offset.toString(16)} are not in SRAM`);
}
