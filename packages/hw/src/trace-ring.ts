/**
 * What a device tells of its work while somebody records it: records of fixed size in a ring in shared memory, for one writer (the
 * device) and one reader (the host). The writer never waits: what finds no room is counted and lost.
 * Owns the layout and the meaning of a record's fields. Knows nothing of who records, or of submissions.
 */

/** What a device can be asked to tell, as bits. */
export const DEVICE_TRACE = {
  /** Jobs: a descriptor taken off a ring, a buffer taken by a lower command processor, to its last packet. */
  JOBS: 0x1,
  /** Waits at fences, for an arbiter's grant, at engine barriers. */
  WAITS: 0x2,
  /** Transfers of a DMA core and computations of a matrix engine. */
  MOVES: 0x4,
  /** Sync objects written (by others than packets: changed), monitors armed and fired. */
  SYNC: 0x8,
  /** Faults, as far as they are reported singly. */
  FAULTS: 0x10,
} as const;

/** The number of a kind is its place in this list. */
const KINDS = [
  'job begin',
  'job end',
  'fence begin',
  'fence end',
  'grant begin',
  'grant end',
  'barrier begin',
  'barrier end',
  'move begin',
  'move end',
  'computation begin',
  'computation end',
  'sob',
  'arm',
  'fire',
  'fault',
] as const;
export type DeviceTraceKind = (typeof KINDS)[number];

/** Numbers of the kinds, for a writer that cannot afford strings. */
export const DEVICE_TRACE_KIND = Object.fromEntries(KINDS.map((kind, index) => [kind, index])) as {
  readonly [K in DeviceTraceKind]: number;
};

/** What each kind puts into `index`, `value`, `address` and `bytes`; a field that is not named is 0. */
export interface DeviceTraceRecord {
  readonly kind: DeviceTraceKind;
  /** On the device's clock, which is the host's. */
  readonly timeNs: number;
  /** Of an end: when it began, or when the recording did, whichever was later. Of anything else `timeNs`. */
  readonly sinceNs: number;
  readonly asid: number;
  /** -1 for what no queue did: a write of the host's, of another device's, of a monitor's. */
  readonly queue: number;
  /** Done by the engine's lower command processor on behalf of the queue. */
  readonly lower: boolean;
  /** Of an end: the context was taken away before it was done. */
  readonly cut: boolean;
  /** Ring slot of a job; fence id; index in ENGINES of a move or computation; sync object or monitor, counted through all dcores; ring slot of a fault, or -1. */
  readonly index: number;
  /** Target of a fence; new value of a sync object; the word a monitor was armed with (see decodeMonitorArm); the word a fired one wrote; cause of a fault. */
  readonly value: number;
  /** Of a job its command buffer's; of a move where it goes; of a monitor where its payload goes; of a fault what was to be reached. */
  readonly address: number;
  /** Of a job its command buffer's; of a move what it moves, and at its end what it has moved. */
  readonly bytes: number;
}

const HEAD = 0;
const TAIL = 1;
const LOST = 2;
const HEADER_BYTES = 64;
/** Dwords: [kind and flags, asid and queue, time (2), since (2), address (2), bytes (2), index, value]. */
const RECORD_WORDS = 12;
const RECORD_BYTES = 4 * RECORD_WORDS;
const KIND_MASK = 0xff;
const LOWER_CP = 0x100;
const CUT = 0x200;
const NO_QUEUE = 0xffff;

/** A ring for at least `records` records. */
export function createTraceRing(records: number): SharedArrayBuffer {
  const capacity = 2 ** Math.ceil(Math.log2(Math.max(2, records)));
  return new SharedArrayBuffer(HEADER_BYTES + capacity * RECORD_BYTES);
}

/** Head, tail and the lost count freely modulo 2^32; the capacity is a power of two, so head and tail's difference is the fill. */
class TraceRing {
  readonly capacity: number;
  readonly header: Int32Array;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    const capacity = (buffer.byteLength - HEADER_BYTES) / RECORD_BYTES;
    if (!Number.isInteger(capacity) || capacity < 1 || (capacity & (capacity - 1)) !== 0)
      throw new RangeError(`a trace ring of ${capacity} records: the capacity must be a power of two`);
    this.capacity = capacity;
    this.header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.words = new Uint32Array(buffer, HEADER_BYTES);
    this.doubles = new Float64Array(buffer, HEADER_BYTES);
  }
}

