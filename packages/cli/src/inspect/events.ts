/**
 * `pedrera events`: what happened to devices and clients, as it is told or as it goes on.
 *
 * Owns: the document `pedrera.events/1`, its text form, and which events are new.
 * Must not know: what makes an event.
 */
import { type EventState, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { printable, type Style } from '../text/style.js';
import { wrap } from '../text/table.js';
import type { Inspection } from './inspection.js';
import { isIn, notShownLines, type Scope } from './rows.js';

export interface EventsDocument {
  schema: 'pedrera.events/1';
  /** The oldest first. */
  events: EventRow[];
  /** How many that match are older than those. */
  notShown: number;
  /** How many of the daemon's are older than what it keeps, or, with --follow, came and went between two looks. */
  lost: number;
}

export interface EventRow extends EventState {
  /** When it happened, by the clock of the machine: ISO 8601, UTC. */
  time: string;
}

export type Severity = EventState['severity'];

interface EventOptions extends Scope {
  readonly severity: Severity;
  readonly limit: number;
  readonly follow: boolean;
}

const SEVERITIES = ['info', 'warning', 'error'] as const satisfies readonly Severity[];

/** With `follow` each look has only what is new. */
export function eventsInspection(options: EventOptions): Inspection<EventsDocument> {
  let seen = 0;
  return {
    fetch: async (session) => {
      const snapshot = await session.inspect({ sections: SNAPSHOT_SECTION.EVENTS });
      const document = eventsDocument(snapshot, { ...options, seen, nowMs: Date.now() });
      if (options.follow) seen = Math.max(seen, ...(snapshot.events ?? []).map(({ number }) => number));
      return document;
    },
    render: (document, style) => renderEvents(document, style, options),
    isNews: ({ events, lost }) => events.length > 0 || lost > 0,
  };
}

export function eventsDocument(
  snapshot: Snapshot,
  { severity, limit, seen, nowMs, ...scope }: EventOptions & { seen: number; nowMs: number },
): EventsDocument {
  const known = snapshot.events ?? [];
  const matching = known.filter(
    (event) =>
      event.number > seen && isIn(scope, event) && SEVERITIES.indexOf(event.severity) >= SEVERITIES.indexOf(severity),
  );
  const events = matching.slice(-limit).map((event) => ({
    ...event,
    time: new Date(nowMs - event.ageMs).toISOString(),
  }));
  const oldest = known[0]?.number ?? seen + 1;
  return {
    schema: 'pedrera.events/1',
    events,
    notShown: matching.length - events.length,
    lost: Math.max(0, oldest - seen - 1),
  };
}

export function renderEvents(
  { events, notShown, lost }: EventsDocument,
  style: Style,
  { follow }: Pick<EventOptions, 'follow'>,
): string {
  const before = [
    ...(lost === 0 ? [] : [style.dim(`${lost} older ones are no longer kept`)]),
    ...notShownLines(notShown, 'older events', style),
  ];
  const lines = events.flatMap((event) => eventLines(event, style));
  return [...before, ...(lines.length === 0 && !follow ? ['no events'] : lines)].join('\n');
}

function eventLines(event: EventRow, style: Style): string[] {
  const { time, severity, kind, device, pid, asid, queue, seq, text } = event;
  const where = [
    ...(device === null ? [] : [`hl${device}`]),
    ...(pid === null ? [] : [`pid ${pid}`]),
    ...(asid === null ? [] : [`ASID ${asid}`]),
    ...(queue === null ? [] : [queue]),
    ...(seq === null ? [] : [`cs ${seq}`]),
  ];
  const place = where.length === 0 ? '' : ` ${where.join(' ')}`;
  const head = `${localTime(time)} ${severity.padEnd(7)} ${kind}${place}:`;
  const lines = wrap([head, ...printable(text).split(' ')], style.width, { first: '', rest: ' '.repeat(21) });
  const paint = severity === 'error' ? style.red : severity === 'warning' ? style.yellow : (plain: string) => plain;
  return lines.map(paint);
}

/** `14:03:22.125`, on the clock of who looks. */
function localTime(iso: string): string {
  const date = new Date(iso);
  const two = (value: number) => String(value).padStart(2, '0');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}
