/**
 * A Gaudi whose every sign of life is a move: control messages wait on its port until it takes them, doorbells until it looks,
 * its answers and interrupts until the kernel does, as between the two threads of the daemon (kernel/daemon/worker-device.ts,
 * silicon-worker.ts; what is promised about their order there holds here).
 *
 * Owns: the two ports, and which moves the device has. Must not know why somebody calls.
 */
import type { Clock } from '@pedrera/base';
import {
  type AddressWalk,
  type BusRegion,
  type ContextRights,
  type Device,
  type DeviceFaultRule,
  DoorbellFifo,
  type EngineName,
  type EngineStatus,
  type FabricFifo,
  InterruptFifo,
  type InterruptSink,
  type Mapping,
  QUEUES,
  queueName,
  RingView,
} from '@pedrera/hw';
import { type FabricEnds, Gaudi, type MemorySource } from '@pedrera/silicon';
import { type Move, RANK } from './move.js';

/** Small, so that a FIFO that is full is a case like any other. */
const INTERRUPTS = 64;
const DOORBELLS = 64;

/** A control message. The device applies all it finds up to the first one that is answered. */
interface Control {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly apply: () => unknown;
  readonly answer: { resolve: (value: unknown) => void; reject: (error: unknown) => void } | undefined;
}

/** On its way to the kernel. */
interface Message {
  readonly what: string;
  /** Undefined: there are interrupts, no more. */
  readonly deliver: (() => void) | undefined;
}

/** Who wants to know what the device really has done, beside the kernel. */
export interface Witness {
  /** A call has been made. */
  posted(device: number, name: string, args: readonly unknown[]): void;
  /** The device has carried it out. */
  applied(device: number, name: string, args: readonly unknown[]): void;
}

export interface ScheduledDeviceOptions {
  readonly index: number;
  readonly clock: Pick<Clock, 'nowNs'>;
  readonly memory: MemorySource;
  readonly fabric: FabricEnds;
  readonly turn: { readonly packets: number; readonly bytes: number };
  readonly witness: Witness;
}

export class ScheduledDevice implements Device {
  readonly index: number;
  onInterrupt: (() => void) | null = null;
  readonly #machine: Gaudi;
  readonly #witness: Witness;
  readonly #fabricIn: readonly FabricFifo[];
  readonly #interrupts: InterruptFifo;
  readonly #doorbells = new DoorbellFifo(DoorbellFifo.createBuffers(DOORBELLS));
  readonly #rings = new Map<number, RingView>();
  readonly #toDevice: Control[] = [];
  readonly #toKernel: Message[] = [];
  /** It waits for room in a FIFO, or for a time of its own. */
  #stalled = false;
  /** The world's progress when looking again was of no use. */
  #triedAt = -1;

