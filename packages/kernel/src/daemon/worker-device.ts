/**
 * The kernel's end of a device that runs in a worker thread.
 *
 * Owns: carrying the calls of the Device interface across, in order, and the answers back. Control calls are messages;
 * doorbells, completions and interrupts go through shared memory. Must not know what the device does with them.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '@pedrera/base';
import {
  type AddressWalk,
  type BusRegion,
  type ContextRights,
  type Device,
  type DeviceFaultRule,
  type DeviceSnapshot,
  DoorbellFifo,
  ENGINES,
  type EngineName,
  type EngineStatus,
  FabricFifo,
  InterruptFifo,
  type InterruptSink,
  type Mapping,
  type PackedSnapshot,
  QUEUES,
  RingView,
  unpackSnapshot,
} from '@pedrera/hw';
import { currentProcessor } from '@pedrera/wire';
import { type ControlMessage, type FromSilicon, POWERED_UP, type SiliconData } from './silicon-protocol.js';

/** Shared by all devices of a machine: each can wake and write to each other. */
export interface Interconnect {
  readonly doorbells: readonly DoorbellFifo[];
  /** fifo(from, to), a different one for each ordered pair. */
  fifo(from: number, to: number): FabricFifo;
  /** Descriptors of all devices' HBM. */
  readonly hbmFds: readonly number[];
  /** See GaudiOptions of @pedrera/silicon. */
  readonly collapseRepeatedDma: boolean;
}

export function createInterconnect(hbmFds: readonly number[], { collapseRepeatedDma = false } = {}): Interconnect {
  const count = hbmFds.length;
  const fifos = hbmFds.map((_, from) => hbmFds.map((_, to) => (from === to ? undefined : new FabricFifo())));
  return {
    doorbells: Array.from({ length: count }, () => new DoorbellFifo()),
    fifo: (from, to) => fifos[from]?.[to] as FabricFifo,
    hbmFds,
    collapseRepeatedDma,
  };
}

export class WorkerDevice implements Device {
  readonly index: number;
  onInterrupt: (() => void) | null = null;
  readonly #interconnect: Interconnect;
  readonly #onCrash: (error: Error) => void;
  readonly #clock: Clock | undefined;
  #worker: Worker | undefined;
  readonly #doorbells: DoorbellFifo;
  readonly #interrupts = new InterruptFifo();
  readonly #rings = new Map<number, RingView>();
  readonly #answers = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #ready: Promise<void>;
  #exited: Promise<void> = Promise.resolve();
  #nextAnswer = 1;
  #closing = false;
  #polling = false;

