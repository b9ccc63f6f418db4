/**
 * The sync stream: the sync objects and monitors the driver signals and waits with on behalf of users (uapi.md 4.9 to
 * 4.11, device.md 4.6, 7).
 *
 * Owns: which object of a pair is current, the value its next signal will give it, who still refers to it, and the same
 * for the groups of collective waits. Where the numbers come from is a provider's business: the driver's fixed ones for
 * a device with one context, leased ones for a context among many.
 * Must not know submissions or packets.
 */
import { errno } from '@pedrera/base';
import { CFG_BASE, DCORE, type Device, QUEUES, queueName, sobAddress, sobValue } from '@pedrera/hw';
import { MAX_SOB_VALUE } from '@pedrera/uapi';

/** All of it lives in this sync manager. */
const DCORE_ID = DCORE.W_S;
/** Objects of a collective group: one a NIC port, one for the engine that reduces. */
export const GROUP_NICS = 10;
const GROUP_SOBS = GROUP_NICS + 1;
/** Room a group takes: monitors watch eight objects from a multiple of eight on. */
const GROUP_STRIDE = 16;

/** Numbers of sync objects and monitors in W_S. */
export interface SyncNumbers {
  /** Two objects, one behind the other, and a monitor. */
  pair(queue: number): { readonly firstSob: number; readonly monitor: number };
  /** First objects of the two groups of a stream index. */
  groups(stream: number): readonly [number, number];
  /** Two monitors of a collective master's queue. */
  masterMonitors(queue: number): readonly [number, number];
  /** The monitor of a collective slave's queue. */
  slaveMonitor(queue: number): number;
}

/** One or more objects that count up together: in use, or switched away from and zeroed with the last reference. */
export class CountedObjects {
  readonly first: number;
  readonly count: number;
  readonly #hardware: Device;
  #users = 0;
  #retired = false;
  #forgotten = false;

  constructor(hardware: Device, first: number, count: number) {
    this.#hardware = hardware;
    this.first = first;
    this.count = count;
  }

  get users(): number {
    return this.#users;
  }

  /** Offset from CFG_BASE of the (first) object's register. */
  get offset(): number {
    return sobAddress(DCORE_ID, this.first) - CFG_BASE;
  }

  get(): void {
    this.#users++;
  }

  put(): void {
    if (this.#users === 0) {
      throw new Error(`sync object ${this.first}: put() without a reference`);
    }
    this.#users--;
    this.#zeroUnlessUsed();
  }

  /** The other one is current from now on. */
  retire(): void {
    this.#retired = true;
    this.#zeroUnlessUsed();
  }

  /** Counts up as if signals that will never come had come, so that those after them still fit. */
  add(value: number): void {
    void this.#hardware.writeRegister(this.offset, sobValue('add', value));
  }

  /** The device was reset: whoever still refers to this zeroes nothing any more. */
  forget(): void {
    this.#forgotten = true;
  }

  #zeroUnlessUsed(): void {
    if (this.#retired && this.#users === 0 && !this.#forgotten) {
      this.#retired = false;
      this.#hardware.clearSyncObjects(DCORE_ID, this.first, this.count);
    }
  }
}

/** An object and the value it has once the signal in question was given. */
export interface SignalledObject {
  readonly object: CountedObjects;
  readonly value: number;
}

/** The pair of objects of one queue. */
export class SyncStreamQueue {
  readonly queue: number;
  readonly monitor: number;
  readonly objects: readonly [CountedObjects, CountedObjects];
  #current: 0 | 1 = 0;
  #next = 1;

  constructor(hardware: Device, queue: number, { firstSob, monitor }: { firstSob: number; monitor: number }) {
    this.queue = queue;
    this.monitor = monitor;
    this.objects = [new CountedObjects(hardware, firstSob, 1), new CountedObjects(hardware, firstSob + 1, 1)];
  }

  /** The value the next signal will give the current object. */
  get next(): number {
    return this.#next;
  }

