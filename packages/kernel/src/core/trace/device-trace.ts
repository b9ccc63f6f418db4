/**
 * What devices tell of their work, on its way into recordings.
 *
 * Owns: the ring each device writes into while somebody records engines or sync objects, when it is emptied, what is still under way
 * when a recording ends. Must not know connections.
 */
import type { Timer } from '@pedrera/base';
import {
  createTraceRing,
  DEVICE_TRACE,
  DEVICE_TRACE_KIND,
  type DeviceTraceKind,
  type DeviceTraceRecord,
  MONITORS_PER_DCORE,
  SOBS_PER_DCORE,
  TraceReader,
} from '@pedrera/hw';
import { ENGINE_FLAG, ENGINE_SORTS, type EngineFields, SYNC_SORTS, TRACE_KIND } from '@pedrera/uapi';
import type { HlDevice } from '../device.js';
import type { Recording } from './recording.js';
import type { Trace } from './trace.js';

/** A device at full speed fills this many between two looks only when its packets do little else than write sync objects. */
const RING_RECORDS = 32_768;
const LOOK_EVERY_NS = 4e6;

const SORT = Object.fromEntries(ENGINE_SORTS.map((sort, i) => [sort, i])) as Record<
  (typeof ENGINE_SORTS)[number],
  number
>;
/** Places in ENGINE_SORTS by the number of a device's kind; -1 for kinds that are something else. */
const ENDS = sortsBy({
  'job end': SORT.job,
  'fence end': SORT['fence wait'],
  'grant end': SORT['grant wait'],
  'barrier end': SORT['barrier wait'],
  'move end': SORT.move,
  'computation end': SORT.computation,
});
const BEGINS = sortsBy({
  'job begin': SORT.job,
  'fence begin': SORT['fence wait'],
  'grant begin': SORT['grant wait'],
  'barrier begin': SORT['barrier wait'],
  'move begin': SORT.move,
  'computation begin': SORT.computation,
});

function sortsBy(sorts: Partial<Record<DeviceTraceKind, number>>): Int8Array {
  const table = new Int8Array(256).fill(-1);
  for (const [kind, sort] of Object.entries(sorts)) {
    table[DEVICE_TRACE_KIND[kind as DeviceTraceKind]] = sort;
  }
  return table;
}

/** What records say of whatever an engine does. */
type Doing = Pick<DeviceTraceRecord, 'sinceNs' | 'asid' | 'queue' | 'lower' | 'index' | 'address' | 'bytes'>;

/** A stretch that began; one that has ended stays, and is used for the next of its kind. */
interface Stretch {
  readonly begun: { -readonly [K in keyof Doing]: Doing[K] };
  readonly sort: number;
  ended: boolean;
}

interface Traced {
  readonly device: HlDevice;
  readonly ring: SharedArrayBuffer;
  readonly reader: TraceReader;
  readonly take: (record: DeviceTraceRecord, kind: number) => void;
  /** The stretch that began last, by what it is and whose. */
  readonly stretches: Map<number, Stretch>;
  lost: number;
}

export class DeviceTraces {
  readonly #trace: Trace;
  readonly #devices: readonly HlDevice[];
  #traced: readonly Traced[] = [];
  readonly #fields = { sort: 0, device: 0, asid: 0, queue: 0, durationNs: 0, index: 0, address: 0, bytes: 0 };
  #kinds = 0;
  #timer: Timer | undefined;

