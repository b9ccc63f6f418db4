/**
 * OBJECTS: every live object of the kernel that a client is answerable for, with owner, age, birth and holders.
 *
 * Owns: which objects those are, and what keeps each. Reads only; must not change anything. There may be ten thousand: what is
 * noted of each is its own reference and numbers.
 */
import type { LiveObjectState, ObjectHolder } from '@pedrera/uapi';
import { type Birth, birthText } from '../caller.js';
import { CommandBuffer, HostBuffer, type HostObject } from '../command-buffer.js';
import type { Context } from '../context.js';
import type { HlDevice } from '../device.js';
import type { Allocation } from '../device-memory.js';
import type { DmaBuf, Hold } from '../dma-buf/dma-buf.js';
import type { Reservation } from '../encapsulated-signals.js';
import { SyncFile } from '../fence/sync-file.js';
import type { LiveMapping } from '../mapping.js';
import type { Submission } from '../submission.js';
import { holders } from './buffers.js';
import { openContexts } from './memory.js';
import {
  type Chapter,
  concerns,
  type HeldObject,
  listChapter,
  type Moment,
  milliseconds,
  Notes,
  type OpenedFile,
  packCounts,
  unpackCounts,
} from './moment.js';

/** What many rows have in common. */
interface Owner {
  readonly moment: Moment;
  readonly device: number | null;
  readonly pid: number;
  readonly alive: boolean;
}

type Rows = Notes<LiveObjectState>;
type HolderKind = ObjectHolder['holder'];

/** Of one context: of a queue that is full they say nothing new. */
const MOST_SUBMISSIONS = 64;
const MAPPED = 1;
const DESTROYED = 2;

export function objectsChapter(moment: Moment): Chapter {
  const rows: Rows = new Notes();
  noteFiles(rows, moment);
  const dmaBufs = [...moment.machine.dmaBufs];
  const exports = exportsOf(dmaBufs);
  for (const device of moment.devices) {
    const owners = new Map<object, Owner>();
    const commandBuffers = noteHostObjects(rows, device, moment);
    const open = openContexts(device);
    for (const context of device.contexts) {
      const { pid } = context;
      const owner = { moment, device: device.index, pid, alive: open.has(context) };
      owners.set(context, owner);
      if (concerns(moment, pid)) {
        noteContext(rows, context, owner, {
          commandBuffers: commandBuffers.get(context) ?? 0,
          exports,
        });
      }
    }
    noteAllocations(rows, device, owners, moment);
  }
  noteBuffers(rows, moment, dmaBufs);
  noteSyncFiles(rows, moment);
  // Who holds a buffer is counted by process, and few processes hold one.
  return listChapter('objects', rows, { light: true });
}

interface Shown {
  readonly kind: LiveObjectState['kind'];
  readonly id: string;
  readonly bytes: number;
  readonly birth: Birth | undefined;
  readonly holders: ObjectHolder[];
}

function shown(
  { moment, device, pid, alive }: Owner,
  { kind, id, bytes, birth, holders: keepers }: Shown,
): LiveObjectState {
  return {
    kind,
    id,
    device,
    pid,
    program: moment.books.programOf(pid),
    ownerAlive: alive,
    bytes,
    ageMs: birth === undefined || birth.atNs === 0 ? 0 : milliseconds(moment.nowNs - birth.atNs),
    born: birth === undefined ? null : birthText(birth.call),
    holders: keepers,
  };
}

/** One for each count that is not 0. */
function held({ pid }: Owner, ...counts: readonly (readonly [HolderKind, number])[]): ObjectHolder[] {
  const keepers: ObjectHolder[] = [];
  for (const [holder, count] of counts) {
    if (count > 0) {
      keepers.push({ holder, pid, count });
    }
  }
  return keepers;
}

function noteFiles(rows: Rows, moment: Moment): void {
  const here = new Set(moment.devices.map(({ index }) => index));
  for (const file of moment.books.files()) {
    const { pid, device } = file;
    if (concerns(moment, pid) && (device === null || here.has(device))) {
      rows.add(showFile, { moment, device, pid, alive: true }, file);
    }
  }
}

function showFile({ node, birth }: OpenedFile, owner: Owner): LiveObjectState {
  return shown(owner, { kind: 'file', id: node, bytes: 0, birth, holders: held(owner, ['process', 1]) });
}