  get current(): CountedObjects {
    return this.objects[this.#current];
  }

  /** Takes the next value; the reference on its object is the caller's. Errors: EINVAL as in #advance(). */
  signal(): SignalledObject {
    const object = this.current;
    const value = this.#next;
    // Referenced first: the signal that reaches the limit still uses the object that is switched away from.
    object.get();
    try {
      this.#advance(1, 1);
    } catch (error) {
      object.put();
      throw error;
    }
    return { object, value };
  }

  /**
   * Takes `count` values; the reference on the object is the caller's. A reservation that reaches the limit moves to the
   * other object at once.
   */
  reserve(count: number): SignalledObject {
    this.#advance(count, count + 1);
    const object = this.current;
    object.get();
    return { object, value: this.#next - count };
  }

  /** Gives back what reserve() took, if nothing was taken since: the object is current and stands where it was left. */
  unreserve({ object, value }: SignalledObject, count: number): boolean {
    if (object !== this.current || value + count !== this.#next) {
      return false;
    }
    this.#next -= count;
    object.put();
    return true;
  }

  /** Errors: EINVAL when the other object would be needed and is still referred to (uapi.md 4.9). */
  #advance(count: number, nextAfterSwitch: number): void {
    if (this.#next + count < MAX_SOB_VALUE) {
      this.#next += count;
      return;
    }
    const other = this.objects[1 - this.#current] as CountedObjects;
    if (other.users > 0) {
      throw errno(
        'EINVAL',
        `${queueName(this.queue)}: sync object ${this.current.first} is used up and sync object ${other.first} still has ${other.users} users`,
      );
    }
    const old = this.current;
    this.#current = this.#current === 0 ? 1 : 0;
    this.#next = nextAfterSwitch;
    old.retire();
  }
}

/** The two groups of one stream index (device.md 7). */
export class CollectiveGroups {
  readonly groups: readonly [CountedObjects, CountedObjects];
  #current: 0 | 1 = 0;
  #next = 1;

  constructor(hardware: Device, [first, second]: readonly [number, number]) {
    this.groups = [new CountedObjects(hardware, first, GROUP_SOBS), new CountedObjects(hardware, second, GROUP_SOBS)];
  }

  /** The group of the next collective wait and the value its objects then reach; the reference is the caller's. */
  take(): SignalledObject {
    const object = this.groups[this.#current];
    const value = this.#next++;
    object.get();
    if (this.#next === MAX_SOB_VALUE) {
      this.#next = 1;
      this.#current = this.#current === 0 ? 1 : 0;
      object.retire();
    }
    return { object, value };
  }
}

export class SyncStream {
  readonly numbers: SyncNumbers;
  readonly #hardware: Device;
  #queues: (SyncStreamQueue | undefined)[] = [];
  #collective: (CollectiveGroups | undefined)[] = [];

  constructor(hardware: Device, numbers: SyncNumbers) {
    this.#hardware = hardware;
    this.numbers = numbers;
  }

  /** Errors: those of the provider, when it has no objects left. */
  queue(id: number): SyncStreamQueue {
    let queue = this.#queues[id];
    if (queue === undefined) {
      queue = new SyncStreamQueue(this.#hardware, id, this.numbers.pair(id));
      this.#queues[id] = queue;
    }
    return queue;
  }

  collective(stream: number): CollectiveGroups {
    let groups = this.#collective[stream];
    if (groups === undefined) {
      groups = new CollectiveGroups(this.#hardware, this.numbers.groups(stream));
      this.#collective[stream] = groups;
    }
    return groups;
  }

  /** Power-on state again. Preconditions: the hardware's objects are, or will be, zero. */
  reset(): void {
    for (const queue of this.#queues) {
      for (const object of queue?.objects ?? []) {
        object.forget();
      }
    }
    for (const collective of this.#collective) {
      for (const object of collective?.groups ?? []) {
        object.forget();
      }
    }
    this.#queues = [];
    this.#collective = [];
  }
}

/** Collective slaves: the ports, and the two engines that may reduce. Their queues, in the order of queue ids. */
const SLAVE_QUEUES: readonly number[] = QUEUES.filter(
  ({ kind, name }) => kind === 'internal' && /^(NIC_\d|DMA_5|TPC_7)_/.test(name),
).map(({ id }) => id);

const FIRST_SYNC_STREAM_SOB = 128;
const FIRST_SYNC_STREAM_MONITOR = 64;
const MASTER_QUEUES = 8;

/** The driver's own numbers (uapi.md 4.9, 4.10, device.md 4.4): monitors of masters first, then those of slaves. */
export const FIXED_SYNC_NUMBERS: SyncNumbers = {
  pair: (queue) => ({ firstSob: FIRST_SYNC_STREAM_SOB + 2 * queue, monitor: FIRST_SYNC_STREAM_MONITOR + queue }),
  groups: (stream) => [2 * stream * GROUP_STRIDE, (2 * stream + 1) * GROUP_STRIDE],
  masterMonitors: (queue) => [2 * queue, 2 * queue + 1],
  slaveMonitor: (queue) => 2 * MASTER_QUEUES + SLAVE_QUEUES.indexOf(queue),
};

/** Queues that share one lease: four pairs fill the eight objects the smallest lease has. */
const QUEUES_A_LEASE = 4;
const STREAMS = 4;

/** Numbers leased for one context at their first use: no two contexts see each other's counts. */
export class LeasedSyncNumbers implements SyncNumbers {
  readonly #lease: (sobs: number, monitors: number) => { readonly firstSob: number; readonly firstMonitor: number };
  readonly #pairs: ({ readonly firstSob: number; readonly firstMonitor: number } | undefined)[] = [];
  readonly #groups: ({ readonly firstSob: number; readonly firstMonitor: number } | undefined)[] = [];

  /** `lease` takes a number of W_S objects and monitors for the context, and gives it the rights to them. */
  constructor(lease: (sobs: number, monitors: number) => { firstSob: number; firstMonitor: number }) {
    this.#lease = lease;
  }

  pair(queue: number): { firstSob: number; monitor: number } {
    const quad = Math.floor(queue / QUEUES_A_LEASE);
    const at = queue % QUEUES_A_LEASE;
    this.#pairs[quad] ??= this.#lease(2 * QUEUES_A_LEASE, QUEUES_A_LEASE);
    const { firstSob, firstMonitor } = this.#pairs[quad];
    return { firstSob: firstSob + 2 * at, monitor: firstMonitor + at };
  }

  groups(stream: number): readonly [number, number] {
    const { firstSob } = this.#ofStream(stream);
    return [firstSob, firstSob + GROUP_STRIDE];
  }

  masterMonitors(queue: number): readonly [number, number] {
    const first = this.#ofStream(queue % STREAMS).firstMonitor + 2 * Math.floor(queue / STREAMS);
    return [first, first + 1];
  }

  slaveMonitor(queue: number): number {
    const { stream } = QUEUES[queue] as (typeof QUEUES)[number];
    const masters = 2 * (MASTER_QUEUES / STREAMS);
    return this.#ofStream(stream).firstMonitor + masters + Math.floor(SLAVE_QUEUES.indexOf(queue) / STREAMS);
  }

  #ofStream(stream: number): { readonly firstSob: number; readonly firstMonitor: number } {
    const monitors = (2 * MASTER_QUEUES + SLAVE_QUEUES.length) / STREAMS;
    this.#groups[stream] ??= this.#lease(2 * GROUP_STRIDE, monitors);
    return this.#groups[stream];
  }
}
