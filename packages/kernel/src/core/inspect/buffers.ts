/**
 * What the debug CLI sees of dma-bufs: who exported, who imports, what is waited for, who keeps them alive.
 *
 * Owns: those rows, and the totals by which they can be checked against the allocators. Reads only; must not change anything.
 */
import {
  type BufferFence,
  type BufferHolder,
  type BufferState,
  type BuffersSnapshot,
  type DeviceBufferTotals,
  MAX_FRAME_BYTES,
} from '@pedrera/uapi';
import type { HlDevice } from '../device.js';
import type { Attachment } from '../dma-buf/attachment.js';
import type { DmaBuf, Hold } from '../dma-buf/dma-buf.js';
import { type ReservedFence, USAGE, type Usage } from '../fence/reservation.js';
import type { Machine } from '../machine.js';
import { type Chapter, concerns, listChapter, type Moment, type Row } from './moment.js';

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

/** Those a device or a process has anything to do with: as exporter, importer or holder. */
export function buffersChapter(moment: Moment): Chapter {
  const rows: Row<BufferState>[] = [];
  const all = moment.devices.length === moment.machine.devices.length && moment.pid === 0;
  for (const object of moment.machine.dmaBufs) {
    if (all || isOf(object, moment)) {
      rows.push(note(object, moment.nowNs));
    }
  }
  const chapter = listChapter('buffers', rows);
  const bufferTotals = totals(moment.machine);
  return {
    ...chapter,
    open(page) {
      chapter.open(page);
      page.bufferTotals = bufferTotals;
    },
  };
}

function isOf({ exporter, attachments, holds }: DmaBuf, moment: Moment): boolean {
  const here = new Set(moment.devices.map(({ index }) => index));
  const { context } = exporter;
  const attached = [...attachments].map(({ importer }) => importer);
  return (
    (here.has(context.device.index) || attached.some(({ device }) => device !== undefined && here.has(device))) &&
    (concerns(moment, context.pid) ||
      attached.some(({ pid }) => pid === moment.pid) ||
      [...holds].some(({ pid }) => pid === moment.pid))
  );
}

/** As many as fit a frame, in the order of their ids, beginning with `from`. */
export function inspectBuffers(machine: Machine, from = 0): BuffersSnapshot {
  const buffers: BufferState[] = [];
  let bytes = 0;
  let next: number | null = null;
  for (const object of machine.dmaBufs) {
    if (object.id < from) {
      continue;
    }
    const state = note(object, machine.clock.nowNs())();
    bytes += JSON.stringify(state).length;
    if (bytes > PAGE_BYTES && buffers.length > 0) {
      next = object.id;
      break;
    }
    buffers.push(state);
  }
  return { schema: 'pedrera.bufs/1', buffers, next, totals: totals(machine) };
}

/** Copies what can change, in the form it is stored in. */
function note(object: DmaBuf, nowNs: number): Row<BufferState> {
  const { id, size, name, exporter, exporterAlive, refs, bornNs } = object;
  const importers = first(object.importers);
  const importerCount = object.importers.size;
  const attachments = first(object.attachments);
  const mapped = attachments.map((attachment) => attachment.mapped);
  const attachmentCount = object.attachments.size;
  const fences = object.reservation.entries().slice(0, LISTED).map(noteFence);
  const holds = [...object.holds];
  return () => ({
    id,
    kind: exporter.kind,
    size,
    name,
    exporter: {
      pid: exporter.context.pid,
      device: exporter.context.device.index,
      asid: exporter.context.asid,
      alive: exporterAlive,
      driver: exporter.name,
    },
    importers: importers.map(({ pid, device, asid, address }) => ({ pid, device, asid, address })),
    importerCount,
    attachments: attachments.map((attachment, i) => attachmentState(attachment, mapped[i] ?? 0)),
    attachmentCount,
    fences: fences.map((row) => row()),
    references: holders(holds),
    refs,
    ageMs: Math.round((nowNs - bornNs) / 1e6),
  });
}

function attachmentState(
  { importer, isDynamic, peer2peer }: Attachment,
  mapped: number,
): BufferState['attachments'][number] {
  return {
    pid: importer.pid,
    importer: importer.name,
    device: importer.device ?? null,
    dynamic: isDynamic,
    peer2peer,
    mapped,
  };
}

function first<T>(all: ReadonlySet<T>): T[] {
  if (all.size === 0) {
    return [];
  }
  const some = [...all];
  return some.length > LISTED ? some.slice(0, LISTED) : some;
}

function noteFence({ fence, usage }: ReservedFence): Row<BufferFence> {
  const { status } = fence;
  return () => ({
    name: fence.name,
    usage: USAGE_NAMES[usage],
    state: status === 0 ? 'pending' : status > 0 ? 'signalled' : 'failed',
    error: status < 0 ? (fence.errorCode ?? String(-status)) : null,
  });
}

/** One row for each kind of reference and process. */
export function holders(holds: Iterable<Pick<Hold, 'kind' | 'pid'>>): BufferHolder[] {
  const rows = new Map<string, BufferHolder>();
  for (const { kind, pid } of holds) {
    const key = `${kind} ${pid}`;
    const row = rows.get(key) ?? { holder: kind, pid, count: 0 };
    row.count++;
    rows.set(key, row);
  }
  return [...rows.values()];
}

/** Of the whole machine. */
function totals({ dmaBufs, devices }: Machine): BuffersSnapshot['totals'] {
  const ofMemory = new Map<number, number>();
  let attachments = 0;
  let references = 0;
  let pendingFences = 0;
  for (const object of dmaBufs) {
    attachments += object.attachments.size;
    references += object.refs;
    pendingFences += object.reservation.pending().length;
    const { kind, context } = object.exporter;
    if (kind === 'memory') {
      ofMemory.set(context.device.index, (ofMemory.get(context.device.index) ?? 0) + 1);
    }
  }
  return {
    buffers: dmaBufs.size,
    attachments,
    references,
    pendingFences,
    tokens: dmaBufs.tokenCount,
    devices: devices.map((device) => deviceTotals(device, ofMemory.get(device.index) ?? 0)),
  };
}

function deviceTotals({ index, memory, policy }: HlDevice, buffers: number): DeviceBufferTotals {
  const seen = { allocations: 0, allocatedBytes: 0, exportedBytes: 0, exports: 0 };
  for (const { size, exports } of memory.live) {
    seen.allocations++;
    seen.allocatedBytes += size;
    seen.exports += exports;
    seen.exportedBytes += exports > 0 ? size : 0;
  }
  return { device: index, usedBytes: policy.ownsDevice ? 0 : memory.used, buffers, ...seen };
}
