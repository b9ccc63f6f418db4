/** EVENTS: what happened lately. Owns how an event of the log is shown. */
import type { EventState } from '@pedrera/uapi';
import type { LoggedEvent } from '../event-log.js';
import { type Chapter, listChapter, type Moment, milliseconds, type Row } from './moment.js';

/** Oldest first; with a process or a device asked for, only what names them, or the one of the two that it names. */
export function eventsChapter(moment: Moment): Chapter {
  const { machine, devices, pid, nowNs } = moment;
  const all = devices.length === machine.devices.length;
  const rows: Row<EventState>[] = [];
  for (const event of machine.eventLog) {
    const here = all || event.device === undefined || devices.some(({ index }) => index === event.device);
    if (here && (pid === 0 || event.pid === pid)) {
      rows.push(() => shown(event, nowNs));
    }
  }
  return listChapter('events', rows, { light: true });
}

function shown(event: LoggedEvent, nowNs: number): EventState {
  const { number, timeNs, kind, severity, text } = event;
  const { device = null, pid = null, asid = null, queue = null, seq = null } = event;
  return { number, ageMs: milliseconds(nowNs - timeNs), timeNs, device, kind, severity, pid, asid, queue, seq, text };
}
