/**
 * A device's snapshot in a few flat arrays, and the way back to what DeviceSnapshot says.
 *
 * Owns: that layout. A thousand contexts have thousands of streams: as objects they take either thread tens of milliseconds to copy
 * from one to the other, as arrays they are handed over in no time; and what nobody looks at is never put into words. Must not know how
 * a machine comes to know these numbers.
 */
import type {
  ArmedMonitor,
  ContextEngineTimes,
  DeviceCounters,
  DeviceSnapshot,
  EngineSnapshot,
  StreamArbitration,
  StreamSnapshot,
  StreamState,
  SyncObjectSnapshot,
} from './device.js';
import type { DeviceFaultRuleState } from './fault-rules.js';
import { decodeMonitorArm } from './packets.js';
import { ENGINES, type EngineName } from './queues.js';
import {
  cpFenceRdataAddress,
  FENCES_PER_STREAM,
  LOWER_CP,
  MONITORS_PER_DCORE,
  SOBS_PER_DCORE,
  SOBS_PER_GROUP,
} from './registers.js';

export interface PackedSnapshot {
  readonly index: number;
  readonly timeNs: number;
  readonly counters: DeviceCounters;
  readonly engines: readonly EngineSnapshot[];
  readonly faultRules: readonly DeviceFaultRuleState[];
  /** STREAM.WORDS each. */
  readonly streams: Uint32Array<ArrayBuffer>;
  /** The packets streams stand at, one behind the other. */
  readonly heads: Uint32Array<ArrayBuffer>;
  /** MONITOR.NUMBERS each. */
  readonly monitors: Float64Array<ArrayBuffer>;
  /** SYNC_OBJECT.WORDS each. */
  readonly syncObjects: Uint32Array<ArrayBuffer>;
  /** ENGINE_TIME.NUMBERS each. */
  readonly engineTimes: Float64Array<ArrayBuffer>;
}

/** What is handed over with it when it goes to another thread. */
export function transferables({ streams, heads, monitors, syncObjects, engineTimes }: PackedSnapshot): ArrayBuffer[] {
  return [streams.buffer, heads.buffer, monitors.buffer, syncObjects.buffer, engineTimes.buffer];
}

/** In the order of their numbers in STREAM.STATE. */
export const STREAM_STATES: readonly StreamState[] = [
  'idle',
  'running',
  'fence',
  'dma',
  'stalled',
  'stopped',
  'hung',
  'arbitration',
  'barrier',
];

/** Words of one stream. */
export const STREAM = {
  ASID: 0,
  QUEUE: 1,
  ENGINE: 2,
  /** Number of the command processor in its queue manager. */
  CP: 3,
  STATE: 4,
  PI: 5,
  FETCHED: 6,
  COMPLETED: 7,
  CP_STS: 8,
  /** FENCES_PER_STREAM of them. */
  COUNTERS: 9,
  /** Number of the fence and 1; 0: it stands at none. */
  FENCE: 13,
  FENCE_TARGET: 14,
  FENCE_VALUE: 15,
  /** Of its packet, the first word in `heads` and how many; no words: it stands at none. */
  HEAD_AT: 16,
  HEAD_WORDS: 17,
  HEAD_OFFSET: 18,
  HEAD_BYTES: 19,
  /** ARBITRATION bits. */
  ARBITRATION: 20,
  /** The holder's queue and 1; 0: nobody. */
  HOLDER: 21,
  PRIORITY: 22,
  WEIGHT: 23,
  WORDS: 24,
} as const;

export const ARBITRATION = { ENABLED: 1, WEIGHTED: 2, WAITING: 4, QUIET: 8 } as const;

/** Numbers of one armed monitor: its index over all dcores first, the values of its group's objects last. */
export const MONITOR = {
  INDEX: 0,
  ASID: 1,
  ADDRESS: 2,
  DATA: 3,
  CONDITION: 4,
  PENDING: 5,
  VALUES: 6,
  NUMBERS: 14,
} as const;
/** Its index over all dcores first. */
const SYNC_OBJECT = { INDEX: 0, VALUE: 1, ASID: 2, WORDS: 3 } as const;
const ENGINE_TIME = { ENGINE: 0, ASID: 1, BUSY: 2, WAIT_SYNC: 3, WAIT_MEMORY: 4, NUMBERS: 5 } as const;

/** What a packed snapshot says. Each part is unpacked when it is first asked for, each stream as far as it is. */
export function unpackSnapshot(packed: PackedSnapshot): DeviceSnapshot {
  return new UnpackedSnapshot(packed);
}

class UnpackedSnapshot implements DeviceSnapshot {
  readonly packed: PackedSnapshot;
  #streams: readonly StreamSnapshot[] | undefined;
  #monitors: readonly ArmedMonitor[] | undefined;
  #syncObjects: readonly SyncObjectSnapshot[] | undefined;
  #engineTimes: readonly ContextEngineTimes[] | undefined;

  constructor(packed: PackedSnapshot) {
    this.packed = packed;
  }

  get index(): number {
    return this.packed.index;
  }
  get timeNs(): number {
    return this.packed.timeNs;
  }
  get counters(): DeviceCounters {
    return this.packed.counters;
  }
  get engines(): readonly EngineSnapshot[] {
    return this.packed.engines;
  }
  get faultRules(): readonly DeviceFaultRuleState[] {
    return this.packed.faultRules;
  }

  get streams(): readonly StreamSnapshot[] {
    const { streams, heads } = this.packed;
    this.#streams ??= rows(streams.length, STREAM.WORDS, (at) => new PackedStream(streams, heads, at));
    return this.#streams;
  }

