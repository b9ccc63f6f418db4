/** Read-only views for the debug CLI. */
import { errno } from '@pedrera/base';
import { DRAM_USER_SIZE } from '@pedrera/hw';
import { type ClientState, type Handlers, PROTOCOL_VERSION } from '@pedrera/uapi';
import { inspectQueues } from '../../core/inspect.js';
import { inspectBuffers } from '../../core/inspect-buffers.js';
import type { OpenFile } from '../../core/open-file.js';
import type { ImporterFile } from '../../core/rdma/importer-file.js';
import { BUILD } from '../build.js';
import type { Session } from '../session.js';

type InspectCalls = Pick<Handlers<Session>, Extract<keyof Handlers<Session>, `INSPECT_${string}`>>;

const ALL_DEVICES = -1;

export const INSPECT_HANDLERS: InspectCalls = {
  async INSPECT_QUEUES(session, { device: index }) {
    const { devices } = session.machine;
    const chosen = index === ALL_DEVICES ? devices : devices.filter((device) => device.index === index);
    if (chosen.length === 0) {
      throw errno('ENXIO', `there is no device ${index}; this machine has ${devices.length}`);
    }
    return { snapshot: { schema: 'pedrera.queues/1', devices: await Promise.all(chosen.map(inspectQueues)) } };
  },

  INSPECT_CLIENTS(session) {
    const clients: ClientState[] = [];
    for (const other of session.table) {
      if (other.file !== undefined) {
        clients.push(clientState(other, other.file));
      } else if (other.importer !== undefined) {
        clients.push(importerState(other, other.importer));
      }
    }
    return { snapshot: { schema: 'pedrera.ps/1', clients } };
  },

  INSPECT_BUFFERS(session, { from }) {
    for (const device of session.machine.devices) {
      device.drainInterrupts();
    }
    return { snapshot: inspectBuffers(session.machine, from) };
  },

  INSPECT_DAEMON(session) {
    const { machine, table } = session;
    return {
      snapshot: {
        schema: 'pedrera.daemon/1',
        pid: process.pid,
        socket: table.socketPath,
        policy: machine.policy.name,
        build: BUILD,
        protocolVersion: PROTOCOL_VERSION,
        uptimeMs: Math.round((machine.clock.nowNs() - machine.startedNs) / 1e6),
        residentBytes: process.memoryUsage.rss(),
        objects: machine.tracker.counts(),
        refused: Object.fromEntries(table.refused),
        collapsesRepeatedDma: machine.settings.collapseRepeatedDma,
        devices: machine.devices.map((device) => ({
          index: device.index,
          status: device.status,
          contexts: device.contextCount,
          hbm: { total: DRAM_USER_SIZE, used: Math.max(0, device.hbmUsed) },
          resets: { hard: device.hardResets, soft: 0 },
        })),
      },
    };
  },
};

function importerState(session: Session, file: ImporterFile): ClientState {
  return {
    pid: session.peer.pid,
    program: session.program,
    node: session.nodeName,
    device: null,
    asid: null,
    memory: { hbmBytes: 0, hostBytes: 0, mappedBytes: [...file.regions()].reduce((sum, { size }) => sum + size, 0) },
    handles: { commandBuffers: 0, hostBuffers: 0, dmaBufs: file.descriptors.size },
    inFlight: file.transfers.inFlight,
    submitted: file.transfers.posted,
    faults: 0,
    requests: session.requests,
    connectedMs: Math.round((session.machine.clock.nowNs() - session.connectedNs) / 1e6),
  };
}

function clientState(session: Session, file: OpenFile): ClientState {
  const { context } = file;
  const hostBuffers = file.hostBuffers.size;
  return {
    pid: session.peer.pid,
    program: session.program,
    node: session.nodeName,
    device: file.device.index,
    asid: context?.asid ?? null,
    memory: {
      hbmBytes: Math.max(0, context?.dramUsed ?? 0),
      hostBytes: file.hostMemory.allocated,
      mappedBytes: context?.addressSpace.mappedBytes ?? 0,
    },
    handles: {
      commandBuffers: file.handles.size,
      hostBuffers,
      dmaBufs: file.descriptors.size,
    },
    inFlight: (context?.unfinished ?? 0) + (context?.deferred?.size ?? 0),
    submitted: context?.submitted ?? 0,
    faults: context?.faults ?? 0,
    requests: session.requests,
    connectedMs: Math.round((file.device.clock.nowNs() - session.connectedNs) / 1e6),
  };
}
