/**
 * Events of one device: counted, captured, told, acted upon (device.md 8.1, uapi.md 7.4 to 7.6), and the faults of the
 * silicon as the events the real device would raise.
 *
 * Owns: the two arrays of counters, the order of those steps. Must not know files or how a reset is done.
 */
import {
  CFG_BASE,
  dcoreOfOffset,
  dmaCoreEvent,
  ENGINES,
  type EngineName,
  EVENT,
  EVENT_COUNT,
  EVENTS,
  engineId,
  eventName,
  type FaultRecord,
  OPCODE,
  QM_REGISTERS,
  QUEUES,
  qmBase,
  qmEvent,
  syncManagerEvent,
} from '@pedrera/hw';
import { NOTIFIER_EVENT } from '@pedrera/uapi';
import { type Captures, NO_ENGINE, RAZWI_TYPE, type RazwiRecord, type UndefinedOpcodeRecord } from './captures.js';
import type { Context } from './context.js';
import type { HlDevice } from './device.js';
import { effectOf, judge } from './event-effects.js';

/** What comes with an event; all of it may be missing, as for an injected one. */
export interface EventPayload {
  /** Cause register of the engine. */
  readonly cause?: number;
  /** Whose work it was; unknown for what the device does by itself. */
  readonly context?: Context;
  readonly razwi?: Omit<RazwiRecord, 'timestampNs'>;
  readonly undefinedOpcode?: Omit<UndefinedOpcodeRecord, 'timestampNs'>;
  readonly detail?: string;
}

const NO_RAZWI: Omit<RazwiRecord, 'timestampNs'> = {
  address: 0,
  engineId1: NO_ENGINE,
  engineId2: NO_ENGINE,
  type: RAZWI_TYPE.NONE,
};

/** Stream number of the lower command processor in the driver's records (uapi.md 7.6). */
const LOWER_CP_STREAM = 4;
const NEWEST_ENTRIES = 8;
/** Addresses are 50 bits wide. */
const HIGH_ADDRESS_BITS = 0x3_ffff;

export class DeviceEvents {
  /** Since the last hard reset, and since the device exists. */
  readonly counters = new Uint32Array(EVENT_COUNT);
  readonly aggregate = new Uint32Array(EVENT_COUNT);
  readonly #device: HlDevice;

  constructor(device: HlDevice) {
    this.#device = device;
  }

  /** Ids from EVENT_COUNT on and events of a disabled device are dropped (uapi.md 7.5). */
  raise(id: number, payload: EventPayload = {}): void {
    const device = this.#device;
    if (!Number.isInteger(id) || id < 0 || id >= EVENT_COUNT || device.life.stopped) {
      return;
    }
    this.counters[id] = (this.counters[id] as number) + 1;
    this.aggregate[id] = (this.aggregate[id] as number) + 1;
    const info = EVENTS.get(id);
    const effect = effectOf(info?.class);
    // What a context's packets did is logged with the fault, and counted there.
    if (payload.context === undefined && isLogged(this.aggregate[id] as number)) {
      const text = describe(id, payload);
      device.log.warn({ device: device.index, event: id }, text);
      device.eventLog.add({ kind: 'event', severity: 'warning', device: device.index, text });
    }
    if (effect.writesRazwi) {
      this.#captureRazwi(payload);
    }
    if (info?.class === 'throttle') {
      device.firmware.throttle.event(id);
    }
    const { notify, reset } = judge(effect, payload.cause ?? 0, device.settings.hardResetOnFwEvents);
    const mask = payload.undefinedOpcode === undefined ? notify : notify | NOTIFIER_EVENT.UNDEFINED_OPCODE;
    if (payload.undefinedOpcode !== undefined) {
      this.#captureOpcode(payload.undefinedOpcode, payload.context);
    }
    if (effect.stateDump) {
      void device.stateDumps.take();
    }
    if (mask !== 0) {
      // A reset concerns everybody; what one context's packets did is nobody else's business.
      device.tell(mask, reset ? undefined : payload.context);
    }
    if (reset) {
      device.requestReset({ kind: 'event', detail: describe(id, payload) });
    }
  }

