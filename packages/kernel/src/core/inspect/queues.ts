/**
 * What the debug CLI sees of queues: one row for each stream of each context, with the reason it stands still.
 *
 * Owns: how kernel books and a device's snapshot are put together into one row. Reads only; must not change anything.
 */
import {
  type ArmedMonitor,
  DCORE_NAMES,
  type DeviceSnapshot,
  decodePacket,
  EXTERNAL_QUEUE_COUNT,
  formatPacket,
  QUEUES,
  queueName,
  type StreamSnapshot,
  sobAddress,
} from '@pedrera/hw';
import type { AwaitedMonitor, Blockage, QueueArbitration, QueueState, QueuesOfDevice, Snapshot } from '@pedrera/uapi';
import type { Context } from '../context.js';
import type { ContextQueue } from '../context-queue.js';
import type { HlDevice } from '../device.js';
import { type Chapter, concerns, type Moment, milliseconds, type Row } from './moment.js';

/** Streams and monitors of one snapshot, to be found at once. */
export class SiliconIndex {
  readonly #streams = new Map<number, StreamSnapshot>();
  readonly #monitors = new Map<number, ArmedMonitor[]>();

  constructor(snapshot: DeviceSnapshot | undefined) {
    for (const stream of snapshot?.streams ?? []) {
      this.#streams.set(key(stream.asid, stream.queue, stream.lower), stream);
    }
    for (const monitor of snapshot?.monitors ?? []) {
      const same = this.#monitors.get(monitor.payloadAddress);
      if (same === undefined) {
        this.#monitors.set(monitor.payloadAddress, [monitor]);
      } else {
        same.push(monitor);
      }
    }
  }

  /** The streams of an internal engine hand their work to one lower command processor, and may wait for it. */
  stream(asid: number, queue: number, lower: boolean): StreamSnapshot | undefined {
    return this.#streams.get(key(asid, queue, lower));
  }

