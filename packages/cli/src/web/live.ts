/**
 * What one browser is told of a look.
 *
 * Owns: which rows of what there is fit its view, and their order. Pure. Must not know: connections.
 */
import type { Snapshot } from '@pedrera/uapi';
import type { LiveClient, LiveDevice, LiveMemory, LiveMessage, Rows, ViewRequest } from '@pedrera/web';
import { chosenClients, INITIAL } from '../top/state.js';
import { bufferRows } from './live-buffers.js';
import { queueRows } from './live-queues.js';
import type { Look } from './looks.js';

const QUEUES = 25;
const CLIENTS = 15;
const BUFFERS = 12;
const OWNERS = 8;
const EVENTS = 200;

/** What the browser has already. */
export interface Known {
  readonly life: number;
  /** Of the last event and the last sample. */
  readonly event: number;
  readonly sampleNs: number;
}

export const NOTHING: Known = { life: 0, event: 0, sampleNs: 0 };

export function liveMessage(
  look: Look,
  { view, known, intervalMs }: { view: ViewRequest; known: Known; intervalMs: number },
): LiveMessage {
  const { snapshot, rates, samples, life } = look;
  const fresh = known.life !== life;
  const since = fresh ? NOTHING : known;
  const programs = programsOf(snapshot);
  const { engines } = rates;
  const blocked = queueRows(snapshot, view, programs);
  return {
    type: 'live',
    schema: 'pedrera.web/1',
    fresh,
    intervalMs,
    daemon: snapshot.daemon,
    devices: deviceRows(look),
    engines: engines
      .filter(({ used, device }) => used && (view.device === null || view.device === device))
      .map(({ device, name, hung }) => ({ device, name, hung })),
    samples: samples.filter(({ timeNs }) => timeNs > since.sampleNs),
    queues: { ...part(blocked.rows, view.queuesFrom, QUEUES), blocked: blocked.blocked },
    clients: part(clientRows(look, view), view.clientsFrom, CLIENTS),
    memory: memoryRows(snapshot, view.device),
    buffers: part(bufferRows(snapshot, view, programs), view.buffersFrom, BUFFERS),
    events: (snapshot.events ?? []).filter(({ number }) => number > since.event).slice(-EVENTS),
  };
}

export function knownAfter({ snapshot, samples, life }: Look): Known {
  const event = snapshot.events?.at(-1)?.number ?? 0;
  return { life, event, sampleNs: samples.at(-1)?.timeNs ?? 0 };
}

/** A list that has become shorter is shown from its last part. */
function part<Row>(rows: readonly Row[], from: number, size: number): Rows<Row> {
  const last = Math.max(0, Math.floor((rows.length - 1) / size) * size);
  const start = Math.min(last, Math.floor(from / size) * size);
  return { rows: rows.slice(start, start + size), from: start, total: rows.length };
}

function programsOf({ clients = [], memory }: Snapshot): ReadonlyMap<number, string> {
  const named = [...(memory?.owners ?? []), ...clients];
  return new Map(named.map(({ pid, program }) => [pid, program]));
}

function deviceRows({ snapshot, rates }: Look): LiveDevice[] {
  const byIndex = new Map(rates.devices.map((device) => [device.index, device]));
  return (snapshot.devices ?? []).map((device) => {
    const { index, name, status, lastReset, contexts, hbm, counters } = device;
    const { temperatureC, powerMw, maxPowerMw, utilizationPercent, resets } = device;
    const rate = byIndex.get(index);
    return {
      index,
      name,
      status,
      lastReset,
      contexts,
      hbm,
      temperatureC,
      powerMw,
      maxPowerMw,
      utilizationPercent,
      resets: resets.hard + resets.soft,
      submissionsPerS: rate?.submissionsPerS ?? 0,
      packetsPerS: rate?.packetsPerS ?? 0,
      dmaBytesPerS: rate?.dmaBytesPerS ?? 0,
      faults: counters.faults,
      failed: counters.failed,
      blockedStreams: rate?.blockedStreams ?? 0,
    };
  });
}

function clientRows({ rates }: Look, { device, filter, clientSort }: ViewRequest): LiveClient[] {
  return chosenClients(rates, { ...INITIAL, sort: clientSort, device, filter }).map((client) => {
    const { pid, program, node, asid, hbmBytes, hbmPercent, hostBytes, shares } = client;
    const { submissionsPerS, inFlight, blockedStreams, faults } = client;
    return {
      ...{ pid, program, node, asid, hbmBytes, hbmPercent, hostBytes, ...shares },
      ...{ submissionsPerS, inFlight, blockedStreams, faults },
    };
  });
}

function memoryRows({ memory, devices = [] }: Snapshot, only: number | null): LiveMemory[] {
  return devices
    .filter(({ index }) => only === null || index === only)
    .map(({ index, hbm }) => {
      const owners = (memory?.owners ?? [])
        .filter(({ device, hbmBytes }) => device === index && hbmBytes > 0)
        .sort((a, b) => b.hbmBytes - a.hbmBytes || a.pid - b.pid);
      const rest = owners.slice(OWNERS);
      return {
        device: index,
        ...hbm,
        owners: owners
          .slice(0, OWNERS)
          .map(({ pid, program, alive, hbmBytes }) => ({ pid, program, alive, bytes: hbmBytes })),
        otherBytes: rest.reduce((sum, { hbmBytes }) => sum + hbmBytes, 0),
        others: rest.length,
      };
    });
}
