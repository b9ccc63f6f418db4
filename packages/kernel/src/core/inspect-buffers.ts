/**
 * What the debug CLI sees of dma-bufs: who exported, who imports, what is waited for, who keeps them alive.
 *
 * Owns: that document, and the totals by which it can be checked against the allocators. Reads only; must not change anything.
 */
import {
  type BufferFence,
  type BufferHolder,
  type BufferState,
  type BuffersSnapshot,
  type DeviceBufferTotals,
  MAX_FRAME_BYTES,
} from '@pedrera/uapi';
import type { HlDevice } from './device.js';
import type { DmaBuf } from './dma-buf/dma-buf.js';
import { type ReservedFence, USAGE, type Usage } from './fence/reservation.js';
import type { Machine } from './machine.js';

/** Room is left for the totals, and for what the frame adds. */
const PAGE_BYTES = MAX_FRAME_BYTES / 2;
/** One buffer must fit a page, however many there are. */
const LISTED = 1000;

const USAGE_NAMES: Record<Usage, BufferFence['usage']> = {
  [USAGE.KERNEL]: 'kernel',
  [USAGE.WRITE]: 'write',
  [USAGE.READ]: 'read',
  [USAGE.BOOKKEEP]: 'bookkeep',
};

/** As many as fit a frame, in the order of their ids, beginning with `from`. */
export function inspectBuffers(machine: Machine, from = 0): BuffersSnapshot {
  const buffers: BufferState[] = [];
  let bytes = 0;
  let next: number | null = null;
  for (const object of machine.dmaBufs) {
    if (object.id < from) {
      continue;
    }
    const state = bufferState(object, machine.clock.nowNs());
    bytes += JSON.stringify(state).length;
    if (bytes > PAGE_BYTES && buffers.length > 0) {
      next = object.id;
      break;
    }
    buffers.push(state);
  }
  return { schema: 'pedrera.bufs/1', buffers, next, totals: totals(machine) };
}

function bufferState(object: DmaBuf, nowNs: number): BufferState {
  const { exporter, attachments, importers, reservation } = object;
  const { context } = exporter;
  return {
    id: object.id,
    kind: exporter.kind,
    size: object.size,
    name: object.name,
    exporter: {
      pid: context.pid,
      device: context.device.index,
      asid: context.asid,
      alive: object.exporterAlive,
      driver: exporter.name,
    },
    importers: [...first(importers)].map(({ pid, device, asid, address }) => ({ pid, device, asid, address })),
    importerCount: importers.size,
    attachments: [...first(attachments)].map(({ importer, isDynamic, peer2peer, mapped }) => ({
      pid: importer.pid,
      importer: importer.name,
      device: importer.device ?? null,
      dynamic: isDynamic,
      peer2peer,
      mapped,
    })),
    attachmentCount: attachments.size,
    fences: reservation.entries().slice(0, LISTED).map(fenceState),
    references: holders(object),
    refs: object.refs,
    ageMs: Math.round((nowNs - object.bornNs) / 1e6),
  };
}

function* first<T>(all: Iterable<T>): IterableIterator<T> {
  let left = LISTED;
  for (const one of all) {
    if (left-- === 0) {
      return;
    }
    yield one;
  }
}

function fenceState({ fence, usage }: ReservedFence): BufferFence {
  const { status } = fence;
  return {
    name: fence.name,
    usage: USAGE_NAMES[usage],
    state: status === 0 ? 'pending' : status > 0 ? 'signalled' : 'failed',
    error: status < 0 ? (fence.errorCode ?? String(-status)) : null,
  };
}

/** One row for each kind of reference and process. */
function holders({ holds }: DmaBuf): BufferHolder[] {
  const rows = new Map<string, BufferHolder>();
  for (const { kind, pid } of holds) {
    const key = `${kind} ${pid}`;
    const row = rows.get(key) ?? { holder: kind, pid, count: 0 };
    row.count++;
    rows.set(key, row);
  }
  return [...rows.values()];
}

function totals({ dmaBufs, devices }: Machine): BuffersSnapshot['totals'] {
  let attachments = 0;
  let references = 0;
  let pendingFences = 0;
  for (const object of dmaBufs) {
    attachments += object.attachments.size;
    references += object.refs;
    pendingFences += object.reservation.pending().length;
  }
  return {
    buffers: dmaBufs.size,
    attachments,
    references,
    pendingFences,
    tokens: dmaBufs.tokenCount,
    devices: devices.map((device) => deviceTotals(device, dmaBufs)),
  };
}

function deviceTotals({ index, memory, policy }: HlDevice, dmaBufs: Machine['dmaBufs']): DeviceBufferTotals {
  const seen = { allocations: 0, allocatedBytes: 0, exportedBytes: 0, exports: 0 };
  for (const { size, exports } of memory.live) {
    seen.allocations++;
    seen.allocatedBytes += size;
    seen.exports += exports;
    seen.exportedBytes += exports > 0 ? size : 0;
  }
  let buffers = 0;
  for (const { exporter } of dmaBufs) {
    if (exporter.kind === 'memory' && exporter.context.device.index === index) {
      buffers++;
    }
  }
  return { device: index, usedBytes: policy.ownsDevice ? 0 : memory.used, buffers, ...seen };
}