  /** Armed monitors of a context that will write to an address. */
  writers(asid: number, address: number): ArmedMonitor[] {
    return (this.#monitors.get(address) ?? []).filter((monitor) => monitor.asid === asid);
  }
}

function key(asid: number, queue: number, lower: boolean): number {
  return (asid * 256 + queue) * 2 + (lower ? 1 : 0);
}

/** What does not change can be made when the first page needs it. */
function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

interface QueueRow {
  readonly index: number;
  readonly queue: QueueState | undefined;
}

/** QUEUES: by device in the order of the queues' ids. An external queue that nobody uses has an empty row; the hundred internal ones have none. */
export function queuesChapter(moment: Moment): Chapter {
  const rows: Row<QueueRow>[] = [];
  for (const device of moment.devices) {
    const { index } = device;
    rows.push(() => ({ index, queue: undefined }));
    for (const row of queueRows(device, moment)) {
      rows.push(() => ({ index, queue: row() }));
    }
  }
  const open = (page: Snapshot) => {
    page.queues ??= [];
    return page.queues;
  };
  return {
    rows,
    open,
    put(page, { index, queue }: QueueRow) {
      const devices = open(page);
      let own = devices.at(-1);
      if (own?.index !== index) {
        own = { index, queues: [] };
        devices.push(own);
      }
      if (queue !== undefined) {
        own.queues.push(queue);
      }
    },
  };
}

/** The same of one device, at once. */
export function queuesOf(device: HlDevice, moment: Moment): QueuesOfDevice {
  return { index: device.index, queues: queueRows(device, moment).map((row) => row()) };
}

function queueRows(device: HlDevice, moment: Moment): Row<QueueState>[] {
  const silicon = lazily(() => new SiliconIndex(moment.silicon.get(device.index)));
  const byQueue: Row<QueueState>[][] = [];
  for (const context of device.contexts) {
    if (concerns(moment, context.pid)) {
      for (const queue of context.queues) {
        if (queue !== undefined) {
          const rows = byQueue[queue.queue] ?? [];
          rows.push(note(context, queue, silicon, moment.nowNs));
          byQueue[queue.queue] = rows;
        }
      }
    }
  }
  if (moment.pid === 0) {
    for (let id = 0; id < EXTERNAL_QUEUE_COUNT; id++) {
      byQueue[id] ??= [() => idleQueue(id)];
    }
  }
  return byQueue.flat();
}

function idleQueue(id: number): QueueState {
  const { name, kind, length } = QUEUES[id] as (typeof QUEUES)[number];
  return {
    id,
    name,
    kind,
    pi: 0,
    ci: 0,
    pending: 0,
    inFlight: 0,
    completed: 0,
    head: null,
    blockedOn: null,
    pid: null,
    asid: null,
    oldestMs: null,
    length,
    held: 0,
    arbitration: null,
    seq: null,
  };
}

function note(context: Context, queue: ContextQueue, index: () => SiliconIndex, nowNs: number): Row<QueueState> {
  const { asid, pid, deferred } = context;
  const { queue: id, length, pi, ci, pending, inFlight, completed } = queue;
  const oldest = queue.oldestJob()?.submission;
  const oldestNs = oldest?.submittedNs;
  const seq = oldest?.seq ?? null;
  const held = deferred?.jobsOn(id) ?? 0;
  return () => {
    const silicon = index();
    const stream = silicon.stream(asid, id, false);
    const lower = silicon.stream(asid, id, true);
    const { name, kind } = QUEUES[id] as (typeof QUEUES)[number];
    const blocked = stream !== undefined && stream.fence !== null ? stream : lower;
    return {
      id,
      name,
      kind,
      pi,
      ci,
      pending,
      inFlight: inFlight - pending,
      completed,
      head: oldestNs === undefined ? null : (headPacket(stream) ?? headPacket(lower)),
      blockedOn: oldestNs === undefined ? null : blockage(blocked, silicon),
      pid,
      asid,
      oldestMs: oldestNs === undefined ? null : milliseconds(nowNs - oldestNs),
      length,
      held,
      ...(stream === undefined ? {} : { state: stream.state }),
      seq,
      arbitration: arbitration(stream),
    };
  };
}

function headPacket(stream: StreamSnapshot | undefined): QueueState['head'] {
  if (stream === undefined || stream.head === null) {
    return null;
  }
  const packet = decodePacket(Uint32Array.from(stream.head.words), 0);
  return packet === undefined ? null : { opcode: packet.opcode, name: packet.name, text: formatPacket(packet) };
}

function arbitration(stream: StreamSnapshot | undefined): QueueArbitration | null {
  const state = stream?.arbitration ?? null;
  if (state === null) {
    return null;
  }
  const { mode, waiting, holder, quiet, priority, weight } = state;
  return { mode, waiting, holder: holder === null ? null : queueName(holder), quiet, priority, weight };
}

function blockage(stream: StreamSnapshot | undefined, silicon: SiliconIndex): Blockage | null {
  if (stream === undefined || stream.fence === null) {
    return null;
  }
  const { asid, fence } = stream;
  const monitors = silicon.writers(asid, fence.rdataAddress).map(awaited);
  const { id, target, value } = fence;
  return { fence: { id, target, value }, monitors, reason: reason(id, target, value, monitors) };
}

export function awaited({ dcore, monitor, mode, value, objects }: ArmedMonitor): AwaitedMonitor {
  return {
    dcore: dcoreName(dcore),
    monitor,
    mode: mode === 'ge' ? '>=' : '==',
    awaited: value,
    objects: objects.map((object) => ({
      sob: object.sob,
      value: object.value,
      awaited: value,
      address: sobAddress(dcore, object.sob),
    })),
  };
}

export function dcoreName(dcore: number): string {
  return DCORE_NAMES[dcore] ?? `dcore ${dcore}`;
}

function reason(id: number, target: number, value: number, monitors: readonly AwaitedMonitor[]): string {
  const fence = `fence ${id} is ${value} and waits for ${target}`;
  const [monitor] = monitors;
  if (monitor === undefined) {
    return `${fence}; no armed monitor will write to it`;
  }
  const objects = monitor.objects
    .map(({ sob, value: now }) => `SOB ${sob} is ${now} and waits for ${monitor.mode} ${monitor.awaited}`)
    .join(', ');
  const others = monitors.length > 1 ? ` (and ${monitors.length - 1} other monitors)` : '';
  return `${fence}; ${monitor.dcore} monitor ${monitor.monitor}: ${objects}${others}`;
}