  /** What the silicon could not carry out. 'not-modelled' is this simulator's own and no event of the device. */
  fault(fault: FaultRecord, context: Context, detail: string): void {
    const queue = QUEUES[fault.queue];
    const engine = queue === undefined || queue.kind === 'cpu' ? undefined : queue.engine;
    const payload = { context, detail };
    switch (fault.cause) {
      case 'page-fault':
        this.raise(EVENT.MMU_PAGE_FAULT, {
          ...payload,
          razwi: razwi(fault.address, engine, RAZWI_TYPE.PAGE_FAULT),
        });
        return;
      case 'write-protect':
        this.raise(EVENT.MMU_WR_PERM, { ...payload, razwi: razwi(fault.address, engine, RAZWI_TYPE.ACCESS_ERROR) });
        return;
      case 'razwi':
        // The protection units know the initiator, the MMU that was not asked knows nothing (uapi.md 7.6).
        this.raise(EVENT.RAZWI_OR_ADC, { ...payload, razwi: razwi(0, engine, RAZWI_TYPE.NONE) });
        return;
      case 'sob-overflow': {
        const dcore = dcoreOfOffset(fault.address - CFG_BASE);
        if (dcore >= 0) {
          this.raise(syncManagerEvent(dcore), payload);
        }
        return;
      }
      case 'bus-error':
        if (engine?.startsWith('DMA') === true && fault.opcode === OPCODE.LIN_DMA) {
          this.raise(dmaCoreEvent(Number(engine.slice(3))), payload);
          return;
        }
        this.#qmError(engine, payload);
        return;
      case 'undefined-opcode':
        this.#qmError(engine, {
          ...payload,
          ...(engine === undefined ? {} : { undefinedOpcode: undefinedOpcode(fault, engine, context) }),
        });
        return;
      case 'not-modelled':
        return;
      default:
        this.#qmError(engine, payload);
    }
  }

  /** What a hard reset clears (uapi.md 2.4). */
  clear(): void {
    this.counters.fill(0);
  }

  #qmError(engine: EngineName | undefined, payload: EventPayload): void {
    const id = engine === undefined ? undefined : qmEvent(engine);
    if (id !== undefined) {
      this.raise(id, payload);
    }
  }

  #captureRazwi({ context, razwi: seen = NO_RAZWI }: EventPayload): void {
    const timestampNs = this.#device.clock.nowNs();
    for (const captures of this.#device.capturesFor(context)) {
      captures.razwi.write(() => ({ timestampNs, ...seen }));
    }
  }

  #captureOpcode(seen: Omit<UndefinedOpcodeRecord, 'timestampNs'>, context: Context | undefined): void {
    const timestampNs = this.#device.clock.nowNs();
    // Without stop_on_err the queue manager has gone on, and nothing it shows belongs to the packet (uapi.md 7.6).
    const empty = { streams: [], cqAddress: 0, cqSize: 0, engineId: 0, streamId: 0, timestampNs: 0 };
    for (const captures of this.#device.capturesFor(context)) {
      const first = captures.undefinedOpcode.write(() => (this.#device.stopOnErr ? { timestampNs, ...seen } : empty));
      // The registers of a queue manager are those of the lowest ASID: with several contexts they may be another's.
      if (first && this.#device.stopOnErr && seen.streamId === LOWER_CP_STREAM && this.#device.policy.ownsDevice) {
        void this.#fillLowerCq(captures);
      }
    }
  }

  /** Where the lower command processor's buffer lies, the kernel does not know: it came from a CP_DMA packet. */
  async #fillLowerCq({ undefinedOpcode }: Captures): Promise<void> {
    const { record } = undefinedOpcode;
    const engine = ENGINES[record?.engineId ?? 0];
    if (record === undefined || engine === undefined) {
      return;
    }
    const read = (register: number) =>
      this.#device.hardware.readRegister(qmBase(engine) + register + 4 * LOWER_CP_STREAM);
    const [low, high, size] = await Promise.all([
      read(QM_REGISTERS.CQ_PTR_LO_STS),
      read(QM_REGISTERS.CQ_PTR_HI_STS),
      read(QM_REGISTERS.CQ_TSIZE_STS),
    ]);
    if (undefinedOpcode.record === record) {
      undefinedOpcode.record = { ...record, cqAddress: (high & HIGH_ADDRESS_BITS) * 2 ** 32 + low, cqSize: size };
    }
  }
}

/** The first few, then ever fewer: a burst says nothing new. */
function isLogged(count: number): boolean {
  return count <= 8 || (count & (count - 1)) === 0;
}

function describe(id: number, { detail, cause }: EventPayload): string {
  const because = cause === undefined || cause === 0 ? '' : `, cause 0x${cause.toString(16)}`;
  return `event ${id} ${eventName(id)}${because}${detail === undefined ? '' : `: ${detail}`}`;
}

function razwi(address: number, engine: EngineName | undefined, type: number): Omit<RazwiRecord, 'timestampNs'> {
  return { address, engineId1: engine === undefined ? NO_ENGINE : engineId(engine), engineId2: NO_ENGINE, type };
}

function undefinedOpcode(
  { queue, lowerCp, ringSlot }: FaultRecord,
  engine: EngineName,
  context: Context,
): Omit<UndefinedOpcodeRecord, 'timestampNs'> {
  const stream = QUEUES[queue]?.stream ?? 0;
  const own = context.queues[queue];
  const entry = own === undefined || ringSlot < 0 ? undefined : own.entryAt(ringSlot);
  const first = queue - stream;
  const streams = lowerCp ? [0, 1, 2, 3] : [stream];
  return {
    streams: streams.map((n) => context.queues[first + n]?.newestEntries(NEWEST_ENTRIES) ?? []),
    cqAddress: lowerCp ? 0 : (entry?.address ?? 0),
    cqSize: lowerCp ? 0 : (entry?.bytes ?? 0),
    engineId: engineId(engine),
    streamId: lowerCp ? LOWER_CP_STREAM : stream,
  };
}
