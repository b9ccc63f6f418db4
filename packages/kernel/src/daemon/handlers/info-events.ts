/** INFO: events, who is told of them, and the first errors since the open (uapi.md 2.4, 7.4 to 7.6). */
import { closeSync } from 'node:fs';
import { errno } from '@pedrera/base';
import { type Handlers, UNDEFINED_OPCODE_ADDRESSES, UNDEFINED_OPCODE_STREAMS } from '@pedrera/uapi';
import { EventFd, pidfdGetfd } from '@pedrera/wire';
import { type Captures, NO_ENGINE } from '../../core/captures.js';
import type { EventSink } from '../../core/notifier.js';
import type { Session } from '../session.js';

type EventCalls = Pick<
  Handlers<Session>,
  | 'INFO_HW_EVENTS'
  | 'INFO_HW_EVENTS_AGGREGATE'
  | 'INFO_LAST_ERR_OPEN_DEV_TIME'
  | 'INFO_CS_TIMEOUT_EVENT'
  | 'INFO_RAZWI_EVENT'
  | 'INFO_UNDEFINED_OPCODE_EVENT'
  | 'INFO_GET_EVENTS'
  | 'INFO_REGISTER_EVENTFD'
  | 'INFO_UNREGISTER_EVENTFD'
>;

export const EVENT_HANDLERS: EventCalls = {
  INFO_HW_EVENTS(session) {
    return { counters: [...session.openFile.device.hwEvents] };
  },

  INFO_HW_EVENTS_AGGREGATE(session) {
    return { counters: [...session.openFile.device.hwEventsAggregate] };
  },

  INFO_LAST_ERR_OPEN_DEV_TIME(session) {
    return { timestamp: Math.round(session.openFile.device.contexts.lastOpenNs) };
  },

  INFO_CS_TIMEOUT_EVENT(session) {
    const { record } = capturesOf(session).csTimeout;
    return { timestamp: Math.round(record?.timestampNs ?? 0), seq: record?.seq ?? 0 };
  },

  INFO_RAZWI_EVENT(session) {
    const { record } = capturesOf(session).razwi;
    return record === undefined
      ? { timestamp: 0, addr: 0, engineId1: 0, engineId2: 0, noEngineId: false, errorType: 0 }
      : {
          timestamp: Math.round(record.timestampNs),
          addr: record.address,
          engineId1: record.engineId1,
          engineId2: record.engineId2,
          noEngineId: record.engineId1 === NO_ENGINE,
          errorType: record.type,
        };
  },

  INFO_UNDEFINED_OPCODE_EVENT(session) {
    const { record } = capturesOf(session).undefinedOpcode;
    const rows = record?.streams ?? [];
    return {
      timestamp: Math.round(record?.timestampNs ?? 0),
      cbAddrStreams: Array.from({ length: UNDEFINED_OPCODE_STREAMS }, (_, stream) =>
        Array.from({ length: UNDEFINED_OPCODE_ADDRESSES }, (_unused, i) => rows[stream]?.[i] ?? 0),
      ),
      cqAddr: record?.cqAddress ?? 0,
      cqSize: record?.cqSize ?? 0,
      cbAddrStreamsLen: rows.length,
      engineId: record?.engineId ?? 0,
      streamId: record?.streamId ?? 0,
    };
  },

  INFO_GET_EVENTS(session) {
    return { events: session.openFile.notifier.take() };
  },

  INFO_REGISTER_EVENTFD(session, { eventfd }) {
    const { notifier } = session.openFile;
    if (notifier.registered) {
      throw errno('EINVAL', 'this file has an event descriptor registered already');
    }
    notifier.register(eventSinkOf(session.callerPid, eventfd));
    return {};
  },

  INFO_UNREGISTER_EVENTFD(session) {
    session.openFile.notifier.unregister();
    return {};
  },
};

/** A context's own where it has its own; the device's for the control node. */
function capturesOf(session: Session): Captures {
  const { context, device } = session.openFile;
  return context?.captures ?? device.captures;
}

/** Errors: EBADF when the caller has no such descriptor, EINVAL when it is no eventfd, EPERM where the machine forbids the look. */
function eventSinkOf(pid: number, fd: number): EventSink {
  if (fd < 0) {
    throw errno('EBADF', `${fd} is no descriptor`);
  }
  const taken = pidfdGetfd(pid, fd);
  try {
    return EventFd.fromFd(taken);
  } catch (error) {
    closeSync(taken);
    throw error;
  }
}