/** Those of open files. Returns how many command buffers each context has. */
function noteHostObjects(rows: Rows, device: HlDevice, moment: Moment): ReadonlyMap<Context, number> {
  const counts = new Map<Context, number>();
  for (const { context, handles, hostBuffers } of device.files) {
    const pid = context?.pid ?? 0;
    if (!concerns(moment, pid)) {
      continue;
    }
    const owner = { moment, device: device.index, pid, alive: true };
    let commandBuffers = 0;
    for (const object of handles.values()) {
      commandBuffers += object instanceof CommandBuffer ? 1 : 0;
      noteHostObject(rows, object, owner);
    }
    for (const object of hostBuffers.values()) {
      noteHostObject(rows, object, owner);
    }
    if (context !== undefined) {
      counts.set(context, commandBuffers);
    }
  }
  return counts;
}

function noteHostObject(rows: Rows, object: HostObject, owner: Owner): void {
  rows.add(
    showHostObject,
    owner,
    object,
    packCounts(object.refs, (object.mapped ? MAPPED : 0) + (object.destroyed ? DESTROYED : 0)),
  );
}

/** What is left beside handle and mapping are the device's mappings, dma-bufs, and calls under way. */
function showHostObject(object: HostObject, owner: Owner, counts: number): LiveObjectState {
  const [refs, bits] = unpackCounts(counts);
  const other = object instanceof CommandBuffer ? 'command buffer' : 'timestamp buffer';
  const handle = (bits & DESTROYED) !== 0 ? 0 : 1;
  const mapped = (bits & MAPPED) !== 0 ? 1 : 0;
  return shown(owner, {
    kind: object instanceof HostBuffer ? 'host buffer' : other,
    id: String(object.id),
    bytes: object.range.length,
    birth: object.birth,
    holders: held(owner, ['handle', handle], ['mapping', mapped], ['use', refs - handle - mapped]),
  });
}

/** Of some context; gone through only where a context's file is closed, or to put its row into words. */
function exportsOf(exported: readonly DmaBuf[]): (context: Context) => readonly DmaBuf[] {
  let found: Map<Context, DmaBuf[]> | undefined;
  return (context) => {
    if (found === undefined) {
      found = new Map();
      for (const object of exported) {
        const own = found.get(object.exporter.context) ?? [];
        found.set(object.exporter.context, own);
        own.push(object);
      }
    }
    return found.get(context) ?? [];
  };
}

interface Keepers {
  readonly commandBuffers: number;
  readonly work: number;
  readonly refs: number;
  readonly exports: (context: Context) => readonly DmaBuf[];
}

interface NotedContext extends Keepers {
  readonly context: Context;
}

function noteContext(
  rows: Rows,
  context: Context,
  owner: Owner,
  { commandBuffers, exports }: Omit<Keepers, 'work' | 'refs'>,
): void {
  const work = context.unfinished + (context.deferred?.size ?? 0);
  const noted: NotedContext = { context, commandBuffers, work, refs: context.refs, exports };
  rows.add(showContext, owner, noted);
  for (const mapping of context.addressSpace.mappings()) {
    rows.add(showMapping, owner, mapping);
  }
  if (work > 0) {
    noteSubmissions(rows, context, owner);
  }
  for (const reservation of context.reservations) {
    rows.add(showSignals, owner, reservation, reservation.refs);
  }
  // Of a file that is closed, these keep their host buffers.
  for (const buffer of owner.alive ? [] : new Set(exports(context).map(({ exporter }) => exporter.hostBuffer))) {
    if (buffer !== undefined) {
      noteHostObject(rows, buffer, owner);
    }
  }
}

/** By what the queues hold, and is held back: to go through all numbers of a context may take long. */
function noteSubmissions(rows: Rows, context: Context, owner: Owner): void {
  const found = new Set<Submission>();
  for (const queue of context.usedQueues) {
    for (const { submission } of queue.liveJobs()) {
      if (found.size === MOST_SUBMISSIONS) {
        break;
      }
      found.add(submission);
    }
  }
  for (const { submission } of context.deferred ?? []) {
    if (found.size === MOST_SUBMISSIONS) {
      break;
    }
    found.add(submission);
  }
  for (const submission of found) {
    rows.add(showSubmission, owner, submission, packCounts(submission.jobsLeft, submission.waiters?.length ?? 0));
  }
}

function showContext({ context, commandBuffers, work, refs, exports }: NotedContext, owner: Owner): LiveObjectState {
  const { asid, birth } = context;
  const file = owner.alive ? 1 : 0;
  const exported = exports(context).length;
  const keepers = held(
    owner,
    ['file', file],
    ['command buffer', commandBuffers],
    ['submission', work],
    ['dma-buf', exported],
    ['use', refs - file - commandBuffers - work - exported],
  );
  return shown(owner, { kind: 'context', id: String(asid), bytes: 0, birth, holders: keepers });
}

