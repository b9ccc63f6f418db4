/**
 * What inspection learns from the connections: clients, the calls that are not answered yet, who holds which sync file.
 *
 * Owns: those rows. Reads only; must not change anything.
 */
import type { CallState, ClientState, DaemonSection } from '@pedrera/uapi';
import type { AwaitedThing, CallWait } from '../core/caller.js';
import { noteTarget } from '../core/inspect/calls.js';
import { type ClientBooks, milliseconds, type Row } from '../core/inspect/moment.js';
import type { OpenFile } from '../core/open-file.js';
import type { ImporterFile } from '../core/rdma/importer-file.js';
import { BUILD } from './build.js';
import type { Session } from './session.js';
import type { SessionTable } from './session-table.js';

export function booksOf(table: SessionTable): ClientBooks {
  return {
    clients: (pid) => {
      const rows: Row<ClientState>[] = [];
      for (const session of table) {
        if (pid === 0 || pid === session.peer.pid) {
          if (session.file !== undefined) {
            rows.push(clientRow(session, session.file));
          } else if (session.importer !== undefined) {
            rows.push(importerRow(session, session.importer));
          }
        }
      }
      return rows;
    },
    calls: (pid) => {
      const rows: Row<CallState>[] = [];
      for (const session of table) {
        if (pid === 0 || pid === session.peer.pid) {
          for (const call of session.calls) {
            // Whoever looks sees the others, not the look.
            if (!call.name.startsWith('INSPECT_')) {
              rows.push(callRow(session, call));
            }
          }
        }
      }
      return rows;
    },
    programOf: (pid) => table.programOf(pid),
    knows: (pid) => table.knows(pid),
    descriptors: () => descriptors(table),
    files: () => files(table),
  };
}

export function daemonSection({ machine, socketPath, size }: SessionTable): DaemonSection {
  return {
    pid: process.pid,
    socket: socketPath,
    policy: machine.policy.name,
    build: BUILD,
    uptimeMs: Math.round((machine.clock.nowNs() - machine.startedNs) / 1e6),
    devices: machine.devices.length,
    clients: size,
    tracing: machine.trace.kinds !== 0,
    armedFaults: machine.faults.size,
  };
}

function importerRow(session: Session, file: ImporterFile): Row<ClientState> {
  const nowNs = session.machine.clock.nowNs();
  const { requests } = session;
  const dmaBufs = file.descriptors.size;
  const { inFlight, posted } = file.transfers;
  let mappedBytes = 0;
  for (const { size } of file.regions()) {
    mappedBytes += size;
  }
  return () => ({
    client: session.id,
    pid: session.peer.pid,
    program: session.program,
    node: session.nodeName,
    device: null,
    asid: null,
    memory: { hbmBytes: 0, hostBytes: 0, mappedBytes },
    handles: { commandBuffers: 0, hostBuffers: 0, dmaBufs },
    inFlight,
    submitted: posted,
    faults: 0,
    requests,
    connectedMs: Math.round((nowNs - session.connectedNs) / 1e6),
  });
}

function clientRow(session: Session, file: OpenFile): Row<ClientState> {
  const nowNs = file.device.clock.nowNs();
  const { context } = file;
  const { requests } = session;
  const hbmBytes = Math.max(0, context?.dramUsed ?? 0);
  const hostBytes = file.hostMemory.allocated;
  const mappedBytes = context?.addressSpace.mappedBytes ?? 0;
  const commandBuffers = file.handles.size;
  const hostBuffers = file.hostBuffers.size;
  const dmaBufs = file.descriptors.size;
  const inFlight = (context?.unfinished ?? 0) + (context?.deferred?.size ?? 0);
  const { submitted = 0, faults = 0 } = context ?? {};
  return () => ({
    client: session.id,
    pid: session.peer.pid,
    program: session.program,
    node: session.nodeName,
    device: file.device.index,
    asid: context?.asid ?? null,
    memory: { hbmBytes, hostBytes, mappedBytes },
    handles: { commandBuffers, hostBuffers, dmaBufs },
    inFlight,
    submitted,
    faults,
    requests,
    connectedMs: Math.round((nowNs - session.connectedNs) / 1e6),
  });
}

/** A call whose answer is to come, as the session keeps it. */
export interface PendingCall {
  /** The client's number of the request. */
  readonly id: number;
  readonly name: string;
  readonly sinceNs: number;
  readonly wait: CallWait | undefined;
}

function callRow(session: Session, { name, sinceNs, wait }: PendingCall): Row<CallState> {
  const { machine, nodeName } = session;
  const nowNs = machine.clock.nowNs();
  const on = noteTarget(wait?.on ?? waitedDevice(session));
  const left = wait === undefined || wait.deadlineNs === Number.POSITIVE_INFINITY ? null : wait.deadlineNs - nowNs;
  return () => ({
    client: session.id,
    pid: session.peer.pid,
    program: session.program,
    node: nodeName,
    call: name,
    ageMs: milliseconds(nowNs - sinceNs),
    timeoutLeftMs: left === null ? null : Math.max(0, milliseconds(left)),
    on: on(),
  });
}

/** Whatever else is not answered at once is for the device to do; an open has no file yet that could say for which. */
function waitedDevice({ machine, file, nodeName }: Session): AwaitedThing | undefined {
  const named = /^hl(?:_controlD)?([0-9]+)$/.exec(nodeName)?.[1];
  const device = file?.device ?? machine.devices[Number(named)];
  return device === undefined ? undefined : { kind: 'device', device };
}

function* files(table: SessionTable): ReturnType<ClientBooks['files']> {
  for (const { file, importer, peer, nodeName, connectedNs } of table) {
    if (file !== undefined) {
      yield { pid: peer.pid, node: nodeName, device: file.device.index, birth: file.birth };
    } else if (importer !== undefined) {
      yield { pid: peer.pid, node: nodeName, device: null, birth: { atNs: connectedNs, call: 0 } };
    }
  }
}

/** Who has a descriptor of what, those that travel as descriptors of the operating system included. */
function* descriptors(table: SessionTable): ReturnType<ClientBooks['descriptors']> {
  for (const { file, importer, peer } of table) {
    const holder = file ?? importer;
    for (const { object } of holder?.descriptors.values() ?? []) {
      yield { object, holder: 'descriptor', pid: peer.pid, device: file?.device.index ?? null };
    }
  }
  for (const { object, pid } of table.handed.all()) {
    yield { object, holder: 'handed-out', pid, device: null };
  }
}