  get monitors(): readonly ArmedMonitor[] {
    const { monitors } = this.packed;
    this.#monitors ??= rows(monitors.length, MONITOR.NUMBERS, (at) => monitorAt(monitors, at));
    return this.#monitors;
  }

  get syncObjects(): readonly SyncObjectSnapshot[] {
    const { syncObjects } = this.packed;
    this.#syncObjects ??= rows(syncObjects.length, SYNC_OBJECT.WORDS, (at) => syncObjectAt(syncObjects, at));
    return this.#syncObjects;
  }

  get engineTimes(): readonly ContextEngineTimes[] {
    const { engineTimes } = this.packed;
    this.#engineTimes ??= rows(engineTimes.length, ENGINE_TIME.NUMBERS, (at) => engineTimesAt(engineTimes, at));
    return this.#engineTimes;
  }
}

function rows<T>(length: number, stride: number, row: (at: number) => T): T[] {
  const made: T[] = [];
  for (let at = 0; at < length; at += stride) made.push(row(at));
  return made;
}

/** One row of `words`. */
class PackedStream implements StreamSnapshot {
  readonly words: Uint32Array;
  readonly heads: Uint32Array;
  readonly at: number;

  constructor(words: Uint32Array, heads: Uint32Array, at: number) {
    this.words = words;
    this.heads = heads;
    this.at = at;
  }

  get asid(): number {
    return this.#word(STREAM.ASID);
  }
  get queue(): number {
    return this.#word(STREAM.QUEUE);
  }
  get engine(): EngineName {
    return ENGINES[this.#word(STREAM.ENGINE)] as EngineName;
  }
  get lower(): boolean {
    return this.#word(STREAM.CP) === LOWER_CP;
  }
  get pi(): number {
    return this.#word(STREAM.PI);
  }
  get fetched(): number {
    return this.#word(STREAM.FETCHED);
  }
  get completed(): number {
    return this.#word(STREAM.COMPLETED);
  }
  get state(): StreamState {
    return STREAM_STATES[this.#word(STREAM.STATE)] as StreamState;
  }
  get cpSts(): number {
    return this.#word(STREAM.CP_STS);
  }

  get fenceCounters(): readonly number[] {
    const first = this.at + STREAM.COUNTERS;
    return [...this.words.subarray(first, first + FENCES_PER_STREAM)];
  }

  get head(): StreamSnapshot['head'] {
    const count = this.#word(STREAM.HEAD_WORDS);
    if (count === 0) return null;
    const first = this.#word(STREAM.HEAD_AT);
    const words = [...this.heads.subarray(first, first + count)];
    return { words, offset: this.#word(STREAM.HEAD_OFFSET), bytes: this.#word(STREAM.HEAD_BYTES) };
  }

  get fence(): StreamSnapshot['fence'] {
    const number = this.#word(STREAM.FENCE);
    if (number === 0) return null;
    const id = number - 1;
    return {
      id,
      target: this.#word(STREAM.FENCE_TARGET),
      value: this.#word(STREAM.FENCE_VALUE),
      rdataAddress: cpFenceRdataAddress(this.engine, this.#word(STREAM.CP), id),
    };
  }

  get arbitration(): StreamArbitration | null {
    const bits = this.#word(STREAM.ARBITRATION);
    if ((bits & ARBITRATION.ENABLED) === 0) return null;
    const holder = this.#word(STREAM.HOLDER);
    return {
      mode: (bits & ARBITRATION.WEIGHTED) !== 0 ? 'weighted' : 'priority',
      waiting: (bits & ARBITRATION.WAITING) !== 0,
      holder: holder === 0 ? null : holder - 1,
      quiet: (bits & ARBITRATION.QUIET) !== 0,
      priority: this.#word(STREAM.PRIORITY),
      weight: this.#word(STREAM.WEIGHT),
    };
  }

  #word(field: number): number {
    return this.words[this.at + field] as number;
  }
}

function monitorAt(numbers: Float64Array, at: number): ArmedMonitor {
  const number = (field: number) => numbers[at + field] as number;
  const index = number(MONITOR.INDEX);
  const { group, mask, mode, value } = decodeMonitorArm(number(MONITOR.CONDITION));
  const objects: { sob: number; value: number }[] = [];
  for (let bit = 0; bit < SOBS_PER_GROUP; bit++) {
    if ((mask & (1 << bit)) === 0)
      objects.push({ sob: group * SOBS_PER_GROUP + bit, value: number(MONITOR.VALUES + bit) });
  }
  return {
    dcore: Math.floor(index / MONITORS_PER_DCORE),
    monitor: index % MONITORS_PER_DCORE,
    asid: number(MONITOR.ASID),
    payloadAddress: number(MONITOR.ADDRESS),
    payloadData: number(MONITOR.DATA),
    mode,
    value,
    mask,
    group,
    pending: number(MONITOR.PENDING),
    objects,
  };
}

function syncObjectAt(words: Uint32Array, at: number): SyncObjectSnapshot {
  const index = words[at + SYNC_OBJECT.INDEX] as number;
  return {
    dcore: Math.floor(index / SOBS_PER_DCORE),
    sob: index % SOBS_PER_DCORE,
    value: words[at + SYNC_OBJECT.VALUE] as number,
    asid: words[at + SYNC_OBJECT.ASID] as number,
  };
}

function engineTimesAt(numbers: Float64Array, at: number): ContextEngineTimes {
  const number = (field: number) => numbers[at + field] as number;
  return {
    engine: ENGINES[number(ENGINE_TIME.ENGINE)] as EngineName,
    asid: number(ENGINE_TIME.ASID),
    busyNs: number(ENGINE_TIME.BUSY),
    waitSyncNs: number(ENGINE_TIME.WAIT_SYNC),
    waitMemoryNs: number(ENGINE_TIME.WAIT_MEMORY),
  };
}
