/**
 * What happened between two snapshots.
 *
 * Owns: the document `pedrera.top/1`: rates and shares from differences. Pure. Must not know: how it is shown.
 */
import { type ClientState, type DeviceSection, type EngineTimes, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { contextKey, grown, hasTimes, NO_TIMES, timesByContext } from '../inspect/engine-times.js';

export const TOP_SECTIONS =
  SNAPSHOT_SECTION.DEVICES | SNAPSHOT_SECTION.ENGINES | SNAPSHOT_SECTION.CLIENTS | SNAPSHOT_SECTION.QUEUES;

export interface TopDocument {
  schema: 'pedrera.top/1';
  /** The daemon's CLOCK_MONOTONIC at the end of the period. */
  timeNs: number;
  periodMs: number;
  daemon: Snapshot['daemon'];
  devices: TopDevice[];
  engines: TopEngine[];
  clients: TopClient[];
}

/** Percent of the period. Of a client: of one engine, so that two busy engines make 200. */
export interface Shares {
  busy: number;
  waitSync: number;
  waitMemory: number;
}

export interface TopDevice {
  index: number;
  status: string;
  contexts: number;
  hbm: { used: number; total: number };
  submissionsPerS: number;
  completedPerS: number;
  failedPerS: number;
  packetsPerS: number;
  dmaBytesPerS: number;
  blockedStreams: number;
  faults: number;
}

export interface TopEngine {
  device: number;
  name: string;
  shares: Shares;
  hung: boolean;
  /** False when no context has ever used it. */
  used: boolean;
}

export interface TopClient {
  pid: number;
  program: string;
  node: string;
  device: number | null;
  asid: number | null;
  shares: Shares;
  hbmBytes: number;
  /** Of the device's memory, in percent. */
  hbmPercent: number;
  hostBytes: number;
  inFlight: number;
  submissionsPerS: number;
  faults: number;
  blockedStreams: number;
}

const NS_PER_MS = 1e6;

export function ratesBetween(before: Snapshot, after: Snapshot): TopDocument {
  const periodNs = Math.max(1, after.timeNs - before.timeNs);
  return {
    schema: 'pedrera.top/1',
    timeNs: after.timeNs,
    periodMs: periodNs / NS_PER_MS,
    daemon: after.daemon,
    devices: deviceRows(before, after, periodNs),
    engines: engineRows(before, after, periodNs),
    clients: clientRows(before, after, periodNs),
  };
}

function perSecond(count: number, periodNs: number): number {
  return (count * 1e9) / periodNs;
}

function deviceRows(before: Snapshot, after: Snapshot, periodNs: number): TopDevice[] {
  const old = new Map((before.devices ?? []).map((device) => [device.index, device.counters]));
  return (after.devices ?? []).map((device) => {
    const { index, status, contexts, hbm, counters } = device;
    const rate = (name: keyof DeviceSection['counters']) =>
      perSecond(grown(counters[name], old.get(index)?.[name] ?? counters[name]), periodNs);
    return {
      index,
      status,
      contexts,
      hbm,
      submissionsPerS: rate('submissions'),
      completedPerS: rate('completed'),
      failedPerS: rate('failed'),
      packetsPerS: rate('packets'),
      dmaBytesPerS: rate('dmaBytes'),
      blockedStreams: blocked(after, index, null),
      faults: counters.faults,
    };
  });
}

function blocked({ queues = [] }: Snapshot, device: number, asid: number | null): number {
  const own = queues.find(({ index }) => index === device)?.queues ?? [];
  return own.filter((queue) => queue.blockedOn !== null && (asid === null || queue.asid === asid)).length;
}

function sharesOf(now: EngineTimes, then: EngineTimes, periodNs: number): Shares {
  const percent = (name: keyof EngineTimes) => (grown(now[name], then[name]) * 100) / periodNs;
  return { busy: percent('busyNs'), waitSync: percent('waitSyncNs'), waitMemory: percent('waitMemoryNs') };
}

function engineRows(before: Snapshot, after: Snapshot, periodNs: number): TopEngine[] {
  const old = new Map((before.engines ?? []).map((engine) => [`${engine.device} ${engine.name}`, engine.times]));
  return (after.engines ?? []).map(({ device, name, times, hung, contexts }) => {
    // An engine that was not in the last look has no rate yet.
    const shares = sharesOf(times, old.get(`${device} ${name}`) ?? times, periodNs);
    const used = contexts.length > 0 || hasTimes(times);
    return { device, name, shares: capped(shares), hung, used };
  });
}

/** A period is measured by the daemon, its parts by the device: they may differ by a little. */
function capped({ busy, waitSync, waitMemory }: Shares): Shares {
  const scale = Math.min(1, 100 / Math.max(1, busy + waitSync + waitMemory));
  return { busy: busy * scale, waitSync: waitSync * scale, waitMemory: waitMemory * scale };
}

function clientRows(before: Snapshot, after: Snapshot, periodNs: number): TopClient[] {
  const totals = new Map((after.devices ?? []).map(({ index, hbm }) => [index, hbm.total]));
  const submitted = new Map((before.clients ?? []).map((client) => [clientKey(client), client.submitted]));
  const [now, then] = [timesByContext(after.engines), timesByContext(before.engines)];
  return (after.clients ?? []).map((client) => {
    const { pid, program, node, device, asid, memory, inFlight, faults } = client;
    const key = contextKey(device, asid);
    const total = device === null ? 0 : (totals.get(device) ?? 0);
    return {
      pid,
      program,
      node,
      device,
      asid,
      shares: sharesOf(now.get(key) ?? NO_TIMES, then.get(key) ?? NO_TIMES, periodNs),
      hbmBytes: memory.hbmBytes,
      hbmPercent: total === 0 ? 0 : (memory.hbmBytes * 100) / total,
      hostBytes: memory.hostBytes,
      inFlight,
      submissionsPerS: perSecond(grown(client.submitted, submitted.get(clientKey(client))), periodNs),
      faults,
      blockedStreams: device === null || asid === null ? 0 : blocked(after, device, asid),
    };
  });
}

function clientKey({ pid, node, asid }: ClientState): string {
  return `${pid} ${node} ${asid}`;
}
