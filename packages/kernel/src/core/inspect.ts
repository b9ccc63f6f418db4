/**
 * What the debug CLI sees: queues with the reason they stand still, clients (uapi inspection documents).
 *
 * Owns: how kernel books and a device's snapshot are put together into one answer. Reads only; must not change anything.
 */
import {
  type ArmedMonitor,
  DCORE_NAMES,
  type DeviceSnapshot,
  decodePacket,
  EXTERNAL_QUEUE_COUNT,
  formatPacket,
  QUEUE_COUNT,
  QUEUES,
  type StreamSnapshot,
  sobAddress,
} from '@pedrera/hw';
import type { AwaitedMonitor, Blockage, QueueState, QueuesOfDevice } from '@pedrera/uapi';
import type { Context } from './context.js';
import type { ContextQueue } from './context-queue.js';
import type { HlDevice } from './device.js';

/**
 * One row for each queue a context uses, in the order of the ids. An external queue that nobody uses has an empty row; the
 * hundred internal ones have none.
 */
export async function inspectQueues(device: HlDevice): Promise<QueuesOfDevice> {
  const snapshot = await device.hardware.snapshot();
  device.drainInterrupts();
  const queues: QueueState[] = [];
  for (let id = 0; id < QUEUE_COUNT; id++) {
    let used = false;
    for (const context of device.contexts) {
      const queue = context.queues[id];
      if (queue !== undefined) {
        used = true;
        queues.push(queueState(context, queue, snapshot));
      }
    }
    if (!used && id < EXTERNAL_QUEUE_COUNT) {
      queues.push(idleQueue(id));
    }
  }
  return { index: device.index, queues };
}

function idleQueue(id: number): QueueState {
  const { name, kind } = QUEUES[id] as (typeof QUEUES)[number];
  const counts = { pi: 0, ci: 0, pending: 0, inFlight: 0, completed: 0 };
  return { id, name, kind, ...counts, head: null, blockedOn: null, pid: null, asid: null, oldestMs: null };
}

function queueState(context: Context, queue: ContextQueue, snapshot: DeviceSnapshot): QueueState {
  const { name, kind, engine } = QUEUES[queue.queue] as (typeof QUEUES)[number];
  const own = snapshot.streams.filter((stream) => stream.asid === context.asid && stream.engine === engine);
  const stream = own.find(({ lower, queue: id }) => !lower && id === queue.queue);
  // The streams of an internal engine hand their work to one lower command processor, and may wait for it.
  const lower = own.find((candidate) => candidate.lower && candidate.queue === queue.queue);
  const oldest = queue.oldestJob();
  const ageNs = oldest === undefined ? undefined : context.device.clock.nowNs() - oldest.submission.submittedNs;
  const pending = queue.pending;
  return {
    id: queue.queue,
    name,
    kind,
    pi: queue.pi,
    ci: queue.ci,
    pending,
    inFlight: queue.inFlight - pending,
    completed: queue.completed,
    head: oldest === undefined ? null : (headPacket(stream) ?? headPacket(lower)),
    blockedOn:
      oldest === undefined ? null : (blockage(stream, snapshot.monitors) ?? blockage(lower, snapshot.monitors)),
    pid: context.pid,
    asid: context.asid,
    oldestMs: ageNs === undefined ? null : Math.round(ageNs / 1e4) / 100,
  };
}

function headPacket(stream: StreamSnapshot | undefined): QueueState['head'] {
  if (stream === undefined || stream.head === null) {
    return null;
  }
  const packet = decodePacket(Uint32Array.from(stream.head.words), 0);
  return packet === undefined ? null : { opcode: packet.opcode, name: packet.name, text: formatPacket(packet) };
}

function blockage(stream: StreamSnapshot | undefined, armed: readonly ArmedMonitor[]): Blockage | null {
  if (stream === undefined || stream.fence === null) {
    return null;
  }
  const { asid, fence } = stream;
  const monitors = armed
    .filter((monitor) => monitor.asid === asid && monitor.payloadAddress === fence.rdataAddress)
    .map(awaited);
  const { id, target, value } = fence;
  return { fence: { id, target, value }, monitors, reason: reason(id, target, value, monitors) };
}

function awaited({ dcore, monitor, mode, value, objects }: ArmedMonitor): AwaitedMonitor {
  return {
    dcore: DCORE_NAMES[dcore] ?? `dcore ${dcore}`,
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