  constructor(options: ScheduledDeviceOptions) {
    this.index = options.index;
    this.#witness = options.witness;
    this.#fabricIn = options.fabric.fabricIn;
    this.#interrupts = new InterruptFifo(InterruptFifo.createBuffer(INTERRUPTS));
    this.#machine = new Gaudi({
      index: options.index,
      clock: options.clock,
      memory: options.memory,
      interrupts: this.#interrupts,
      doorbells: this.#doorbells,
      ...options.fabric,
      turn: options.turn,
      onInterrupt: () => {
        if (this.#doorbells.raiseInterrupt()) {
          this.#toKernel.push({ what: 'interrupts', deliver: undefined });
        }
      },
    });
  }

  /** What it can do next, apart from time of its own. */
  moves(into: Move[]): void {
    const { index } = this;
    const controls = this.#toDevice;
    if (controls.length > 0) {
      into.push({
        key: `c${index}`,
        rank: RANK.control,
        settles: false,
        describe: () => `device ${index} takes ${this.#batch().map(spell).join(', ')}`,
        run: () => this.#takeControl(),
      });
    } else if (this.#doorbells.head !== this.#doorbells.tail || this.#doorbells.overflowed) {
      // Not before the messages that were posted ahead of them.
      into.push({
        key: `b${index}`,
        rank: RANK.doorbell,
        settles: false,
        describe: () => `device ${index} hears its doorbells`,
        run: () => this.#machine.serviceDoorbells(),
      });
    }
    const message = this.#toKernel[0];
    if (message !== undefined) {
      into.push({
        key: `p${index}`,
        rank: RANK.port,
        settles: true,
        describe: () => `the kernel hears of device ${index}: ${message.what}`,
        run: () => this.#hear(),
      });
    }
    if (this.#fabricIn.some((fifo) => !fifo.isEmpty)) {
      into.push({
        key: `f${index}`,
        rank: RANK.fabric,
        settles: false,
        describe: () => `device ${index} takes writes of its peers`,
        run: () => void this.#machine.drainFabric(),
      });
    }
    for (const stream of this.#machine.runnable()) {
      const { asid, queue, lower = false } = stream;
      into.push({
        key: `s${index}.${asid}.${queue}${lower ? 'l' : ''}`,
        rank: RANK.turn,
        settles: false,
        describe: () => `device ${index} runs ${queueName(queue)}${lower ? ' (lower)' : ''} of context ${asid}`,
        run: () => {
          this.#stalled = this.#machine.step(stream) === 'stalled';
        },
      });
    }
  }

  /**
   * Lets what is due next in its own time happen, or has it look for room again; not twice while nothing else has happened
   * (`progress` counts that).
   */
  timeMoves(into: Move[], progress: number): void {
    if (this.#stalled && this.#triedAt !== progress) {
      const { index } = this;
      into.push({
        key: `x${index}`,
        rank: RANK.deviceTime,
        settles: false,
        describe: () => `device ${index} lets time of its own pass`,
        run: () => {
          if (!this.#machine.skipTime()) {
            this.#triedAt = progress;
          }
          this.#stalled = this.#machine.step() === 'stalled';
        },
      });
    }
  }

  /** For the end: all memory is let go. */
  powerOff(): void {
    this.#machine.close();
  }

  // --- the Device interface: everything is only posted --------------------------------------------------------------

  async ready(): Promise<void> {}

  addBusRegion(region: BusRegion): void {
    this.#post('addBusRegion', [region], () => this.#machine.addBusRegion(region));
  }

  removeBusRegion(slot: number): Promise<void> {
    return this.#ask('removeBusRegion', [slot], () => this.#machine.removeBusRegion(slot));
  }

  createContext(asid: number, rights: ContextRights): void {
    this.#post('createContext', [asid, rights], () => this.#machine.createContext(asid, rights));
  }

  setRights(asid: number, rights: ContextRights): void {
    this.#post('setRights', [asid, rights], () => this.#machine.setRights(asid, rights));
  }

  destroyContext(asid: number): Promise<void> {
    for (const { id } of QUEUES) {
      this.#rings.delete(ringKey(asid, id));
    }
    return this.#ask('destroyContext', [asid], () => this.#machine.destroyContext(asid));
  }

  map(asid: number, mapping: Mapping): void {
    this.#post('map', [asid, mapping], () => this.#machine.map(asid, mapping));
  }

  unmap(asid: number, va: number, size: number): Promise<void> {
    return this.#ask('unmap', [asid, va, size], () => this.#machine.unmap(asid, va, size));
  }

  createRing(asid: number, queue: number, ring: { readonly buffer: SharedArrayBuffer; readonly slot: number }): void {
    this.#rings.set(ringKey(asid, queue), new RingView(ring.buffer, QUEUES[queue]?.length));
    this.#post('createRing', [asid, queue, ring], () => this.#machine.createRing(asid, queue, ring));
  }

  ringDoorbell(asid: number, queue: number, pi: number): void {
    const ring = this.#rings.get(ringKey(asid, queue));
    if (ring !== undefined) {
      ring.pi = pi;
      this.#doorbells.ring(asid, queue, pi);
    }
  }

  clearSyncObjects(dcore: number, first: number, count: number): void {
    this.#post('clearSyncObjects', [dcore, first, count], () => this.#machine.clearSyncObjects(dcore, first, count));
  }

  readRegister(offset: number): Promise<number> {
    return this.#ask('readRegister', [offset], () => this.#machine.readRegister(offset));
  }

  writeRegister(offset: number, value: number): Promise<void> {
    return this.#ask('writeRegister', [offset, value], () => this.#machine.writeRegister(offset, value));
  }

  readSram(offset: number, size: number): Promise<Uint8Array> {
    return this.#ask('readSram', [offset, size], () => this.#machine.readSram(offset, size));
  }

  writeSram(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#ask('writeSram', [offset], () => this.#machine.writeSram(offset, bytes));
  }

  snapshot(): Promise<ReturnType<Gaudi['snapshot']>> {
    return this.#ask('snapshot', [], () => this.#machine.snapshot());
  }

  walk(asid: number, address: number): Promise<AddressWalk | null> {
    return this.#ask('walk', [asid, address], () => this.#machine.walk(asid, address));
  }

  setTrace(kinds: number, ring: SharedArrayBuffer | null): void {
    this.#post('setTrace', [kinds], () => this.#machine.setTrace(kinds, ring));
  }

  setFaultRules(rules: readonly DeviceFaultRule[]): void {
    this.#post('setFaultRules', [rules], () => this.#machine.setFaultRules(rules));
  }

  engineStatus(): Promise<readonly EngineStatus[]> {
    return this.#ask('engineStatus', [], () => this.#machine.engineStatus());
  }

  testFirmware(value: number): Promise<number | undefined> {
    return this.#ask('testFirmware', [value], () => this.#machine.testFirmware(value));
  }

  reset(): Promise<void> {
    this.#rings.clear();
    return this.#ask('reset', [], () => this.#machine.reset());
  }

  hangEngine(engine: EngineName): void {
    this.#post('hangEngine', [engine], () => this.#machine.hangEngine(engine));
  }

  drainInterrupts(sink: InterruptSink): void {
    if (!this.#interrupts.isEmpty) {
      this.#doorbells.acknowledgeInterrupt();
      this.#interrupts.drain(sink);
    }
  }

  async close(): Promise<void> {
    this.powerOff();
  }

  // --- ports ----------------------------------------------------------------------------------------------------------

  #post(name: string, args: readonly unknown[], apply: () => void): void {
    this.#witness.posted(this.index, name, args);
    this.#toDevice.push({ name, args, apply, answer: undefined });
  }

  #ask<T>(name: string, args: readonly unknown[], apply: () => T): Promise<T> {
    this.#witness.posted(this.index, name, args);
    return new Promise<T>((resolve, reject) => {
      this.#toDevice.push({ name, args, apply, answer: { resolve: resolve as (value: unknown) => void, reject } });
    });
  }

  /** What the device takes in one go. */
  #batch(): Control[] {
    const end = this.#toDevice.findIndex(({ answer }) => answer !== undefined);
    return this.#toDevice.slice(0, end < 0 ? undefined : end + 1);
  }

  #takeControl(): void {
    for (const { name, args, apply, answer } of this.#toDevice.splice(0, this.#batch().length)) {
      if (answer === undefined) {
        apply();
      } else {
        this.#toKernel.push({ what: `${spell({ name, args })} is done`, deliver: answered(apply, answer) });
      }
      this.#witness.applied(this.index, name, args);
    }
  }

  #hear(): void {
    const message = this.#toKernel.shift();
    // What the device reported before it answered is seen before the answer.
    if (this.#interrupts.isEmpty) {
      this.#doorbells.acknowledgeInterrupt();
    } else {
      this.onInterrupt?.();
    }
    message?.deliver?.();
  }
}

function answered(apply: () => unknown, { resolve, reject }: NonNullable<Control['answer']>): () => void {
  try {
    const value = apply();
    return () => resolve(value);
  } catch (error) {
    return () => reject(error);
  }
}

function spell({ name, args }: { readonly name: string; readonly args: readonly unknown[] }): string {
  const shown = args
    .filter((arg) => typeof arg !== 'object')
    .map((arg) => (Number(arg) > 9999 ? `0x${Number(arg).toString(16)}` : String(arg)));
  return `${name}(${shown.join(', ')})`;
}

function ringKey(asid: number, queue: number): number {
  return asid * 128 + queue;
}
