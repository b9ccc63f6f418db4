/**
 * Device -> host: what the device has to say (a completion's MSI, a fault), in a FIFO in shared memory. Stands for the MSI
 * vectors and the event queue of the real device (device.md 8.1). Owns the entries' layout and the list of fault causes.
 */

import { DEVICE_FAULT_ACTIONS, type DeviceFaultHit } from './fault-rules.js';
import { SpscFifo } from './spsc-fifo.js';

/**
 * Why an access or a packet was not carried out. The number of a cause is its place in this list plus one.
 * 'not-modelled' is this simulator's own: the packet is legal, and nothing was done. 'wrong-engine': the packet drives an
 * engine that does not hang below the command processor it was sent to.
 */
export const FAULT_CAUSES = [
  'page-fault',
  'write-protect',
  'razwi',
  'bus-error',
  'misaligned',
  'undefined-opcode',
  'truncated-packet',
  'stop-packet',
  'bad-descriptor',
  'sob-overflow',
  'fence-overflow',
  'fence-underflow',
  'not-modelled',
  'wrong-engine',
] as const;
export type FaultCause = (typeof FAULT_CAUSES)[number];

/** Cause numbers, for loops that cannot afford strings; 0 means no fault. */
export const FAULT = Object.fromEntries(FAULT_CAUSES.map((cause, index) => [cause, index + 1])) as {
  readonly [C in FaultCause]: number;
};

export function faultCause(code: number): FaultCause {
  const cause = FAULT_CAUSES[code - 1];
  if (cause === undefined) throw new RangeError(`no fault cause ${code}`);
  return cause;
}

export interface FaultRecord {
  readonly asid: number;
  /** Queue whose stream ran into it, or armed the monitor that did; -1 if it came from outside (another device). */
  readonly queue: number;
  /** Whether the engine's lower command processor ran into it: stream 4 in the driver's records. */
  readonly lowerCp: boolean;
  /** Ring slot of the command buffer, or -1 when the access was not a packet's own (a monitor's payload). */
  readonly ringSlot: number;
  readonly address: number;
  readonly cause: FaultCause;
  /** Opcode of the packet, or -1. */
  readonly opcode: number;
}

export interface InterruptSink {
  msi(asid: number, vector: number): void;
  fault(fault: FaultRecord): void;
  /** A rule of Device.setFaultRules() has struck. Not told of each where they come faster than the host looks. */
  faultHit?(hit: DeviceFaultHit): void;
}

const MSI = 1;
const FAULT_ENTRY = 2;
const HIT = 3;
/** In the type word of a fault. */
const LOWER_CP = 0x100;
const NONE = 0xffff_ffff;
const ENTRY_WORDS = 8;
export const INTERRUPT_FIFO_ENTRIES = 8192;

/** Entry: {type, asid, a, b, c, d, e, f}; MSI a = vector; fault type with LOWER_CP, a = queue, b = ring slot, c/d = address, e = cause, f = opcode; hit a = queue, b = rule, c = action. */
export class InterruptFifo {
  readonly buffer: SharedArrayBuffer;
  readonly #fifo: SpscFifo;

  static createBuffer(entries: number = INTERRUPT_FIFO_ENTRIES): SharedArrayBuffer {
    return new SharedArrayBuffer(SpscFifo.bytes(entries, ENTRY_WORDS));
  }

  constructor(buffer: SharedArrayBuffer = InterruptFifo.createBuffer()) {
    this.buffer = buffer;
    this.#fifo = new SpscFifo(buffer, ENTRY_WORDS);
  }

  get size(): number {
    return this.#fifo.size;
  }
  get free(): number {
    return this.#fifo.free;
  }
  get isEmpty(): boolean {
    return this.#fifo.isEmpty;
  }
  /** Entry numbers (modulo 2^32): taken so far, and put in so far. */
  get head(): number {
    return this.#fifo.head;
  }
  get tail(): number {
    return this.#fifo.tail;
  }

  /** Device side. False when the FIFO is full. */
  tryPushMsi(asid: number, vector: number): boolean {
    const at = this.#fifo.reserve();
    if (at < 0) return false;
    const words = this.#fifo.words;
    words[at] = MSI;
    words[at + 1] = asid;
    words[at + 2] = vector;
    this.#fifo.commit();
    return true;
  }

  /** Device side. `cause` is a number of FAULT. False when the FIFO is full. */
  tryPushFault(
    asid: number,
    queue: number,
    ringSlot: number,
    address: number,
    cause: number,
    opcode: number,
    lowerCp = false,
  ): boolean {
    const at = this.#fifo.reserve();
    if (at < 0) return false;
    const words = this.#fifo.words;
    words[at] = lowerCp ? FAULT_ENTRY | LOWER_CP : FAULT_ENTRY;
    words[at + 1] = asid;
    words[at + 2] = queue < 0 ? NONE : queue;
    words[at + 3] = ringSlot < 0 ? NONE : ringSlot;
    words[at + 4] = address % 2 ** 32;
    words[at + 5] = Math.floor(address / 2 ** 32);
    words[at + 6] = cause;
    words[at + 7] = opcode < 0 ? NONE : opcode;
    this.#fifo.commit();
    return true;
  }

  /** Device side. False when the FIFO is full. */
  tryPushHit({ asid, queue, rule, action }: DeviceFaultHit): boolean {
    const at = this.#fifo.reserve();
    if (at < 0) return false;
    this.#fifo.words.set([HIT, asid, queue, rule, DEVICE_FAULT_ACTIONS.indexOf(action)], at);
    this.#fifo.commit();
    return true;
  }

  /** Host side. Hands the oldest entry to the sink; false when there was none. */
  pop(sink: InterruptSink): boolean {
    const at = this.#fifo.peek();
    if (at < 0) return false;
    const words = this.#fifo.words;
    const word = (index: number): number => words[at + index] as number;
    const orNone = (index: number): number => (word(index) === NONE ? -1 : word(index));
    const asid = word(1);
    if (word(0) === MSI) {
      const vector = word(2);
      this.#fifo.release();
      sink.msi(asid, vector);
      return true;
    }
    if (word(0) === HIT) {
      const action = DEVICE_FAULT_ACTIONS[word(4)] ?? 'page-fault';
      const hit: DeviceFaultHit = { asid, queue: word(2), rule: word(3), action };
      this.#fifo.release();
      sink.faultHit?.(hit);
      return true;
    }
    const fault: FaultRecord = {
      asid,
      queue: orNone(2),
      lowerCp: (word(0) & LOWER_CP) !== 0,
      ringSlot: orNone(3),
      address: word(5) * 2 ** 32 + word(4),
      cause: faultCause(word(6)),
      opcode: orNone(7),
    };
    this.#fifo.release();
    sink.fault(fault);
    return true;
  }

  /** Host side. Empties the FIFO, at most `limit` entries; returns how many there were. */
  drain(sink: InterruptSink, limit: number = this.#fifo.capacity): number {
    let taken = 0;
    while (taken < limit && this.pop(sink)) taken++;
    return taken;
  }
}