function showMapping({ va, size: bytes, birth }: LiveMapping, owner: Owner): LiveObjectState {
  return shown(owner, {
    kind: 'mapping',
    id: `0x${va.toString(16)}`,
    bytes,
    birth,
    holders: held(owner, ['context', 1]),
  });
}

function showSubmission({ seq, submittedNs: atNs }: Submission, owner: Owner, counts: number): LiveObjectState {
  const [jobs, calls] = unpackCounts(counts);
  const keepers = held(owner, ['job', jobs], ['call', calls]);
  return shown(owner, { kind: 'submission', id: String(seq), bytes: 0, birth: { atNs, call: 0 }, holders: keepers });
}

function showSignals({ id }: Reservation, owner: Owner, refs: number): LiveObjectState {
  return shown(owner, {
    kind: 'signals',
    id: String(id),
    bytes: 0,
    birth: undefined,
    holders: held(owner, ['use', refs]),
  });
}

function noteAllocations(rows: Rows, device: HlDevice, owners: ReadonlyMap<object, Owner>, moment: Moment): void {
  for (const allocation of device.memory.live) {
    const { owner: maker, mappings, exports, forgotten } = allocation;
    const pid = maker?.pid ?? 0;
    if (concerns(moment, pid)) {
      const known = maker === undefined ? undefined : owners.get(maker);
      const owner = known ?? { moment, device: device.index, pid, alive: false };
      rows.add(showAllocation, owner, allocation, packCounts(mappings, 2 * exports + (forgotten ? 0 : 1)));
    }
  }
}

function showAllocation({ handle, size, birth }: Allocation, owner: Owner, counts: number): LiveObjectState {
  const [mappings, rest] = unpackCounts(counts);
  const handles = rest % 2;
  const exports = (rest - handles) / 2;
  const keepers = held(owner, ['handle', handles], ['device mapping', mappings], ['dma-buf', exports]);
  return shown(owner, { kind: 'allocation', id: String(handle), bytes: size, birth, holders: keepers });
}

function noteBuffers(rows: Rows, moment: Moment, dmaBufs: readonly DmaBuf[]): void {
  const here = new Set(moment.devices.map(({ index }) => index));
  for (const object of dmaBufs) {
    const { device, pid } = object.exporter.context;
    if (concerns(moment, pid) && here.has(device.index)) {
      rows.add(showBuffer, moment, { object, holds: [...object.holds] }, object.exporterAlive ? 1 : 0);
    }
  }
}

function showBuffer(
  { object, holds }: { readonly object: DmaBuf; readonly holds: readonly Hold[] },
  moment: Moment,
  alive: number,
): LiveObjectState {
  const { id, size, bornNs: atNs, birth, exporter } = object;
  const { device, pid } = exporter.context;
  return shown(
    { moment, device: device.index, pid, alive: alive === 1 },
    { kind: 'dma-buf', id: String(id), bytes: size, birth: { atNs, call: birth?.call ?? 0 }, holders: holders(holds) },
  );
}

/** They are known by those who have descriptors of them only. */
function noteSyncFiles(rows: Rows, moment: Moment): void {
  const here = new Set(moment.devices.map(({ index }) => index));
  const files = new Map<SyncFile, HeldObject[]>();
  for (const one of moment.books.descriptors()) {
    if (one.object instanceof SyncFile) {
      const others = files.get(one.object);
      if (others === undefined) {
        files.set(one.object, [one]);
      } else {
        others.push(one);
      }
    }
  }
  for (const [file, keepers] of files) {
    const { pid, device } = keepers[0] as HeldObject;
    if (concerns(moment, pid) && (device === null || here.has(device))) {
      const alive = keepers.some(({ holder }) => holder === 'descriptor');
      rows.add(showSyncFile, { owner: { moment, device, pid, alive }, keepers }, file);
    }
  }
}

function showSyncFile(
  { name, birth }: SyncFile,
  { owner, keepers }: { readonly owner: Owner; readonly keepers: readonly HeldObject[] },
): LiveObjectState {
  const own = holders(keepers.map(({ holder: kind, pid }) => ({ kind, pid })));
  return shown(owner, { kind: 'sync file', id: name, bytes: 0, birth, holders: own });
}
