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
import type { Submission } from '../submission.js';
import { type Chapter, concerns, type Moment, milliseconds } from './moment.js';

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

interface QueueRow {
  readonly index: number;
  readonly queue: QueueState | undefined;
}

/** QUEUES: by device in the order of the queues' ids. An external queue that nobody uses has an empty row; the hundred internal ones have none. */
export function queuesChapter(moment: Moment): Chapter {
  const devices = moment.devices.map((device) => ({ index: device.index, noted: noteQueues(device, moment) }));
  const open = (page: Snapshot) => {
    page.queues ??= [];
    return page.queues;
  };
  return {
    rows: (function* (): IterableIterator<QueueRow> {
      for (const { index, noted } of devices) {
        yield { index, queue: undefined };
        for (const queue of shown(noted, index, moment)) {
          yield { index, queue };
        }
      }
    })(),
    open,
    put(page, { index, queue }: QueueRow) {
      const listed = open(page);
      let own = listed.at(-1);
      if (own?.index !== index) {
        own = { index, queues: [] };
        listed.push(own);
      }
      if (queue !== undefined) {
        own.queues.push(queue);
      }
    },
  };
}

/** The same of one device, at once. */
export function queuesOf(device: HlDevice, moment: Moment): QueuesOfDevice {
  return { index: device.index, queues: [...shown(noteQueues(device, moment), device.index, moment)] };
}

/** A context's ring, with the numbers it had at the moment. */
interface NotedQueue {
  readonly context: Context;
  readonly queue: ContextQueue;
  readonly pi: number;
  readonly ci: number;
  readonly pending: number;
  readonly inFlight: number;
  readonly completed: number;
  readonly held: number;
  /** Of its oldest job. */
  readonly oldest: Submission | undefined;
}

function noteQueues(device: HlDevice, moment: Moment): NotedQueue[] {
  const noted: NotedQueue[] = [];
  for (const context of device.contexts) {
    if (concerns(moment, context.pid)) {
      for (const queue of context.usedQueues) {
        noted.push(note(context, queue));
      }
    }
  }
  return noted;
}

function note(context: Context, queue: ContextQueue): NotedQueue {
  const { pi, ci, inFlight, completed } = queue;
  return {
    context,
    queue,
    pi,
    ci,
    // The ring's memory is looked at only where there may be something in it.
    pending: inFlight === 0 ? 0 : queue.pending,
    inFlight,
    completed,
    held: context.deferred?.jobsOn(queue.queue) ?? 0,
    oldest: queue.oldestJob()?.submission,
  };
}

/** In the order of the queues' ids, with those nobody uses. */
function* shown(noted: readonly NotedQueue[], index: number, moment: Moment): IterableIterator<QueueState> {
  const silicon = new SiliconIndex(moment.silicon.get(index));
  const byQueue: NotedQueue[][] = [];
  for (const one of noted) {
    const same = byQueue[one.queue.queue] ?? [];
    byQueue[one.queue.queue] = same;
    same.push(one);
  }
  for (let id = 0; id < Math.max(byQueue.length, EXTERNAL_QUEUE_COUNT); id++) {
    const same = byQueue[id];
    if (same === undefined) {
      if (moment.pid === 0 && id < EXTERNAL_QUEUE_COUNT) {
        yield idleQueue(id);
      }
      continue;
    }
    for (const one of same) {
      yield queueState(one, silicon, moment.nowNs);
    }
  }
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

function queueState(noted: NotedQueue, silicon: SiliconIndex, nowNs: number): QueueState {
  const { context, queue, oldest, pi, ci, pending, inFlight, completed, held } = noted;
  const { asid, pid } = context;
  const { queue: id, length } = queue;
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
    // Of an internal queue a job may be let go of that the device has yet to fetch.
    inFlight: Math.max(0, inFlight - pending),
    completed,
    head: oldest === undefined ? null : (headPacket(stream) ?? headPacket(lower)),
    blockedOn: oldest === undefined ? null : blockage(blocked, silicon),
    pid,
    asid,
    oldestMs: oldest === undefined ? null : milliseconds(nowNs - oldest.submittedNs),
    length,
    held,
    ...(stream === undefined ? {} : { state: stream.state }),
    seq: oldest?.seq ?? null,
    arbitration: arbitration(stream),
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
