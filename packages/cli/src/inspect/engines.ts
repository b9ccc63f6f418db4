/**
 * `pedrera engines`: how busy each engine is, and what it waits for.
 *
 * Owns: the document `pedrera.engines/1` and its text form. Must not know: how a device keeps its times.
 */
import { type EngineSection, type EngineTimes, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import type { Style } from '../text/style.js';
import { type Column, drawTable } from '../text/table.js';
import { formatDuration, plural } from '../text/units.js';
import { grown, hasTimes, sumOfTimes } from './engine-times.js';
import type { Inspection } from './inspection.js';
import type { Scope } from './rows.js';

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

interface EngineOptions extends Scope {
  readonly all: boolean;
}

const NS_PER_MS = 1e6;
const BAR = 20;

const HEAD: readonly Column<EngineRow>[] = [
  { title: 'DEV', align: 'right', value: ({ device }) => String(device) },
  { title: 'ENGINE', value: ({ name }) => name },
  { title: 'STATE', value: ({ hung, busy }) => (hung ? 'hung' : busy ? 'active' : 'idle') },
];
const SUMS: readonly Column<EngineRow>[] = [
  ...HEAD,
  { title: 'BUSY', align: 'right', value: ({ times }) => formatDuration(times.busyNs / NS_PER_MS) },
  { title: 'WAIT SYNC', align: 'right', value: ({ times }) => formatDuration(times.waitSyncNs / NS_PER_MS) },
  { title: 'WAIT MEM', align: 'right', value: ({ times }) => formatDuration(times.waitMemoryNs / NS_PER_MS) },
  { title: 'USED BY', shrink: true, value: usersText },
];
const SHARES: readonly Column<EngineRow>[] = [
  ...HEAD,
  { title: 'BUSY', align: 'right', value: ({ shares }) => percent(shares?.busy) },
  { title: '', optional: true, value: ({ shares }) => bar(shares?.busy ?? 0) },
  { title: 'WAIT SYNC', align: 'right', value: ({ shares }) => percent(shares?.waitSync) },
  { title: 'WAIT MEM', align: 'right', value: ({ shares }) => percent(shares?.waitMemory) },
  { title: 'USED BY', shrink: true, value: usersText },
];

/** Keeps the last look: the difference of two is a rate. */
export function enginesInspection(options: EngineOptions): Inspection<EnginesDocument> {
  let previous: Snapshot | undefined;
  return {
    fetch: async (session) => {
      const { device } = options;
      const snapshot = await session.inspect({ sections: SNAPSHOT_SECTION.ENGINES, device });
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
  return { ...engine, times: sumOfTimes(contexts.map(({ times }) => times)), contexts };
}

function isUsed({ busy, hung, times, contexts }: EngineSection): boolean {
  return busy || hung || contexts.length > 0 || hasTimes(times);
}

function sharesOf(now: EngineTimes, before: EngineTimes | undefined, periodNs: number): Shares {
  const share = (field: keyof EngineTimes) => Math.min(1, grown(now[field], before?.[field]) / periodNs);
  return { busy: share('busyNs'), waitSync: share('waitSyncNs'), waitMemory: share('waitMemoryNs') };
}

export function renderEngines({ periodMs, engines, unused }: EnginesDocument, style: Style): string {
  const rest = unused === 0 ? [] : [style.dim(`${plural(unused, 'engine')} never used (--all)`)];
  if (engines.length === 0) return ['no engine has been used', ...rest].join('\n');
  const table = drawTable(engines, periodMs === null ? SUMS : SHARES, style, (line, { hung }) => {
    return hung ? style.red(line) : line;
  });
  const what =
    periodMs === null ? 'sums since power-on; shares: --watch' : `shares of the last ${formatDuration(periodMs)}`;
  return [...table, '', style.dim(what), ...rest].join('\n');
}

function usersText({ contexts }: EngineRow): string {
  return contexts.map(({ pid, asid }) => `${pid} (ASID ${asid})`).join(', ') || '-';
}

function percent(share: number | undefined): string {
  return `${((share ?? 0) * 100).toFixed(1)}%`;
}

function bar(share: number): string {
  const full = Math.round(share * BAR);
  return `|${'#'.repeat(full)}${'.'.repeat(BAR - full)}|`;
}
