/**
 * `pedrera engines`: how busy each engine is, and what it waits for.
 *
 * Owns: the document `pedrera.engines/1` and its text form. Must not know: how a device keeps its times.
 */
import { type EngineSection, type EngineTimes, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import type { Style } from '../text/style.js';
import { type Column, tableLines } from '../text/table.js';
import { formatDuration, plural } from '../text/units.js';
import type { Inspection } from './inspection.js';

export interface EnginesDocument {
  schema: 'pedrera.engines/1';
  /** What `shares` are of, with --watch from the second look on; null on the first, which has sums only. */
  periodMs: number | null;
  engines: EngineRow[];
  /** Engines that have never been used. */
  unused: number;
}

export interface EngineRow extends EngineSection {
  shares: Shares | null;
}

/** Of the period, from 0 to 1. */
interface Shares {
  busy: number;
  waitSync: number;
  waitMemory: number;
}

interface EngineOptions {
  readonly device: number | undefined;
  readonly pid: number | undefined;
  readonly all: boolean;
}

interface Line {
  readonly device: string;
  readonly name: string;
  readonly state: string;
  readonly who: string;
  readonly times: EngineTimes;
  readonly shares: Shares | null;
}

const NS_PER_MS = 1e6;
const BAR = 20;

const HEAD: readonly Column<Line>[] = [
  { title: 'DEV', align: 'right', value: ({ device }) => device },
  { title: 'ENGINE', value: ({ name }) => name },
  { title: 'STATE', value: ({ state }) => state },
];
const SUMS: readonly Column<Line>[] = [
  ...HEAD,
  { title: 'BUSY', align: 'right', value: ({ times }) => formatDuration(times.busyNs / NS_PER_MS) },
  { title: 'WAIT SYNC', align: 'right', value: ({ times }) => formatDuration(times.waitSyncNs / NS_PER_MS) },
  { title: 'WAIT MEM', align: 'right', value: ({ times }) => formatDuration(times.waitMemoryNs / NS_PER_MS) },
  { title: 'USED BY', shrink: true, value: ({ who }) => who },
];
const SHARES: readonly Column<Line>[] = [
  ...HEAD,
  { title: 'BUSY', align: 'right', value: ({ shares }) => percent(shares?.busy) },
  { title: '', optional: true, value: ({ shares }) => bar(shares?.busy ?? 0) },
  { title: 'WAIT SYNC', align: 'right', value: ({ shares }) => percent(shares?.waitSync) },
  { title: 'WAIT MEM', align: 'right', value: ({ shares }) => percent(shares?.waitMemory) },
  { title: 'USED BY', shrink: true, value: ({ who }) => who },
];

/** Keeps the last look: the difference of two is a rate. */
export function enginesInspection(options: EngineOptions): Inspection<EnginesDocument> {
  let previous: Snapshot | undefined;
  return {
    fetch: async (session) => {
      const { device } = options;
      const scope = device === undefined ? {} : { device };
      const snapshot = await session.inspect({ sections: SNAPSHOT_SECTION.ENGINES, ...scope });
      const document = enginesDocument(snapshot, previous, options);
      previous = snapshot;
      return document;
    },
    render: renderEngines,
  };
}

export function enginesDocument(
  snapshot: Snapshot,
  previous: Snapshot | undefined,
  { device, pid, all }: EngineOptions,
): EnginesDocument {
  const periodNs = previous === undefined ? 0 : snapshot.timeNs - previous.timeNs;
  const engines = (snapshot.engines ?? []).filter((engine) => device === undefined || engine.device === device);
  const wanted = engines
    .map((engine) => (pid === undefined ? engine : onlyOf(engine, pid)))
    .filter((engine) => all || isUsed(engine));
  const rows = wanted.map((engine) => {
    const before = previous?.engines?.find(({ device, name }) => device === engine.device && name === engine.name);
    const earlier = before === undefined || pid === undefined ? before : onlyOf(before, pid);
    return { ...engine, shares: periodNs > 0 ? sharesOf(engine.times, earlier?.times, periodNs) : null };
  });
  return {
    schema: 'pedrera.engines/1',
    periodMs: periodNs > 0 ? periodNs / NS_PER_MS : null,
    engines: rows,
    unused: engines.filter((engine) => !isUsed(engine)).length,
  };
}

/** The engine as if nobody else used it. */
function onlyOf(engine: EngineSection, pid: number): EngineSection {
  const contexts = engine.contexts.filter((context) => context.pid === pid);
  const sum = (field: keyof EngineTimes) => contexts.reduce((total, { times }) => total + times[field], 0);
  const times = { busyNs: sum('busyNs'), waitSyncNs: sum('waitSyncNs'), waitMemoryNs: sum('waitMemoryNs') };
  return { ...engine, times, contexts };
}

function isUsed({ busy, hung, times, contexts }: EngineSection): boolean {
  return busy || hung || contexts.length > 0 || times.busyNs + times.waitSyncNs + times.waitMemoryNs > 0;
}

/** A reset sets the sums back: what is smaller than before has begun anew. */
function sharesOf(now: EngineTimes, before: EngineTimes | undefined, periodNs: number): Shares {
  const share = (field: keyof EngineTimes) => {
    const earlier = before?.[field] ?? 0;
    const spent = now[field] < earlier ? now[field] : now[field] - earlier;
    return Math.min(1, spent / periodNs);
  };
  return { busy: share('busyNs'), waitSync: share('waitSyncNs'), waitMemory: share('waitMemoryNs') };
}

export function renderEngines({ periodMs, engines, unused }: EnginesDocument, style: Style): string {
  const rest = unused === 0 ? [] : [style.dim(`${plural(unused, 'engine')} never used (--all)`)];
  if (engines.length === 0) return ['no engine has been used', ...rest].join('\n');
  const lines = engines.map(lineOf);
  const [titles, ...rows] = tableLines(lines, periodMs === null ? SUMS : SHARES, style.width);
  const painted = rows.map((row, i) => (engines[i]?.hung === true ? style.red(row) : row));
  const what =
    periodMs === null ? 'sums since power-on; shares: --watch' : `shares of the last ${formatDuration(periodMs)}`;
  return [style.dim(titles ?? ''), ...painted, '', style.dim(what), ...rest].join('\n');
}

function lineOf({ device, name, busy, hung, times, shares, contexts }: EngineRow): Line {
  const pids = contexts.map(({ pid, asid }) => `${pid} (ASID ${asid})`);
  return {
    device: String(device),
    name,
    state: hung ? 'hung' : busy ? 'active' : 'idle',
    who: pids.join(', ') || '-',
    times,
    shares,
  };
}

function percent(share: number | undefined): string {
  return `${((share ?? 0) * 100).toFixed(1)}%`;
}

function bar(share: number): string {
  const full = Math.round(share * BAR);
  return `|${'#'.repeat(full)}${'.'.repeat(BAR - full)}|`;
}