  constructor(trace: Trace, devices: readonly HlDevice[]) {
    this.#trace = trace;
    this.#devices = devices;
    trace.onChange(() => this.#update());
    trace.onEnd((recording) => this.#tellOpen(recording));
  }

  #update(): void {
    const { kinds } = this.#trace;
    const engines =
      (kinds & TRACE_KIND.ENGINES) === 0 ? 0 : DEVICE_TRACE.JOBS | DEVICE_TRACE.WAITS | DEVICE_TRACE.MOVES;
    const wanted = engines | ((kinds & TRACE_KIND.SYNC) === 0 ? 0 : DEVICE_TRACE.SYNC);
    if (wanted === this.#kinds) {
      return;
    }
    this.#kinds = wanted;
    if (wanted === 0) {
      for (const { device } of this.#traced) {
        device.hardware.setTrace(0, null);
      }
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#traced = [];
      return;
    }
    if (this.#traced.length === 0) {
      this.#traced = this.#devices.map((device) => {
        const ring = createTraceRing(RING_RECORDS);
        const stretches = new Map<number, Stretch>();
        const take = (record: DeviceTraceRecord, kind: number) => this.#take(device, stretches, record, kind);
        return { device, ring, reader: new TraceReader(ring), take, stretches, lost: 0 };
      });
      this.#again();
    }
    for (const { device, ring } of this.#traced) {
      device.hardware.setTrace(wanted, ring);
    }
  }

  #again(): void {
    const { clock } = this.#trace;
    this.#timer = clock.at(clock.nowNs() + LOOK_EVERY_NS, () => {
      this.drain();
      this.#again();
    });
  }

  /** Takes what the devices have told by now. */
  drain(): void {
    for (const traced of this.#traced) {
      traced.reader.drain(traced.take);
      const lost = (traced.reader.lost - traced.lost) >>> 0;
      if (lost > 0) {
        traced.lost = traced.reader.lost;
        this.#trace.each(TRACE_KIND.ENGINES | TRACE_KIND.SYNC, 0, (writer) => writer.lose(lost));
      }
    }
  }

  #take(device: HlDevice, stretches: Map<number, Stretch>, record: DeviceTraceRecord, kind: number): void {
    const { asid } = record;
    const sort = ENDS[kind] as number;
    if (sort >= 0) {
      const stretch = stretches.get(keyOf(sort, record));
      if (stretch !== undefined) {
        stretch.ended = true;
      }
      const fields = this.#fieldsOf(device, record, sort | (record.cut ? ENGINE_FLAG.CUT : 0), record.timeNs);
      this.#trace.engine(device.contexts.get(asid)?.pid ?? 0, record.sinceNs, fields);
      return;
    }
    const begun = BEGINS[kind] as number;
    if (begun >= 0) {
      const key = keyOf(begun, record);
      const stretch = stretches.get(key);
      if (stretch === undefined) {
        stretches.set(key, { begun: { ...record }, sort: begun, ended: false });
      } else {
        begin(stretch, record);
      }
    } else if (kind !== DEVICE_TRACE_KIND.fault) {
      const per = kind === DEVICE_TRACE_KIND.sob ? SOBS_PER_DCORE : MONITORS_PER_DCORE;
      this.#trace.sync(device.contexts.get(asid)?.pid ?? 0, record.timeNs, {
        sort: SYNC_SORTS.indexOf(record.kind as (typeof SYNC_SORTS)[number]),
        device: device.index,
        asid,
        queue: record.queue,
        dcore: Math.floor(record.index / per),
        index: record.index % per,
        value: record.value,
        address: record.address,
      });
    }
  }

  /** What has not ended is told as going on. */
  #tellOpen(recording: Recording): void {
    this.drain();
    const now = this.#trace.clock.nowNs();
    for (const { device, stretches } of this.#traced) {
      for (const { begun, sort, ended } of stretches.values()) {
        if (!ended && recording.takes(TRACE_KIND.ENGINES, device.contexts.get(begun.asid)?.pid ?? 0)) {
          const fields = this.#fieldsOf(device, begun, sort | ENGINE_FLAG.OPEN, now);
          recording.writer.engine(begun.sinceNs, fields);
        }
      }
    }
  }

  /** One object for all: it is read at once. */
  #fieldsOf(device: HlDevice, record: Doing, sort: number, endNs: number): EngineFields {
    const fields = this.#fields;
    fields.sort = sort | (record.lower ? ENGINE_FLAG.LOWER : 0);
    fields.device = device.index;
    fields.asid = record.asid;
    fields.queue = record.queue;
    fields.durationNs = Math.max(0, endNs - record.sinceNs);
    fields.index = record.index;
    fields.address = record.address;
    fields.bytes = record.bytes;
    return fields;
  }
}

/** The record is used for the next one: what is of interest is copied. */
function begin(stretch: Stretch, { sinceNs, asid, queue, lower, index, address, bytes }: Doing): void {
  const { begun } = stretch;
  begun.sinceNs = sinceNs;
  begun.asid = asid;
  begun.queue = queue;
  begun.lower = lower;
  begun.index = index;
  begun.address = address;
  begun.bytes = bytes;
  stretch.ended = false;
}

/** One stretch of a sort at a time for a stream, and one for an engine. */
function keyOf(sort: number, { asid, queue, lower, index }: DeviceTraceRecord): number {
  const engine = sort === SORT.move || sort === SORT.computation ? index : 0;
  return (((asid * 256 + (queue + 1)) * 2 + (lower ? 1 : 0)) * 16 + sort) * 128 + engine;
}
