/** HELLO, OPEN, SIDE_CHANNEL, JOIN, CALL_INTERRUPT, MMAP, MUNMAP: the life of an open file. */
import { errno } from '@pedrera/base';
import {
  COMPLETION_RING_OFFSET,
  HANDLE_TYPE,
  type Handlers,
  handleType,
  MAX_FRAME_BYTES,
  MAX_IN_FLIGHT,
  PROTOCOL_VERSION,
} from '@pedrera/uapi';
import type { HostRange } from '../../core/host-memory.js';
import { OpenFile } from '../../core/open-file.js';
import { ImporterFile } from '../../core/rdma/importer-file.js';
import type { RdmaNic } from '../../core/rdma/nic.js';
import { BUILD } from '../build.js';
import type { Session } from '../session.js';

type SessionCalls = Pick<
  Handlers<Session>,
  'HELLO' | 'OPEN' | 'SIDE_CHANNEL' | 'JOIN' | 'CALL_INTERRUPT' | 'MMAP' | 'MUNMAP'
>;

export const SESSION_HANDLERS: SessionCalls = {
  HELLO(session, { program }) {
    session.greeted = true;
    session.program = program;
    session.table.remember(session.peer.pid, program);
    session.table.calls.introduced(session);
    session.log.debug({ program }, 'hello');
    return {
      version: PROTOCOL_VERSION,
      daemonPid: process.pid,
      policy: session.machine.policy.name,
      devices: session.machine.devices.length,
      maxFrameBytes: MAX_FRAME_BYTES,
      maxInFlight: MAX_IN_FLIGHT,
      build: BUILD,
    };
  },

  OPEN(session, { node: name }) {
    if (session.nodeName !== '') {
      throw errno('EINVAL', `this connection is ${session.nodeName}; a file is one connection`);
    }
    session.nodeName = name;
    return open(session, name).catch((error: unknown) => {
      session.nodeName = '';
      throw error;
    });
  },

  SIDE_CHANNEL(session, { token }) {
    const right = session.table.bySideToken(token);
    // A token that leaked to somebody else opens nothing: descriptors go to the process that opened the file. One of JOIN is
    // for whoever has the file's connection, as only such a process can have it.
    if (right === undefined || (right.process === 0 && right.session.peer.pid !== session.peer.pid)) {
      throw errno('EPERM', 'no file of this process has the side-channel token');
    }
    right.session.attachSide(session, right.process);
    return {};
  },

  JOIN(session) {
    if (session.file === undefined && session.importer === undefined) {
      throw errno('ENOTTY', 'no device node is open on this connection');
    }
    const number = session.join();
    const sideToken = session.table.newSideToken(session, number);
    return { node: session.nodeName, process: number, daemonPid: process.pid, sideToken };
  },

  CALL_INTERRUPT(session, { request }) {
    for (const { id, wait } of session.calls) {
      if (id === request && wait?.abandon !== undefined) {
        wait.abandon();
        return {};
      }
    }
    throw errno('ENOENT', `no request ${request} of this connection waits`);
  },

  MMAP(session, { offset, length }) {
    const file = session.openFile;
    const range = mapObject(file, offset, length);
    try {
      session.sendSegment(range.segment);
    } catch (error) {
      // The caller got nothing to unmap.
      unmapObject(file, offset);
      throw error;
    }
    return {
      segment: range.segment.id,
      segmentSize: range.segment.size,
      offset: range.offset,
      length: range.length,
    };
  },

  MUNMAP(session, { offset }) {
    const file = session.openFile;
    // A reset took the objects; the memory was the client's until now (uapi.md 7.3).
    if (file.revoked === undefined) {
      unmapObject(file, offset);
    }
    return {};
  },
};

function openImporter(session: Session, nic: RdmaNic) {
  const { machine, peer } = session;
  session.importer = new ImporterFile(nic, { pid: peer.pid, birth: () => session.caller.birth() }, machine.tracker);
  session.table.calls.introduced(session);
  session.log.info({ node: nic.name, program: session.program }, 'open');
  session.tell('info', `opened ${nic.name}`);
  return { device: nic.index, asid: 0, sideToken: session.table.newSideToken(session) };
}

async function open(session: Session, name: string) {
  const { machine } = session;
  const nic = machine.rdma.nic(name);
  if (nic !== undefined) {
    return openImporter(session, nic);
  }
  const { device, node } = machine.node(name);
  await device.hardware.ready();
  if (node === 'control') {
    device.checkControlOpen();
  }
  if (device.contexts.inRelease) {
    session.table.handed.look((exporter) => exporter.device === device);
  }
  const context = node === 'primary' ? await device.contexts.open(session.peer.pid) : undefined;
  const file = new OpenFile({
    device,
    node,
    context,
    hostMemoryLimit: machine.hostMemoryLimit,
    tracker: machine.tracker,
    caller: session.caller,
  });
  if (session.ended) {
    // The client went away while the device was still busy with its predecessor.
    await file.release();
    throw errno('EINTR', 'the connection closed during OPEN');
  }
  session.file = file;
  machine.faults.contextsChanged(device);
  session.table.calls.introduced(session);
  session.log = session.log.child({ device: device.index, asid: context?.asid ?? 0 });
  session.log.info({ node: name, program: session.program }, 'open');
  session.tell('info', `opened ${name}`);
  return { device: device.index, asid: context?.asid ?? 0, sideToken: session.table.newSideToken(session) };
}

/** Takes the mapping reference of what an mmap offset names (uapi.md 2.9). */
function mapObject(file: OpenFile, offset: bigint, length: number | undefined): HostRange {
  if (file.node === 'control') {
    throw errno('ENODEV', 'the control node maps nothing');
  }
  switch (handleType(offset)) {
    case HANDLE_TYPE.COMPLETION_RING:
      return file.requireContext.pending.completionRing(file.hostMemory);
    case HANDLE_TYPE.COMMAND_BUFFER:
    case HANDLE_TYPE.TIMESTAMP_BUFFER:
    case HANDLE_TYPE.HOST_BUFFER: {
      const object = file.peekHandle(offset);
      object.map(length);
      return object.range;
    }
    case HANDLE_TYPE.BLOCK:
      throw errno('EPERM', 'Gaudi lets nobody map its register blocks');
    default:
      throw errno('EINVAL', `0x${offset.toString(16)} is no mmap offset`);
  }
}

/** The completion ring stays as long as the file: its mapping takes no reference. */
function unmapObject(file: OpenFile, offset: bigint): void {
  if (offset !== COMPLETION_RING_OFFSET) {
    file.peekHandle(offset).unmap();
  }
}
