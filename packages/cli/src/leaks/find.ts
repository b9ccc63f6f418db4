/**
 * What of a snapshot should not be alive any more, or looks like it.
 *
 * Owns: the document `pedrera.leaks/1` and the rules. A leak is what is left of a client that closed its file or died; a
 * suspicion is a guess, and says why. Must not know: how it is shown.
 */
import { type BufferState, type LiveObjectState, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { FORGOTTEN_MS } from '../inspect/buffers.js';
import { isUnfinished } from '../inspect/waits.js';
import { formatDuration, formatSize, plural } from '../text/units.js';

export const LEAKS_SECTIONS =
  SNAPSHOT_SECTION.OBJECTS | SNAPSHOT_SECTION.BUFFERS | SNAPSHOT_SECTION.SUBMISSIONS | SNAPSHOT_SECTION.CLIENTS;

/** A submission that takes so long. */
const LONG_WORK_MS = 30_000;
/** So many objects of one kind and one call, and still more of them. */
const PILE = { objects: 256, freshMs: 10_000 } as const;

export interface LeaksDocument {
  schema: 'pedrera.leaks/1';
  daemon: Snapshot['daemon'];
  /** Objects whose owner is gone. */
  leaked: LeakedObject[];
  /** Memory the leaks keep; what is exported or mapped several times counts once. */
  leakedBytes: number;
  suspicions: Suspicion[];
  owners: OwnerRow[];
  /** Everything alive, or everything of the process that was asked about. */
  objects: LiveObjectState[];
  /** Program of each process that is named, as far as known. */
  programs: { pid: number; program: string }[];
}

export interface LeakedObject extends LiveObjectState {
  /** `attachment of pid 4712 (relay)`. */
  keptBy: string[];
}

export interface Suspicion {
  rule: 'never imported' | 'piles up' | 'long work';
  pid: number;
  text: string;
  lookNext: string;
}

export interface OwnerRow {
  pid: number;
  program: string;
  alive: boolean;
  /** How many of each kind. */
  counts: Partial<Record<LiveObjectState['kind'], number>>;
  bytes: number;
  oldestMs: number;
}

export function findLeaks(snapshot: Snapshot, pid: number | undefined): LeaksDocument {
  const programs = programsOf(snapshot);
  const isAsked = (object: LiveObjectState) =>
    pid === undefined || object.pid === pid || object.holders.some((holder) => holder.pid === pid);
  const objects = (snapshot.objects ?? []).filter(isAsked);
  const leaked = objects
    .filter(({ ownerAlive }) => !ownerAlive)
    .map((object) => ({ ...object, keptBy: object.holders.map((holder) => holderText(holder, programs)) }))
    .sort((a, b) => a.pid - b.pid || b.ageMs - a.ageMs);
  const suspicions = [...neverImported(snapshot, programs), ...piles(objects), ...longWork(snapshot, programs)];
  const named = new Set(objects.flatMap((object) => [object.pid, ...object.holders.map((holder) => holder.pid)]));
  return {
    schema: 'pedrera.leaks/1',
    daemon: snapshot.daemon,
    leaked,
    leakedBytes: memoryOf(leaked),
    suspicions: suspicions.filter((suspicion) => pid === undefined || suspicion.pid === pid),
    owners: ownersOf(objects),
    objects,
    programs: [...programs].filter(([of]) => named.has(of)).map(([of, program]) => ({ pid: of, program })),
  };
}

function programsOf({ objects = [], clients = [] }: Snapshot): ReadonlyMap<number, string> {
  return new Map([...objects, ...clients].map(({ pid, program }) => [pid, program]));
}

function holderText({ holder, pid, count }: LiveObjectState['holders'][number], programs: ReadonlyMap<number, string>) {
  const what = count === 1 ? holder : `${count} ${holder}s`;
  if (pid === 0)
    return holder === 'handed-out' ? `${plural(count, 'descriptor')} handed to the operating system` : what;
  const program = programs.get(pid);
  return `${what} of pid ${pid}${program ? ` (${program})` : ''}`;
}

/** Memory that exists once: exports and mappings of it are not more memory. */
function memoryOf(objects: readonly LiveObjectState[]): number {
  const sum = (...kinds: LiveObjectState['kind'][]) =>
    objects.reduce((total, { kind, bytes }) => total + (kinds.includes(kind) ? bytes : 0), 0);
  const own = sum('allocation', 'host buffer', 'command buffer');
  return own === 0 ? sum('dma-buf') : own;
}

function ownersOf(objects: readonly LiveObjectState[]): OwnerRow[] {
  const rows = new Map<string, { row: OwnerRow; own: LiveObjectState[] }>();
  for (const object of objects) {
    const { pid, program, ownerAlive: alive, kind, ageMs } = object;
    const key = `${pid} ${alive}`;
    const entry = rows.get(key) ?? { row: { pid, program, alive, counts: {}, bytes: 0, oldestMs: 0 }, own: [] };
    rows.set(key, entry);
    entry.own.push(object);
    entry.row.counts[kind] = (entry.row.counts[kind] ?? 0) + 1;
    entry.row.oldestMs = Math.max(entry.row.oldestMs, ageMs);
  }
  const filled = [...rows.values()].map(({ row, own }) => ({ ...row, bytes: memoryOf(own) }));
  return filled.sort((a, b) => Number(a.alive) - Number(b.alive) || b.bytes - a.bytes || a.pid - b.pid);
}

function neverImported({ buffers = [] }: Snapshot, programs: ReadonlyMap<number, string>): Suspicion[] {
  const isUnused = ({ exporter, attachmentCount, importerCount, ageMs }: BufferState) =>
    exporter.alive && attachmentCount === 0 && importerCount === 0 && ageMs >= FORGOTTEN_MS;
  return buffers.filter(isUnused).map(({ id, size, ageMs, exporter: { pid } }) => ({
    rule: 'never imported',
    pid,
    text: `pid ${pid} ${programs.get(pid) ?? ''} exported dma-buf ${id} (${formatSize(size)}) ${formatDuration(ageMs)} ago, and nobody has it imported`,
    lookNext: 'pedrera bufs',
  }));
}

/** The same call made many, some of them just now: it will go on. */
function piles(objects: readonly LiveObjectState[]): Suspicion[] {
  const groups = new Map<string, LiveObjectState[]>();
  for (const object of objects) {
    const { pid, kind, born, ownerAlive } = object;
    if (!ownerAlive) continue;
    const key = `${pid} ${kind} ${born?.replace(/,.*/, '') ?? ''}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [object]);
    else group.push(object);
  }
  return [...groups.values()].flatMap((group): Suspicion[] => {
    const first = group[0] as LiveObjectState;
    const ages = group.map(({ ageMs }) => ageMs);
    const youngest = ages.reduce((a, b) => Math.min(a, b));
    const oldest = ages.reduce((a, b) => Math.max(a, b));
    if (group.length < PILE.objects || youngest > PILE.freshMs || oldest <= PILE.freshMs) return [];
    const { pid, program, kind, born } = first;
    const by = born === null ? '' : `, all of them made by ${born.replace(/,.*/, '')}`;
    const count = plural(group.length, kind, kind === 'signals' ? kind : `${kind}s`);
    return [
      {
        rule: 'piles up',
        pid,
        text: `pid ${pid} ${program} has ${count}${by}, the oldest ${formatDuration(oldest)} old, the newest ${formatDuration(youngest)}: they pile up`,
        lookNext: `pedrera leaks --pid ${pid} --all`,
      },
    ];
  });
}

function longWork({ submissions = [] }: Snapshot, programs: ReadonlyMap<number, string>): Suspicion[] {
  const long = submissions.filter((row) => isUnfinished(row) && row.ageMs >= LONG_WORK_MS);
  return long.map(({ pid, seq, device, ageMs }) => ({
    rule: 'long work',
    pid,
    text: `submission ${seq} of pid ${pid} ${programs.get(pid) ?? ''} on device ${device} is unfinished after ${formatDuration(ageMs)} and keeps its memory`,
    lookNext: `pedrera why pid:${pid}`,
  }));
}
