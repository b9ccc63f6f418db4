/**
 * The four sync managers: sync objects (counters) and monitors (comparators) (device.md 4). Owns their state, their leases
 * and the order of effects; where a payload goes is the sink's business.
 * Objects are numbered through: dcore * SOBS_PER_DCORE + sob, dcore * MONITORS_PER_DCORE + monitor.
 *
 * Order: a write to an object is evaluated before it returns, monitors fire in the order in which they were armed, and a
 * payload that writes another object queues what that fires behind what is already firing. Never two writes at once: with
 * '==' an object that jumps over a value must not fire (device.md 4.3).
 */

import {
  DCORE_COUNT,
  DEVICE_TRACE,
  FAULT,
  MONITORS_PER_DCORE,
  SM_REGISTERS,
  SOB_MAX,
  SOBS_PER_DCORE,
  SOBS_PER_GROUP,
} from '@pedrera/hw';
import type { CommandProcessor } from './command-processor.js';
import { MonitorQueue } from './monitor-queue.js';
import { DONE, STALL } from './status.js';
import type { Tracer } from './tracer.js';

const SOBS = DCORE_COUNT * SOBS_PER_DCORE;
const MONITORS = DCORE_COUNT * MONITORS_PER_DCORE;
const GROUPS = SOBS / SOBS_PER_GROUP;
const GROUPS_PER_DCORE = SOBS_PER_DCORE / SOBS_PER_GROUP;

const IDLE = 0;
const ARMED = 1;
const FIRING = 2;

/** In place of who armed it: the context is gone, and what the monitor writes goes nowhere. */
const NOBODY = 0xffff;

export interface PayloadSink {
  /** Writes a fired monitor's payload with the rights of context `asid`; false if it has to be tried again later. */
  deliver(asid: number, queue: number, address: number, data: number): boolean;
}

export class SyncManager {
  /** Values, owners (asid, 0 = nobody) and, by group, the first armed monitor or -1. Read and written by the packet loop. */
  readonly values = new Uint16Array(SOBS);
  readonly owners = new Uint16Array(SOBS);
  readonly watched = new Int16Array(GROUPS).fill(-1);
  /** As `watched`; while writes are recorded, as if all of them were, so that the packet loop writes none on its own. */
  seen = this.watched;
  writes = 0;
  fired = 0;

  readonly monitorOwners = new Uint16Array(MONITORS);
  /** Held by a persistent lease: what the holder leaves behind stays. */
  readonly persistentSobs = new Uint8Array(SOBS);
  readonly persistentMonitors = new Uint8Array(MONITORS);
  readonly #lastWatcher = new Int16Array(GROUPS).fill(-1);
  readonly #next = new Int16Array(MONITORS).fill(-1);
  readonly #previous = new Int16Array(MONITORS).fill(-1);
  readonly #state = new Uint8Array(MONITORS);
  readonly #payloadLow = new Uint32Array(MONITORS);
  readonly #payloadHigh = new Uint32Array(MONITORS);
  readonly #payloadData = new Uint32Array(MONITORS);
  readonly #condition = new Uint32Array(MONITORS);
  /** Context and queue that armed the monitor: its payload goes out with their rights, and faults in their name. */
  readonly #armedBy = new Uint16Array(MONITORS);
  readonly #armedFrom = new Uint8Array(MONITORS);
  /** Fired and being delivered; fired, and waiting for room on the way to another device. */
  readonly #firing = new MonitorQueue(MONITORS);
  readonly #held = new MonitorQueue(MONITORS);
  #delivering = false;
  /** Set while a held payload is sent: nothing else may overtake those. */
  sendingHeld = false;
  readonly #sink: PayloadSink;

  readonly #tracer: Tracer;

  constructor(sink: PayloadSink, tracer: Tracer) {
    this.#sink = sink;
    this.#tracer = tracer;
  }

  /** Whether payloads wait for room; retryHeld() tries again. */
  get holdsPayloads(): boolean {
    return this.#held.size > 0;
  }

  wouldOverflow(sob: number, word: number): boolean {
    return word >= 0x8000_0000 && (this.values[sob] as number) + (word & SOB_MAX) > SOB_MAX;
  }

