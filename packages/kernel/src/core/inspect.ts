/**
 * What the debug CLI sees: queues with the reason they stand still, clients, dma-bufs (uapi inspection documents).
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
  QUEUES,
  type StreamSnapshot,
  sobAddress,
} from '@pedrera/hw';
import type { AwaitedMonitor, Blockage, BuffersSnapshot, QueueState, QueuesOfDevice } from '@pedrera/uapi';
import type { Context } from './context.js';
import type { ContextQueue } from './context-queue.js';
import type { HlDevice } from './device.js';
import type { Machine } from './machine.js';

/** All external queues of a device: one row for each context that uses it, one empty row where none does. */
export async function inspectQueues(device: HlDevice): Promise<QueuesOfDevice> {
  const snapshot = await device.hardware.snapshot();
  device.drainInterrupts();
  const queues: QueueState[] = [];
  for (let id = 0; id < EXTERNAL_QUEUE_COUNT; id++) {
    let used = false;
    for (const context of device.contexts) {
      const queue = context.queues[id];
      if (queue !== undefined) {
        used = true;
        queues.push(queueState(context, queue, snapshot));
      }
    }
    if (!used) {
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
  const stream = snapshot.streams.find(({ asid, queue: id }) => asid === context.asid && id === queue.queue);
  const { name, kind } = QUEUES[queue.queue] as (typeof QUEUES)[number];
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
    head: oldest === undefined || stream === undefined ? null : headPacket(stream),
    blockedOn: oldest === undefined || stream === undefined ? null : blockage(stream, snapshot.monitors),
    pid: context.pid,
    asid: context.asid,
    oldestMs: ageNs === undefined ? null : Math.round(ageNs / 1e4) / 100,
  };
}

function headPacket({ head }: StreamSnapshot): QueueState['head'] {
  if (head === null) {
    return null;
  }
  const packet = decodePacket(Uint32Array.from(head.words), 0);
  return packet === undefined ? null : { opcode: packet.opcode, name: packet.name, text: formatPacket(packet) };
}

function blockage({ asid, fence }: StreamSnapshot, armed: readonly ArmedMonitor[]): Blockage | null {
  if (fence === null) {
    return null;
  }
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

export function inspectBuffers(machine: Machine): BuffersSnapshot {
  const now = machine.clock.nowNs();
  const buffers: BuffersSnapshot['buffers'] = [];
  for (const object of machine.dmaBufs) {
    const { kind, size, exporter, bornNs } = object.fields;
    buffers.push({
      id: object.id,
      kind,
      size,
      exporter: { pid: exporter.pid, device: exporter.device.index, alive: object.exporterAlive },
      importers: [...object.importers].map((importer) => ({ ...importer })),
      ageMs: Math.round((now - bornNs) / 1e6),
    });
  }
  return { schema: 'pedrera.bufs/1', buffers };
}