/** The device's end. */
export class TraceWriter {
  readonly #ring: TraceRing;
  #tail: number;
  /** The reader's place when it was last looked at: most writes need not look. */
  #head: number;

  constructor(buffer: SharedArrayBuffer) {
    this.#ring = new TraceRing(buffer);
    this.#tail = Atomics.load(this.#ring.header, TAIL);
    this.#head = Atomics.load(this.#ring.header, HEAD);
  }

  /** `kind` is a number of DEVICE_TRACE_KIND; for the other fields see DeviceTraceRecord. */
  write(
    kind: number,
    timeNs: number,
    sinceNs: number,
    asid: number,
    queue: number,
    lower: boolean,
    cut: boolean,
    index: number,
    value: number,
    address: number,
    bytes: number,
  ): void {
    const { capacity, header, words, doubles } = this.#ring;
    const tail = this.#tail;
    if ((tail - this.#head) >>> 0 >= capacity) {
      this.#head = Atomics.load(header, HEAD);
      if ((tail - this.#head) >>> 0 >= capacity) {
        Atomics.add(header, LOST, 1);
        return;
      }
    }
    const at = (tail & (capacity - 1)) * RECORD_WORDS;
    const pair = at >> 1;
    words[at] = kind | (lower ? LOWER_CP : 0) | (cut ? CUT : 0);
    words[at + 1] = asid | ((queue < 0 ? NO_QUEUE : queue) << 16);
    doubles[pair + 1] = timeNs;
    doubles[pair + 2] = sinceNs;
    doubles[pair + 3] = address;
    doubles[pair + 4] = bytes;
    words[at + 10] = index;
    words[at + 11] = value;
    this.#tail = (tail + 1) | 0;
    Atomics.store(header, TAIL, this.#tail);
  }
}

/** The host's end. */
export class TraceReader {
  readonly #ring: TraceRing;
  readonly #record: { -readonly [K in keyof DeviceTraceRecord]: DeviceTraceRecord[K] } = {
    kind: 'fault',
    // Doubles from the start, so that writing them makes nothing new.
    timeNs: 0.5,
    sinceNs: 0.5,
    asid: 0,
    queue: 0,
    lower: false,
    cut: false,
    index: 0,
    value: 0,
    address: 0.5,
    bytes: 0.5,
  };

  constructor(buffer: SharedArrayBuffer) {
    this.#ring = new TraceRing(buffer);
  }

  /** Records that wait to be read. */
  get size(): number {
    const { header } = this.#ring;
    return (Atomics.load(header, TAIL) - Atomics.load(header, HEAD)) >>> 0;
  }

  /** Records that found no room since the ring was made, modulo 2^32. */
  get lost(): number {
    return Atomics.load(this.#ring.header, LOST) >>> 0;
  }

  /**
   * Hands over at most `limit` records, oldest first, each with the number of its kind; returns how many. The record is one and the
   * same object each time: what is to be kept of it has to be copied. An object for each was half of what recording a job cost.
   */
  drain(take: (record: DeviceTraceRecord, kind: number) => void, limit: number = this.#ring.capacity): number {
    const { capacity, header } = this.#ring;
    const first = Atomics.load(header, HEAD);
    const count = Math.min(limit, this.size);
    let taken = 0;
    try {
      while (taken < count) {
        const kind = this.#read((first + taken) & (capacity - 1));
        taken += 1;
        take(this.#record, kind);
      }
    } finally {
      // A taker that throws has had its record, and the next ones are still there.
      Atomics.store(header, HEAD, (first + taken) | 0);
    }
    return count;
  }

  /** Into the one record; returns the number of its kind. */
  #read(place: number): number {
    const { words, doubles } = this.#ring;
    const record = this.#record;
    const at = place * RECORD_WORDS;
    const pair = at >> 1;
    const head = words[at] as number;
    const ids = words[at + 1] as number;
    const queue = ids >>> 16;
    const kind = head & KIND_MASK;
    record.kind = KINDS[kind] ?? 'fault';
    record.timeNs = doubles[pair + 1] as number;
    record.sinceNs = doubles[pair + 2] as number;
    record.asid = ids & 0xffff;
    record.queue = queue === NO_QUEUE ? -1 : queue;
    record.lower = (head & LOWER_CP) !== 0;
    record.cut = (head & CUT) !== 0;
    record.index = (words[at + 10] as number) | 0;
    record.value = words[at + 11] as number;
    record.address = doubles[pair + 3] as number;
    record.bytes = doubles[pair + 4] as number;
    return kind;
  }
}