  /** The tracer's kinds have changed. */
  traceChanged(): void {
    this.seen = (this.#tracer.kinds & DEVICE_TRACE.SYNC) === 0 ? this.watched : new Int16Array(GROUPS);
  }

  /**
   * A write in the SOB format (device.md 3.3); an add that overflows stays at the top (device.md 4.2). `origin`: the processor
   * whose packet it is, if it is one's.
   */
  writeSob(sob: number, word: number, origin: CommandProcessor | null = null): void {
    const before = this.values[sob] as number;
    let value = word & SOB_MAX;
    if (word >= 0x8000_0000) value = Math.min(value + before, SOB_MAX);
    this.values[sob] = value;
    this.writes++;
    // A lease that ends zeroes thousands that are zero already: not worth telling.
    if ((this.#tracer.kinds & DEVICE_TRACE.SYNC) !== 0 && (origin !== null || value !== before))
      this.#tracer.sobWritten(origin, this.owners[sob] as number, sob, value);
    const group = sob >> 3;
    if ((this.watched[group] as number) >= 0) {
      this.#evaluate(group);
      this.#deliver();
    }
  }

  /**
   * A write to a monitor's register; `register` is an offset between SM_REGISTERS.MON_PAY_ADDRL and END.
   * Returns DONE, STALL (the monitor's last payload is not out yet) or a fault.
   */
  writeMonitor(
    dcore: number,
    register: number,
    value: number,
    asid: number,
    queue: number,
    privileged: boolean,
  ): number {
    const monitor = dcore * MONITORS_PER_DCORE + ((register & 0x7ff) >> 2);
    if (!privileged && this.monitorOwners[monitor] !== asid) return FAULT.razwi;
    if (this.#state[monitor] === FIRING) return STALL;
    switch (register & ~0x7ff) {
      case SM_REGISTERS.MON_PAY_ADDRL:
        this.#payloadLow[monitor] = value;
        return DONE;
      case SM_REGISTERS.MON_PAY_ADDRH:
        this.#payloadHigh[monitor] = value;
        return DONE;
      case SM_REGISTERS.MON_PAY_DATA:
        this.#payloadData[monitor] = value;
        return DONE;
      case SM_REGISTERS.MON_ARM:
        return this.#arm(monitor, value, asid, queue, privileged);
      default:
        // STATUS: clearing the valid bit disarms (device.md 4.5); nothing says what setting it without arming would do.
        if ((value & 1) !== 0) return FAULT['not-modelled'];
        this.disarm(monitor);
        return DONE;
    }
  }

  /** `register` as in writeMonitor(). */
  readMonitor(dcore: number, register: number): number {
    const monitor = dcore * MONITORS_PER_DCORE + ((register & 0x7ff) >> 2);
    switch (register & ~0x7ff) {
      case SM_REGISTERS.MON_PAY_ADDRL:
        return this.#payloadLow[monitor] as number;
      case SM_REGISTERS.MON_PAY_ADDRH:
        return this.#payloadHigh[monitor] as number;
      case SM_REGISTERS.MON_PAY_DATA:
        return this.#payloadData[monitor] as number;
      case SM_REGISTERS.MON_ARM:
        return this.#condition[monitor] as number;
      default:
        return this.#state[monitor] === IDLE ? 0 : 1 | (this.#pending(monitor) << 1);
    }
  }

  #arm(monitor: number, condition: number, asid: number, queue: number, privileged: boolean): number {
    const group = Math.floor(monitor / MONITORS_PER_DCORE) * GROUPS_PER_DCORE + (condition & 0xff);
    if (!privileged && !this.#ownsWatched(group, condition, asid)) return FAULT.razwi;
    this.disarm(monitor);
    this.#condition[monitor] = condition;
    this.#armedBy[monitor] = asid;
    this.#armedFrom[monitor] = queue;
    if ((this.#tracer.kinds & DEVICE_TRACE.SYNC) !== 0)
      this.#tracer.armed(asid, queue, monitor, condition, this.#payloadAddress(monitor));
    if (this.#holds(group, condition)) {
      this.#fire(monitor);
      this.#deliver();
    } else {
      this.#link(monitor, group);
    }
    return DONE;
  }

  disarm(monitor: number): void {
    if (this.#state[monitor] === ARMED) this.#unlink(monitor);
    else if (this.#state[monitor] === FIRING) this.#held.remove(monitor);
    this.#state[monitor] = IDLE;
  }

  /** Disarms what the context has armed, wherever; where its lease is a persistent one, only the rights are gone. */
  disarmAllOf(asid: number): void {
    for (let monitor = 0; monitor < MONITORS; monitor++) {
      if (this.#state[monitor] === IDLE || this.#armedBy[monitor] !== asid) continue;
      if (this.#state[monitor] === ARMED && this.persistentMonitors[monitor] !== 0) this.#armedBy[monitor] = NOBODY;
      else this.disarm(monitor);
    }
  }

  /** Power-on values. In place: the packet loop reads the arrays. Precondition: nobody is in the middle of a write. */
  reset(): void {
    for (const array of [this.values, this.owners, this.monitorOwners, this.persistentSobs, this.persistentMonitors])
      array.fill(0);
    for (const array of [this.watched, this.#lastWatcher, this.#next, this.#previous]) array.fill(-1);
    for (const array of [this.#payloadLow, this.#payloadHigh, this.#payloadData, this.#condition]) array.fill(0);
    for (const array of [this.#armedBy, this.#armedFrom, this.#state]) array.fill(0);
    this.#held.clear();
  }

  retryHeld(): void {
    while (this.#held.size > 0) {
      const monitor = this.#held.peek();
      this.sendingHeld = true;
      const sent = this.#send(monitor);
      this.sendingHeld = false;
      if (!sent) return;
      this.#held.shift();
      this.#state[monitor] = IDLE;
      // What the payload has fired in turn.
      this.#deliver();
    }
  }

  forEachArmed(visit: (monitor: number, info: MonitorInfo) => void): void {
    for (let monitor = 0; monitor < MONITORS; monitor++) {
      if (this.#state[monitor] !== ARMED) continue;
      visit(monitor, {
        asid: this.#armedBy[monitor] as number,
        payloadAddress: this.#payloadAddress(monitor),
        payloadData: this.#payloadData[monitor] as number,
        condition: this.#condition[monitor] as number,
        pending: this.#pending(monitor),
      });
    }
  }

  #payloadAddress(monitor: number): number {
    return (this.#payloadHigh[monitor] as number) * 2 ** 32 + (this.#payloadLow[monitor] as number);
  }

  #groupOf(monitor: number): number {
    return Math.floor(monitor / MONITORS_PER_DCORE) * GROUPS_PER_DCORE + ((this.#condition[monitor] as number) & 0xff);
  }

  /** Bit i: object i of the group is watched and does not have the value. */
  #pending(monitor: number): number {
    const condition = this.#condition[monitor] as number;
    const group = this.#groupOf(monitor);
    let pending = 0;
    for (let bit = 0; bit < SOBS_PER_GROUP; bit++) {
      const alone = condition | (0xff00 & ~(0x100 << bit));
      if ((condition & (0x100 << bit)) === 0 && !this.#holds(group, alone)) pending |= 1 << bit;
    }
    return pending;
  }

  #ownsWatched(group: number, condition: number, asid: number): boolean {
    const first = group * SOBS_PER_GROUP;
    for (let bit = 0; bit < SOBS_PER_GROUP; bit++)
      if ((condition & (0x100 << bit)) === 0 && this.owners[first + bit] !== asid) return false;
    return true;
  }

  #holds(group: number, condition: number): boolean {
    const first = group * SOBS_PER_GROUP;
    const wanted = condition >>> 17;
    const exactly = (condition & 0x1_0000) !== 0;
    for (let bit = 0; bit < SOBS_PER_GROUP; bit++) {
      if ((condition & (0x100 << bit)) !== 0) continue;
      const value = this.values[first + bit] as number;
      if (exactly ? value !== wanted : value < wanted) return false;
    }
    return true;
  }

  #evaluate(group: number): void {
    let monitor = this.watched[group] as number;
    while (monitor >= 0) {
      const next = this.#next[monitor] as number;
      if (this.#holds(group, this.#condition[monitor] as number)) {
        this.#unlink(monitor);
        this.#fire(monitor);
      }
      monitor = next;
    }
  }

  #fire(monitor: number): void {
    this.#state[monitor] = FIRING;
    this.#firing.push(monitor);
    if ((this.#tracer.kinds & DEVICE_TRACE.SYNC) === 0) return;
    const asid = this.#armedBy[monitor] as number;
    const data = this.#payloadData[monitor] as number;
    this.#tracer.fired(asid, this.#armedFrom[monitor] as number, monitor, data, this.#payloadAddress(monitor));
  }

  #send(monitor: number): boolean {
    const asid = this.#armedBy[monitor] as number;
    const data = this.#payloadData[monitor] as number;
    if (!this.#sink.deliver(asid, this.#armedFrom[monitor] as number, this.#payloadAddress(monitor), data))
      return false;
    this.fired++;
    return true;
  }

  #deliver(): void {
    // A payload may write an object and come back here: what that fires is delivered by the loop that is already running.
    if (this.#delivering) return;
    this.#delivering = true;
    while (this.#firing.size > 0) {
      const monitor = this.#firing.shift();
      if (this.#send(monitor)) this.#state[monitor] = IDLE;
      else this.#held.push(monitor);
    }
    this.#delivering = false;
  }

  #link(monitor: number, group: number): void {
    const last = this.#lastWatcher[group] as number;
    this.#previous[monitor] = last;
    this.#next[monitor] = -1;
    if (last >= 0) this.#next[last] = monitor;
    else this.watched[group] = monitor;
    this.#lastWatcher[group] = monitor;
    this.#state[monitor] = ARMED;
  }

  #unlink(monitor: number): void {
    const group = this.#groupOf(monitor);
    const previous = this.#previous[monitor] as number;
    const next = this.#next[monitor] as number;
    if (previous >= 0) this.#next[previous] = next;
    else this.watched[group] = next;
    if (next >= 0) this.#previous[next] = previous;
    else this.#lastWatcher[group] = previous;
  }
}

export interface MonitorInfo {
  readonly asid: number;
  readonly payloadAddress: number;
  readonly payloadData: number;
  readonly condition: number;
  readonly pending: number;
}