  /** With `clock`, closing does not wait for ever for a thread that answers no more. */
  constructor(index: number, interconnect: Interconnect, onCrash: (error: Error) => void, clock?: Clock) {
    this.index = index;
    this.#clock = clock;
    this.#interconnect = interconnect;
    this.#onCrash = onCrash;
    this.#doorbells = interconnect.doorbells[index] as DoorbellFifo;
    this.#ready = new Promise((resolve, reject) => {
      this.#answers.set(POWERED_UP, { resolve: () => resolve(), reject });
    });
    // Who waits for the device is told; if nobody does, the crash itself is reported all the same.
    this.#ready.catch(() => undefined);
  }

  /** Starts the thread, which is ready some tens of milliseconds later. Preconditions: called once, before anything else. */
  powerOn(): void {
    const worker = new Worker(new URL('./silicon-worker.js', import.meta.url), {
      workerData: siliconData(this.index, this.#interconnect, this.#interrupts),
      name: `silicon ${this.index}`,
    });
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once('exit', () => resolve()));
    worker.on('message', (message: FromSilicon) => this.#received(message));
    worker.on('error', (error) => this.#crashed(error));
    worker.on('exit', (code) => {
      if (!this.#closing) {
        this.#crashed(new Error(`the thread of device ${this.index} ended with code ${code}`));
      }
    });
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  addBusRegion(region: BusRegion): void {
    this.#post({ method: 'addBusRegion', args: [region] });
  }

  removeBusRegion(slot: number): Promise<void> {
    return this.#ask({ method: 'removeBusRegion', args: [slot] }) as Promise<void>;
  }

  createContext(asid: number, rights: ContextRights): void {
    this.#post({ method: 'createContext', args: [asid, rights] });
  }

  setRights(asid: number, rights: ContextRights): void {
    this.#post({ method: 'setRights', args: [asid, rights] });
  }

  destroyContext(asid: number): Promise<void> {
    for (const key of [...this.#rings.keys()]) {
      if (Math.floor(key / QUEUE_KEYS) === asid) {
        this.#rings.delete(key);
      }
    }
    return this.#ask({ method: 'destroyContext', args: [asid] }) as Promise<void>;
  }

  map(asid: number, mapping: Mapping): void {
    this.#post({ method: 'map', args: [asid, mapping] });
  }

  unmap(asid: number, va: number, size: number): Promise<void> {
    return this.#ask({ method: 'unmap', args: [asid, va, size] }) as Promise<void>;
  }

  createRing(asid: number, queue: number, ring: { buffer: SharedArrayBuffer; slot: number }): void {
    this.#rings.set(asid * QUEUE_KEYS + queue, new RingView(ring.buffer, QUEUES[queue]?.length));
    this.#post({ method: 'createRing', args: [asid, queue, ring] });
  }

  ringDoorbell(asid: number, queue: number, pi: number): void {
    const ring = this.#rings.get(asid * QUEUE_KEYS + queue);
    if (ring !== undefined) {
      ring.pi = pi;
      this.#pollThisTurn();
      this.#doorbells.ring(asid, queue, pi);
    }
  }

  /**
   * Short work is done before the present turn of the event loop is: its completion is then found by looking, once, before
   * the replies of this turn go out, and nobody has to be woken for it.
   */
  #pollThisTurn(): void {
    if (!this.#polling) {
      this.#polling = true;
      this.#doorbells.startPolling();
      this.#doorbells.hostProcessor = currentProcessor();
      process.nextTick(this.#endPolling);
    }
  }

  readonly #endPolling = (): void => {
    this.#polling = false;
    this.#doorbells.stopPolling();
    if (!this.#interrupts.isEmpty) {
      this.onInterrupt?.();
    }
  };

  clearSyncObjects(dcore: number, first: number, count: number): void {
    this.#post({ method: 'clearSyncObjects', args: [dcore, first, count] });
  }

  readRegister(offset: number): Promise<number> {
    return this.#ask({ method: 'readRegister', args: [offset] }) as Promise<number>;
  }

  writeRegister(offset: number, value: number): Promise<void> {
    return this.#ask({ method: 'writeRegister', args: [offset, value] }) as Promise<void>;
  }

  readSram(offset: number, size: number): Promise<Uint8Array> {
    return this.#ask({ method: 'readSram', args: [offset, size] }) as Promise<Uint8Array>;
  }

  writeSram(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#ask({ method: 'writeSram', args: [offset, bytes] }) as Promise<void>;
  }

  /** It comes packed and is handed over, not copied: neither thread stands still for it. */
  async snapshot(): Promise<DeviceSnapshot> {
    return unpackSnapshot((await this.#ask({ method: 'snapshot', args: [] })) as PackedSnapshot);
  }

  walk(asid: number, address: number): Promise<AddressWalk | null> {
    return this.#ask({ method: 'walk', args: [asid, address] }) as Promise<AddressWalk | null>;
  }

  setTrace(kinds: number, ring: SharedArrayBuffer | null): void {
    this.#post({ method: 'setTrace', args: [kinds, ring] });
  }

  setFaultRules(rules: readonly DeviceFaultRule[]): void {
    this.#post({ method: 'setFaultRules', args: [rules] });
  }

  engineStatus(): Promise<readonly EngineStatus[]> {
    return this.#ask({ method: 'engineStatus', args: [] }) as Promise<readonly EngineStatus[]>;
  }

  testFirmware(value: number): Promise<number | undefined> {
    return this.#ask({ method: 'testFirmware', args: [value] }) as Promise<number | undefined>;
  }

  reset(): Promise<void> {
    this.#rings.clear();
    return this.#ask({ method: 'reset', args: [] }) as Promise<void>;
  }

  hangEngine(engine: EngineName): void {
    if (!ENGINES.includes(engine)) {
      throw new RangeError(`no engine ${engine}`);
    }
    this.#post({ method: 'hangEngine', args: [engine] });
  }

  drainInterrupts(sink: InterruptSink): void {
    if (!this.#interrupts.isEmpty) {
      this.#doorbells.acknowledgeInterrupt();
      this.#interrupts.drain(sink);
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#post({ method: 'close', args: [] });
    const clock = this.#clock;
    const timer = clock?.at(clock.nowNs() + CLOSE_GRACE_NS, () => void this.#worker?.terminate());
    await this.#exited;
    timer?.cancel();
  }

  #post(message: Omit<ControlMessage, 'answer'>): void {
    this.#worker?.postMessage({ ...message, answer: 0 });
    this.#doorbells.wake();
  }

  #ask(message: Omit<ControlMessage, 'answer'>): Promise<unknown> {
    const answer = this.#nextAnswer++;
    return new Promise((resolve, reject) => {
      this.#answers.set(answer, { resolve, reject });
      this.#worker?.postMessage({ ...message, answer });
      this.#doorbells.wake();
    });
  }

  #received(message: FromSilicon): void {
    // Whatever the device reported before it answered has to be seen before the answer.
    if (!this.#interrupts.isEmpty) {
      this.onInterrupt?.();
    } else {
      this.#doorbells.acknowledgeInterrupt();
    }
    if (message !== null) {
      const waiting = this.#answers.get(message.answer);
      this.#answers.delete(message.answer);
      if (message.error === undefined) {
        waiting?.resolve(message.value);
      } else {
        waiting?.reject(new Error(message.error));
      }
    }
  }

  /** The thread died, which is our bug: nothing must wait for it for ever. */
  #crashed(error: Error): void {
    const waiting = [...this.#answers.values()];
    this.#answers.clear();
    for (const { reject } of waiting) {
      reject(error);
    }
    this.#onCrash(error);
  }
}

/** A turn takes milliseconds, the largest one a tenth of a second. */
const CLOSE_GRACE_NS = 5e9;
/** Queue ids are below this: one number names a ring of a context. */
const QUEUE_KEYS = 128;

function siliconData(index: number, interconnect: Interconnect, interrupts: InterruptFifo): SiliconData {
  const peers = interconnect.hbmFds.map((_, peer) => peer).filter((peer) => peer !== index);
  return {
    index,
    hbmFds: interconnect.hbmFds,
    collapseRepeatedDma: interconnect.collapseRepeatedDma,
    doorbells: interconnect.doorbells.map(({ fifoBuffer, controlBuffer }) => ({
      fifo: fifoBuffer,
      control: controlBuffer,
    })),
    interrupts: interrupts.buffer,
    fabricIn: peers.map((peer) => ({ peer, buffer: interconnect.fifo(peer, index).buffer })),
    fabricOut: peers.map((peer) => ({ peer, buffer: interconnect.fifo(index, peer).buffer })),
  };
}
